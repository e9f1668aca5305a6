// The inside of the membership machine. One class, its files by subject: membership.cc (facade, steps, timers),
// hello.cc (who is on a connection, may it stay), connections.cc (turning away, times, ends), members.cc (up, down,
// forget), dialing.cc (seeds, attempts, backoff), gossip.cc (beats and lists), report.cc (errors and log lines),
// inspect.cc (what statistics show).
//
// All instants in here are on the *active clock*: monotonic time minus the pauses of this process. When a step comes
// much later than the deadline that was pending, the lateness is added to `paused_`, and with that every deadline has
// moved.
#pragma once

#include <array>
#include <bitset>
#include <compare>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "membership/id_index.h"
#include "membership/membership.h"

namespace noex {

class Membership::Machine {
 public:
  Machine(const ValidConfig& config, Self self, Rng rng, const MembershipLimits& limits);

  void start(Now now, Effects& out);
  void step(const Event& event, Now now, Effects& out);
  [[nodiscard]] Instant deadline() const;
  [[nodiscard]] bool table_changed() const { return table_changed_ || table_ == nullptr; }
  [[nodiscard]] std::shared_ptr<const NodeTable> table();
  [[nodiscard]] MembershipStats stats() const;
  [[nodiscard]] std::vector<PeerConnection> connections(Instant now) const;
  [[nodiscard]] std::vector<SeedView> seeds() const;
  [[nodiscard]] Sightings sightings(Instant now) const;
  void check_invariants() const;

 private:
  using TargetId = uint64_t;
  using MemberSerial = uint64_t;

  // A node with threshold 1 beats twice an interval, and says so: with another such node one interval without a beat is
  // a miss.
  static constexpr const char* kBeatsTwice = "beats_twice";
  // In a dialler's hello: the list that named the peer to it is so fresh that neither needs to send another.
  static constexpr const char* kHasList = "has_list";

  enum class TimerKind { Beat, GossipFlush, Join, Connection, Member, Target };
  struct Timer {
    Instant at;
    TimerKind kind = TimerKind::Beat;
    uint64_t key = 0;
    friend auto operator<=>(const Timer&, const Timer&) = default;
  };

  enum class ConnectionState {
    Dialing,       // ours, TCP not yet connected
    Unidentified,  // no valid frame yet
    Held,          // identified, but another incarnation of that id looks alive: waits for the challenge
    Identified,    // accepted, our hello is out, its echo is awaited
    Confirmed,     // live: it makes the member up and keeps it alive
    Stale,         // was confirmed, then the member timed out: nothing is sent, one valid frame revives it
    Draining,      // we sent FIN on the older of two; reads on until the peer closes
  };

  struct Member;

  struct Connection {
    ConnectionId id = 0;
    bool outbound = false;
    ConnectionState state = ConnectionState::Unidentified;
    Endpoint remote;
    bool remote_is_local = false;
    TargetId target = 0;       // the attempt that it serves, 0 = none (any more)
    NodeId peer;               // set from Held on
    Member* member = nullptr;  // set from Confirmed on: the member whose `connections` has this one
    bool has_hello = false;
    Incarnation incarnation = 0;
    uint32_t peer_interval_ms = 0;
    bool peer_beats_twice = false;
    bool has_list = false;            // the dialler said that it needs no list
    Nonce nonce;                      // ours: what the peer must echo
    std::optional<Nonce> peer_nonce;  // to echo, while Held
    uint64_t confirmed_order = 0;
    uint32_t frames = 0;          // valid frames received
    bool closed_by_peer = false;  // the end of its stream was read
    Instant last_frame_at;
    std::optional<int64_t> clock_offset_ms;  // the peer's clock less ours, by its last frame
    Instant silent_at = Instant::never();    // dialled: silent so long that start() waits no longer
    Instant expires_at = Instant::never();   // end of identification, of staleness, of draining
    Instant timer = Instant::never();
  };

  // When a member last named another in a beat.
  struct Sighting {
    MemberSerial of = 0;
    Instant said_at;
  };

  struct Voucher {
    NodeId teacher;
    Instant said_at;
  };

  struct Member {
    MemberSerial serial = 0;
    NodeId id;
    std::shared_ptr<NodeCell> cell;
    NodeStatus status = NodeStatus::Connecting;
    Incarnation incarnation = 0;
    bool ever_up = false;
    Incarnation last_up = 0;          // the run that was up last
    std::vector<Sighting> sightings;  // while it is up: whom it names
    Instant named_us_at = Instant::never();
    bool shown_hello = false;               // this id has spoken with hello: it is not taken without it where it dials
    bool left = false;                      // its last word was a goodbye
    bool refusal_reported = false;          // connection_refused was told
    std::vector<ConnectionId> connections;  // Confirmed, Stale and Draining
    ConnectionId active = 0;                // where we send
    Instant last_frame_at;
    Duration timeout;
    Instant down_at;
    Instant ignored_until;  // gossip about it, after a goodbye
    int64_t newest_timestamp = 0;
    std::optional<Nonce> challenge;  // sent on `active`, on behalf of Held newcomers
    Instant challenge_ends = Instant::never();
    Instant bereaved_until =
        Instant::never();          // its connection ended; another is being confirmed, or we have just woken up
    std::optional<Endpoint> seen;  // where it came from, with the port of its id
    // Never up yet:
    NodeId teacher;  // who first named it
    std::vector<Voucher> vouchers;
    Instant vouchers_gone_at = Instant::never();
    Instant unreachable_since = Instant::never();
    TargetId target = 0;
    Instant timer = Instant::never();
  };

  enum class Phase { Idle, Queued, Resolving, Dialing };

  // Something to dial: a configured seed (for ever), or a member that is not connected.
  struct Target {
    TargetId id = 0;
    std::optional<NodeId> expected;  // nullopt: a nameless seed
    std::string host;
    uint16_t port = 0;
    bool seed = false;
    bool named_in_answer = false;  // by a list that was just given to us: it is dialled at once
    std::string text;              // for messages
    int priority = 1;              // 0 seeds, 1 members, 2 members of a teacher who named too many unreachable ones
    int attempt = 0;
    int hung_up = 0;        // how often in a row the connection was closed on our hello
    int quick_attempt = 0;  // tries in the first moments of this node
    Phase phase = Phase::Idle;
    Instant due = Instant::never();  // timer
    Instant queued_at;
    QueryId query = 0;
    std::vector<Endpoint> candidates;       // still to be tried in this attempt
    std::vector<ConnectionId> connections;  // of this attempt: dialling, or open and not confirmed
    bool answered = false;                  // somebody was confirmed in this attempt
    std::string failure;                    // how the last dial that ended without success did
    bool unreachable = false;               // nothing in this attempt came as far as a connection
    bool settled = false;                   // seeds: the first attempt has ended
    NodeId answered_as;                     // named seed: the id that answers there, if another (an alias)
    std::map<Endpoint, NodeId> answers;     // nameless seed: who answered where
    bool is_self = false;                   // that address is ours
  };

  // How one dialled connection of an attempt ended without being confirmed.
  enum class Failure { Unreachable, HungUp, Rejected };

  // --- membership.cc
  void handle(const Tick&);
  void handle(const ConnectionAccepted& event);
  void handle(const ConnectionOpened& event);
  void handle(const DialFailed& event);
  void handle(const Resolved& event);
  void handle(const MessageReceived& event);
  void handle(const FrameRejected& event);
  void handle(const ConnectionClosed& event);
  void handle(const ProcessCountChanged& event);
  void handle(const LeaveRequested&);
  void notice_pause(Now now);
  void begin_step(Now now, Effects& out);
  void arm(TimerKind kind, uint64_t key, Instant& slot, Instant at);
  void emit(Effect effect) { out_->push_back(std::move(effect)); }
  void touch_table() { table_changed_ = true; }
  [[nodiscard]] Duration timeout_for(const Connection& connection) const;
  [[nodiscard]] Duration identification_time() const;
  Connection& add_connection(ConnectionId id);
  [[nodiscard]] Connection* find_connection(ConnectionId id);
  [[nodiscard]] Member* find_member(const NodeId& id) const;
  [[nodiscard]] Target* find_target(TargetId id);

  // --- hello.cc
  void identify(Connection& connection, const MessageReceived& event);
  void identify_own_id(Connection& connection, const Hello* hello);
  void identify_reference(Connection& connection, const Message& message);
  void admit(Connection& connection);
  void challenge(Member& member, Connection& newcomer);
  void settle_challenge(Member& member, bool old_one_lives);
  void admit_held(const NodeId& id);
  void confirm(Connection& connection);
  void resolve_duplicates(Member& member);
  void follow(Member& member, Connection& spoken);
  void limit_connections(Member& member);
  void receive(Connection& connection, const Message& message);
  void receive_heartbeat(Connection& connection, Member& member, const Heartbeat& heartbeat);
  void receive_goodbye(Connection& connection, const Goodbye& goodbye);
  void receive_refusal(Connection& connection, Refusal refusal);
  void receive_confirmed(Connection& connection, const Message& message);
  void refuse(Connection& connection, Refusal refusal, RejectKind kind, ErrorKind error, const std::string& message);
  void reject(Connection& connection, RejectKind kind, const std::string& detail);
  void send_hello(const Connection& connection, const std::optional<Nonce>& echo);
  void send_extension(ConnectionId to, Hello hello);
  [[nodiscard]] bool same_process(const Member& member, const Connection& connection) const;
  [[nodiscard]] bool same_run(const Connection& a, const Connection& b) const;
  void leave_unidentified(Connection& connection, ConnectionState next);
  void connection_timer(Connection& connection);
  [[nodiscard]] bool may_stay_silent(const Connection& connection) const;
  void make_room_for_unidentified();
  [[nodiscard]] bool make_room_for_unproven();
  [[nodiscard]] static bool is_unproven(const Connection& connection, ConnectionState state) {
    return !connection.outbound && (state == ConnectionState::Held || state == ConnectionState::Identified);
  }
  // Ends a connection: Close if `mode` is given (else it is gone already), then what its loss means.
  void end_connection(Connection& connection, std::optional<CloseMode> mode, Failure failure, const std::string& why);
  // Closes and forgets it, with no consequence.
  void discard_connection(ConnectionId id, CloseMode mode);
  void erase_connection(ConnectionId id);
  void set_expiry(Connection& connection, Instant at);

  // --- members.cc
  [[nodiscard]] Member* add_member(const NodeId& id, bool by_gossip);
  void remove_member(Member& member);
  void bring_up(Member& member, Connection& connection);
  void bring_down(Member& member, DownReason reason, std::string evidence);
  void refresh_active(Member& member);
  void member_lost_connection(Member& member, const Connection& ended, const std::string& why);
  void discard_connections_of(Member& member);
  [[nodiscard]] bool is_being_confirmed(const Member& member) const;
  void member_timer(Member& member);
  void arm_member(Member& member);
  void update_cell(Member& member, const NodeInfo& info);
  [[nodiscard]] bool evict_one(bool by_gossip);
  [[nodiscard]] bool is_seed(const NodeId& id) const { return seed_ids_.contains(id); }
  [[nodiscard]] bool is_alias(const NodeId& id) const;
  [[nodiscard]] bool has_live_voucher(const Member& member) const;

  // --- dialing.cc
  void add_seed(const Seed& seed);
  Target& add_target(const NodeId& id);
  void remove_target(TargetId id);
  void want_dial(Member& member, Instant at);
  void end_dialling(Member& member);
  void schedule(Target& target, Instant at);
  void target_timer(Target& target);
  void pump_dials();
  void begin_attempt(Target& target);
  void dial_candidates(Target& target);
  void dial(Target& target, const Endpoint& endpoint);
  [[nodiscard]] std::vector<Endpoint> literal_candidates(const Target& target) const;
  [[nodiscard]] bool satisfied(const Target& target);
  void attempt_connection_ended(Target& target, ConnectionId connection, Failure failure, const std::string& why,
                                const Endpoint* remote = nullptr);
  void attempt_confirmed(Target& target, Connection& connection);
  void finish_attempt(Target& target);
  void answered_by_other(Target& target, const NodeId& other);
  void answered_by_self(Target& target, const Connection& dialled);
  [[nodiscard]] Duration backoff(const Target& target);
  void redial_seeds_of(const NodeId& id);
  void hurry_seeds_if_alone();
  void settle(Target& target);
  void check_join();
  void await_list(Connection& connection);
  [[nodiscard]] bool is_list_awaited(ConnectionId id) const;
  void log_unreached_seeds();

  // --- gossip.cc
  void beat();
  void flush_gossip();
  void send_list(const Connection& connection, const std::unordered_set<std::string_view>& known, bool even_empty);
  void send_full_list(const Connection& connection);
  void send_difference(const Connection& connection, const std::vector<NodeId>& answer);
  void learn(const Connection& connection, Member& teacher, const std::vector<NodeId>& ids);
  void learn_one(const Connection& connection, Member& teacher, const NodeId& id, bool answer, size_t& evictions_left);
  void note_sighting(Member& teacher, const Member& other);
  [[nodiscard]] Heartbeat heartbeat() const;
  // Where a beat goes: one connection of each who is up, in the order of their ids. Kept from beat to beat.
  [[nodiscard]] const std::vector<ConnectionId>& audience();
  [[nodiscard]] std::vector<ConnectionId> find_audience() const;
  void set_active(Member& member, ConnectionId id);
  void choose(std::vector<ConnectionId>& list, size_t count);

  // --- inspect.cc
  [[nodiscard]] SeedView::State state_of(const Target& seed, NodeId* node) const;

  // --- report.cc
  void report(ErrorKind kind, std::string message, const NodeId& node, const Endpoint* remote);
  void log(LogLevel level, std::string message);
  void count(RejectKind kind) { ++stats_.rejected[static_cast<size_t>(kind)]; }
  // Counts what is no error of its own, and logs it now and then.
  void note(RejectKind kind, const std::string& message);

  const ValidConfig config_;
  const Self self_;
  const MembershipLimits limits_;
  Rng rng_;

  Now now_;
  Instant clock_;        // the active clock in this step
  Duration paused_;      // sum of our own pauses
  bool waking_ = false;  // between a late step and the next Tick
  bool started_ = false;
  bool left_ = false;
  Effects* out_ = nullptr;

  std::set<Timer> timers_;
  std::map<ConnectionId, Connection> connections_;
  IdIndex<Connection> connection_by_id_;  // what each frame asks for
  std::map<NodeId, Member> members_;
  IdIndex<Member> member_by_id_;
  std::map<MemberSerial, Member*> member_by_serial_;
  std::map<TargetId, Target> targets_;
  std::map<NodeId, TargetId> seed_ids_;  // named seeds
  std::map<NodeId, Instant> impostors_;  // gossiped ids that answered as another, until when they are ignored
  std::map<NodeId, size_t> never_up_by_teacher_;
  std::multiset<Endpoint> endpoints_in_use_;  // dialled, and nobody identified there yet
  std::set<std::tuple<int, Instant, TargetId>> ready_;
  std::set<std::tuple<int, Instant, TargetId>> ready_names_;  // of those, members whose name waits to be looked up
  std::set<QueryId> member_queries_;                          // look-ups under way, seeds' not among them
  std::set<TargetId> hungry_;              // nameless seeds in an attempt with addresses that found no room yet
  std::deque<ConnectionId> unidentified_;  // accepted, in order of age; may hold ids that are gone
  size_t unidentified_count_ = 0;
  std::deque<ConnectionId> unproven_;  // accepted, Identified or Held, in that order; may hold ids that are gone
  size_t unproven_count_ = 0;
  size_t dials_in_progress_ = 0;
  size_t connected_count_ = 0;

  ConnectionId next_connection_ = 1;
  QueryId next_query_ = 1;
  TargetId next_target_ = 1;
  MemberSerial next_serial_ = 1;
  uint64_t next_confirmed_order_ = 1;

  Instant started_at_;    // active clock
  Instant started_mono_;  // monotonic clock
  Instant beat_at_ = Instant::never();
  Duration beat_held_up_;  // by a pause of ours, which the active clock does not show
  Instant gossip_at_ = Instant::never();
  Instant join_at_ = Instant::never();
  bool joined_ = false;
  std::vector<ConnectionId> lists_awaited_;  // of seeds, until start() has ended
  bool unreached_told_ = false;
  std::vector<NodeId> gossip_adds_;
  NodeId gossip_cursor_;
  std::vector<ConnectionId> audience_;
  bool audience_changed_ = false;  // audience_ is to be found anew
  int64_t process_count_ = 0;

  Instant error_window_;
  uint32_t errors_in_window_ = 0;
  std::bitset<8> kinds_in_window_;  // by ErrorKind
  uint64_t errors_suppressed_ = 0;
  Instant refusal_window_;
  uint32_t refusals_in_window_ = 0;
  struct Quiet {
    Instant due;
    uint64_t unsaid = 0;
  };
  std::array<Quiet, static_cast<size_t>(RejectKind::Count)> quiet_{};  // by kind: what note() may log next

  std::shared_ptr<std::atomic<uint64_t>> beats_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::shared_ptr<const NodeTable> table_;
  bool table_changed_ = true;
  uint64_t table_version_ = 0;
  MembershipStats stats_;
};

}  // namespace noex
