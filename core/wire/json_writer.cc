#include "wire/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/bytes.h"
#include "base/checks.h"
#include "wire/json_check.h"

namespace noex {
namespace {

// The escapes of RFC 8259 that JSON.stringify uses: short ones where they exist, \u00xx for the other control
// characters.
void append_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      out += "\\u" + to_hex(c, 4);
      return;
  }
}

bool needs_escape(uint32_t c) { return c < 0x20 || c == '"' || c == '\\'; }

void append_utf8(std::string& out, uint32_t code_point) {
  const auto tail = [code_point](int shift) { return static_cast<char>(0x80 | (code_point >> shift & 0x3f)); };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xc0 | code_point >> 6);
    out += tail(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xe0 | code_point >> 12);
    out += tail(6);
    out += tail(0);
  } else {
    out += static_cast<char>(0xf0 | code_point >> 18);
    out += tail(12);
    out += tail(6);
    out += tail(0);
  }
}

bool is_high_surrogate(char16_t c) { return c >= 0xd800 && c <= 0xdbff; }
bool is_low_surrogate(char16_t c) { return c >= 0xdc00 && c <= 0xdfff; }

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (true) {
    const size_t plain = plain_size(text);
    out.append(text, 0, plain);
    if (plain == text.size()) break;
    append_escape(out, static_cast<unsigned char>(text[plain]));
    text.remove_prefix(plain + 1);
  }
  out += '"';
}

void append_json_string(std::string& out, std::u16string_view text) {
  out += '"';
  for (size_t i = 0; i < text.size(); ++i) {
    const char16_t unit = text[i];
    if (needs_escape(unit)) {
      append_escape(out, static_cast<unsigned char>(unit));
    } else if (is_high_surrogate(unit) && i + 1 < text.size() && is_low_surrogate(text[i + 1])) {
      append_utf8(out, 0x10000 + ((static_cast<uint32_t>(unit) - 0xd800) << 10) +
                           (static_cast<uint32_t>(text[i + 1]) - 0xdc00));
      ++i;
    } else if (is_high_surrogate(unit) || is_low_surrogate(unit)) {
      out += "\\u" + to_hex(unit, 4);
    } else {
      append_utf8(out, unit);
    }
  }
  out += '"';
}

// ECMA-262, Number::toString(x): with the shortest digits d1..dk and x = 0.d1..dk * 10^n, the layout depends on k and n
// only.
void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  if (value == 0) {
    out += '0';  // also for -0
    return;
  }
  if (value < 0) out += '-';
  std::array<char, 32> buffer;  // "d.dddddddddddddddde-324" is 23 long
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(value), std::chars_format::scientific);
  NOEX_CHECK(error == std::errc());
  const std::string_view text(buffer.data(), static_cast<size_t>(end - buffer.data()));
  const size_t exponent_at = text.find('e');
  std::string digits(text.substr(0, 1));
  if (exponent_at > 2) digits += text.substr(2, exponent_at - 2);
  int exponent = 0;
  const size_t exponent_digits =
      exponent_at + 1 + (text[exponent_at + 1] == '+' ? 1 : 0);  // from_chars takes no plus sign
  std::from_chars(text.data() + exponent_digits, text.data() + text.size(), exponent);

  const int n = exponent + 1;
  const int k = static_cast<int>(digits.size());
  if (k <= n && n <= 21) {
    out += digits;
    out.append(static_cast<size_t>(n - k), '0');
  } else if (0 < n && n <= 21) {
    out.append(digits, 0, static_cast<size_t>(n));
    out += '.';
    out.append(digits, static_cast<size_t>(n));
  } else if (-6 < n && n <= 0) {
    out += "0.";
    out.append(static_cast<size_t>(-n), '0');
    out += digits;
  } else {
    out += digits[0];
    if (k > 1) {
      out += '.';
      out.append(digits, 1);
    }
    out += exponent < 0 ? "e-" : "e+";
    out += std::to_string(std::abs(exponent));
  }
}

void append_json_integer(std::string& out, int64_t value) {
  std::array<char, 24> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  NOEX_CHECK(error == std::errc());
  out.append(buffer.data(), end);
}

}  // namespace noex
