// The cluster protocol as a state machine: who is a member and up, whom to dial, which connection may stay, what to
// send and what to tell the user. It has no socket, thread, clock or random device: the same sequence of (event, now)
// with the same seed and nonces gives the same effects, so the simulator sees every decision. Semantics: docs/design.md
// and docs/protocol.md.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "membership/types.h"
#include "model/config.h"
#include "model/node_table.h"

namespace noex {

// The fixed limits of a node (docs/limits.md). Tests lower them; users cannot.
struct MembershipLimits {
  Duration dial_timeout = Duration::seconds(5);  // kept by the transport; here for the dial's share of the join time
  Duration identification_min = Duration::seconds(10);
  size_t unidentified_max = 256;
  size_t unproven_max = 1024;  // said who they are, and have not proved yet that they are live
  Duration proof_time_min = Duration::milliseconds(250);  // that each of them has, however many come
  size_t dials_max = 64;
  size_t member_lookups_max = 2;  // names of nodes that were heard of; half of what the resolver does at a time
  size_t nodes_max = 4096;
  size_t unreachable_per_teacher_max = 128;
  size_t reference_connections_max = 4;  // per peer without hello
  size_t hello_connections_max = 8;      // per peer with hello: crossed dials make two, and an old one may fade
  size_t gossip_per_beat = 8;
  size_t gossip_bytes_max = 48 * 1024;  // ids in one frame of a full list
  size_t first_frame_max = 64 * 1024;   // from a peer with hello
  Duration gossip_delay = Duration::milliseconds(10);
  Duration join_max = Duration::seconds(2);
  Duration join_silence_max = Duration::milliseconds(250);
  Duration stale_connection_max = Duration::seconds(60);
  Duration impostor_memory = Duration::seconds(600);
  Duration unvouched_max = Duration::seconds(60);
  Duration leaver_forget_max = Duration::seconds(3600);
  Duration lone_seed_retry_max = Duration::seconds(5);
  uint32_t errors_per_second_max = 10;
  uint32_t refusals_per_second_max = 64;  // that are told why; such a connection lives on until that is sent
  Duration quiet_log_interval = Duration::seconds(5);
};

// The local node.
struct Self {
  NodeId id;
  Incarnation incarnation = 0;
  std::function<Nonce()> nonce;  // unpredictable in a real node, seeded in the simulator
};

// What an up is, beside what was seen of that id before.
enum class UpKind { First, Reconnect, Restart, Count };
[[nodiscard]] std::string_view to_string(UpKind kind);

// How late our own beats went out: a histogram with these upper bounds in milliseconds, and one bucket beyond them. A
// pause of the process counts.
struct BeatLateness {
  static constexpr std::array<int64_t, 12> kBoundsMs = {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000};
  std::array<uint64_t, kBoundsMs.size() + 1> counts{};  // not cumulative
  Duration sum;

  void add(Duration lateness);
};

// Counters since start, and the present sizes of the tables.
struct MembershipStats {
  std::array<uint64_t, static_cast<size_t>(RejectKind::Count)> rejected{};
  std::array<uint64_t, static_cast<size_t>(UpKind::Count)> ups{};  // by UpKind
  std::array<uint64_t, 5> downs{};                                 // by DownReason
  BeatLateness beat_lateness;
  uint64_t dials = 0;
  uint64_t dials_failed = 0;
  uint64_t pauses = 0;  // own pauses noticed (late wake-ups)
  Duration paused;      // their sum
  size_t connections = 0;
  size_t unidentified = 0;
  size_t nodes = 0;
  size_t connected = 0;
  size_t dialing = 0;
};

// One connection of a peer as the statistics show it.
struct PeerConnection {
  ConnectionId connection = 0;
  NodeId node;
  bool outbound = false;
  bool confirmed = false;
  bool active = false;  // of the connections of a node that is up: the one that we send on
  Endpoint remote;
  Duration silence;                        // since the last valid frame; since the connection came, if there was none
  std::optional<int64_t> clock_offset_ms;  // the peer's clock less ours, by its last frame (and so less its way here)
};

// A configured seed, as it stands now.
struct SeedView {
  enum class State { Waiting, Dialling, Connected, Self };
  std::string text;  // as configured
  State state = State::Waiting;
  NodeId node;          // who answers there, if that is known; of several at a name without a node, the first
  std::string failure;  // how the last attempt that failed did; "" while none has
};
[[nodiscard]] std::string_view to_string(SeedView::State state);

// Who is connected to whom, by what the others say. Indices are those of table().nodes.
struct Sightings {
  struct Row {
    std::vector<uint32_t> others;  // whom that node has named lately, in rising order
    bool us = false;               // whether this node is among them
  };
  std::vector<Row> rows;  // by node; empty when the cluster is too large to keep them (kSightingsNodesMax)
};
inline constexpr size_t kSightingsNodesMax = 128;

class Membership {
 public:
  Membership(const ValidConfig& config, Self self, Rng rng, const MembershipLimits& limits = {});
  ~Membership();
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // Begins: dials the seeds. Once, before any step.
  void start(Now now, Effects& out);

  // Applies `event`, seen at `now`; appends to `out` what the caller must do, in order. `now` never goes backwards.
  // `out` is borrowed for the call; callers reuse it between steps. Effects for a connection that the caller has
  // meanwhile lost are dropped by the caller.
  void step(const Event& event, Now now, Effects& out);

  // When step(Tick{}) is next due; Instant::never() when nothing is pending.
  [[nodiscard]] Instant deadline() const;

  // Whether the next table() builds a new object: lets the driver publish once for a burst of small changes.
  [[nodiscard]] bool table_changed() const;
  // The table to publish. A new object only when membership changed since the last call.
  [[nodiscard]] std::shared_ptr<const NodeTable> table();

  [[nodiscard]] MembershipStats stats() const;
  [[nodiscard]] std::vector<PeerConnection> connections(Instant now) const;
  [[nodiscard]] std::vector<SeedView> seeds() const;
  [[nodiscard]] Sightings sightings(Instant now) const;

  // For tests and the simulator's checkers: aborts the process if an internal invariant does not hold.
  void check_invariants() const;

 private:
  class Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace noex
