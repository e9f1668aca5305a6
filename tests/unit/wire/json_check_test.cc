#include "wire/json_check.h"

#include <gtest/gtest.h>

#include <string>

#include "unit/wire/vectors.h"

namespace noex {
namespace {

bool is_json(std::string_view text) { return check_json(text).what == nullptr; }

TEST(JsonCheck, TakesEveryValue) {
  for (const char* text : {"null", "true", "false", "0", "-0", "12", "1.5", "1e400", "1E+2", "-0.0e-7",
                           "123456789012345678901234567890", "\"\"", R"("\"\\\/\b\f\n\r\t\u00e9\uD800")", "[]", "{}",
                           "[1,[2,{\"a\":[]}],{}]", R"({"":1,"a":{"b":[null]}})", " \t\r\n{ \"a\" : [ 1 , 2 ] } \n"}) {
    EXPECT_TRUE(is_json(text)) << text;
  }
}

TEST(JsonCheck, RefusesWhatIsNot) {
  for (const char* text : {"",
                           " ",
                           "nul",
                           "nulL",
                           "True",
                           "+1",
                           "01",
                           "1.",
                           ".5",
                           "1e",
                           "1e+",
                           "-",
                           "0x1",
                           "NaN",
                           "Infinity",
                           "1 2",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "{,}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{a:1}",
                           "{1:1}",
                           "{\"a\":1,}",
                           "{\"a\" 1}",
                           "[}",
                           "{]",
                           "[",
                           "{",
                           "]",
                           "}",
                           "[]]",
                           "{}}",
                           "\"",
                           "\"\\\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u123g\"",
                           "\"\n\"",
                           "\"a",
                           "'a'",
                           "[1}",
                           "{\"a\":1]",
                           "//\n1",
                           "[1]x",
                           "\xef\xbb\xbf{}"}) {
    EXPECT_FALSE(is_json(text)) << text;
  }
  EXPECT_FALSE(is_json(std::string_view("null\0", 5)));
  EXPECT_FALSE(is_json(std::string_view("\0", 1)));
  EXPECT_FALSE(is_json(std::string_view("[1\0]", 4)));
  EXPECT_FALSE(is_json(std::string_view("\"\0\"", 3)));
}

TEST(JsonCheck, SaysWhereItIsWrong) {
  EXPECT_EQ(check_json("[1,x]").at, 3u);
  EXPECT_EQ(check_json("{} {}").at, 3u);
  EXPECT_EQ(check_json("[1").at, 2u);
}

TEST(JsonCheck, FindsWhatAStringMustEscape) {
  // Each byte at each place of a text that is longer than two words, and beside what looks alike.
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool plain = byte >= 0x20 && c != '"' && c != '\\';
    for (size_t at = 0; at < 19; ++at) {
      for (const char around : {'a', ' ', '!', '#', '[', ']', '\x7f', '\x80', '\xa2', '\xff'}) {
        std::string text(19, around);
        text[at] = c;
        ASSERT_EQ(plain_size(text), plain ? text.size() : at) << byte << " at " << at << " among " << around;
      }
    }
  }
  EXPECT_EQ(plain_size("ab\"\x1f\\abcdefgh"), 2u);
  EXPECT_EQ(plain_size(""), 0u);
}

TEST(JsonCheck, BoundsTheDepth) {
  const std::string open(kJsonDepthMax, '[');
  const std::string close(kJsonDepthMax, ']');
  EXPECT_TRUE(is_json(open + close));
  EXPECT_FALSE(is_json("[" + open + close + "]"));
  EXPECT_FALSE(is_json(std::string(1'000'000, '[')));
  std::string objects;
  for (size_t i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_FALSE(is_json(objects));
}

TEST(JsonCheck, EveryCutTextOfTheVectorsIsRefused) {
  for (const test::MessageVector& vector : test::vectors().messages) {
    const std::string& text = vector.payload_text;
    EXPECT_TRUE(is_json(text));
    for (size_t size = 0; size < text.size(); ++size)
      ASSERT_FALSE(is_json(std::string_view(text).substr(0, size))) << size;
  }
}

}  // namespace
}  // namespace noex
