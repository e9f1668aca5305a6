#include "wire/json_writer.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/rng.h"
#include "unit/wire/vectors.h"

namespace noex {
namespace {

std::string number(double value) {
  std::string out;
  append_json_number(out, value);
  return out;
}

std::string string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

double read_number(const std::string& text) {
  simdjson::ondemand::parser parser;
  const simdjson::padded_string padded(text);
  auto document = parser.iterate(padded);
  double value = std::nan("");
  EXPECT_EQ(document.get_double().get(value), simdjson::SUCCESS) << text;
  return value;
}

// nullopt: a lone surrogate, which UTF-8 cannot hold.
std::optional<std::string> read_string(const std::string& json) {
  simdjson::ondemand::parser parser;
  const simdjson::padded_string padded(json);
  auto document = parser.iterate(padded);
  std::string_view text;
  if (document.get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return std::string(text);
}

TEST(JsonWriter, NumbersOfTheVectors) {
  ASSERT_GT(test::vectors().numbers.size(), 400u);
  for (const test::NumberVector& vector : test::vectors().numbers) {
    EXPECT_EQ(number(vector.value), vector.text);
    if (vector.text == "null") continue;
    const double expected = vector.value == 0 ? 0.0 : vector.value;  // -0 is written as 0
    EXPECT_EQ(std::bit_cast<uint64_t>(read_number(vector.text)), std::bit_cast<uint64_t>(expected)) << vector.text;
  }
}

TEST(JsonWriter, NumbersAtTheEdgesOfTheLayouts) {
  const std::pair<double, const char*> cases[] = {
      {0.0, "0"},
      {-0.0, "0"},
      {1, "1"},
      {-1.5, "-1.5"},
      {123456789012345680000.0, "123456789012345680000"},
      {999999999999999900000.0, "999999999999999900000"},
      {1e20, "100000000000000000000"},
      {1e21, "1e+21"},
      {1.5e21, "1.5e+21"},
      {1e-6, "0.000001"},
      {1.5e-6, "0.0000015"},
      {1e-7, "1e-7"},
      {1.25e-7, "1.25e-7"},
      {0.1 + 0.2, "0.30000000000000004"},
      {5e-324, "5e-324"},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
      {2.2250738585072014e-308, "2.2250738585072014e-308"},
      {std::numeric_limits<double>::infinity(), "null"},
      {-std::numeric_limits<double>::infinity(), "null"},
      {std::numeric_limits<double>::quiet_NaN(), "null"},
  };
  for (const auto& [value, text] : cases) EXPECT_EQ(number(value), text);
}

// Any finite double comes back bit by bit, and no digit of its text can be spared.
TEST(JsonWriter, RandomNumbersReadBackExactlyAndAreShortest) {
  Rng rng(20261121);
  for (int i = 0; i < 20'000; ++i) {
    const double value = std::bit_cast<double>(rng.next());
    if (!std::isfinite(value) || value == 0) continue;
    const std::string text = number(value);
    double read = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
    ASSERT_TRUE(error == std::errc() && end == text.data() + text.size()) << text;
    ASSERT_EQ(std::bit_cast<uint64_t>(read), std::bit_cast<uint64_t>(value)) << text;

    // One digit less, correctly rounded, must be another number.
    size_t digits = 0;
    for (const char c : text.substr(0, text.find('e'))) digits += c >= '0' && c <= '9' ? 1 : 0;
    if (digits < 2 || text.find('e') == std::string::npos) continue;
    char shorter[64];
    std::snprintf(shorter, sizeof shorter, "%.*e", static_cast<int>(digits) - 2, value);
    ASSERT_NE(std::strtod(shorter, nullptr), value) << text << " could be " << shorter;
  }
}

TEST(JsonWriter, StringsOfTheVectorsFromUtf16AndFromUtf8) {
  ASSERT_GT(test::vectors().strings.size(), 30u);
  size_t as_utf8 = 0;
  for (const test::StringVector& vector : test::vectors().strings) {
    std::string out;
    append_json_string(out, std::u16string_view(vector.units));
    EXPECT_EQ(out, vector.json);
    if (const std::optional<std::string> text = read_string(vector.json)) {
      EXPECT_EQ(string(*text), vector.json);
      ++as_utf8;
    }
  }
  EXPECT_GT(as_utf8, 25u);
}

TEST(JsonWriter, EveryAsciiCharacter) {
  for (int c = 0; c < 0x80; ++c) {
    const std::string text = "a" + std::string(1, static_cast<char>(c)) + "b";
    const std::string json = string(text);
    EXPECT_EQ(read_string(json), text);
    std::string from_units;
    append_json_string(from_units, std::u16string{u'a', static_cast<char16_t>(c), u'b'});
    EXPECT_EQ(from_units, json);
    const bool raw = c >= 0x20 && c != '"' && c != '\\';
    EXPECT_EQ(json.size(),
              raw ? 5u : (std::string("\"\\\b\t\n\f\r").find(static_cast<char>(c)) != std::string::npos ? 6u : 10u))
        << c;
  }
}

TEST(JsonWriter, Integers) {
  for (const int64_t value :
       {int64_t{0}, int64_t{-1}, int64_t{1'700'000'000'000}, int64_t{1} << 53, INT64_MIN, INT64_MAX}) {
    std::string out = "x";
    append_json_integer(out, value);
    EXPECT_EQ(out, "x" + std::to_string(value));
  }
}

}  // namespace
}  // namespace noex
