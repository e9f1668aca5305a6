#include "model/node_id.h"

#include <charconv>

#include "base/bytes.h"
#include "model/address.h"

namespace noex {
namespace {

Error invalid(std::string_view value, const std::string& reason) {
  return {ErrorCode::InvalidNodeId, "invalid node id '" + printable(value) + "': " + reason};
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

bool is_node_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || !is_letter(name.front())) return false;
  for (const char c : name) {
    if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '_' && c != '-') return false;
  }
  return true;
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

Result<NodeId> NodeId::parse(std::string_view text) {
  const char* const form = "expected 'name@host:port', as in 'app1@192.168.1.1:4369'";
  if (text.empty()) return invalid(text, std::string("it is empty; ") + form);
  if (text.size() > 64 + 1 + 255 + 1 + 5) return invalid(text, "it is too long");
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
