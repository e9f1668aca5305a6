// The reading side of a connection, fed with anything in any segments. What it accepts and we would write again, we
// accept again, and it means the same.
#include "session/session.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "base/checks.h"

namespace {

void check_round_trip(const noex::Message& message) {
  if (std::holds_alternative<noex::OtherMessage>(message.payload)) return;
  noex::Message expected = message;
  if (auto* heartbeat = std::get_if<noex::Heartbeat>(&expected.payload)) heartbeat->invalid_ids = 0;
  const noex::SharedBytes frame = noex::encode_frame(expected.from, expected.timestamp, expected.payload, nullptr);
  noex::Session session(nullptr);
  session.raise_frame_limit();
  std::vector<noex::SessionOutput> outputs;
  session.receive(noex::as_byte_view(*frame), outputs);
  NOEX_CHECK(outputs.size() == 1);
  const auto* again = std::get_if<noex::SessionMessage>(&outputs[0]);
  NOEX_CHECK(again != nullptr);
  // Capabilities are written together with the incarnation only.
  if (auto* heartbeat = std::get_if<noex::Heartbeat>(&expected.payload)) {
    if (heartbeat->hello.has_value() && !heartbeat->hello->incarnation.has_value())
      heartbeat->hello->capabilities.clear();
  }
  NOEX_CHECK(again->message == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  // The first byte chooses the size of the segments and whether the frame limit is raised.
  const size_t segment = (data[0] >> 1) + 1u;
  noex::Session session(nullptr);
  if ((data[0] & 1) != 0) session.raise_frame_limit();
  noex::ByteView rest(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  while (!rest.empty()) {
    const noex::ByteView part = rest.subspan(0, std::min(segment, rest.size()));
    rest = rest.subspan(part.size());
    std::vector<noex::SessionOutput> outputs;
    session.receive(part, outputs);
    for (const noex::SessionOutput& output : outputs) {
      if (const auto* message = std::get_if<noex::SessionMessage>(&output)) check_round_trip(message->message);
    }
  }
  return 0;
}
