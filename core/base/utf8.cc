#include "base/utf8.h"

#include <cstddef>
#include <cstdint>

namespace noex {
namespace {

// The size of the sequence that `lead` begins, and the range of its second byte, where all the special cases lie
// (Unicode, table 3-7, "Well-Formed UTF-8 Byte Sequences"). Size 0: no sequence begins so.
struct Sequence {
  size_t size = 0;
  uint8_t second_min = 0x80;
  uint8_t second_max = 0xbf;
};

Sequence sequence_of(uint8_t lead) {
  if (lead < 0x80) return {1};
  if (lead < 0xc2) return {};
  if (lead < 0xe0) return {2};
  if (lead == 0xe0) return {3, 0xa0};
  if (lead == 0xed) return {3, 0x80, 0x9f};
  if (lead < 0xf0) return {3};
  if (lead == 0xf0) return {4, 0x90};
  if (lead < 0xf4) return {4};
  if (lead == 0xf4) return {4, 0x80, 0x8f};
  return {};
}

}  // namespace

bool is_utf8(std::string_view text) {
  const auto byte_at = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  for (size_t i = 0; i < text.size();) {
    const Sequence sequence = sequence_of(byte_at(i));
    if (sequence.size == 0 || text.size() - i < sequence.size) return false;
    if (sequence.size > 1 && (byte_at(i + 1) < sequence.second_min || byte_at(i + 1) > sequence.second_max))
      return false;
    for (size_t tail = 2; tail < sequence.size; ++tail) {
      if ((byte_at(i + tail) & 0xc0) != 0x80) return false;
    }
    i += sequence.size;
  }
  return true;
}

}  // namespace noex
