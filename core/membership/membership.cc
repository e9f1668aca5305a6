// The facade, the dispatch of events, and the timers.
#include "membership/membership.h"

#include <algorithm>
#include <utility>

#include "base/checks.h"
#include "membership/machine.h"

namespace noex {

Membership::Membership(const ValidConfig& config, Self self, Rng rng, const MembershipLimits& limits)
    : machine_(std::make_unique<Machine>(config, std::move(self), rng, limits)) {}
Membership::~Membership() = default;
void Membership::start(Now now, Effects& out) { machine_->start(now, out); }
void Membership::step(const Event& event, Now now, Effects& out) { machine_->step(event, now, out); }
Instant Membership::deadline() const { return machine_->deadline(); }
bool Membership::table_changed() const { return machine_->table_changed(); }
std::shared_ptr<const NodeTable> Membership::table() { return machine_->table(); }
MembershipStats Membership::stats() const { return machine_->stats(); }
std::vector<PeerConnection> Membership::connections(Instant now) const { return machine_->connections(now); }
std::vector<SeedView> Membership::seeds() const { return machine_->seeds(); }
Sightings Membership::sightings(Instant now) const { return machine_->sightings(now); }
void Membership::check_invariants() const { machine_->check_invariants(); }

Membership::Machine::Machine(const ValidConfig& config, Self self, Rng rng, const MembershipLimits& limits)
    : config_(config), self_(std::move(self)), limits_(limits), rng_(rng) {}

void Membership::Machine::start(Now now, Effects& out) {
  NOEX_CHECK(!started_);
  started_ = true;
  begin_step(now, out);
  started_at_ = clock_;
  started_mono_ = now.mono;
  error_window_ = clock_;
  refusal_window_ = clock_;
  const Duration period =
      config_.heartbeat_miss_threshold == 1 ? config_.heartbeat_interval / 2 : config_.heartbeat_interval;
  arm(TimerKind::Beat, 0, beat_at_, clock_ + period);
  for (const Seed& seed : config_.seeds) add_seed(seed);
  arm(TimerKind::Join, 0, join_at_, clock_ + limits_.join_max);
  pump_dials();
  check_join();
  out_ = nullptr;
}

void Membership::Machine::step(const Event& event, Now now, Effects& out) {
  NOEX_CHECK(started_);
  if (left_) return;
  notice_pause(now);
  begin_step(now, out);
  std::visit([this](const auto& concrete) { handle(concrete); }, event);
  if (!left_) {
    pump_dials();
    check_join();
  }
  out_ = nullptr;
}

void Membership::Machine::begin_step(Now now, Effects& out) {
  NOEX_CHECK(now.mono >= now_.mono || now_.mono == Instant());
  now_ = now;
  clock_ = now.mono - paused_;
  out_ = &out;
}

// The driver wakes us at deadline(). When a step comes much later, this process was stopped or starved meanwhile: what
// others did not manage to say to it in that time is no evidence against them.
void Membership::Machine::notice_pause(Now now) {
  const Instant due = deadline();
  if (due.is_never()) return;
  const Duration lateness = now.mono - due;
  if (lateness <= std::max(Duration::milliseconds(100), config_.heartbeat_interval / 4)) return;
  if (const Duration held_up = now.mono - paused_ - beat_at_; held_up > Duration()) beat_held_up_ = held_up;
  paused_ = paused_ + lateness;
  waking_ = true;
  ++stats_.pauses;
  // Others have missed our beats: the next one does not wait for its turn.
  arm(TimerKind::Beat, 0, beat_at_, now.mono - paused_);
}

Instant Membership::Machine::deadline() const {
  if (left_ || timers_.empty()) return Instant::never();
  return timers_.begin()->at + paused_;
}

void Membership::Machine::arm(TimerKind kind, uint64_t key, Instant& slot, Instant at) {
  if (slot == at) return;
  if (!slot.is_never()) timers_.erase(Timer{slot, kind, key});
  slot = at;
  if (!at.is_never()) timers_.insert(Timer{at, kind, key});
}

void Membership::Machine::handle(const Tick&) {
  std::vector<Timer> due;
  for (const Timer& timer : timers_) {
    if (timer.at > clock_) break;
    due.push_back(timer);
  }
  for (const Timer& timer : due) {
    if (timers_.erase(timer) == 0) continue;  // moved or gone by an earlier one of this round
    switch (timer.kind) {
      case TimerKind::Beat:
        beat_at_ = Instant::never();
        stats_.beat_lateness.add(clock_ - timer.at + std::exchange(beat_held_up_, Duration()));
        beat();
        break;
      case TimerKind::GossipFlush:
        gossip_at_ = Instant::never();
        flush_gossip();
        break;
      case TimerKind::Join:
        join_at_ = Instant::never();
        break;  // check_join() after the step sees that the time is over
      case TimerKind::Connection: {
        Connection& connection = *find_connection(timer.key);
        connection.timer = Instant::never();
        connection_timer(connection);
        break;
      }
      case TimerKind::Member: {
        Member& member = *member_by_serial_.at(timer.key);
        member.timer = Instant::never();
        member_timer(member);
        break;
      }
      case TimerKind::Target: {
        Target& target = *find_target(timer.key);
        target.due = Instant::never();
        target_timer(target);
        break;
      }
    }
  }
  waking_ = false;
}

void Membership::Machine::handle(const ConnectionAccepted& event) {
  NOEX_CHECK(event.connection % 2 == 0 && !connections_.contains(event.connection));
  make_room_for_unidentified();
  Connection& connection = add_connection(event.connection);
  connection.id = event.connection;
  connection.remote = event.remote;
  connection.remote_is_local = event.remote_is_local;
  connection.last_frame_at = clock_;
  unidentified_.push_back(connection.id);
  ++unidentified_count_;
  set_expiry(connection, clock_ + identification_time());
}

void Membership::Machine::handle(const ConnectionOpened& event) {
  Connection* connection = find_connection(event.connection);
  if (connection == nullptr) return;
  NOEX_CHECK(connection->state == ConnectionState::Dialing);
  --dials_in_progress_;
  connection->state = ConnectionState::Unidentified;
  connection->remote_is_local = event.remote_is_local;
  connection->last_frame_at = clock_;
  connection->silent_at = clock_ + limits_.join_silence_max;
  connection->nonce = self_.nonce();
  send_hello(*connection, std::nullopt);
  set_expiry(*connection, clock_ + identification_time());
}

void Membership::Machine::handle(const DialFailed& event) {
  Connection* connection = find_connection(event.connection);
  if (connection == nullptr) return;
  NOEX_CHECK(connection->state == ConnectionState::Dialing);
  ++stats_.dials_failed;
  end_connection(*connection, std::nullopt, Failure::Unreachable, event.reason);
}

void Membership::Machine::handle(const MessageReceived& event) {
  if (const auto* beat = std::get_if<Heartbeat>(&event.message.payload); beat != nullptr)
    member_by_id_.prefetch_slots(beat->known_nodes);
  Connection* connection = find_connection(event.connection);
  if (connection == nullptr) return;
  ++connection->frames;
  connection->last_frame_at = clock_;
  connection->clock_offset_ms = event.message.timestamp - now_.unix_ms;
  if (connection->state == ConnectionState::Unidentified) {
    identify(*connection, event);
    return;
  }
  if (event.message.from != connection->peer) {
    reject(*connection, RejectKind::WrongSender,
           "a frame from '" + printable(event.message.from.text()) + "' on the connection of '" +
               connection->peer.text() + "'");
    return;
  }
  receive(*connection, event.message);
}

void Membership::Machine::handle(const FrameRejected& event) {
  Connection* connection = find_connection(event.connection);
  if (connection == nullptr) return;
  if (event.kind == RejectKind::FrameSkipped || event.kind == RejectKind::UnknownType) {
    const std::string& who = connection->peer.text();
    note(event.kind, "ignored a frame from " + (who.empty() ? "" : "'" + who + "' ") + connection->remote.to_string() +
                         ": " + event.detail);
    return;
  }
  reject(*connection, event.kind, event.detail);
}

void Membership::Machine::handle(const ConnectionClosed& event) {
  Connection* connection = find_connection(event.connection);
  if (connection == nullptr) return;
  std::string why;
  switch (event.cause) {
    case CloseCause::EndOfStream:
      why = "closed by the peer (FIN)";
      connection->closed_by_peer = true;
      break;
    case CloseCause::Reset:
      why = "reset by the peer (RST)";
      break;
    case CloseCause::WriteFailed:
      why = "writing failed";
      break;
    case CloseCause::SlowReader:
      why = "the peer does not read: its send queue ran over";
      count(RejectKind::SlowReader);
      report(ErrorKind::Overload, "connection cut: " + why, connection->peer, &connection->remote);
      break;
  }
  end_connection(*connection, std::nullopt, Failure::HungUp, why);
}

void Membership::Machine::handle(const ProcessCountChanged& event) { process_count_ = event.count; }

void Membership::Machine::handle(const LeaveRequested&) {
  Send goodbye;
  goodbye.to = audience();
  // On each connection: of two that just came about, the peer may hold to the other one. Those that fell silent may yet
  // wake up and read it: otherwise they would take us for crashed.
  std::set<ConnectionId> told(goodbye.to.begin(), goodbye.to.end());
  for (const auto& [id, connection] : connections_) {
    const bool hears = connection.state == ConnectionState::Confirmed || connection.state == ConnectionState::Stale;
    if (hears && told.insert(id).second) goodbye.to.push_back(id);
  }
  goodbye.payload = Goodbye{self_.id, now_.unix_ms, DownReason::GracefulShutdown};
  if (!goodbye.to.empty()) emit(std::move(goodbye));
  for (const auto& [id, connection] : connections_) {
    emit(Close{id, told.contains(id) ? CloseMode::Flush : CloseMode::Abort});
  }
  connections_.clear();
  connection_by_id_.clear();
  timers_.clear();
  left_ = true;
  emit(Notify{Left{}});
}

Duration Membership::Machine::timeout_for(const Connection& connection) const {
  const Duration slower = std::max(config_.heartbeat_interval, Duration::milliseconds(connection.peer_interval_ms));
  // A single beat an interval cannot be judged by one interval: each would come just as the time is over.
  if (config_.heartbeat_miss_threshold == 1 && !connection.peer_beats_twice) return slower * 3 / 2;
  return slower * config_.heartbeat_miss_threshold;
}

Duration Membership::Machine::identification_time() const {
  return std::max(limits_.identification_min, config_.heartbeat_interval + Duration::seconds(5));
}

Membership::Machine::Connection& Membership::Machine::add_connection(ConnectionId id) {
  Connection& connection = connections_[id];
  connection.id = id;
  connection_by_id_.add(connection);
  return connection;
}

Membership::Machine::Connection* Membership::Machine::find_connection(ConnectionId id) {
  return connection_by_id_.find(id);
}

Membership::Machine::Member* Membership::Machine::find_member(const NodeId& id) const { return member_by_id_.find(id); }

Membership::Machine::Target* Membership::Machine::find_target(TargetId id) {
  const auto found = targets_.find(id);
  return found == targets_.end() ? nullptr : &found->second;
}

std::shared_ptr<const NodeTable> Membership::Machine::table() {
  if (!table_changed_ && table_ != nullptr) return table_;
  auto table = std::make_shared<NodeTable>();
  table->version = ++table_version_;
  table->connected_count = connected_count_;
  table->beats = beats_;
  table->nodes.reserve(members_.size());
  for (const auto& [id, member] : members_) {
    table->nodes.push_back(NodeEntry{member.cell, member.status, member.incarnation});
  }
  for (const auto& [id, target_id] : seed_ids_) {
    const Target& target = targets_.at(target_id);
    if (!target.answered_as.empty()) table->aliases.emplace_back(id, target.answered_as);
  }
  table_ = std::move(table);
  table_changed_ = false;
  return table_;
}

void Membership::Machine::check_invariants() const {
  if (left_) return;
  size_t unidentified = 0;
  size_t unproven = 0;
  size_t dialing = 0;
  size_t connected = 0;
  NOEX_CHECK(connection_by_id_.size() == connections_.size());
  for (const auto& [id, connection] : connections_) {
    NOEX_CHECK(id == connection.id && connection_by_id_.find(id) == &connection);
    if (connection.state == ConnectionState::Unidentified && !connection.outbound) ++unidentified;
    if (is_unproven(connection, connection.state)) ++unproven;
    if (connection.state == ConnectionState::Dialing) ++dialing;
    if (connection.state >= ConnectionState::Confirmed) {
      const auto member = members_.find(connection.peer);
      NOEX_CHECK(member != members_.end() && connection.member == &member->second);
      const auto& list = member->second.connections;
      NOEX_CHECK(std::count(list.begin(), list.end(), id) == 1);
    }
    if (connection.target != 0) NOEX_CHECK(targets_.contains(connection.target));
    if (connection.state == ConnectionState::Dialing) NOEX_CHECK(connection.target != 0);
    if (!connection.timer.is_never()) NOEX_CHECK(timers_.contains(Timer{connection.timer, TimerKind::Connection, id}));
  }
  NOEX_CHECK(member_by_id_.size() == members_.size() && member_by_serial_.size() == members_.size());
  for (const auto& [id, member] : members_) {
    NOEX_CHECK(id == member.id && id != self_.id);
    NOEX_CHECK(member_by_serial_.at(member.serial) == &member && member_by_id_.find(id) == &member);
    if (member.status == NodeStatus::Connected) {
      ++connected;
      NOEX_CHECK(member.ever_up);
      NOEX_CHECK(member.active != 0 || !member.bereaved_until.is_never());
      NOEX_CHECK(!member.timer.is_never());
    }
    for (const ConnectionId connection : member.connections) NOEX_CHECK(connections_.contains(connection));
    NOEX_CHECK(member.connections.size() <= std::max(limits_.hello_connections_max, limits_.reference_connections_max));
    if (member.active != 0) NOEX_CHECK(connections_.at(member.active).state == ConnectionState::Confirmed);
    if (member.target != 0) NOEX_CHECK(targets_.at(member.target).expected == id);
    if (!member.timer.is_never()) NOEX_CHECK(timers_.contains(Timer{member.timer, TimerKind::Member, member.serial}));
  }
  for (const auto& [id, target] : targets_) {
    for (const ConnectionId connection : target.connections) NOEX_CHECK(connections_.at(connection).target == id);
    NOEX_CHECK((target.phase == Phase::Queued) == (ready_.contains({target.priority, target.queued_at, id}) ||
                                                   ready_names_.contains({target.priority, target.queued_at, id})));
    NOEX_CHECK(target.seed || members_.contains(*target.expected));
    // Every seed is dialled for ever: it is waiting, at work, or satisfied.
    if (target.phase != Phase::Idle) NOEX_CHECK(target.due.is_never());
    if (target.phase == Phase::Dialing) NOEX_CHECK(!target.connections.empty() || hungry_.contains(id));
    if (!target.seed) NOEX_CHECK(members_.at(*target.expected).target == id);
  }
  NOEX_CHECK(audience_changed_ || audience_ == find_audience());
  NOEX_CHECK(unidentified == unidentified_count_);
  NOEX_CHECK(unproven == unproven_count_);
  NOEX_CHECK(dialing == dials_in_progress_);
  NOEX_CHECK(connected == connected_count_);
  NOEX_CHECK(members_.size() <= limits_.nodes_max + seed_ids_.size());
  NOEX_CHECK(unidentified_count_ <= limits_.unidentified_max);
  NOEX_CHECK(unproven_count_ <= limits_.unproven_max);
  NOEX_CHECK(dials_in_progress_ <= limits_.dials_max);
}

}  // namespace noex
