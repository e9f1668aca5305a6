// Members: how they come up, go down, and are forgotten.
#include <algorithm>

#include "base/checks.h"
#include "base/utc_text.h"
#include "membership/machine.h"

namespace noex {
namespace {

// How often a member that was never up is looked at for witnesses.
constexpr Duration kVoucherCheck = Duration::seconds(10);

std::string milliseconds(Duration duration) { return std::to_string(duration.ms()) + " ms"; }

}  // namespace

Membership::Machine::Member* Membership::Machine::add_member(const NodeId& id, bool by_gossip) {
  NOEX_CHECK(id != self_.id && find_member(id) == nullptr);
  if (members_.size() >= limits_.nodes_max && !evict_one(by_gossip)) return nullptr;
  Member& member = members_[id];
  member.serial = next_serial_++;
  member.id = id;
  member.cell = std::make_shared<NodeCell>(id);
  member_by_serial_[member.serial] = &member;
  member_by_id_.add(member);
  if (const auto seed = seed_ids_.find(id); seed != seed_ids_.end()) {
    member.target = seed->second;
    // It lives under its own name after all.
    targets_.at(seed->second).answered_as = NodeId();
  }
  touch_table();
  return &member;
}

void Membership::Machine::remove_member(Member& member) {
  NOEX_CHECK(member.status != NodeStatus::Connected);
  discard_connections_of(member);
  if (Target* target = find_target(member.target); target != nullptr && !target->seed) remove_target(target->id);
  if (!member.teacher.empty()) {
    const auto load = never_up_by_teacher_.find(member.teacher);
    if (load != never_up_by_teacher_.end() && --load->second == 0) never_up_by_teacher_.erase(load);
  }
  arm(TimerKind::Member, member.serial, member.timer, Instant::never());
  member_by_serial_.erase(member.serial);
  member_by_id_.remove(member);
  members_.erase(NodeId(member.id));
  touch_table();
}

// Makes room in a full table: members that were never up go first, then those that are down for longest. Configured
// seeds stay.
bool Membership::Machine::evict_one(bool by_gossip) {
  Member* victim = nullptr;
  auto rank = [](const Member& member) {
    return std::make_tuple(member.ever_up, member.ever_up ? member.down_at : Instant(), member.serial);
  };
  for (auto& [id, member] : members_) {
    if (member.status == NodeStatus::Connected || is_seed(id)) continue;
    // An id that is only hearsay does not push out a node that was really here.
    if (by_gossip && member.ever_up) continue;
    if (by_gossip && member.unreachable_since.is_never()) continue;
    if (victim == nullptr || rank(member) < rank(*victim)) victim = &member;
  }
  if (victim == nullptr) return false;
  remove_member(*victim);
  return true;
}

bool Membership::Machine::is_alias(const NodeId& id) const {
  const auto seed = seed_ids_.find(id);
  return seed != seed_ids_.end() &&
         (targets_.at(seed->second).is_self || !targets_.at(seed->second).answered_as.empty());
}

void Membership::Machine::bring_up(Member& member, Connection& connection) {
  NOEX_CHECK(member.status != NodeStatus::Connected);
  member.status = NodeStatus::Connected;
  audience_changed_ = true;
  const UpKind kind = !member.ever_up                        ? UpKind::First
                      : member.last_up == member.incarnation ? UpKind::Reconnect
                                                             : UpKind::Restart;
  member.ever_up = true;
  member.last_up = member.incarnation;
  member.left = false;
  member.bereaved_until = Instant::never();
  member.timeout = timeout_for(connection);
  member.last_frame_at = clock_;
  member.vouchers.clear();
  member.vouchers_gone_at = Instant::never();
  member.unreachable_since = Instant::never();
  if (!member.teacher.empty()) {
    const auto load = never_up_by_teacher_.find(member.teacher);
    if (load != never_up_by_teacher_.end() && --load->second == 0) never_up_by_teacher_.erase(load);
    member.teacher = NodeId();
  }
  ++connected_count_;
  ++stats_.ups[static_cast<size_t>(kind)];
  member.cell->last_heartbeat_at.store(now_.unix_ms, std::memory_order_relaxed);
  beats_->fetch_add(1, std::memory_order_release);
  end_dialling(member);
  gossip_adds_.push_back(member.id);
  if (gossip_at_.is_never()) arm(TimerKind::GossipFlush, 0, gossip_at_, clock_ + limits_.gossip_delay);
  touch_table();
  log(LogLevel::Info, "up " + member.id.text() + " (" + connection.remote.to_string() +
                          (connection.outbound ? ", dialled)" : ", accepted)"));
  NodeInfo info;
  info.id = member.id;
  info.status = member.status;
  info.incarnation = member.incarnation;
  info.last_heartbeat_at = now_.unix_ms;
  info.uptime_ms = member.cell->uptime_ms.load(std::memory_order_relaxed);
  info.process_count = member.cell->process_count.load(std::memory_order_relaxed);
  emit(Notify{NodeUp{std::move(info)}});
}

void Membership::Machine::bring_down(Member& member, DownReason reason, std::string evidence) {
  const bool was_connected = member.status == NodeStatus::Connected;
  if (was_connected) {
    evidence += "; last frame at " + utc_text(now_.unix_ms - (clock_ - member.last_frame_at).ms());
    if (const auto active = connections_.find(member.active); active != connections_.end())
      evidence += " from " + active->second.remote.to_string();
  }
  // Only ConnectionRefused is said of a node that was never up.
  NOEX_CHECK(was_connected || (reason == DownReason::ConnectionRefused && !member.ever_up));
  member.status = NodeStatus::Disconnected;
  audience_changed_ = true;
  member.bereaved_until = Instant::never();
  member.challenge.reset();
  member.challenge_ends = Instant::never();
  member.down_at = clock_;
  set_active(member, 0);
  member.sightings.clear();
  member.named_us_at = Instant::never();
  if (was_connected) --connected_count_;
  ++stats_.downs[static_cast<size_t>(reason)];
  // A connection that fell silent stays open: closing it would make the peer, once it thaws, report us as gone.
  for (const ConnectionId id : member.connections) {
    Connection& connection = connections_.at(id);
    if (connection.state != ConnectionState::Confirmed && connection.state != ConnectionState::Stale) continue;
    const bool has_expiry = connection.state == ConnectionState::Stale && !connection.expires_at.is_never();
    connection.state = ConnectionState::Stale;
    if (!has_expiry) set_expiry(connection, clock_ + limits_.stale_connection_max);
  }
  touch_table();
  log(LogLevel::Info, "down " + member.id.text() + " (" + std::string(to_string(reason)) + "): " + evidence);
  emit(Notify{NodeDown{member.id, reason, std::move(evidence)}});
  if (was_connected) {
    redial_seeds_of(member.id);
    if (!member.left && !is_seed(member.id)) {
      want_dial(member, clock_ + backoff(Target{}));
      targets_.at(member.target).attempt = 1;
    }
    hurry_seeds_if_alone();
  }
  arm_member(member);
}

void Membership::Machine::set_active(Member& member, ConnectionId id) {
  if (member.active == id) return;
  member.active = id;
  audience_changed_ = true;
}

void Membership::Machine::refresh_active(Member& member) {
  Connection* best = nullptr;
  for (const ConnectionId id : member.connections) {
    Connection& connection = connections_.at(id);
    if (connection.state != ConnectionState::Confirmed) continue;
    const bool better = best == nullptr || (connection.has_hello ? connection.confirmed_order > best->confirmed_order
                                                                 : connection.last_frame_at > best->last_frame_at);
    if (better) best = &connection;
  }
  set_active(member, best == nullptr ? 0 : best->id);
  if (best == nullptr) return;
  if (!best->expires_at.is_never()) set_expiry(*best, Instant::never());  // it was the older of two
}

void Membership::Machine::discard_connections_of(Member& member) {
  const std::vector<ConnectionId> all = member.connections;
  for (const ConnectionId id : all) discard_connection(id, CloseMode::Abort);
}

bool Membership::Machine::is_being_confirmed(const Member& member) const {
  return std::any_of(connections_.begin(), connections_.end(), [&member](const auto& entry) {
    const Connection& connection = entry.second;
    return connection.state == ConnectionState::Identified && connection.peer == member.id &&
           connection.incarnation == member.incarnation;
  });
}

void Membership::Machine::member_lost_connection(Member& member, const Connection& ended, const std::string& why) {
  std::erase(member.connections, ended.id);
  if (member.active == ended.id) refresh_active(member);
  if (member.status != NodeStatus::Connected || member.active != 0) return;  // others live, or nothing was left to lose
  if (member.challenge.has_value()) {
    // That answers the question: the newcomer is the next run.
    const NodeId id = member.id;
    member.challenge.reset();
    bring_down(member, DownReason::ConnectionClosed, why);
    admit_held(id);
    return;
  }
  // Who closes the older of two connections lives, and speaks on the newer. That one may be new, and the frame that
  // confirms it under way; or it fell silent, and the older was heard again first.
  if (is_being_confirmed(member) || (ended.closed_by_peer && member.shown_hello && !member.connections.empty())) {
    member.bereaved_until = (ended.closed_by_peer ? clock_ : member.last_frame_at) + member.timeout;
    arm_member(member);
    return;
  }
  if (waking_) {
    // We were away; that the peer gave up on the connection meanwhile is our doing. Back within one timeout, nobody is
    // told.
    member.bereaved_until = clock_ + member.timeout;
    if (is_seed(member.id)) {
      schedule(targets_.at(member.target), clock_);
    } else if (member.target == 0) {
      want_dial(member, clock_);
    }
    arm_member(member);
    return;
  }
  bring_down(member, DownReason::ConnectionClosed, why);
}

bool Membership::Machine::has_live_voucher(const Member& member) const {
  // A peer names each id it is connected to once in so many beats; twice that time without it means that it is no
  // longer connected.
  const auto turns = static_cast<int64_t>(connected_count_ / limits_.gossip_per_beat + 2);
  for (const Voucher& voucher : member.vouchers) {
    const Member* const teacher = find_member(voucher.teacher);
    if (teacher == nullptr || teacher->status != NodeStatus::Connected) continue;
    if (clock_ - voucher.said_at <= 2 * turns * (teacher->timeout / config_.heartbeat_miss_threshold)) return true;
  }
  return false;
}

void Membership::Machine::arm_member(Member& member) {
  Instant at = Instant::never();
  if (member.status == NodeStatus::Connected) {
    at = member.bereaved_until.is_never() ? member.last_frame_at + member.timeout : member.bereaved_until;
    at = std::min(at, member.challenge_ends);
  } else if (!is_seed(member.id)) {
    if (member.ever_up) {
      at = member.down_at +
           (member.left ? std::min(config_.forget_after, limits_.leaver_forget_max) : config_.forget_after);
    } else {
      at =
          member.vouchers_gone_at.is_never() ? clock_ + kVoucherCheck : member.vouchers_gone_at + limits_.unvouched_max;
      if (!member.timer.is_never()) at = std::min(at, member.timer);
    }
  }
  // Frames move the true deadline on all the time: the timer follows only when it fires, unless it would come too late.
  if (member.status == NodeStatus::Connected && member.timer <= at) return;
  arm(TimerKind::Member, member.serial, member.timer, at);
}

void Membership::Machine::member_timer(Member& member) {
  if (member.status == NodeStatus::Connected) {
    if (member.challenge_ends <= clock_) {
      settle_challenge(member, /*old_one_lives=*/false);
      return;
    }
    const NodeId id = member.id;
    if (!member.bereaved_until.is_never()) {
      if (member.bereaved_until <= clock_) {
        bring_down(member, DownReason::ConnectionClosed, "its connection ended, and it did not come back in time");
        admit_held(id);
        return;
      }
    } else if (member.last_frame_at + member.timeout <= clock_) {
      bring_down(member, DownReason::HeartbeatTimeout,
                 "no frame for " + milliseconds(clock_ - member.last_frame_at) + ", the limit is " +
                     milliseconds(member.timeout) + " (" + std::to_string(config_.heartbeat_miss_threshold) +
                     (config_.heartbeat_miss_threshold == 1 ? " interval)" : " intervals)"));
      admit_held(id);
      return;
    }
    arm_member(member);
    return;
  }
  if (is_seed(member.id)) return;
  if (member.ever_up) {
    const Duration keep =
        member.left ? std::min(config_.forget_after, limits_.leaver_forget_max) : config_.forget_after;
    if (member.down_at + keep <= clock_) {
      remove_member(member);
    } else {
      arm_member(member);
    }
    return;
  }
  if (has_live_voucher(member)) {
    member.vouchers_gone_at = Instant::never();
  } else if (member.vouchers_gone_at.is_never()) {
    member.vouchers_gone_at = clock_;
  } else if (member.vouchers_gone_at + limits_.unvouched_max <= clock_) {
    remove_member(member);
    return;
  }
  arm_member(member);
}

void Membership::Machine::update_cell(Member& member, const NodeInfo& info) {
  member.cell->last_heartbeat_at.store(now_.unix_ms, std::memory_order_relaxed);
  member.cell->uptime_ms.store(info.uptime_ms, std::memory_order_relaxed);
  member.cell->process_count.store(info.process_count, std::memory_order_relaxed);
  beats_->fetch_add(1, std::memory_order_release);
}

}  // namespace noex
