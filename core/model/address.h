// IP addresses and endpoints as plain values. Names are resolved elsewhere (transport/): a value here is always a
// literal.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace noex {

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0

  // Reads a dotted IPv4 or an IPv6 literal, the latter with or without brackets. No zone ids. nullopt on anything else.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
  [[nodiscard]] static IpAddress v4(uint32_t host_order);
  // An IPv4 address mapped into IPv6 (::ffff:a.b.c.d) becomes the IPv4 address that it means.
  [[nodiscard]] static IpAddress v6(const std::array<uint8_t, 16>& bytes);
  [[nodiscard]] static IpAddress loopback_v4() { return v4(0x7f000001); }

  [[nodiscard]] bool is_v6() const { return v6_; }
  [[nodiscard]] bool is_loopback() const;    // 127/8, ::1
  [[nodiscard]] bool is_wildcard() const;    // 0.0.0.0, ::
  [[nodiscard]] bool is_link_local() const;  // 169.254/16, fe80::/10
  // 16 bytes of an IPv6 address, or 4 bytes of an IPv4 one followed by zeros.
  [[nodiscard]] const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  // Canonical text (RFC 5952), without brackets.
  [[nodiscard]] std::string to_string() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  bool v6_ = false;
  std::array<uint8_t, 16> bytes_{};
};

// Where to connect to.
struct Endpoint {
  IpAddress ip;
  uint16_t port = 0;

  // "127.0.0.1:4369", "[::1]:4369".
  [[nodiscard]] std::string to_string() const;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// Whether `text` is a dotted IPv4 address, which has one spelling only.
[[nodiscard]] bool is_ipv4_literal(std::string_view text);

// Whether `text` is a host name as RFC 1123 has it (a name whose last label is all digits is none: it would be a broken
// IPv4).
[[nodiscard]] bool is_host_name(std::string_view text);

}  // namespace noex
