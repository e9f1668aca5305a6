// The messages of wire v1 as plain values. wire/ turns them into bytes and back; membership/ decides with them. Field
// order in the text, number spelling and so on are wire's business. Source: docs/protocol.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/node_id.h"
#include "model/node_info.h"

namespace noex {

// 128 random bits that a peer must echo: what makes a new connection replay-proof. On the wire 32 lower-case hex
// digits.
struct Nonce {
  uint64_t high = 0;
  uint64_t low = 0;
  friend bool operator==(const Nonce&, const Nonce&) = default;
};

// Why a peer is turned away, said in the hello before the connection is closed.
enum class Refusal { DuplicateId, Cluster, Version, Full };
[[nodiscard]] std::string_view to_string(Refusal refusal);  // "duplicate_id", "cluster", "version", "full"
[[nodiscard]] bool parse_refusal(std::string_view text, Refusal* out);

// `ext`: the last key of a heartbeat's payload, written by our own nodes only. A key that is absent stays nullopt (or
// empty).
struct Hello {
  std::optional<Incarnation> incarnation;  // "inc", 16 hex digits
  std::optional<Nonce> nonce;
  std::optional<Nonce> echo;
  std::optional<uint32_t> interval_ms;  // "interval"
  std::optional<std::string> cluster;
  std::vector<std::string> capabilities;  // "caps"; written only together with "inc"
  std::optional<Refusal> refused;
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct Heartbeat {
  // The sender, about itself. `last_heartbeat_at` and `uptime_ms` are its own readings: their difference is its start
  // time. NodeInfo::incarnation is not on the wire here. The codec also writes host and port, both taken from the id.
  NodeInfo node;
  std::vector<NodeId> known_nodes;  // received ids that are invalid are skipped and counted in `invalid_ids`
  std::optional<Hello> hello;
  uint32_t invalid_ids = 0;  // reading only
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

struct Goodbye {  // "node_down"
  NodeId node;
  int64_t detected_at = 0;  // ms since the epoch
  DownReason reason = DownReason::GracefulShutdown;
  friend bool operator==(const Goodbye&, const Goodbye&) = default;
};

// A message of the reference that has no meaning here yet (call, cast, registry_sync, ...): verified, counted, ignored.
struct OtherMessage {
  std::string type;
  friend bool operator==(const OtherMessage&, const OtherMessage&) = default;
};

using Payload = std::variant<Heartbeat, Goodbye, OtherMessage>;

// A verified frame. `timestamp` is the sender's clock, ms since the epoch.
struct Message {
  NodeId from;
  int64_t timestamp = 0;
  Payload payload;
  friend bool operator==(const Message&, const Message&) = default;
};

// Why a frame or a connection was refused. Counted by kind in the statistics; the numbers index that table.
enum class RejectKind {
  FrameTooLarge,  // over 16 MiB (also what an HTTP request's first bytes mean), or over the limit before identification
  FrameSkipped,   // over the frame limit of an identified peer: read through and dropped, the connection stays
  Malformed,      // not JSON, not UTF-8, not an object, a key twice
  InvalidMessage,    // JSON, but not the shape of its type
  Version,           // an envelope version other than 1
  MissingSignature,  // a secret is set here, the frame carries none (or not at its end)
  BadSignature,      // the HMAC differs
  InvalidSender,     // `from` is not a valid id
  WrongSender,       // `from` is not the id that this connection belongs to
  Replayed,          // an old frame, or an echo that is not ours
  WrongCluster,      // another clusterName
  DuplicateId,       // somebody else lives under this id
  Full,              // the node table, or the connections of one peer, are at their limit
  ForeignGoodbye,    // a goodbye for somebody else: ignored, the connection stays
  IdentificationTimeout,
  TooManyUnidentified,  // the oldest unidentified connection made room
  SlowReader,           // the send queue of a peer that does not read ran over
  UnknownType,          // a type nobody knows: ignored, the connection stays
  Count
};
[[nodiscard]] std::string_view to_string(RejectKind kind);  // "frame_too_large", ...

}  // namespace noex
