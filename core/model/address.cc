#include "model/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace noex {

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
    if (text.find(':') == std::string_view::npos) return std::nullopt;
  }
  // A colon tells the two families apart, and most names begin with what no literal begins with.
  const bool is_v6 = text.find(':') != std::string_view::npos;
  if (!is_v6 && (text.empty() || text.front() < '0' || text.front() > '9')) return std::nullopt;
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  std::array<uint8_t, 16> bytes{};
  if (inet_pton(is_v6 ? AF_INET6 : AF_INET, buffer, bytes.data()) != 1) return std::nullopt;
  if (is_v6) return v6(bytes);
  return v4(uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | uint32_t{bytes[3]});
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
