#include "wire/json_check.h"

#include <bit>
#include <bitset>
#include <cstdint>
#include <cstring>

namespace noex {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  [[nodiscard]] size_t at() const { return at_; }
  // A NUL at the end: no token begins with one, so callers need no second check.
  [[nodiscard]] char peek() const { return at_end() ? '\0' : text_[at_]; }

  void skip_space() {
    while (!at_end() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) ++at_;
  }

  bool take(char c) {
    if (peek() != c || at_end()) return false;
    ++at_;
    return true;
  }

  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  bool take_string() {
    if (!take('"')) return false;
    while (true) {
      at_ += plain_size(text_.substr(at_));
      if (take('"')) return true;
      if (!take('\\') || !take_escape()) return false;
    }
  }

  bool take_number() {
    take('-');
    if (!take('0') && !take_digits()) return false;
    if (take('.') && !take_digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      return take_digits();
    }
    return true;
  }

  bool take_key() {
    skip_space();
    if (!take_string()) return false;
    skip_space();
    return take(':');
  }

 private:
  bool take_digits() {
    if (!is_digit(peek())) return false;
    while (is_digit(peek())) ++at_;
    return true;
  }

  bool take_escape() {
    const char c = peek();
    if (at_end() || std::string_view("\"\\/bfnrtu").find(c) == std::string_view::npos) return false;
    ++at_;
    if (c != 'u') return true;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (!is_hex_digit(peek())) return false;
    }
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

// Eight bytes at a time: of those of a word, which are below a limit, and which are zero, has its known answer in whole
// words ("Hacker's Delight", chapter 6). What a borrow marks wrongly lies above a byte that is marked rightly, so the
// first marked one is right, and only that one counts.
size_t plain_size(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHighs = 0x8080808080808080;
  size_t at = 0;
  for (; text.size() - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    const uint64_t quote = word ^ kOnes * '"';
    const uint64_t backslash = word ^ kOnes * '\\';
    const uint64_t marks =
        (((word - kOnes * 0x20) & ~word) | ((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash)) & kHighs;
    if (marks != 0) return at + static_cast<size_t>(std::countr_zero(marks)) / 8;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) >= 0x20 && text[at] != '"' && text[at] != '\\') ++at;
  return at;
}

JsonFlaw check_json(std::string_view text) {
  Cursor cursor(text);
  std::bitset<kJsonDepthMax> objects;  // by level: an object, or a list
  size_t depth = 0;
  const auto flaw = [&cursor](const char* what) {
    return JsonFlaw{cursor.at_end() ? "the text ends too early" : what, cursor.at()};
  };

  while (true) {
    // A value begins here.
    cursor.skip_space();
    const char c = cursor.peek();
    if (c == '{' || c == '[') {
      if (depth == kJsonDepthMax) return {"nested too deep", cursor.at()};
      const bool is_object = c == '{';
      objects[depth++] = is_object;
      cursor.take(c);
      cursor.skip_space();
      if (!cursor.take(is_object ? '}' : ']')) {
        if (is_object && !cursor.take_key()) return flaw("a key and a ':' are expected");
        continue;
      }
      --depth;
    } else if (c == '"') {
      if (!cursor.take_string()) return flaw("a string holds what must be escaped, or a wrong escape");
    } else if (!cursor.take("true") && !cursor.take("false") && !cursor.take("null") && !cursor.take_number()) {
      return flaw("a value is expected");
    }
    // A value has ended: leave the containers that end with it.
    while (true) {
      cursor.skip_space();
      if (depth == 0) return cursor.at_end() ? JsonFlaw{} : JsonFlaw{"something follows the end", cursor.at()};
      const bool in_object = objects[depth - 1];
      if (cursor.take(',')) {
        if (in_object && !cursor.take_key()) return flaw("a key and a ':' are expected");
        break;
      }
      if (!cursor.take(in_object ? '}' : ']')) return flaw("a ',' or the end of the list or object is expected");
      --depth;
    }
  }
}

}  // namespace noex
