#include "transport/clock.h"

#include <time.h>

#include "base/checks.h"

namespace noex {
namespace {

#if defined(CLOCK_BOOTTIME)
constexpr clockid_t kInstantClock = CLOCK_BOOTTIME;
#else
constexpr clockid_t kInstantClock = CLOCK_MONOTONIC;  // macOS: this one goes on during suspend
#endif

timespec read_clock(clockid_t clock) {
  timespec reading{};
  const int failure = clock_gettime(clock, &reading);
  NOEX_CHECK(failure == 0);
  return reading;
}

}  // namespace

Instant boot_clock_now() {
  const timespec reading = read_clock(kInstantClock);
  return Instant::from_ns(int64_t{reading.tv_sec} * 1'000'000'000 + reading.tv_nsec);
}

int64_t unix_clock_now_ms() {
  const timespec reading = read_clock(CLOCK_REALTIME);
  return int64_t{reading.tv_sec} * 1'000 + reading.tv_nsec / 1'000'000;
}

}  // namespace noex
