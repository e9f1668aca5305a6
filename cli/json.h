// One JSON object, written field by field. Everything the library hands out is UTF-8; what the user typed may not be,
// and is mended.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace noex_cli {

// `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string json_string(std::string_view text);

class JsonObject {
 public:
  JsonObject& add(std::string_view key, std::string_view value) { return add_raw(key, json_string(value)); }
  JsonObject& add(std::string_view key, const char* value) {
    return add(key, std::string_view(value == nullptr ? "" : value));
  }
  JsonObject& add(std::string_view key, int64_t value) { return add_raw(key, std::to_string(value)); }
  // `json` is written as it is.
  JsonObject& add_raw(std::string_view key, std::string_view json);
  [[nodiscard]] std::string text() const { return "{" + fields_ + "}"; }

 private:
  std::string fields_;
};

}  // namespace noex_cli
