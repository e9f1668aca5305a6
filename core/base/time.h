// Duration and Instant: nanoseconds as strong types, so that no bare integer stands for a time anywhere in the core.
// Time is an argument: nothing in base/, model/ or membership/ reads a clock; the driver passes Now in.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace noex {

class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration nanoseconds(int64_t n) { return Duration(n); }
  static constexpr Duration microseconds(int64_t n) { return Duration(n * 1'000); }
  static constexpr Duration milliseconds(int64_t n) { return Duration(n * 1'000'000); }
  static constexpr Duration seconds(int64_t n) { return Duration(n * 1'000'000'000); }

  [[nodiscard]] constexpr int64_t ns() const { return ns_; }
  [[nodiscard]] constexpr int64_t ms() const { return ns_ / 1'000'000; }

  friend constexpr auto operator<=>(Duration, Duration) = default;
  friend constexpr Duration operator+(Duration a, Duration b) { return Duration(a.ns_ + b.ns_); }
  friend constexpr Duration operator-(Duration a, Duration b) { return Duration(a.ns_ - b.ns_); }
  friend constexpr Duration operator*(Duration a, int64_t n) { return Duration(a.ns_ * n); }
  friend constexpr Duration operator*(int64_t n, Duration a) { return Duration(a.ns_ * n); }
  friend constexpr Duration operator/(Duration a, int64_t n) { return Duration(a.ns_ / n); }

 private:
  explicit constexpr Duration(int64_t ns) : ns_(ns) {}
  int64_t ns_ = 0;
};

// A point on the monotonic clock that goes on during suspend (CLOCK_BOOTTIME). Comparable only within one machine's
// boot.
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant from_ns(int64_t ns) { return Instant(ns); }
  // Later than every other instant: "nothing is pending".
  static constexpr Instant never() { return Instant(std::numeric_limits<int64_t>::max()); }

  [[nodiscard]] constexpr int64_t ns() const { return ns_; }
  [[nodiscard]] constexpr bool is_never() const { return *this == never(); }

  friend constexpr auto operator<=>(Instant, Instant) = default;
  // `never` plus anything is `never`.
  friend constexpr Instant operator+(Instant a, Duration d) { return a.is_never() ? a : Instant(a.ns_ + d.ns()); }
  friend constexpr Instant operator-(Instant a, Duration d) { return a.is_never() ? a : Instant(a.ns_ - d.ns()); }
  friend constexpr Duration operator-(Instant a, Instant b) { return Duration::nanoseconds(a.ns_ - b.ns_); }

 private:
  explicit constexpr Instant(int64_t ns) : ns_(ns) {}
  int64_t ns_ = 0;
};

// What a step is told about the time: deadlines use `mono`, timestamps that leave the process use `unix_ms`.
struct Now {
  Instant mono;
  int64_t unix_ms = 0;  // milliseconds since 1970-01-01T00:00:00Z
};

}  // namespace noex
