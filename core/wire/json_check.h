// A strict, complete check that a text is one JSON value (RFC 8259). The codec reads lazily: what it skips it would
// otherwise never look at, so the text is checked whole first. Iterative: a hostile nesting costs a bit per level, not
// a stack frame.
#pragma once

#include <cstddef>
#include <string_view>

namespace noex {

// The reference implementation cannot send a value nested this deep (its own stack ends before).
inline constexpr size_t kJsonDepthMax = 20'000;

struct JsonFlaw {
  const char* what = nullptr;  // nullptr: the text is JSON
  size_t at = 0;               // offset of the byte that is wrong
};

// Numbers of any size and escapes of lone surrogates pass: they are JSON. That the text is UTF-8 is not looked at.
[[nodiscard]] JsonFlaw check_json(std::string_view text);

// How many bytes at the front of `text` stand in a JSON string as they are: none of them is a quote, a backslash or a
// control character.
[[nodiscard]] size_t plain_size(std::string_view text);

}  // namespace noex
