// Heartbeats and what they teach. Each beat is one payload for all peers, so that it is encoded and signed once. What
// it teaches is who the sender is connected to *now*: the whole list on a new connection, what was added soon after,
// and else a few ids in turn, so that steady traffic per node grows linearly with the cluster.
#include <algorithm>
#include <utility>

#include "base/checks.h"
#include "membership/machine.h"

namespace noex {
namespace {

// A node that is told of another by a third waits for that other to dial first, as a joiner dials everyone that its
// seed names. Of two that both learnt of each other this way, the one with the smaller id does not wait for half an
// interval: nobody else would begin.
constexpr Duration kFirstDialDelay = Duration::milliseconds(50);

// Bound on the work that one frame full of invented ids can cause in a full table.
constexpr size_t kEvictionsPerFrame = 64;

// More additions than this at once, and each need not tell everybody: when many come up everywhere, everybody would
// tell everybody of everybody. A few hear of them all, whoever they connect to learns it from there, and the turns of
// the steady beats leave nobody out.
constexpr size_t kAdditionsForAll = 32;
constexpr size_t kAdditionsAudience = 8;

// A few witnesses suffice to say that somebody is still connected to an id.
constexpr size_t kVouchersMax = 4;

// Also of a wildcard, which leads whoever dials it to itself.
bool is_loopback_host(const NodeId& id) {
  if (id.host() == "localhost") return true;
  const std::optional<IpAddress> ip = IpAddress::parse(id.host());
  return ip.has_value() && (ip->is_loopback() || ip->is_wildcard());
}

}  // namespace

// Leaves `count` of the list, by chance.
void Membership::Machine::choose(std::vector<ConnectionId>& list, size_t count) {
  count = std::min(count, list.size());
  for (size_t i = 0; i < count; ++i) std::swap(list[i], list[i + rng_.below(list.size() - i)]);
  list.resize(count);
}

Heartbeat Membership::Machine::heartbeat() const {
  Heartbeat beat;
  beat.node.id = self_.id;
  beat.node.status = NodeStatus::Connected;
  beat.node.process_count = process_count_;
  beat.node.last_heartbeat_at = now_.unix_ms;
  beat.node.uptime_ms = (now_.mono - started_mono_).ms();
  // Empty, it says: this node speaks with hello. So a recorded beat is no first frame anywhere, not even where nobody
  // knows this id.
  beat.hello.emplace();
  return beat;
}

std::vector<ConnectionId> Membership::Machine::find_audience() const {
  std::vector<ConnectionId> list;
  list.reserve(connected_count_);
  for (const auto& [id, member] : members_) {
    if (member.status == NodeStatus::Connected && member.active != 0) list.push_back(member.active);
  }
  return list;
}

const std::vector<ConnectionId>& Membership::Machine::audience() {
  if (std::exchange(audience_changed_, false)) audience_ = find_audience();
  return audience_;
}

void Membership::Machine::beat() {
  const Duration period =
      config_.heartbeat_miss_threshold == 1 ? config_.heartbeat_interval / 2 : config_.heartbeat_interval;
  arm(TimerKind::Beat, 0, beat_at_, clock_ + period);
  Send send;
  send.to = audience();
  if (send.to.empty()) return;
  Heartbeat payload = heartbeat();
  // The next ids in turn, from where the last beat ended. Each node begins at a place of its own, so that all together
  // have named everybody after one beat.
  const size_t wanted = std::min(limits_.gossip_per_beat, connected_count_);
  payload.known_nodes.reserve(wanted);
  auto member = gossip_cursor_.empty()
                    ? std::next(members_.begin(), static_cast<ptrdiff_t>(rng_.below(members_.size())))
                    : members_.upper_bound(gossip_cursor_);
  for (size_t looked_at = 0; looked_at < members_.size() && payload.known_nodes.size() < wanted;
       ++looked_at, ++member) {
    if (member == members_.end()) member = members_.begin();
    if (member->second.status != NodeStatus::Connected) continue;
    payload.known_nodes.push_back(member->first);
    gossip_cursor_ = member->first;
  }
  send.payload = std::move(payload);
  emit(std::move(send));
}

void Membership::Machine::flush_gossip() {
  Send send;
  send.to = audience();
  std::vector<NodeId> adds;
  for (const NodeId& id : gossip_adds_) {
    const Member* member = find_member(id);
    if (member != nullptr && member->status == NodeStatus::Connected) adds.push_back(id);
  }
  gossip_adds_.clear();
  // With one peer there is nobody to tell about it.
  if (adds.empty() || send.to.size() < 2) return;
  if (adds.size() > kAdditionsForAll) choose(send.to, kAdditionsAudience);
  Heartbeat payload = heartbeat();
  size_t bytes = 0;
  for (NodeId& id : adds) {
    bytes += id.text().size() + 3;
    if (bytes > limits_.gossip_bytes_max) {
      emit(Send{send.to, payload});
      payload.known_nodes.clear();
      bytes = id.text().size() + 3;
    }
    payload.known_nodes.push_back(std::move(id));
  }
  send.payload = std::move(payload);
  emit(std::move(send));
}

// The whole list, but for the peer itself and what `known` names already: in as many frames as the limit asks for, in
// one at least if `even_empty`.
void Membership::Machine::send_list(const Connection& connection, const std::unordered_set<std::string_view>& known,
                                    bool even_empty) {
  Heartbeat payload = heartbeat();
  size_t bytes = 0;
  for (const auto& [id, member] : members_) {
    if (member.status != NodeStatus::Connected || id == connection.peer || known.contains(id.text())) continue;
    bytes += id.text().size() + 3;
    if (bytes > limits_.gossip_bytes_max) {
      emit(Send{{connection.id}, payload});
      payload.known_nodes.clear();
      bytes = id.text().size() + 3;
    }
    payload.known_nodes.push_back(id);
  }
  if (even_empty || !payload.known_nodes.empty()) emit(Send{{connection.id}, std::move(payload)});
}

// Sent even when it is empty: the peer that dialled us takes its first list as the answer and dials those ids at once.
void Membership::Machine::send_full_list(const Connection& connection) { send_list(connection, {}, true); }

// The dialler's part, once it has the answer: what that lacked. Of two that know much the same, as in a cluster that
// starts all at once, only one sends a long list.
void Membership::Machine::send_difference(const Connection& connection, const std::vector<NodeId>& answer) {
  std::unordered_set<std::string_view> known;
  known.reserve(answer.size());
  for (const NodeId& id : answer) known.insert(id.text());
  send_list(connection, known, false);
}

void Membership::Machine::learn(const Connection& connection, Member& teacher, const std::vector<NodeId>& ids) {
  // On a connection that we dialled, the list that follows the hello (or, from a peer without hello, its first beat) is
  // the answer.
  const bool answer = connection.outbound &&
                      (connection.has_hello ? connection.frames == 2 && !connection.has_list : connection.frames == 1);
  // A spare that is being closed needs none: the connection that replaces it has an exchange of its own.
  if (answer && connection.has_hello && connection.state == ConnectionState::Confirmed)
    send_difference(connection, ids);
  member_by_id_.prefetch_items(ids);
  size_t evictions_left = kEvictionsPerFrame;
  for (const NodeId& id : ids) learn_one(connection, teacher, id, answer, evictions_left);
}

// For who asks who sees whom; nothing is decided by it.
void Membership::Machine::note_sighting(Member& teacher, const Member& other) {
  if (members_.size() > kSightingsNodesMax || &other == &teacher) return;
  auto& list = teacher.sightings;
  auto place = std::find_if(list.begin(), list.end(), [&other](const Sighting& s) { return s.of == other.serial; });
  if (place == list.end() && list.size() >= kSightingsNodesMax) {  // some of them are of nodes that are gone
    place = std::min_element(list.begin(), list.end(),
                             [](const Sighting& a, const Sighting& b) { return a.said_at < b.said_at; });
  }
  if (place == list.end()) {
    list.push_back({other.serial, clock_});
  } else {
    *place = {other.serial, clock_};
  }
}

void Membership::Machine::learn_one(const Connection& connection, Member& teacher, const NodeId& id, bool answer,
                                    size_t& evictions_left) {
  Member* member = find_member(id);
  if (member != nullptr) note_sighting(teacher, *member);
  if (member != nullptr && member->status == NodeStatus::Connected) return;  // nearly always
  if (id == self_.id) {
    teacher.named_us_at = clock_;
    return;
  }
  if (id == teacher.id || is_alias(id)) return;
  const Duration patience = config_.heartbeat_interval / 2;
  const Instant when = answer ? clock_ : clock_ + (self_.id < id ? std::min(kFirstDialDelay, patience) : patience);

  if (member != nullptr && member->ever_up) {
    // Known for itself. Only one that said goodbye is no longer dialled; somebody is connected to it again, so it is
    // back.
    if (member->left && member->status != NodeStatus::Connected && clock_ >= member->ignored_until) {
      member->left = false;
      want_dial(*member, when);
    }
    return;
  }
  if (member == nullptr) {
    // Loopback addresses mean something only on the machine where they were seen.
    if (is_loopback_host(id) && !connection.remote_is_local) return;
    if (const auto impostor = impostors_.find(id); impostor != impostors_.end()) {
      if (clock_ < impostor->second) return;
      impostors_.erase(impostor);
    }
    if (members_.size() >= limits_.nodes_max) {
      if (evictions_left == 0) return;
      --evictions_left;
    }
    member = add_member(id, /*by_gossip=*/true);
    if (member == nullptr) return;
    note_sighting(teacher, *member);
    member->teacher = teacher.id;
    ++never_up_by_teacher_[teacher.id];
    want_dial(*member, when);
    if (answer && !is_seed(id)) targets_.at(member->target).named_in_answer = true;
  } else if (answer && !is_seed(id) && member->target != 0) {
    Target& target = targets_.at(member->target);
    if (target.phase == Phase::Idle && target.attempt == 0 && target.due > when) {
      schedule(target, when);
      target.named_in_answer = true;
    }
  }
  const auto voucher = std::find_if(member->vouchers.begin(), member->vouchers.end(),
                                    [&teacher](const Voucher& v) { return v.teacher == teacher.id; });
  if (voucher == member->vouchers.end()) {
    if (member->vouchers.size() >= kVouchersMax) member->vouchers.erase(member->vouchers.begin());
    member->vouchers.push_back(Voucher{teacher.id, clock_});
  } else {
    voucher->said_at = clock_;
  }
  member->vouchers_gone_at = Instant::never();
  arm_member(*member);
}

}  // namespace noex
