// The hello. Two ways in: `ext` objects of any text inside a heartbeat that is otherwise in order, and hellos of any
// content as values. What is accepted keeps its promises to membership; what we write reads back equal, and written
// again it is the same text.
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/checks.h"
#include "base/utf8.h"
#include "support/input.h"
#include "wire/codec.h"

namespace {

using noex::Heartbeat;
using noex::Hello;
using noex::Message;

constexpr int64_t kIntegerMax = int64_t{1} << 53;
constexpr size_t kClusterNameSizeMax = 255;

noex::Decoder& decoder() {
  static noex::Decoder* const shared = new noex::Decoder();
  return *shared;
}

std::string written(const Message& message) {
  std::string text;
  append_message(text, message.from, message.timestamp, message.payload);
  return text;
}

void check_round_trip(const Message& message) {
  const std::string text = written(message);
  Message again;
  NOEX_CHECK(!decoder().decode(text, &again).has_value());
  NOEX_CHECK(again == message);
  NOEX_CHECK(written(again) == text);
}

// What membership may rely on.
void check_accepted(const Hello& hello) {
  if (hello.incarnation) NOEX_CHECK(*hello.incarnation != 0);
  if (hello.interval_ms) NOEX_CHECK(*hello.interval_ms >= 1 && *hello.interval_ms <= uint32_t{INT32_MAX});
  if (hello.cluster) NOEX_CHECK(hello.cluster->size() <= kClusterNameSizeMax && noex::is_utf8(*hello.cluster));
  for (const std::string& capability : hello.capabilities) NOEX_CHECK(noex::is_utf8(capability));
}

void read_text(std::string_view ext) {
  std::string text =
      R"({"version":1,"from":"app1@10.0.0.1:4369","timestamp":1700000000000,"payload":{"type":"heartbeat","nodeInfo":{)"
      R"("id":"app1@10.0.0.1:4369","host":"10.0.0.1","port":4369,"status":"connected","processCount":0,)"
      R"("lastHeartbeatAt":1700000000000,"uptimeMs":5},"knownNodes":[],"ext":)";
  text += ext;
  text += "}}";
  Message message;
  if (const auto failure = decoder().decode(text, &message)) {
    NOEX_CHECK(!failure->detail.empty());
    for (const char c : failure->detail) NOEX_CHECK(c >= 0x20 && c < 0x7f);
    return;
  }
  auto* const heartbeat = std::get_if<Heartbeat>(&message.payload);
  if (heartbeat == nullptr || !heartbeat->hello) return;  // the text closed the object and began another
  check_accepted(*heartbeat->hello);
  heartbeat->invalid_ids = 0;
  // Capabilities are written together with the incarnation only.
  if (!heartbeat->hello->incarnation) heartbeat->hello->capabilities.clear();
  check_round_trip(message);
}

std::string utf8_of(std::string_view bytes) {
  std::string text(bytes);
  while (!noex::is_utf8(text)) text.pop_back();
  return text;
}

int64_t integer_of(noex::fuzz::Input& in) {
  constexpr std::array<int64_t, 6> kEdges = {0, 1, -1, kIntegerMax, -kIntegerMax, int64_t{1} << 32};
  const uint8_t kind = in.byte();
  if (kind < 128) return kEdges[kind % kEdges.size()];
  return static_cast<int64_t>(in.u64() % (uint64_t{1} << 54)) - kIntegerMax;
}

Hello hello_of(noex::fuzz::Input& in) {
  Hello hello;
  const uint8_t given = in.byte();
  if ((given & 1) != 0) {
    hello.incarnation = in.u64() | 1;
    for (uint8_t left = in.byte() % 4; left > 0; --left) hello.capabilities.push_back(utf8_of(in.text()));
  }
  if ((given & 2) != 0) hello.nonce = noex::Nonce{in.u64(), in.u64()};
  if ((given & 4) != 0) hello.echo = noex::Nonce{in.u64(), in.u64()};
  if ((given & 8) != 0) hello.interval_ms = static_cast<uint32_t>(in.u64() % INT32_MAX) + 1;
  if ((given & 16) != 0) hello.cluster = utf8_of(in.text());
  if ((given & 32) != 0) hello.refused = static_cast<noex::Refusal>(in.byte() & 3);
  return hello;
}

void write_value(noex::fuzz::Input& in) {
  const auto id_of = [](uint8_t number) {
    return *noex::NodeId::create("n" + std::to_string(number), (number & 1) != 0 ? "fd00::1" : "10.0.0.1", number + 1);
  };
  Message message;
  message.from = id_of(in.byte());
  message.timestamp = integer_of(in);
  const uint8_t kind = in.byte();
  if ((kind & 7) == 7) {
    message.payload =
        noex::Goodbye{id_of(in.byte()), integer_of(in), static_cast<noex::DownReason>(1 + (kind >> 3 & 3))};
    return check_round_trip(message);
  }
  Heartbeat& heartbeat = message.payload.emplace<Heartbeat>();
  heartbeat.node.id = id_of(in.byte());
  heartbeat.node.status = static_cast<noex::NodeStatus>(1 + kind % 3);
  heartbeat.node.process_count = integer_of(in);
  heartbeat.node.last_heartbeat_at = integer_of(in);
  heartbeat.node.uptime_ms = integer_of(in);
  for (uint8_t left = in.byte() % 6; left > 0; --left) heartbeat.known_nodes.push_back(id_of(in.byte()));
  if ((kind & 64) == 0) heartbeat.hello = hello_of(in);
  check_round_trip(message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  noex::fuzz::Input in(data, size);
  // An object begins with '{', whatever bits that has; all else is a value.
  if (size > 0 && data[0] == '{') {
    read_text(in.rest());
  } else {
    write_value(in);
  }
  return 0;
}
