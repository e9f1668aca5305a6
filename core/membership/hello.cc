// Who is on a connection, and may it stay: identification, the hello with its nonces, challenges between two claims to
// one id, and the choice among several connections of one process. The rules are those of docs/protocol.md.
#include <algorithm>
#include <cstdlib>

#include "base/checks.h"
#include "membership/machine.h"

namespace noex {
namespace {

// A reference node says its start time in milliseconds; its two readings of the clock may lie this far apart.
constexpr int64_t kReferenceStartTolerance = 50;

// How much older than the newest one seen a first frame of a peer without hello may be.
constexpr int64_t kReplayToleranceMs = 10'000;

bool same_incarnation(Incarnation a, Incarnation b, bool hello) {
  if (hello) return a == b;
  if (a == 0 || b == 0) return true;  // a first frame that was no heartbeat says no start time
  return std::llabs(static_cast<int64_t>(a) - static_cast<int64_t>(b)) <= kReferenceStartTolerance;
}

}  // namespace

// ----------------------------------------------------------------------------------------------------------------
// identification

void Membership::Machine::identify(Connection& connection, const MessageReceived& event) {
  const Message& message = event.message;
  const Heartbeat* heartbeat = std::get_if<Heartbeat>(&message.payload);
  const Hello* hello = heartbeat != nullptr && heartbeat->hello.has_value() ? &*heartbeat->hello : nullptr;
  if (hello != nullptr && hello->refused.has_value()) {
    receive_refusal(connection, *hello->refused);
    return;
  }
  if (heartbeat != nullptr && heartbeat->node.id != message.from) {
    reject(connection, RejectKind::InvalidMessage,
           "a heartbeat about '" + printable(heartbeat->node.id.text()) + "' from '" + printable(message.from.text()) +
               "'");
    return;
  }
  if (message.from == self_.id) {
    identify_own_id(connection, hello);
    return;
  }
  if (hello == nullptr) {
    identify_reference(connection, message);
    return;
  }
  if (!hello->incarnation.has_value() || !hello->nonce.has_value()) {
    reject(connection, RejectKind::InvalidMessage, "a hello without incarnation or nonce");
    return;
  }
  if (event.frame_size > limits_.first_frame_max) {
    reject(connection, RejectKind::FrameTooLarge, "a first frame of " + std::to_string(event.frame_size) + " bytes");
    return;
  }
  if (hello->cluster.value_or("") != config_.cluster_name) {
    refuse(connection, Refusal::Cluster, RejectKind::WrongCluster, ErrorKind::ClusterMismatch,
           "refused '" + message.from.text() + "': its cluster name is '" + printable(hello->cluster.value_or("")) +
               "', ours is '" + config_.cluster_name + "'");
    return;
  }
  if (connection.outbound && hello->echo != connection.nonce) {
    reject(connection, RejectKind::Replayed, "an answer that does not echo our hello");
    return;
  }
  connection.peer = message.from;
  connection.has_hello = true;
  connection.incarnation = *hello->incarnation;
  connection.peer_interval_ms = hello->interval_ms.value_or(0);
  const auto says = [&list = hello->capabilities](const char* ability) {
    return std::find(list.begin(), list.end(), ability) != list.end();
  };
  connection.peer_beats_twice = says(kBeatsTwice);
  if (!connection.outbound) connection.has_list = says(kHasList);
  connection.peer_nonce = hello->nonce;
  if (!connection.outbound && !make_room_for_unproven()) {
    note(RejectKind::TooManyUnidentified, "turned '" + connection.peer.text() + "' (" + connection.remote.to_string() +
                                              ") away: " + std::to_string(unproven_count_) +
                                              " others came just before it; it will come again");
    end_connection(connection, CloseMode::Abort, Failure::Rejected, "too many at once");
    return;
  }
  const ConnectionId id = connection.id;
  admit(connection);
  // What the answer to our dial says of itself is its first heartbeat.
  Connection* still = find_connection(id);
  if (still != nullptr && still->state == ConnectionState::Confirmed) receive_confirmed(*still, message);
}

void Membership::Machine::identify_own_id(Connection& connection, const Hello* hello) {
  if (hello != nullptr && hello->incarnation == self_.incarnation) {
    if (connection.outbound) {
      // Where we dial ourselves nobody answers: somebody sends us back what we said, here or elsewhere.
      reject(connection, RejectKind::Replayed, "our own hello");
      return;
    }
    // We dialled ourselves. Which of our dials it was, the nonce tells.
    ConnectionId other_end = 0;
    for (const auto& [id, candidate] : connections_) {
      const bool ours = candidate.outbound && candidate.state == ConnectionState::Unidentified;
      if (ours && hello->nonce == candidate.nonce) other_end = id;
    }
    discard_connection(connection.id, CloseMode::Abort);
    if (const Connection* dialled = find_connection(other_end); dialled != nullptr) {
      const Connection ours = *dialled;
      discard_connection(other_end, CloseMode::Abort);
      if (Target* found = find_target(ours.target); found != nullptr) answered_by_self(*found, ours);
    }
    return;
  }
  refuse(connection, Refusal::DuplicateId, RejectKind::DuplicateId, ErrorKind::DuplicateId,
         "another process uses our node id '" + self_.id.text() + "': it is seen at " + connection.remote.to_string() +
             "; every node needs a name, host and port of its own");
}

void Membership::Machine::identify_reference(Connection& connection, const Message& message) {
  if (!config_.cluster_name.empty()) {
    reject(connection, RejectKind::WrongCluster,
           "'" + message.from.text() + "' names no cluster, ours is '" + config_.cluster_name + "'");
    return;
  }
  Member* member = find_member(message.from);
  if (member != nullptr && !connection.outbound) {
    if (member->shown_hello) {
      reject(connection, RejectKind::Replayed,
             "a frame without hello from '" + message.from.text() + "', which speaks with one");
      return;
    }
    if (message.timestamp < member->newest_timestamp - kReplayToleranceMs) {
      // Its clock may have been set back while it was away. On a connection that we dial no replay is possible, so
      // there it can be met again: at once, for as long as it has a connection to us it drops any other.
      if (member->status != NodeStatus::Connected) {
        member->left = false;
        const Target* target = find_target(member->target);
        const bool dialled_lately = target != nullptr && clock_ - target->queued_at < config_.heartbeat_interval;
        if (!dialled_lately) want_dial(*member, clock_);
      }
      reject(connection, RejectKind::Replayed, "an old first frame of '" + message.from.text() + "'");
      return;
    }
  }
  const Heartbeat* heartbeat = std::get_if<Heartbeat>(&message.payload);
  connection.peer = message.from;
  connection.incarnation =
      heartbeat == nullptr ? 0
                           : static_cast<Incarnation>(heartbeat->node.last_heartbeat_at - heartbeat->node.uptime_ms);
  if (member == nullptr || member->status != NodeStatus::Connected) {
    if (std::holds_alternative<Goodbye>(message.payload)) {
      // It leaves before it was here: nothing to tell anybody.
      end_connection(connection, CloseMode::Abort, Failure::Rejected, "it said goodbye at once");
      return;
    }
  } else if (member->shown_hello) {
    // Only on a dial of ours. Who lives under that id now is decided by the connection that we have.
    reject(connection, RejectKind::DuplicateId,
           "'" + message.from.text() + "' answers without hello while it is connected with one");
    return;
  } else if (!same_process(*member, connection)) {
    if (connection.incarnation < member->incarnation) {
      // Said by a run before that one, and on its way for long. (Or its clock was set back: then the run that is up in
      // our eyes is silent, and soon is not.)
      reject(connection, RejectKind::Replayed, "a first frame of an earlier run of '" + message.from.text() + "'");
      return;
    }
    discard_connections_of(*member);
    bring_down(*member, DownReason::ConnectionClosed, "it was restarted: its start time changed");
  } else if (member->connections.size() >= limits_.reference_connections_max) {
    reject(connection, RejectKind::Full,
           "'" + message.from.text() + "' has " + std::to_string(member->connections.size()) + " connections already");
    return;
  }
  const ConnectionId id = connection.id;
  if (!connection.outbound) {
    connection.nonce = self_.nonce();
    send_hello(connection, std::nullopt);
  }
  confirm(connection);
  Connection* still = find_connection(id);
  if (still == nullptr || still->state != ConnectionState::Confirmed) return;
  Member& confirmed = *find_member(still->peer);
  confirmed.newest_timestamp =
      still->outbound ? message.timestamp : std::max(confirmed.newest_timestamp, message.timestamp);
  receive_confirmed(*still, message);
}

// The hello is in order. May this connection go on to be confirmed?
void Membership::Machine::admit(Connection& connection) {
  Member* member = find_member(connection.peer);
  if (member != nullptr && member->status == NodeStatus::Connected && !same_process(*member, connection)) {
    if (member->active != 0 && member->shown_hello) {
      challenge(*member, connection);
      return;
    }
    // Nobody is left to ask, or the id was held by a node that cannot echo: this is its next run.
    discard_connections_of(*member);
    bring_down(*member, DownReason::ConnectionClosed, "another run of it has come");
  }
  member = find_member(connection.peer);
  if (member != nullptr && member->left && same_process(*member, connection)) {
    end_connection(connection, CloseMode::Abort, Failure::Rejected, "it has said goodbye");
    return;
  }
  if (connection.outbound) {
    Hello echo;
    echo.echo = connection.peer_nonce;
    send_extension(connection.id, std::move(echo));
    confirm(connection);
    return;
  }
  leave_unidentified(connection, ConnectionState::Identified);
  connection.nonce = self_.nonce();
  send_hello(connection, connection.peer_nonce);
}

// Two incarnations of one id: the one that we are connected to is asked for a sign of life.
void Membership::Machine::challenge(Member& member, Connection& newcomer) {
  leave_unidentified(newcomer, ConnectionState::Held);
  if (member.challenge.has_value()) return;
  member.challenge = self_.nonce();
  member.challenge_ends = clock_ + config_.heartbeat_interval;
  Hello question;
  question.nonce = member.challenge;
  send_extension(member.active, std::move(question));
  arm_member(member);
}

void Membership::Machine::settle_challenge(Member& member, bool old_one_lives) {
  member.challenge.reset();
  member.challenge_ends = Instant::never();
  std::vector<ConnectionId> held;
  for (const auto& [id, connection] : connections_) {
    if (connection.state == ConnectionState::Held && connection.peer == member.id) held.push_back(id);
  }
  if (held.empty()) {  // the newcomer gave up meanwhile
    arm_member(member);
    return;
  }
  if (!old_one_lives) {
    discard_connections_of(member);
    bring_down(member, DownReason::ConnectionClosed,
               "another run of it has come, and the old connection did not answer");
    admit_held(member.id);
    return;
  }
  const Connection* living = find_connection(member.active);
  const std::string lives_at = living == nullptr ? "its first address" : living->remote.to_string();
  for (const ConnectionId id : held) {
    Connection* connection = find_connection(id);
    if (connection == nullptr) continue;
    if (same_process(member, *connection)) {
      admit(*connection);
      continue;
    }
    refuse(*connection, Refusal::DuplicateId, RejectKind::DuplicateId, ErrorKind::DuplicateId,
           "two processes use the node id '" + connection->peer.text() + "': the one at " + lives_at +
               " lives and stays, the one at " + connection->remote.to_string() + " was refused");
  }
}

void Membership::Machine::admit_held(const NodeId& id) {
  std::vector<ConnectionId> held;
  for (const auto& [connection_id, connection] : connections_) {
    if (connection.state == ConnectionState::Held && connection.peer == id) held.push_back(connection_id);
  }
  for (const ConnectionId connection_id : held) {
    if (Connection* connection = find_connection(connection_id); connection != nullptr) admit(*connection);
  }
}

// ---------------------------------------------------------------------------------------------------------------
// confirmed or not

void Membership::Machine::confirm(Connection& connection) {
  Member* member = find_member(connection.peer);
  if (member == nullptr) member = add_member(connection.peer, /*by_gossip=*/false);
  if (member == nullptr) {
    refuse(connection, Refusal::Full, RejectKind::Full, ErrorKind::Overload,
           "refused '" + connection.peer.text() + "': " + std::to_string(limits_.nodes_max) +
               " nodes are connected already");
    return;
  }
  leave_unidentified(connection, ConnectionState::Confirmed);
  connection.confirmed_order = next_confirmed_order_++;
  connection.silent_at = Instant::never();
  set_expiry(connection, Instant::never());
  emit(RaiseFrameLimit{connection.id});
  member->shown_hello = connection.has_hello;
  if (!connection.outbound) member->seen = Endpoint{connection.remote.ip, member->id.port()};
  member->last_frame_at = clock_;
  member->timeout = timeout_for(connection);
  if (member->status != NodeStatus::Connected) {
    // What is left of an earlier run is of no use any more.
    const std::vector<ConnectionId> old = member->connections;
    for (const ConnectionId id : old) {
      if (!same_run(connections_.at(id), connection)) discard_connection(id, CloseMode::Abort);
    }
  }
  member->connections.push_back(connection.id);
  connection.member = member;
  if (connection.incarnation != 0) member->incarnation = connection.incarnation;
  member->bereaved_until = Instant::never();
  refresh_active(*member);
  if (connection.target != 0) attempt_confirmed(*find_target(connection.target), connection);
  if (member->status != NodeStatus::Connected) {
    bring_up(*member, connection);
  } else {
    end_dialling(*member);
  }
  arm_member(*member);
  // To one with hello the dialler sends its part when it has the answer: see learn().
  if (connection.outbound ? !connection.has_hello : !connection.has_list) send_full_list(connection);
  resolve_duplicates(*member);
  limit_connections(*member);
}

// No process needs so many connections to us. The one that was just confirmed is the newest, and stays.
void Membership::Machine::limit_connections(Member& member) {
  if (!member.shown_hello) return;  // its further ones were refused
  while (member.connections.size() > limits_.hello_connections_max) {
    const ConnectionId oldest = member.connections.front();
    NOEX_CHECK(oldest != member.active);
    note(RejectKind::Full, "closed the oldest of " + std::to_string(member.connections.size()) + " connections of '" +
                               member.id.text() + "'");
    discard_connection(oldest, CloseMode::Abort);
  }
}

// Two connections of one process: only the node with the smaller id closes one, so that never both go. It stops writing
// on the older and reads on; the other closes it at the end of the stream, having flushed. No frame is lost, and nobody
// is told anything.
void Membership::Machine::resolve_duplicates(Member& member) {
  if (!member.shown_hello) return;
  const bool we_close = self_.id < member.id;
  for (const ConnectionId id : member.connections) {
    Connection& connection = connections_.at(id);
    if (id == member.active || connection.state == ConnectionState::Draining) continue;
    if (!we_close) {
      // Half-open, the older may be long gone over there, and its end will never be heard: then its time ends it.
      if (connection.expires_at.is_never()) set_expiry(connection, clock_ + limits_.stale_connection_max);
      continue;
    }
    connection.state = ConnectionState::Draining;
    emit(Close{id, CloseMode::ShutdownWrite});
    set_expiry(connection, clock_ + limits_.stale_connection_max);
  }
}

bool Membership::Machine::same_process(const Member& member, const Connection& connection) const {
  return same_incarnation(member.incarnation, connection.incarnation, member.shown_hello || connection.has_hello);
}

bool Membership::Machine::same_run(const Connection& a, const Connection& b) const {
  return a.has_hello == b.has_hello && same_incarnation(a.incarnation, b.incarnation, a.has_hello);
}

// -----------------------------------------------------------------------------------------------------------------
// frames after that

void Membership::Machine::receive(Connection& connection, const Message& message) {
  const Heartbeat* heartbeat = std::get_if<Heartbeat>(&message.payload);
  const Hello* hello = heartbeat != nullptr && heartbeat->hello.has_value() ? &*heartbeat->hello : nullptr;
  if (hello != nullptr && hello->refused.has_value()) {
    receive_refusal(connection, *hello->refused);
    return;
  }
  if (connection.state == ConnectionState::Held) return;  // it waits, and so must what it says
  if (connection.state == ConnectionState::Identified) {
    if (hello == nullptr || hello->echo != connection.nonce) {
      reject(connection, RejectKind::Replayed,
             "'" + connection.peer.text() + "' does not echo our hello: a replayed connection");
      return;
    }
    const ConnectionId id = connection.id;
    // Meanwhile another run of it may have been confirmed.
    Member* member = find_member(connection.peer);
    if (member != nullptr && member->status == NodeStatus::Connected && !same_process(*member, connection)) {
      end_connection(connection, CloseMode::Abort, Failure::Rejected, "another run of it came first");
      return;
    }
    confirm(connection);
    Connection* still = find_connection(id);
    if (still == nullptr || still->state != ConnectionState::Confirmed) return;
    receive_confirmed(*still, message);
    return;
  }
  receive_confirmed(connection, message);
}

void Membership::Machine::receive_confirmed(Connection& connection, const Message& message) {
  Member& member = *connection.member;
  member.last_frame_at = clock_;
  if (!connection.has_hello) member.newest_timestamp = std::max(member.newest_timestamp, message.timestamp);
  if (connection.state == ConnectionState::Stale && !std::holds_alternative<Goodbye>(message.payload)) {
    connection.state = ConnectionState::Confirmed;
    set_expiry(connection, Instant::never());
    refresh_active(member);
    if (member.status == NodeStatus::Connected) {
      // The peer came back on another of its connections first. This one lives as well, and may be the one it keeps.
      member.bereaved_until = Instant::never();
      arm_member(member);
      resolve_duplicates(member);
    } else {
      bring_up(member, connection);
      arm_member(member);
      send_full_list(connection);
    }
  }
  if (connection.state == ConnectionState::Confirmed && member.active != connection.id) {
    follow(member, connection);
  }
  if (const auto* heartbeat = std::get_if<Heartbeat>(&message.payload)) {
    receive_heartbeat(connection, member, *heartbeat);
  } else if (const auto* goodbye = std::get_if<Goodbye>(&message.payload)) {
    receive_goodbye(connection, *goodbye);
  }
}

// It speaks on another connection than the one that we write on.
void Membership::Machine::follow(Member& member, Connection& spoken) {
  if (!spoken.has_hello) {
    // A reference node may write on any of its connections: answer where it spoke last.
    set_active(member, spoken.id);
    return;
  }
  // Of two, the node with the smaller id ends the older and speaks on the newer, as it sees them. The end may have been
  // lost with all that came after it on a connection that fell silent: then this is the one that it keeps.
  const Connection* active = find_connection(member.active);
  if (active == nullptr || clock_ - active->last_frame_at < member.timeout) return;
  spoken.confirmed_order = next_confirmed_order_++;
  set_expiry(spoken, Instant::never());
  refresh_active(member);
  resolve_duplicates(member);
}

void Membership::Machine::receive_heartbeat(Connection& connection, Member& member, const Heartbeat& heartbeat) {
  if (heartbeat.node.id != connection.peer) {
    reject(connection, RejectKind::InvalidMessage,
           "a heartbeat about '" + printable(heartbeat.node.id.text()) + "' from '" + connection.peer.text() + "'");
    return;
  }
  update_cell(member, heartbeat.node);
  if (heartbeat.hello.has_value()) {
    const Hello& hello = *heartbeat.hello;
    // A first frame was answered by our own hello; later a nonce is a question whether we are alive.
    const bool question = hello.nonce.has_value() && !hello.incarnation.has_value();
    if (question && connection.state == ConnectionState::Confirmed) {
      Hello answer;
      answer.echo = hello.nonce;
      send_extension(connection.id, std::move(answer));
    }
    if (member.challenge.has_value() && hello.echo == member.challenge)
      settle_challenge(member, /*old_one_lives=*/true);
  }
  learn(connection, member, heartbeat.known_nodes);
}

void Membership::Machine::receive_goodbye(Connection& connection, const Goodbye& goodbye) {
  if (goodbye.node != connection.peer || goodbye.reason != DownReason::GracefulShutdown) {
    // Nobody can declare another dead.
    note(RejectKind::ForeignGoodbye, "ignored a goodbye for '" + printable(goodbye.node.text()) + "' from '" +
                                         connection.peer.text() + "' (" + connection.remote.to_string() + ")");
    return;
  }
  Member& member = *find_member(connection.peer);
  const NodeId id = member.id;
  member.left = true;
  member.ignored_until = clock_ + 2 * member.timeout;
  discard_connections_of(member);
  if (member.status == NodeStatus::Connected) {
    bring_down(member, DownReason::GracefulShutdown, "it said goodbye");
  } else if (Target* target = find_target(member.target); target != nullptr && !target->seed) {
    // It had timed out and was being dialled again: its goodbye ends that.
    remove_target(target->id);
    member.target = 0;
  }
  // Its goodbye came on the connection that was challenged: who claims its id now is its next run.
  admit_held(id);
}

void Membership::Machine::receive_refusal(Connection& connection, Refusal refusal) {
  const std::string who = connection.target != 0 ? targets_.at(connection.target).text : connection.remote.to_string();
  ErrorKind kind = ErrorKind::Protocol;
  std::string message = "'" + who + "' refused us: ";
  switch (refusal) {
    case Refusal::DuplicateId:
      kind = ErrorKind::DuplicateId;
      message += "another process is a member under our node id '" + self_.id.text() +
                 "'; every node needs a name, host and port of its own";
      break;
    case Refusal::Cluster:
      kind = ErrorKind::ClusterMismatch;
      message += "its cluster has another name than ours, '" + config_.cluster_name + "'";
      break;
    case Refusal::Version:
      message += "it does not speak our version of the protocol";
      break;
    case Refusal::Full:
      kind = ErrorKind::Overload;
      message += "it is connected to as many nodes as it can be";
      break;
  }
  report(kind, message, connection.peer, &connection.remote);
  end_connection(connection, CloseMode::Abort, Failure::Rejected, message);
}

}  // namespace noex
