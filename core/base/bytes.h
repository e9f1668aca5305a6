// Bytes as the core passes them: spans to read, std::string to own (its small-buffer and append are what frames need).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace noex {

using ByteView = std::span<const std::byte>;

// One encoded frame, shared by all the connections that it is sent on: a beat is encoded and signed once for all peers.
using SharedBytes = std::shared_ptr<const std::string>;

inline ByteView as_byte_view(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Lower-case hexadecimal of `value`, `digits` long (1 to 16).
[[nodiscard]] std::string to_hex(uint64_t value, int digits);
void append_hex(std::string& out, uint64_t value, int digits);
// Reads exactly `text.size()` (1 to 16) lower-case hex digits; false on anything else.
[[nodiscard]] bool from_hex(std::string_view text, uint64_t* out);

}  // namespace noex
