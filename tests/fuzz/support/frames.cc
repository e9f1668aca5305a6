#include "support/frames.h"

#include <algorithm>

#include "wire/codec.h"

namespace noex::fuzz {
namespace {

Payload heartbeat_of(const FrameSpec& spec, const World& world) {
  Heartbeat heartbeat;
  heartbeat.node.id = spec.about_itself ? spec.from : world.self();
  heartbeat.node.status = NodeStatus::Connected;
  heartbeat.node.process_count = 1;
  // The start time of a reference node: what tells its runs apart.
  heartbeat.node.uptime_ms = 1000 + spec.run * 60;
  heartbeat.node.last_heartbeat_at = 1'700'000'000'000;
  heartbeat.known_nodes = spec.known_nodes;
  if (spec.kind == FrameSpec::Kind::PlainBeat) return heartbeat;
  Hello& hello = heartbeat.hello.emplace();
  hello.refused = spec.refused;
  hello.echo = spec.echo;
  if (spec.kind == FrameSpec::Kind::Refusal && !hello.refused) hello.refused = Refusal::Full;
  if (spec.kind == FrameSpec::Kind::Hello) {
    hello.incarnation = spec.run == 3 ? world.incarnation() : 1000 * Incarnation{spec.run} + 7;
    hello.interval_ms = spec.interval_ms;
    hello.cluster = spec.cluster;
    if (spec.beats_twice) hello.capabilities.emplace_back("beats_twice");
  }
  if (spec.kind == FrameSpec::Kind::Hello || spec.kind == FrameSpec::Kind::Question) hello.nonce = Nonce{spec.run, 9};
  return heartbeat;
}

}  // namespace

std::string encode(const FrameSpec& spec, const World& world) {
  const int64_t timestamp = world.unix_ms() - spec.age_ms;
  std::string body;
  switch (spec.kind) {
    case FrameSpec::Kind::Goodbye:
      append_message(body, spec.from, timestamp, Goodbye{spec.from, timestamp, DownReason::GracefulShutdown});
      break;
    case FrameSpec::Kind::ForeignGoodbye:
      append_message(body, spec.from, timestamp, Goodbye{spec.about, timestamp, DownReason::HeartbeatTimeout});
      break;
    case FrameSpec::Kind::Other:
      body = R"({"version":1,"from":")" + spec.from.text() + R"(","timestamp":)" + std::to_string(timestamp) +
             R"(,"payload":{"type":"call","args":[]}})";
      break;
    default:
      append_message(body, spec.from, timestamp, heartbeat_of(spec, world));
      break;
  }
  if (!spec.mutate_to.empty()) {
    const size_t at = spec.mutate_at % body.size();
    body.replace(at, std::min(spec.mutate_to.size(), body.size() - at), spec.mutate_to);
  }
  return framed(std::move(body), spec.signature, world);
}

std::string framed(std::string body, FrameSpec::Signature signature, const World& world) {
  if (!world.keys()->empty() && signature != FrameSpec::Signature::Missing && !body.empty()) {
    std::string digits;
    for (uint8_t byte : world.keys()->sign({as_byte_view(body)})) {
      if (signature == FrameSpec::Signature::Wrong) byte ^= 1;
      digits += to_hex(byte, 2);
    }
    body.pop_back();
    body += ",\"signature\":\"" + digits + "\"}";
  }
  std::string frame(4, '\0');
  for (size_t i = 0; i < 4; ++i) frame[i] = static_cast<char>(static_cast<uint8_t>(body.size() >> (8 * (3 - i))));
  return frame + body;
}

}  // namespace noex::fuzz
