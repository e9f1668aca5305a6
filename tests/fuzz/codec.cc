// The JSON codec alone: no length prefix in the way, so that the fuzzer spends its time on text. What it accepts and we
// would write again, it accepts again with the same meaning, and then it is a fixed point. A number or a string that we
// write reads back equal.
#include "wire/codec.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <variant>

#include "base/checks.h"
#include "wire/json_check.h"
#include "wire/json_writer.h"

namespace {

void check_number(const uint8_t* data, size_t size) {
  double number = 0;
  if (size < sizeof number) return;
  std::memcpy(&number, data, sizeof number);
  std::string text;
  noex::append_json_number(text, number);
  NOEX_CHECK(noex::check_json(text).what == nullptr);
  if (!std::isfinite(number)) {
    NOEX_CHECK(text == "null");
    return;
  }
  NOEX_CHECK(std::strtod(text.c_str(), nullptr) == number);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static noex::Decoder* const decoder = new noex::Decoder();
  check_number(data, size);
  noex::Message message;
  if (const auto failure = decoder->decode({reinterpret_cast<const char*>(data), size}, &message)) {
    NOEX_CHECK(!failure->detail.empty());
    return 0;
  }
  if (std::holds_alternative<noex::OtherMessage>(message.payload)) return 0;
  if (auto* heartbeat = std::get_if<noex::Heartbeat>(&message.payload)) {
    heartbeat->invalid_ids = 0;
    // Capabilities are written together with the incarnation only.
    if (heartbeat->hello && !heartbeat->hello->incarnation) heartbeat->hello->capabilities.clear();
  }
  std::string text;
  noex::append_message(text, message.from, message.timestamp, message.payload);
  noex::Message again;
  NOEX_CHECK(!decoder->decode(text, &again).has_value());
  NOEX_CHECK(again == message);
  std::string text_again;
  noex::append_message(text_again, again.from, again.timestamp, again.payload);
  NOEX_CHECK(text == text_again);
  return 0;
}
