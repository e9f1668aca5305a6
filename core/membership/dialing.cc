// Whom to dial, and when: configured seeds for ever, members that are not connected by backoff, at most so many at a
// time.
#include <algorithm>

#include "base/checks.h"
#include "membership/machine.h"

namespace noex {
namespace {

// Whole clusters are started at once: a seed that refuses in the first moments is about to listen. It is tried again
// quickly, before the documented backoff begins. The longest of these delays is how far apart the nodes find a seed
// that comes last, and so how long the cluster takes to be whole then.
constexpr Duration kQuickRetryWindow = Duration::seconds(2);
constexpr Duration kQuickRetryDelay = Duration::milliseconds(50);
constexpr Duration kQuickRetryDelayMax = Duration::milliseconds(150);

// Two targets with one address take turns: how soon the second looks again.
constexpr Duration kSameAddressDelay = Duration::milliseconds(100);

}  // namespace

// --------------------------------------------------------------------------------------------------------------------------
// targets

void Membership::Machine::add_seed(const Seed& seed) {
  if (seed.id.has_value() && *seed.id == self_.id) return;  // one list of seeds for all nodes names each of them
  Target& target = targets_[next_target_];
  target.id = next_target_++;
  target.expected = seed.id;
  target.host = seed.host;
  target.port = seed.port;
  target.text = seed.text;
  target.seed = true;
  target.priority = 0;
  if (seed.id.has_value()) {
    seed_ids_[*seed.id] = target.id;
    Member* member = find_member(*seed.id);
    if (member == nullptr) member = add_member(*seed.id, /*by_gossip=*/false);
    NOEX_CHECK(member != nullptr);
  }
  schedule(target, clock_);
}

Membership::Machine::Target& Membership::Machine::add_target(const NodeId& id) {
  Target& target = targets_[next_target_];
  target.id = next_target_++;
  target.expected = id;
  target.host = id.host();
  target.port = id.port();
  target.text = id.text();
  return target;
}

void Membership::Machine::remove_target(TargetId id) {
  Target& target = targets_.at(id);
  finish_attempt(target);
  arm(TimerKind::Target, id, target.due, Instant::never());
  targets_.erase(id);
}

void Membership::Machine::want_dial(Member& member, Instant at) {
  Target* target = find_target(member.target);
  if (target == nullptr) {
    target = &add_target(member.id);
    member.target = target->id;
  }
  if (target->phase == Phase::Idle) schedule(*target, at);
}

// It is connected: no more dials to it. A seed keeps its target for the next time.
void Membership::Machine::end_dialling(Member& member) {
  Target* target = find_target(member.target);
  if (target == nullptr) return;
  if (target->seed) {
    finish_attempt(*target);
    arm(TimerKind::Target, target->id, target->due, Instant::never());
    target->attempt = 0;
    settle(*target);
    return;
  }
  remove_target(target->id);
  member.target = 0;
}

// Due at `at`. Only for a target that is idle.
void Membership::Machine::schedule(Target& target, Instant at) {
  if (target.phase != Phase::Idle || target.is_self) return;
  arm(TimerKind::Target, target.id, target.due, at);
  if (at <= clock_) {
    arm(TimerKind::Target, target.id, target.due, Instant::never());
    target_timer(target);
  }
}

void Membership::Machine::target_timer(Target& target) {
  if (target.phase != Phase::Idle) return;
  if (!target.seed) {
    const Member* member = find_member(*target.expected);
    const auto load = member == nullptr ? never_up_by_teacher_.end() : never_up_by_teacher_.find(member->teacher);
    const bool crowded = load != never_up_by_teacher_.end() && load->second > limits_.unreachable_per_teacher_max;
    target.priority = crowded ? 2 : 1;
  }
  target.phase = Phase::Queued;
  target.queued_at = clock_;
  ready_.insert({target.priority, target.queued_at, target.id});
}

bool Membership::Machine::satisfied(const Target& target) {
  if (!target.expected.has_value()) return false;  // a name may get new addresses at any time
  const NodeId& id = target.answered_as.empty() ? *target.expected : target.answered_as;
  const Member* member = find_member(id);
  return member != nullptr && member->status == NodeStatus::Connected && member->bereaved_until.is_never();
}

// -------------------------------------------------------------------------------------------------------------------------
// attempts

void Membership::Machine::pump_dials() {
  while (!ready_names_.empty() && member_queries_.size() < limits_.member_lookups_max) {
    Target& target = targets_.at(std::get<2>(*ready_names_.begin()));
    ready_names_.erase(ready_names_.begin());
    target.phase = Phase::Idle;
    begin_attempt(target);
  }
  while (!ready_.empty() && dials_in_progress_ < limits_.dials_max) {
    Target& target = targets_.at(std::get<2>(*ready_.begin()));
    ready_.erase(ready_.begin());
    target.phase = Phase::Idle;
    begin_attempt(target);
  }
  while (!hungry_.empty() && dials_in_progress_ < limits_.dials_max) {
    const TargetId id = *hungry_.begin();
    hungry_.erase(hungry_.begin());
    dial_candidates(targets_.at(id));
  }
}

void Membership::Machine::begin_attempt(Target& target) {
  if (satisfied(target)) {
    settle(target);
    return;
  }
  target.answered = false;
  target.unreachable = true;
  target.candidates = literal_candidates(target);
  if (target.candidates.empty() && !IpAddress::parse(target.host).has_value()) {
    // Names that somebody invented may take the resolver seconds each: they do not stand before those of seeds.
    if (!target.seed && member_queries_.size() >= limits_.member_lookups_max) {
      target.phase = Phase::Queued;
      ready_names_.insert({target.priority, target.queued_at, target.id});
      return;
    }
    target.phase = Phase::Resolving;
    target.query = next_query_++;
    if (!target.seed) member_queries_.insert(target.query);
    emit(Resolve{target.query, target.host});
    return;
  }
  target.phase = Phase::Dialing;
  if (target.candidates.empty()) target.failure = "its address means nothing on this machine";
  dial_candidates(target);
}

// The addresses that need no resolver: a literal, `localhost`, and for a member where it was seen, should its own
// address not do.
std::vector<Endpoint> Membership::Machine::literal_candidates(const Target& target) const {
  std::vector<Endpoint> list;
  if (const std::optional<IpAddress> ip = IpAddress::parse(target.host)) {
    // A wildcard in an id can only mean the machine that it is on, as loopback does.
    const IpAddress loopback = ip->is_v6() ? *IpAddress::parse("::1") : IpAddress::loopback_v4();
    list.push_back(Endpoint{ip->is_wildcard() ? loopback : *ip, target.port});
  } else if (target.host == "localhost") {
    list.push_back(Endpoint{IpAddress::loopback_v4(), target.port});
    list.push_back(Endpoint{*IpAddress::parse("::1"), target.port});
  }
  if (target.seed || !target.expected.has_value()) return list;
  const Member* const member = find_member(*target.expected);
  if (member == nullptr || !member->seen.has_value()) return list;
  const Endpoint& seen = *member->seen;
  if (!list.empty() && list.front().ip.is_loopback() && !seen.ip.is_loopback()) list.clear();
  if (std::find(list.begin(), list.end(), seen) == list.end() && !list.empty()) list.push_back(seen);
  if (list.empty() && (target.host == "localhost" || IpAddress::parse(target.host).has_value())) list.push_back(seen);
  return list;
}

void Membership::Machine::handle(const Resolved& event) {
  member_queries_.erase(event.query);
  for (auto& [id, target] : targets_) {
    if (target.phase != Phase::Resolving || target.query != event.query) continue;
    target.phase = Phase::Dialing;
    bool any = false;
    for (const IpAddress& ip : event.addresses) {
      if (ip.is_wildcard()) continue;  // what a block list answers: nobody's address, and dialled it would be our own
      any = true;
      const Endpoint endpoint{ip, target.port};
      if (std::find(target.candidates.begin(), target.candidates.end(), endpoint) != target.candidates.end()) continue;
      if (const auto answer = target.answers.find(endpoint); answer != target.answers.end()) {
        const Member* member = find_member(answer->second);
        const bool connected = member != nullptr && member->status == NodeStatus::Connected;
        if (connected || answer->second == self_.id) {
          target.answered = true;
          continue;
        }
      }
      target.candidates.push_back(endpoint);
    }
    if (!any) target.failure = event.reason.empty() ? "the name has no address" : event.reason;
    if (!target.seed && target.expected.has_value()) {
      const Member* member = find_member(*target.expected);
      if (member != nullptr && member->seen.has_value()) target.candidates.push_back(*member->seen);
    }
    dial_candidates(target);
    return;
  }
}

// Dials what is left to try: for one member one address after the other, for a nameless seed all of them.
void Membership::Machine::dial_candidates(Target& target) {
  while (!target.candidates.empty()) {
    const bool one_at_a_time = target.expected.has_value();
    if (one_at_a_time && !target.connections.empty()) return;
    const Endpoint endpoint = target.candidates.front();
    if (endpoints_in_use_.contains(endpoint)) {
      if (!one_at_a_time) {
        target.candidates.erase(target.candidates.begin());
        target.answered = true;  // somebody else's attempt asks there already
        continue;
      }
      finish_attempt(target);
      schedule(target, clock_ + kSameAddressDelay);
      return;
    }
    if (dials_in_progress_ >= limits_.dials_max) {
      hungry_.insert(target.id);
      return;
    }
    target.candidates.erase(target.candidates.begin());
    dial(target, endpoint);
  }
  if (target.connections.empty() && target.candidates.empty()) {
    attempt_connection_ended(target, 0, target.unreachable ? Failure::Unreachable : Failure::HungUp,
                             std::string(target.failure));
  }
}

void Membership::Machine::dial(Target& target, const Endpoint& endpoint) {
  const ConnectionId id = next_connection_;
  next_connection_ += 2;
  Connection& connection = add_connection(id);
  connection.id = id;
  connection.outbound = true;
  connection.state = ConnectionState::Dialing;
  connection.remote = endpoint;
  connection.target = target.id;
  connection.has_list = target.named_in_answer && target.attempt == 0;
  target.connections.push_back(id);
  endpoints_in_use_.insert(endpoint);
  ++dials_in_progress_;
  ++stats_.dials;
  emit(Dial{id, endpoint});
}

// One connection of the attempt is over without having been confirmed (0: there was none). When it was the last one the
// attempt failed.
void Membership::Machine::attempt_connection_ended(Target& target, ConnectionId connection, Failure failure,
                                                   const std::string& why, const Endpoint* remote) {
  std::erase(target.connections, connection);
  target.failure = why;
  if (failure != Failure::Unreachable) target.unreachable = false;
  if (failure == Failure::HungUp && connection != 0) {
    // A reference node that has a connection of its own to us drops ours without a word; its own will speak within an
    // interval.
    const bool has_its_own = std::any_of(connections_.begin(), connections_.end(), [&target](const auto& entry) {
      const Connection& other = entry.second;
      const std::optional<IpAddress> ip = IpAddress::parse(target.host);
      return !other.outbound && other.state == ConnectionState::Unidentified &&
             (ip.has_value() ? other.remote.ip == *ip : other.remote_is_local);
    });
    const Member* member = target.expected.has_value() ? find_member(*target.expected) : nullptr;
    const bool came_up = member != nullptr && member->status == NodeStatus::Connected;
    // One that was here before may just be ending, or starting anew: once is no evidence.
    const bool again = ++target.hung_up > (member != nullptr && member->ever_up ? 1 : 0);
    if (again && !has_its_own && !came_up && !waking_) {
      report(ErrorKind::Authentication,
             "'" + target.text + "' accepted the connection but closed it on our hello (" + why +
                 "): is the cluster secret the same on both nodes?",
             target.expected.value_or(NodeId()), remote);
    }
  }
  if (target.phase != Phase::Dialing) return;
  if (!target.candidates.empty()) {
    dial_candidates(target);
    return;
  }
  if (!target.connections.empty()) return;

  const bool unreachable = target.unreachable && !target.answered;
  finish_attempt(target);
  settle(target);
  Member* member = target.expected.has_value() ? find_member(*target.expected) : nullptr;
  const Duration quick_delay = std::min(kQuickRetryDelay * (int64_t{1} << target.quick_attempt), kQuickRetryDelayMax);
  const bool quick = target.seed && unreachable && clock_ - started_at_ < kQuickRetryWindow &&
                     quick_delay < config_.reconnect_base_delay;
  Duration delay = quick ? quick_delay : backoff(target);
  ++(quick ? target.quick_attempt : target.attempt);
  if (target.answered) {
    // A nameless seed whose answers are all known: its name is looked up again, for new ones.
    target.attempt = 0;
    delay = config_.reconnect_max_delay;
  }
  if (target.seed && connected_count_ == 0) {
    delay = std::min({delay, config_.reconnect_max_delay, limits_.lone_seed_retry_max});
  }
  if (failure == Failure::HungUp)
    delay = std::max(delay, std::min(config_.heartbeat_interval, config_.reconnect_max_delay));
  if (member != nullptr && member->status != NodeStatus::Connected) {
    log(LogLevel::Debug, "dialling " + target.text + " failed: " + target.failure + "; next try in " +
                             std::to_string(delay.ms()) + " ms");
  }
  schedule(target, clock_ + delay);

  // The quick tries count as the first attempt: a seed that is just starting too was never refused.
  if (quick || member == nullptr || member->ever_up || member->refusal_reported || !unreachable) return;
  if (member->unreachable_since.is_never()) member->unreachable_since = clock_;
  const Duration patience = config_.heartbeat_interval * config_.heartbeat_miss_threshold;
  if (target.seed || (clock_ - member->unreachable_since >= patience && has_live_voucher(*member))) {
    member->refusal_reported = true;
    bring_down(*member, DownReason::ConnectionRefused, target.failure);
  }
}

// Somebody is confirmed on a connection of this attempt.
void Membership::Machine::attempt_confirmed(Target& target, Connection& connection) {
  connection.target = 0;
  std::erase(target.connections, connection.id);
  target.answered = true;
  target.attempt = 0;
  target.hung_up = 0;
  target.failure.clear();
  settle(target);
  if (target.seed && !joined_ && connection.has_hello && !connection.has_list) await_list(connection);
  const NodeId who = connection.peer;
  if (!target.expected.has_value()) {
    target.answers[connection.remote] = who;
    if (target.connections.empty() && target.candidates.empty()) {
      finish_attempt(target);
      schedule(target, clock_ + config_.reconnect_max_delay);
    }
    return;
  }
  const TargetId id = target.id;
  finish_attempt(target);
  if (*target.expected != who) answered_by_other(targets_.at(id), who);
}

void Membership::Machine::answered_by_other(Target& target, const NodeId& other) {
  const NodeId expected = *target.expected;
  Member* member = find_member(expected);
  const bool ever_up = member != nullptr && member->ever_up;
  if (target.seed) {
    if (ever_up) {
      // The seed was here under its own name: this is somebody else at its address. It may come back.
      target.attempt = 62;  // by now at the cap
      schedule(target, clock_ + config_.reconnect_max_delay);
      return;
    }
    target.answered_as = other;
    if (member != nullptr) remove_member(*member);
    touch_table();
    log(LogLevel::Info, "seed " + target.text + " is " + other.text());
    return;
  }
  if (ever_up) {
    schedule(target, clock_ + limits_.impostor_memory);
    return;
  }
  std::erase_if(impostors_, [this](const auto& entry) { return entry.second <= clock_; });
  if (impostors_.size() < limits_.nodes_max) impostors_[expected] = clock_ + limits_.impostor_memory;
  log(LogLevel::Info, "at the address of " + expected.text() + ", which was heard of, lives " + other.text());
  if (member != nullptr) remove_member(*member);
}

void Membership::Machine::answered_by_self(Target& target, const Connection& dialled) {
  target.answered = true;
  settle(target);
  if (!target.expected.has_value()) {
    target.answers[dialled.remote] = self_.id;
    attempt_connection_ended(target, 0, Failure::Rejected, "that is this node itself");
    return;
  }
  finish_attempt(target);
  Member* member = find_member(*target.expected);
  if (target.seed) {
    // A literal address of this machine stays ours. A name may lead elsewhere another day, and at an address elsewhere
    // somebody may have sent our hello back to us.
    const bool is_literal = IpAddress::parse(target.host).has_value() || target.host == "localhost";
    if (is_literal && dialled.remote_is_local) {
      target.is_self = true;
    } else {
      schedule(target, clock_ + config_.reconnect_max_delay);
    }
    if (member != nullptr && !member->ever_up) remove_member(*member);
    return;
  }
  if (impostors_.size() < limits_.nodes_max) impostors_[*target.expected] = clock_ + limits_.impostor_memory;
  if (member != nullptr && !member->ever_up) {
    remove_member(*member);
  } else {
    schedule(target, clock_ + limits_.impostor_memory);
  }
}

// Back to idle. Dials in progress are cancelled; connections that are open go on for themselves.
void Membership::Machine::finish_attempt(Target& target) {
  if (target.phase == Phase::Queued) {
    ready_.erase({target.priority, target.queued_at, target.id});
    ready_names_.erase({target.priority, target.queued_at, target.id});
  }
  target.phase = Phase::Idle;
  target.query = 0;
  target.candidates.clear();
  hungry_.erase(target.id);
  const std::vector<ConnectionId> rest = std::move(target.connections);
  target.connections.clear();
  for (const ConnectionId id : rest) {
    Connection& connection = connections_.at(id);
    connection.target = 0;
    if (connection.state == ConnectionState::Dialing) {
      emit(Close{id, CloseMode::Abort});
      erase_connection(id);
    }
  }
}

Duration Membership::Machine::backoff(const Target& target) {
  const int64_t base = config_.reconnect_base_delay.ns();
  const int64_t cap = config_.reconnect_max_delay.ns();
  int64_t delay = base;
  for (int i = 0; i < target.attempt && delay < cap; ++i) delay *= 2;
  delay = std::min(delay, cap);
  return Duration::nanoseconds(static_cast<int64_t>(static_cast<double>(delay) * (0.9 + 0.1 * rng_.unit())));
}

// A member went down: seeds that led to it are dialled again, even after a goodbye.
void Membership::Machine::redial_seeds_of(const NodeId& id) {
  for (const auto& [seed_id, target_id] : seed_ids_) {
    Target& target = targets_.at(target_id);
    if (target.phase != Phase::Idle || (seed_id != id && target.answered_as != id)) continue;
    target.attempt = 0;
    schedule(target, clock_ + backoff(target));
    target.attempt = 1;
  }
}

// Connected to nobody: the seeds are the only way back, so they are not left to a long backoff.
void Membership::Machine::hurry_seeds_if_alone() {
  if (connected_count_ > 0) return;
  const Instant soon = clock_ + std::min(config_.reconnect_max_delay, limits_.lone_seed_retry_max);
  for (auto& [id, target] : targets_) {
    if (target.seed && target.phase == Phase::Idle && !target.due.is_never() && target.due > soon)
      schedule(target, soon);
  }
}

// -----------------------------------------------------------------------------------------------------------------------------
// join

void Membership::Machine::settle(Target& target) { target.settled = true; }

// A seed's list follows its hello by a moment: start() ends with the seed's members known.
void Membership::Machine::await_list(Connection& connection) {
  lists_awaited_.push_back(connection.id);
  connection.silent_at = clock_ + limits_.join_silence_max;
  set_expiry(connection, connection.expires_at);
}

bool Membership::Machine::is_list_awaited(ConnectionId id) const {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return false;
  const Connection& connection = found->second;
  return connection.state == ConnectionState::Confirmed && connection.frames < 2 && !connection.silent_at.is_never();
}

void Membership::Machine::check_join() {
  const bool first_tries_over = clock_ - started_at_ >= limits_.join_max;
  if (first_tries_over && join_at_.is_never() && !unreached_told_) {
    unreached_told_ = true;
    if (stats_.ups[static_cast<size_t>(UpKind::First)] == 0) log_unreached_seeds();
  }
  if (joined_) return;
  const bool all_settled = std::all_of(targets_.begin(), targets_.end(),
                                       [](const auto& entry) { return !entry.second.seed || entry.second.settled; });
  const bool all_listed = std::none_of(lists_awaited_.begin(), lists_awaited_.end(),
                                       [this](ConnectionId id) { return is_list_awaited(id); });
  if (!first_tries_over && !(all_settled && all_listed)) return;
  joined_ = true;
  lists_awaited_ = {};
  emit(Notify{JoinSettled{}});
}

void Membership::Machine::log_unreached_seeds() {
  std::string line;
  Instant next = Instant::never();
  for (const auto& [id, target] : targets_) {
    if (!target.seed || target.is_self) continue;
    std::string step = target.failure;
    if (step.empty())
      step = target.phase == Phase::Resolving ? "resolving its name takes long"
                                              : "connected or connecting, but no heartbeat yet";
    line += (line.empty() ? "" : "; ") + target.text + ": " + step;
    next = std::min(next, target.due);
  }
  if (line.empty()) return;
  line = "no seed was reached (" + line + ")";
  if (!next.is_never()) line += "; next try in " + std::to_string(std::max<int64_t>(0, (next - clock_).ms())) + " ms";
  log(LogLevel::Warning, line + "; seeds are dialled until they answer");
}

}  // namespace noex
