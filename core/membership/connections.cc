// Connections for themselves: how one is turned away, how long it may take, and what its end means. Who is on it:
// hello.cc.
#include <algorithm>

#include "base/checks.h"
#include "membership/machine.h"

namespace noex {
namespace {

ErrorKind error_kind_of(RejectKind kind) {
  switch (kind) {
    case RejectKind::MissingSignature:
    case RejectKind::BadSignature:
    case RejectKind::Replayed:
      return ErrorKind::Authentication;
    case RejectKind::DuplicateId:
      return ErrorKind::DuplicateId;
    case RejectKind::WrongCluster:
      return ErrorKind::ClusterMismatch;
    case RejectKind::Full:
    case RejectKind::SlowReader:
    case RejectKind::TooManyUnidentified:
      return ErrorKind::Overload;
    default:
      return ErrorKind::Protocol;
  }
}

}  // namespace

// ------------------------------------------------------------------------------------------------------------------
// turning away

void Membership::Machine::refuse(Connection& connection, Refusal refusal, RejectKind kind, ErrorKind error,
                                 const std::string& message) {
  count(kind);
  report(error, message, connection.peer, &connection.remote);
  if (clock_ - refusal_window_ >= Duration::seconds(1)) {
    refusal_window_ = clock_;
    refusals_in_window_ = 0;
  }
  // While it is being told why, it holds a socket that no table counts.
  if (++refusals_in_window_ > limits_.refusals_per_second_max) {
    end_connection(connection, CloseMode::Abort, Failure::Rejected, message);
    return;
  }
  Hello hello;
  hello.refused = refusal;
  send_extension(connection.id, std::move(hello));
  end_connection(connection, CloseMode::Flush, Failure::Rejected, message);
}

void Membership::Machine::reject(Connection& connection, RejectKind kind, const std::string& detail) {
  count(kind);
  std::string who = connection.peer.empty()
                        ? connection.remote.to_string()
                        : "'" + connection.peer.text() + "' (" + connection.remote.to_string() + ")";
  std::string message = "rejected a frame from " + who + " and closed the connection: " + detail;
  if (kind == RejectKind::MissingSignature || kind == RejectKind::BadSignature) {
    message += "; is the cluster secret the same on both nodes?";
  }
  report(error_kind_of(kind), message, connection.peer, &connection.remote);
  end_connection(connection, CloseMode::Abort, Failure::Rejected, detail);
}

void Membership::Machine::make_room_for_unidentified() {
  while (!unidentified_.empty()) {
    Connection* oldest = find_connection(unidentified_.front());
    const bool waits = oldest != nullptr && oldest->state == ConnectionState::Unidentified;
    if (waits && unidentified_count_ < limits_.unidentified_max) return;
    unidentified_.pop_front();
    if (!waits) continue;
    note(RejectKind::TooManyUnidentified,
         "closed the oldest of " + std::to_string(unidentified_count_) +
             " connections that have not said who they are: " + oldest->remote.to_string());
    end_connection(*oldest, CloseMode::Abort, Failure::Rejected, "too many unidentified connections");
  }
}

// Saying who one is costs nothing, least of all when it is said in recorded words: so those who have not proved it are
// counted, too. False: there is no room, and each of them came so lately that its proof may be under way. A live one
// among them takes our answer for the beginning, and would report us down if it were closed.
bool Membership::Machine::make_room_for_unproven() {
  while (!unproven_.empty()) {
    Connection* oldest = find_connection(unproven_.front());
    const bool waits = oldest != nullptr && is_unproven(*oldest, oldest->state);
    if (waits && unproven_count_ < limits_.unproven_max) return true;
    if (waits && clock_ - (oldest->expires_at - identification_time()) < limits_.proof_time_min) return false;
    unproven_.pop_front();
    if (!waits) continue;
    note(RejectKind::TooManyUnidentified, "closed the oldest of " + std::to_string(unproven_count_) +
                                              " connections that have not proved who they are: '" +
                                              oldest->peer.text() + "' (" + oldest->remote.to_string() + ")");
    end_connection(*oldest, CloseMode::Abort, Failure::Rejected, "too many unproven connections");
  }
  return true;
}

// ----------------------------------------------------------------------------------------------------------------
// sending, times, ends

void Membership::Machine::send_hello(const Connection& connection, const std::optional<Nonce>& echo) {
  Hello hello;
  hello.incarnation = self_.incarnation;
  hello.nonce = connection.nonce;
  hello.echo = echo;
  hello.interval_ms = static_cast<uint32_t>(config_.heartbeat_interval.ms());
  hello.cluster = config_.cluster_name;
  if (config_.heartbeat_miss_threshold == 1) hello.capabilities.emplace_back(kBeatsTwice);
  if (connection.outbound && connection.has_list) hello.capabilities.emplace_back(kHasList);
  send_extension(connection.id, std::move(hello));
}

void Membership::Machine::send_extension(ConnectionId to, Hello hello) {
  Heartbeat payload = heartbeat();
  payload.hello = std::move(hello);
  emit(Send{{to}, std::move(payload)});
}

void Membership::Machine::leave_unidentified(Connection& connection, ConnectionState next) {
  if (connection.state == ConnectionState::Unidentified && !connection.outbound) --unidentified_count_;
  const bool was_in_use = connection.outbound && connection.state < ConnectionState::Identified;
  if (was_in_use && next >= ConnectionState::Identified)
    endpoints_in_use_.erase(endpoints_in_use_.find(connection.remote));
  const bool was_unproven = is_unproven(connection, connection.state);
  const bool is_now = is_unproven(connection, next);
  if (is_now && !was_unproven) {
    unproven_.push_back(connection.id);
    ++unproven_count_;
  } else if (was_unproven && !is_now) {
    --unproven_count_;
  }
  connection.state = next;
}

void Membership::Machine::set_expiry(Connection& connection, Instant at) {
  connection.expires_at = at;
  arm(TimerKind::Connection, connection.id, connection.timer, std::min(connection.silent_at, connection.expires_at));
}

void Membership::Machine::connection_timer(Connection& connection) {
  if (connection.silent_at <= clock_) {
    connection.silent_at = Instant::never();
    if (Target* target = find_target(connection.target); target != nullptr) settle(*target);
  }
  if (connection.expires_at > clock_) {
    set_expiry(connection, connection.expires_at);
    return;
  }
  if (connection.state == ConnectionState::Unidentified && may_stay_silent(connection)) {
    set_expiry(connection, clock_ + identification_time());
    return;
  }
  if (connection.state == ConnectionState::Stale && !connection.has_hello) {
    // Closing any connection of a node of the reference makes it report us: while it lives, this one stays as well.
    const Member* const member = find_member(connection.peer);
    if (member != nullptr && member->status == NodeStatus::Connected) {
      set_expiry(connection, Instant::never());
      return;
    }
  }
  const bool confirmed = connection.state >= ConnectionState::Confirmed;
  const char* const why = confirmed ? "its time as a spare is over" : "it did not identify itself in time";
  if (!confirmed) {
    note(RejectKind::IdentificationTimeout, "closed the connection with " + connection.remote.to_string() + ": " + why);
  }
  end_connection(connection, CloseMode::Abort, Failure::Rejected, why);
}

// A node of the reference speaks on one connection and keeps the others: a connection object that it has replaced dials
// again and says nothing, and when dials cross it may speak on its own and never on ours. Closing such a one would make
// it report us down.
bool Membership::Machine::may_stay_silent(const Connection& connection) const {
  const auto alike = [&](const Connection& other) {  // an accepted connection comes from any port of its host
    return other.outbound == connection.outbound && other.remote.ip == connection.remote.ip &&
           (!connection.outbound || other.remote.port == connection.remote.port);
  };
  size_t silent = 0;
  for (const auto& [id, other] : connections_) {
    if (other.state == ConnectionState::Unidentified && alike(other)) ++silent;
  }
  for (const auto& [id, member] : members_) {
    if (member.shown_hello || (connection.outbound && member.id.port() != connection.remote.port)) continue;
    const bool same_address = std::any_of(member.connections.begin(), member.connections.end(), [&](ConnectionId c) {
      return connections_.at(c).remote.ip == connection.remote.ip;
    });
    if (same_address && member.connections.size() + silent <= limits_.reference_connections_max) return true;
  }
  return false;
}

void Membership::Machine::end_connection(Connection& connection, std::optional<CloseMode> mode, Failure failure,
                                         const std::string& why) {
  if (mode.has_value()) emit(Close{connection.id, *mode});
  const Connection ended = connection;
  erase_connection(connection.id);
  if (Target* target = find_target(ended.target); target != nullptr)
    attempt_connection_ended(*target, ended.id, failure, why, &ended.remote);
  if (ended.peer.empty()) return;
  Member* member = find_member(ended.peer);
  if (member == nullptr) return;
  if (ended.state >= ConnectionState::Confirmed) {
    member_lost_connection(*member, ended, why);
  } else if (!member->bereaved_until.is_never() && member->active == 0 && !waking_ &&
             ended.state == ConnectionState::Identified && !is_being_confirmed(*member)) {
    // The connection that was to replace the lost one is gone as well.
    bring_down(*member, DownReason::ConnectionClosed, why);
  }
}

void Membership::Machine::discard_connection(ConnectionId id, CloseMode mode) {
  Connection& connection = connections_.at(id);
  emit(Close{id, mode});
  if (Target* target = find_target(connection.target); target != nullptr) std::erase(target->connections, id);
  if (Member* member = connection.peer.empty() ? nullptr : find_member(connection.peer); member != nullptr) {
    std::erase(member->connections, id);
    if (member->active == id) refresh_active(*member);
  }
  erase_connection(id);
}

void Membership::Machine::erase_connection(ConnectionId id) {
  Connection& connection = connections_.at(id);
  if (connection.state == ConnectionState::Dialing) --dials_in_progress_;
  // Gives back what an unidentified connection holds.
  leave_unidentified(connection, ConnectionState::Draining);
  arm(TimerKind::Connection, id, connection.timer, Instant::never());
  connection_by_id_.remove(connection);
  connections_.erase(id);
}

}  // namespace noex
