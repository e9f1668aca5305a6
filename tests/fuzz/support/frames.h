// Frames as peers of a fuzzed node send them: in order by default, and wrong in every way that a peer with the secret,
// or without it, could make them wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/message.h"
#include "support/world.h"

namespace noex::fuzz {

struct FrameSpec {
  enum class Kind : uint8_t { Hello, Beat, PlainBeat, Goodbye, ForeignGoodbye, Other, Refusal, Question };
  static constexpr uint8_t kKinds = 8;
  enum class Signature : uint8_t { Right, AlsoRight, Wrong, Missing };
  static constexpr uint8_t kSignatures = 4;

  Kind kind = Kind::Hello;
  Signature signature = Signature::Right;
  NodeId from;
  uint8_t run = 0;           // which of four runs of that process; the last has the incarnation of the driver's own
  bool about_itself = true;  // nodeInfo.id is `from`
  NodeId about;              // of a goodbye for somebody else
  std::optional<Nonce> echo;
  uint32_t interval_ms = 1000;
  bool beats_twice = false;
  std::string cluster;
  std::optional<noex::Refusal> refused;
  int64_t age_ms = 0;
  std::vector<NodeId> known_nodes;
  // Replaces text from there on, before it is signed.
  size_t mutate_at = 0;
  std::string_view mutate_to;
};

[[nodiscard]] std::string encode(const FrameSpec& spec, const World& world);
// The body with its length before it, and signed if the world has a secret.
[[nodiscard]] std::string framed(std::string body, FrameSpec::Signature signature, const World& world);

}  // namespace noex::fuzz
