// Reading of configured seeds. Each refusal says what to write instead: the forms that people try first look right to
// them.
#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "model/address.h"
#include "model/config.h"

namespace noex {
namespace {

Error invalid_seed(std::string_view text, const std::string& reason) {
  return {ErrorCode::InvalidConfig, "invalid seed '" + printable(text) + "': " + reason};
}

std::string quoted(std::string_view text) { return "'" + printable(text) + "'"; }

std::optional<uint16_t> parse_port(std::string_view digits) {
  uint32_t port = 0;
  if (digits.empty() || digits.front() == '0') return std::nullopt;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port > 65535) return std::nullopt;
  return static_cast<uint16_t>(port);
}

// The default port stands in for one that was left out, so that the suggestion can be pasted.
std::string with_default_port(std::string_view text) { return std::string(text) + ":" + std::to_string(kDefaultPort); }

bool is_ip_literal(std::string_view host) { return IpAddress::parse(host).has_value(); }

Result<Seed> parse_named(std::string_view text) {
  Result<NodeId> id = NodeId::parse(text);
  if (id) {
    Seed seed;
    seed.host = id->host();
    seed.port = id->port();
    seed.text = text;
    seed.id = std::move(id).value();
    return seed;
  }
  const std::string_view host = text.substr(text.find('@') + 1);
  if (!host.empty() && (is_ip_literal(host) || is_host_name(host))) {
    const bool bare_v6 = host.find(':') != std::string_view::npos && host.front() != '[';
    const std::string name(text.substr(0, text.find('@') + 1));
    const std::string suggestion =
        with_default_port(bare_v6 ? name + "[" + std::string(host) + "]" : std::string(text));
    return invalid_seed(text, "there is no port, as in " + quoted(suggestion));
  }
  const std::string& message = id.error().message;
  return invalid_seed(text, message.substr(message.find("': ") + 3));
}

// `name:host:port`, where '@' was meant: the separator that other systems use.
std::optional<Error> check_separator(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string meant(text);
  meant[colon] = '@';
  const Result<NodeId> id = NodeId::parse(meant);
  if (!id) return std::nullopt;
  return invalid_seed(text, "the name and the host are separated by '@', as in " + quoted(meant));
}

Result<Seed> parse_nameless(std::string_view text) {
  if (is_ip_literal(text)) {
    const std::string host =
        IpAddress::parse(text)->is_v6() && text.front() != '[' ? "[" + std::string(text) + "]" : std::string(text);
    return invalid_seed(
        text, "an IP address needs a node name and a port, as in " + quoted("name@" + with_default_port(host)));
  }
  if (std::optional<Error> error = check_separator(text)) return *std::move(error);
  const size_t colon = text.rfind(':');
  const std::string_view host = text.substr(0, colon);
  if (colon == std::string_view::npos) {
    if (is_host_name(host)) return invalid_seed(text, "there is no port, as in " + quoted(with_default_port(host)));
    return invalid_seed(text, "expected 'name@host:port', as in 'app1@192.168.1.1:4369'");
  }
  if (is_ip_literal(host)) {
    return invalid_seed(text, "an IP address needs a node name, as in " + quoted("name@" + std::string(text)));
  }
  if (!is_host_name(host)) {
    return invalid_seed(text,
                        "expected 'name@host:port', as in 'app1@192.168.1.1:4369', or 'host:port' with a DNS name");
  }
  const std::optional<uint16_t> port = parse_port(text.substr(colon + 1));
  if (!port)
    return invalid_seed(text,
                        "the port must be a whole number from 1 to 65535, as in " + quoted(with_default_port(host)));
  Seed seed;
  seed.host = host;
  seed.port = *port;
  seed.text = text;
  return seed;
}

}  // namespace

Result<Seed> parse_seed(std::string_view text) {
  if (text.find_first_of(",; ") != std::string_view::npos) {
    return invalid_seed(text, "it looks like several seeds in one text: give a list with one seed each");
  }
  return text.find('@') == std::string_view::npos ? parse_nameless(text) : parse_named(text);
}

}  // namespace noex
