#include "model/node_id.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "model/address.h"

namespace noex {
namespace {

constexpr size_t kNameMax = 64;
constexpr size_t kUsualTextMax = 47;
constexpr size_t kTextMax = kNameMax + 1 + 255 + 1 + 5;

Error invalid(std::string_view value, const std::string& reason) {
  return {ErrorCode::InvalidNodeId, "invalid node id '" + printable(value) + "': " + reason};
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// By character: whether it may stand in a name.
constexpr std::array<bool, 256> kNameCharacters = [] {
  std::array<bool, 256> table{};
  for (size_t c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = true;
  for (size_t c = '0'; c <= '9'; ++c) table[c] = true;
  table['_'] = table['-'] = true;
  return table;
}();

// How many characters at the front of `text` may stand in a name.
size_t name_size(std::string_view text) {
  size_t size = 0;
  while (size < text.size() && kNameCharacters[static_cast<unsigned char>(text[size])]) ++size;
  return size;
}

struct Parts {
  uint16_t name_size = 0;
  uint16_t port = 0;
};

// The parts of a text that is an id and spelt as it is kept, which is every id but those with an IPv6 host: they have
// more than one spelling, and go the long way with what is no id.
std::optional<Parts> parts_of_canonical(std::string_view text) {
  const size_t at = name_size(text);
  if (at == 0 || at > kNameMax || at == text.size() || text[at] != '@' || !is_letter(text[0])) return std::nullopt;
  const size_t colon = text.find(':', at + 1);
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.substr(colon + 1);
  if (digits.empty() || digits.size() > 5 || digits.front() == '0') return std::nullopt;
  uint32_t port = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    port = 10 * port + static_cast<uint32_t>(c - '0');
  }
  const std::string_view host = text.substr(at + 1, colon - at - 1);
  if (port > 65535 || (!is_ipv4_literal(host) && !is_host_name(host))) return std::nullopt;
  return Parts{static_cast<uint16_t>(at), static_cast<uint16_t>(port)};
}

}  // namespace

bool is_node_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax && is_letter(name.front()) && name_size(name) == name.size();
}

std::string printable(std::string_view text, size_t size_max) {
  std::string out;
  for (const char c : text.substr(0, size_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      out += "\\x" + to_hex(byte, 2);
    } else {
      out += c;
    }
  }
  if (text.size() > size_max) out += "...";
  return out;
}

std::string_view NodeId::name() const { return std::string_view(text_).substr(0, name_size_); }

std::string_view NodeId::host() const {
  if (empty()) return {};
  const std::string_view text = text_;
  std::string_view host = text.substr(name_size_ + 1u, text.rfind(':') - name_size_ - 1u);
  if (host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

Result<NodeId> NodeId::create(std::string_view name, std::string_view host, int64_t port) {
  // Every id of every gossiped list comes through here: the text of an error is made only where there is one.
  const auto refuse = [&](const std::string& reason) {
    return invalid(std::string(name) + "@" + std::string(host) + ":" + std::to_string(port), reason);
  };
  if (!is_node_name(name)) {
    return refuse(
        "the name must start with a letter and hold only letters, digits, '_' and '-', 64 at most, "
        "as in 'app1@192.168.1.1:4369'");
  }
  if (port < 1 || port > 65535) return refuse("the port must be a whole number from 1 to 65535");
  NodeId id;
  id.text_.reserve(name.size() + host.size() + 9);
  id.text_ += name;
  id.text_ += '@';
  const std::optional<IpAddress> ip = IpAddress::parse(host);
  if (ip && host.find(':') != std::string_view::npos) {
    // An IPv4 address mapped into IPv6 names the same machine as the IPv4 address: one spelling for both.
    id.text_ += ip->is_v6() ? "[" + ip->to_string() + "]" : ip->to_string();
  } else if (ip || is_host_name(host)) {  // a dotted IPv4 address has one spelling only
    id.text_ += host;
  } else {
    return refuse("the host must be an IPv4 address, an IPv6 address (in brackets) or a host name");
  }
  id.text_ += ':';
  id.text_ += std::to_string(port);
  id.name_size_ = static_cast<uint16_t>(name.size());
  id.port_ = static_cast<uint16_t>(port);
  return id;
}

bool NodeId::assign(std::string_view text) {
  if (const std::optional<Parts> parts = parts_of_canonical(text)) {
    // Room for longer ones at once: what is read into one place again and again soon takes no more memory.
    if (text_.capacity() < text.size()) text_.reserve(std::max(text.size(), kUsualTextMax));
    text_.assign(text);
    name_size_ = parts->name_size;
    port_ = parts->port;
    return true;
  }
  Result<NodeId> id = parse(text);
  if (id) *this = std::move(id).value();
  return id.ok();
}

Result<NodeId> NodeId::parse(std::string_view text) {
  const char* const form = "expected 'name@host:port', as in 'app1@192.168.1.1:4369'";
  if (text.empty()) return invalid(text, std::string("it is empty; ") + form);
  if (text.size() > kTextMax) return invalid(text, "it is too long");
  const size_t at = text.find('@');
  if (at == std::string_view::npos) return invalid(text, std::string("there is no '@'; ") + form);
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon < at || text.back() == ']') {
    return invalid(text, std::string("there is no port; ") + form);
  }
  const std::string_view digits = text.substr(colon + 1);
  int64_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool canonical = !digits.empty() && digits.front() != '0' && digits.front() != '-';
  if (!canonical || error != std::errc() || end != digits.data() + digits.size() || port > 65535) {
    return invalid(text, "the port must be a whole number from 1 to 65535, as in 'app1@192.168.1.1:4369'");
  }
  Result<NodeId> id = create(text.substr(0, at), text.substr(at + 1, colon - at - 1), port);
  if (!id) {
    const std::string& message = id.error().message;
    return invalid(text, message.substr(message.find("': ") + 3));
  }
  return id;
}

}  // namespace noex
