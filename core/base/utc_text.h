// A time of day for messages and logs.
#pragma once

#include <cstdint>
#include <string>

namespace noex {

// "2026-11-21T18:04:05.678Z" (RFC 3339) for milliseconds since 1970-01-01T00:00:00Z.
[[nodiscard]] std::string utc_text(int64_t unix_ms);

}  // namespace noex
