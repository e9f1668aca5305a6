#include "unit/wire/vectors.h"

#include <simdjson.h>

#include <bit>
#include <cstdio>
#include <cstdlib>

#include "base/bytes.h"

namespace noex::test {
namespace {

namespace dom = simdjson::dom;

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "v1-vectors.json: %s\n", what.c_str());
  std::abort();
}

template <typename T>
T get(simdjson::simdjson_result<dom::element> result, const char* key) {
  T value;
  if (std::move(result).get(value) != simdjson::SUCCESS) give_up(std::string("bad or missing ") + key);
  return value;
}

std::string text_at(const dom::element& item, const char* key) {
  return std::string(get<std::string_view>(item[key], key));
}

std::optional<std::string> optional_text_at(const dom::element& item, const char* key) {
  if (get<dom::element>(item[key], key).is_null()) return std::nullopt;
  return text_at(item, key);
}

std::string from_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) give_up("bad base64");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (++count % 4 == 0) {
      for (const int shift : {16, 8, 0}) out += static_cast<char>(static_cast<uint8_t>(bits >> shift));
    }
  }
  if (count % 4 == 2) out += static_cast<char>(static_cast<uint8_t>(bits >> 4));
  if (count % 4 == 3) {
    out += static_cast<char>(static_cast<uint8_t>(bits >> 10));
    out += static_cast<char>(static_cast<uint8_t>(bits >> 2));
  }
  return out;
}

// "d800 dc00" -> two code units.
std::u16string units_of(std::string_view text) {
  std::u16string units;
  for (size_t i = 0; i < text.size(); i += 5) {
    uint64_t unit = 0;
    if (!from_hex(text.substr(i, 4), &unit)) give_up("bad utf16");
    units += static_cast<char16_t>(unit);
  }
  return units;
}

double double_of(std::string_view bits) {
  uint64_t value = 0;
  if (bits.size() != 16 || !from_hex(bits, &value)) give_up("bad bits");
  return std::bit_cast<double>(value);
}

Vectors read_vectors() {
  dom::parser parser;
  dom::element file;
  if (parser.load(NOEX_SOURCE_DIR "/tests/vectors/v1-vectors.json").get(file) != simdjson::SUCCESS)
    give_up("cannot be read");
  Vectors out;
  for (const dom::element item : get<dom::array>(file["vectors"], "vectors")) {
    out.messages.push_back({text_at(item, "name"), optional_text_at(item, "secret"), text_at(item, "from"),
                            get<int64_t>(item["timestamp"], "timestamp"),
                            optional_text_at(item, "signed_text").value_or(""),
                            optional_text_at(item, "signature").value_or(""), text_at(item, "payload_text"),
                            from_base64(text_at(item, "frame_base64"))});
  }
  for (const dom::element item : get<dom::array>(file["numbers"], "numbers")) {
    out.numbers.push_back({double_of(text_at(item, "bits")), text_at(item, "text")});
  }
  for (const dom::element item : get<dom::array>(file["strings"], "strings")) {
    out.strings.push_back({units_of(text_at(item, "utf16")), from_base64(text_at(item, "json_utf8_base64"))});
  }
  for (const dom::element item : get<dom::array>(file["received"], "received")) {
    out.received.push_back(
        {text_at(item, "name"), optional_text_at(item, "secret"), from_base64(text_at(item, "frame_base64"))});
  }
  return out;
}

}  // namespace

const Vectors& vectors() {
  static const Vectors* const kVectors = new Vectors(read_vectors());
  return *kVectors;
}

}  // namespace noex::test
