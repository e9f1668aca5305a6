#include "model/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace noex {
namespace {

// Four numbers from 0 to 255 without leading zeros, with dots between: what inet_pton takes, which costs more than all
// else about an id, and every gossiped id comes through here.
bool parse_dotted(std::string_view text, uint32_t* out) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto take_digit = [&at, end](uint32_t* value) {
    if (at == end || *at < '0' || *at > '9') return false;
    *value = 10 * *value + static_cast<uint32_t>(*at++ - '0');
    return true;
  };
  uint32_t address = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0 && (at == end || *at++ != '.')) return false;
    uint32_t value = 0;
    if (!take_digit(&value)) return false;
    if (value != 0 && take_digit(&value)) take_digit(&value);
    if (value > 255) return false;
    address = address << 8 | value;
  }
  *out = address;
  return at == end;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
    if (text.find(':') == std::string_view::npos) return std::nullopt;
  }
  if (text.find(':') == std::string_view::npos) {
    uint32_t address = 0;
    if (!parse_dotted(text, &address)) return std::nullopt;
    return v4(address);
  }
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  std::array<uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, buffer, bytes.data()) != 1) return std::nullopt;
  return v6(bytes);
}

IpAddress IpAddress::v4(uint32_t host_order) {
  IpAddress address;
  for (int i = 0; i < 4; ++i) address.bytes_[static_cast<size_t>(i)] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  return address;
}

IpAddress IpAddress::v6(const std::array<uint8_t, 16>& bytes) {
  static constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  IpAddress address;
  if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) {
    std::copy(bytes.begin() + 12, bytes.end(), address.bytes_.begin());
    return address;
  }
  address.v6_ = true;
  address.bytes_ = bytes;
  return address;
}

bool IpAddress::is_loopback() const {
  if (!v6_) return bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t b) { return b == 0; }) && bytes_[15] == 1;
}

bool IpAddress::is_wildcard() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](uint8_t b) { return b == 0; });
}

bool IpAddress::is_link_local() const {
  return v6_ ? bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80 : bytes_[0] == 169 && bytes_[1] == 254;
}

std::string IpAddress::to_string() const {
  char buffer[INET6_ADDRSTRLEN];
  const char* text = inet_ntop(v6_ ? AF_INET6 : AF_INET, bytes_.data(), buffer, sizeof buffer);
  return text == nullptr ? std::string() : std::string(text);
}

std::string Endpoint::to_string() const {
  const std::string host = ip.to_string();
  return (ip.is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool is_ipv4_literal(std::string_view text) {
  uint32_t address = 0;
  return parse_dotted(text, &address);
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  bool last_label_numeric = false;
  while (true) {
    const size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    last_label_numeric = true;
    for (const char c : label) {
      const bool digit = c >= '0' && c <= '9';
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!digit && !letter && c != '-') return false;
      last_label_numeric = last_label_numeric && digit;
    }
    if (dot == std::string_view::npos) return !last_label_numeric;
    text.remove_prefix(dot + 1);
  }
}

}  // namespace noex
