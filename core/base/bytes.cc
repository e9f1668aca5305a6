#include "base/bytes.h"

#include "base/checks.h"

namespace noex {

void append_hex(std::string& out, uint64_t value, int digits) {
  NOEX_CHECK(digits >= 1 && digits <= 16);
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 0xf];
}

std::string to_hex(uint64_t value, int digits) {
  std::string text;
  append_hex(text, value, digits);
  return text;
}

bool from_hex(std::string_view text, uint64_t* out) {
  if (text.empty() || text.size() > 16) return false;
  uint64_t value = 0;
  for (const char c : text) {
    uint64_t digit;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<uint64_t>(c - 'a' + 10);
    } else {
      return false;
    }
    value = value << 4 | digit;
  }
  *out = value;
  return true;
}

}  // namespace noex
