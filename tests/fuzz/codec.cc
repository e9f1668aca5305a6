// The JSON codec alone: no length prefix in the way, so that the fuzzer spends its time on text.
#include "wire/codec.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static noex::Decoder* const decoder = new noex::Decoder();
  noex::Message message;
  if (decoder->decode({reinterpret_cast<const char*>(data), size}, &message).has_value()) return 0;
  if (std::holds_alternative<noex::OtherMessage>(message.payload)) return 0;
  std::string text;
  noex::append_message(text, message.from, message.timestamp, message.payload);
  noex::Message again;
  NOEX_CHECK(!decoder->decode(text, &again).has_value());
  std::string text_again;
  noex::append_message(text_again, again.from, again.timestamp, again.payload);
  NOEX_CHECK(text == text_again);
  return 0;
}
