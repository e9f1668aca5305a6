// The shipped driver, fed with any sequence of what can happen to it: connections, dials that end well or badly, frames
// of real and of forged peers, ends, look-ups, time. support/world.h judges what it does.
//
// The input is a list of actions: one byte each, and the bytes of their arguments. Peers come from a small cast, so
// that their lives cross: several share an address, one is the node itself, one is on this machine, and the rest of the
// numbers are a crowd that fills the tables.
#include "cluster/driver.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/frames.h"
#include "support/input.h"
#include "support/world.h"

namespace {

using noex::Duration;
using noex::Endpoint;
using noex::IpAddress;
using noex::NodeId;
using noex::fuzz::FrameSpec;
using noex::fuzz::Input;
using noex::fuzz::World;

constexpr size_t kActionsMax = 400;
constexpr size_t kWakesMax = 1500;  // of one input: beats with many peers cost time

constexpr std::array<std::string_view, 11> kCast = {
    "b@10.0.0.2:4369", "z@10.0.0.9:4369",          "m@10.0.0.5:4369",  "y@10.0.0.2:4369",
    "s@10.0.0.7:4369", "l@127.0.0.1:4370",         "v@[fd00::1]:4369", "d@peer.example:4369",
    "w@0.0.0.0:4369",  "a@[::ffff:10.0.0.2]:4369", "x@10.0.0.2:4370",
};

NodeId peer(uint8_t number) {
  if (number < kCast.size()) return *NodeId::parse(kCast[number]);
  return *NodeId::create("g" + std::to_string(number), "10.1.0." + std::to_string(number), 4369);
}

IpAddress address(uint8_t number) {
  if (const std::optional<IpAddress> ip = IpAddress::parse(peer(number).host())) return *ip;
  return *IpAddress::parse("10.0.0.2");
}

// Where an accepted connection comes from: a real address, in any case.
Endpoint source(uint8_t number) {
  const IpAddress ip = address(number);
  return {ip.is_wildcard() ? *IpAddress::parse("10.0.0.2") : ip, static_cast<uint16_t>(40'000 + number)};
}

const std::array<Duration, 12> kTimes = {
    Duration::milliseconds(1),    Duration::milliseconds(20),   Duration::milliseconds(60),
    Duration::milliseconds(130),  Duration::milliseconds(300),  Duration::milliseconds(1100),
    Duration::milliseconds(2100), Duration::milliseconds(5100), Duration::seconds(16),
    Duration::seconds(61),        Duration::seconds(605),       Duration::seconds(3700)};

noex::fuzz::WorldSettings settings(Input& in) {
  noex::fuzz::WorldSettings settings;
  const uint8_t bits = in.byte();
  noex::ClusterConfig& config = settings.config;
  config.node_name = "m";
  config.host = "10.0.0.5";
  if ((bits & 1) != 0) config.cluster_secret = "the secret";
  if ((bits & 2) != 0) config.cluster_name = "blue";
  config.heartbeat_miss_threshold = (bits & 4) != 0 ? 1 : 3;
  config.heartbeat_interval_ms = (bits & 8) != 0 ? 100 : 1000;
  if ((bits & 16) != 0) config.forget_after_ms = 2000;
  // Limits so low that a short input reaches them.
  if ((bits & 32) == 0) {
    noex::MembershipLimits& limits = settings.limits;
    limits.unidentified_max = 3;
    limits.dials_max = 2;
    limits.nodes_max = 8;
    limits.unreachable_per_teacher_max = 2;
    limits.reference_connections_max = 2;
    limits.gossip_per_beat = 2;
    limits.gossip_bytes_max = 48;
    limits.first_frame_max = 700;
    limits.impostor_memory = Duration::seconds(20);
    limits.leaver_forget_max = Duration::seconds(10);
    limits.errors_per_second_max = 3;
  }
  const uint8_t seeds = in.byte();
  constexpr std::array<std::string_view, 6> kSeeds = {"b@10.0.0.2:4369",   "s@10.0.0.7:4369",  "seeds.example:4369",
                                                      "z@other.example:1", "m2@10.0.0.5:4369", "localhost:4370"};
  for (size_t i = 0; i < kSeeds.size(); ++i) {
    if ((seeds >> i & 1) != 0) config.seeds.emplace_back(kSeeds[i]);
  }
  return settings;
}

// What a frame says, from a few bytes; most of it is usually in order.
FrameSpec frame(Input& in, const World& world, size_t connection) {
  FrameSpec spec;
  spec.from = peer(in.byte());
  const uint8_t kind = in.byte();
  spec.kind = static_cast<FrameSpec::Kind>(kind % FrameSpec::kKinds);
  spec.signature = static_cast<FrameSpec::Signature>((kind >> 4) % FrameSpec::kSignatures);
  const uint8_t hello = in.byte();
  spec.run = hello & 3;
  spec.about_itself = (hello & 4) == 0;
  switch (hello >> 3 & 3) {
    case 0:
    case 1:
      spec.echo = world.last_nonce(connection);
      break;
    case 2:
      spec.echo = noex::Nonce{1, 2};
      break;
    default:
      break;
  }
  const uint8_t more = in.byte();
  spec.interval_ms = std::array<uint32_t, 4>{1000, 100, 30'000, INT32_MAX}[more & 3];
  spec.beats_twice = (more & 4) != 0;
  spec.cluster = (more & 8) != 0 ? "blue" : "";
  spec.refused = (more & 16) != 0 ? std::optional(static_cast<noex::Refusal>(more >> 5 & 3)) : std::nullopt;
  spec.age_ms = std::array<int64_t, 4>{0, 5'000, 11'000, -1'000'000}[more >> 6];
  for (uint8_t left = in.byte() % 12; left > 0; --left) spec.known_nodes.push_back(peer(in.byte()));
  if (spec.kind == FrameSpec::Kind::ForeignGoodbye) spec.about = peer(in.byte());
  return spec;
}

// A peer that does all as it should: its hello or its answer, and then the echo of ours.
void greet(World& world, size_t connection, uint8_t number, uint8_t run) {
  FrameSpec spec;
  spec.from = peer(number);
  spec.run = run & 3;
  spec.cluster = (run & 4) != 0 ? "blue" : "";
  spec.kind = FrameSpec::Kind::Hello;
  spec.echo = world.last_nonce(connection);
  world.deliver(connection, noex::fuzz::encode(spec, world), SIZE_MAX);
  if (world.last_nonce(connection) == spec.echo) return;
  spec.kind = FrameSpec::Kind::Beat;
  spec.echo = world.last_nonce(connection);
  world.deliver(connection, noex::fuzz::encode(spec, world), SIZE_MAX);
}

size_t piece(uint8_t size) { return size == 0 ? SIZE_MAX : size; }

enum class Action : uint8_t {
  Accept,
  AnswerDial,
  FailDial,
  Greet,
  Frame,
  Beat,
  MutatedFrame,
  RawBytes,
  RawText,
  Reflect,
  End,
  AnswerQuery,
  Live,
  LiveShortly,
  Sleep,
  Wake,
  StepClock,
  ProcessCount,
  AcceptAndGreet,
  AnswerAndGreet,
  Leave,
  kCount
};

void act(Action action, Input& in, World& world, size_t& wakes_left) {
  switch (action) {
    case Action::Accept: {
      const uint8_t number = in.byte();
      return world.accept(source(number), (in.byte() & 1) != 0);
    }
    case Action::AnswerDial: {
      const uint8_t n = in.byte();
      return world.answer_dial(n >> 1, (n & 1) != 0);
    }
    case Action::FailDial:
      return world.fail_dial(in.byte(), "connection refused");
    case Action::Greet: {
      const uint8_t n = in.byte();
      const uint8_t number = in.byte();
      return greet(world, n, number, in.byte());
    }
    case Action::Frame: {
      const uint8_t n = in.byte();
      const std::string bytes = noex::fuzz::encode(frame(in, world, n), world);
      return world.deliver(n, bytes, piece(in.byte()));
    }
    case Action::Beat: {
      FrameSpec spec;
      const uint8_t n = in.byte();
      spec.from = peer(in.byte());
      spec.kind = FrameSpec::Kind::Beat;
      return world.deliver(n, noex::fuzz::encode(spec, world), SIZE_MAX);
    }
    case Action::MutatedFrame: {
      const uint8_t n = in.byte();
      FrameSpec spec = frame(in, world, n);
      spec.mutate_at = in.u16();
      spec.mutate_to = in.text();
      return world.deliver(n, noex::fuzz::encode(spec, world), SIZE_MAX);
    }
    case Action::RawBytes: {
      const uint8_t n = in.byte();
      return world.deliver(n, in.text(), SIZE_MAX);
    }
    case Action::RawText: {  // any JSON, rightly framed and signed
      const uint8_t n = in.byte();
      return world.deliver(n, noex::fuzz::framed(std::string(in.text()), FrameSpec::Signature::Right, world), SIZE_MAX);
    }
    case Action::Reflect: {
      const uint8_t n = in.byte();
      return world.deliver(n, world.frame_of_ours(in.byte()), SIZE_MAX);
    }
    case Action::End: {
      const uint8_t n = in.byte();
      return world.end(n >> 2, static_cast<noex::StreamEnd>(n & 3));
    }
    case Action::AnswerQuery: {
      const uint8_t n = in.byte();
      std::vector<IpAddress> addresses;
      for (uint8_t left = n >> 4 & 3; left > 0; --left) addresses.push_back(address(in.byte()));
      return world.answer_query(n & 15, addresses);
    }
    case Action::Live:
    case Action::LiveShortly: {
      const Duration time = action == Action::Live ? in.pick(kTimes) : Duration::microseconds(1 + in.byte() * 2000);
      wakes_left -= world.live(time, wakes_left);
      return;
    }
    case Action::Sleep:
      return world.sleep(in.pick(kTimes));
    case Action::Wake:
      return world.wake();
    case Action::StepClock:
      return world.step_clock((in.byte() - 128) * int64_t{3'600'000});
    case Action::ProcessCount:
      return world.set_process_count(in.byte());
    case Action::AcceptAndGreet: {
      const uint8_t number = in.byte();
      world.accept(source(number), false);
      return greet(world, world.newest(), number, in.byte());
    }
    case Action::AnswerAndGreet: {
      const uint8_t n = in.byte();
      const std::optional<size_t> opened = world.answer_dial_and_find(n);
      const uint8_t number = in.byte();
      if (opened) greet(world, *opened, number, in.byte());
      return;
    }
    case Action::Leave:
      return world.leave();
    case Action::kCount:
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  World world(settings(in));
  size_t wakes_left = kWakesMax;
  for (size_t actions = 0; actions < kActionsMax && !in.empty(); ++actions) {
    act(static_cast<Action>(in.byte() % static_cast<uint8_t>(Action::kCount)), in, world, wakes_left);
  }
  world.leave();
  return 0;
}
