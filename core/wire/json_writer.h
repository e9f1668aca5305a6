// JSON text spelt exactly as ECMAScript's JSON.stringify spells it. Other implementations verify a signature by parsing
// the text and writing it again, so every byte that we sign must be the one that they would write. No library spells
// numbers that way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace noex {

// Appends `text` as a JSON string. `text` must be valid UTF-8.
void append_json_string(std::string& out, std::string_view text);

// The same from UTF-16 code units, where a surrogate without its partner is legal: it is written as an escape.
void append_json_string(std::string& out, std::u16string_view text);

// Appends `value` as Number::toString writes it: shortest digits that read back as `value`, -0 as 0; NaN and the
// infinities as null.
void append_json_number(std::string& out, double value);

// Appends a whole number. Beyond 2^53 in magnitude the text is no fixed point of parse-then-stringify: callers stay
// below.
void append_json_integer(std::string& out, int64_t value);

}  // namespace noex
