// The clocks of a real node. Instant is CLOCK_BOOTTIME, which goes on while the machine is suspended: a laptop that
// wakes up knows that it was away and does not judge its peers by the time it slept.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace noex {

[[nodiscard]] Instant boot_clock_now();
// Milliseconds since 1970-01-01T00:00:00Z.
[[nodiscard]] int64_t unix_clock_now_ms();
[[nodiscard]] inline Now clock_now() { return {boot_clock_now(), unix_clock_now_ms()}; }

}  // namespace noex
