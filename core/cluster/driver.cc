#include "cluster/driver.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "base/checks.h"

namespace noex {
namespace {

std::vector<std::string_view> secrets_of(const ValidConfig& config) {
  if (config.cluster_secret.empty()) return {};
  return {config.cluster_secret};
}

CloseCause cause_of(StreamEnd end) {
  switch (end) {
    case StreamEnd::EndOfStream:
      return CloseCause::EndOfStream;
    case StreamEnd::Reset:
      return CloseCause::Reset;
    case StreamEnd::WriteFailed:
      return CloseCause::WriteFailed;
    case StreamEnd::SlowReader:
      return CloseCause::SlowReader;
  }
  return CloseCause::Reset;
}

}  // namespace

Driver::Driver(const ValidConfig& config, Self self, Rng rng, const MembershipLimits& limits, Transport& transport,
               DriverObserver& observer, DriverBuffers* buffers)
    : transport_(transport),
      observer_(observer),
      self_id_(self.id),
      keys_(secrets_of(config)),
      own_buffers_(buffers == nullptr ? std::make_unique<DriverBuffers>() : nullptr),
      buffers_(buffers == nullptr ? *own_buffers_ : *buffers),
      membership_(config, std::move(self), rng, limits) {}

Driver::~Driver() = default;

void Driver::start() {
  const Now now = transport_.now();
  NOEX_CHECK(!stepping_);
  stepping_ = true;
  effects_.clear();
  membership_.start(now, effects_);
  publish();
  execute(effects_, now);
  stepping_ = false;
  arm(now);
}

void Driver::leave() {
  if (left_) return;
  const Now now = transport_.now();
  step(LeaveRequested{}, now);
  arm(now);
}

void Driver::set_process_count(int64_t count) {
  const Now now = transport_.now();
  step(ProcessCountChanged{count}, now);
  arm(now);
}

DriverStats Driver::stats() {
  const Instant now = transport_.now().mono;
  DriverStats stats;
  stats.membership = membership_.stats();
  stats.totals = totals_;
  stats.accepted = accepted_;
  for (PeerConnection& peer : membership_.connections(now)) {
    const Connection* const found = connection_by_id_.find(peer.connection);
    PeerStats& entry = stats.peers.emplace_back();
    if (found != nullptr) entry.traffic = found->traffic;
    entry.queued_bytes = transport_.unsent(peer.connection);
    entry.round_trip = transport_.round_trip(peer.connection);
    entry.connection = std::move(peer);
  }
  stats.seeds = membership_.seeds();
  if (membership_.table_changed()) publish();  // or nobody else would see what is taken here
  stats.table = membership_.table();
  stats.sightings = membership_.sightings(now);
  return stats;
}

void Driver::on_accepted(uint64_t connection, const Endpoint& remote, bool remote_is_local) {
  if (left_) return transport_.close(connection, StreamClose::Abort);
  const Now now = transport_.now();
  add(connection).open = true;
  accepted_ += 1;
  step(ConnectionAccepted{connection, remote, remote_is_local}, now);
  arm(now);
}

void Driver::on_connected(uint64_t connection, bool remote_is_local) {
  Connection* const dialed = find(connection);
  if (dialed == nullptr) return;
  const Now now = transport_.now();
  dialed->open = true;
  step(ConnectionOpened{connection, remote_is_local}, now);
  arm(now);
}

void Driver::on_dial_failed(uint64_t connection, std::string_view reason) {
  if (!erase(connection)) return;
  const Now now = transport_.now();
  step(DialFailed{connection, std::string(reason)}, now);
  arm(now);
}

void Driver::on_received(uint64_t connection, ByteView bytes) {
  Connection* source = find(connection);
  if (source == nullptr) return;
  const Now now = transport_.now();
  source->traffic.bytes_in += bytes.size();
  totals_.bytes_in += bytes.size();
  // One frame at a time: what a step decides holds for the bytes after it. It may have raised this connection's limit,
  // or closed it; then what follows is nobody's any more.
  auto& received = std::get<MessageReceived>(buffers_.received);
  SessionReject rejected;
  while (source != nullptr) {
    const SessionStep read = source->session.next(bytes, received.message, rejected);
    if (read == SessionStep::NeedMore) break;
    source->traffic.frames_in += 1;
    totals_.frames_in += 1;
    if (read == SessionStep::Message) {
      received.connection = connection;
      received.frame_size = source->session.frame_size();
      step(buffers_.received, now);
    } else {
      step(FrameRejected{connection, rejected.kind, std::move(rejected.detail)}, now);
    }
    source = find(connection);
  }
  arm(now);
}

void Driver::on_closed(uint64_t connection, StreamEnd end) {
  if (!erase(connection)) return;
  const Now now = transport_.now();
  step(ConnectionClosed{connection, cause_of(end)}, now);
  arm(now);
}

void Driver::on_resolved(uint64_t query, const std::vector<IpAddress>& addresses, std::string_view reason) {
  const Now now = transport_.now();
  step(Resolved{query, addresses, std::string(reason)}, now);
  arm(now);
}

void Driver::on_wake() {
  if (left_) return;
  const Now now = transport_.now();
  if (membership_.table_changed()) publish();
  if (membership_.deadline() <= now.mono) step(Tick{}, now);
  arm(now);
}

Driver::Connection& Driver::add(ConnectionId id) {
  const auto [position, inserted] = connections_.try_emplace(id, id, &keys_, &buffers_.sessions);
  NOEX_CHECK(inserted);
  connection_by_id_.add(position->second);
  return position->second;
}

bool Driver::erase(ConnectionId id) {
  Connection* const gone = find(id);
  if (gone == nullptr) return false;
  connection_by_id_.remove(*gone);
  connections_.erase(id);
  return true;
}

void Driver::step(const Event& event, Now now) {
  if (left_) return;
  NOEX_CHECK(!stepping_);
  stepping_ = true;
  effects_.clear();
  membership_.step(event, now, effects_);
  // A step that tells something publishes first, so that whoever is told finds the table as it was told.
  const bool tells = std::any_of(effects_.begin(), effects_.end(),
                                 [](const Effect& effect) { return std::holds_alternative<Notify>(effect); });
  if (tells && membership_.table_changed()) publish();
  execute(effects_, now);
  stepping_ = false;
}

void Driver::execute(Effects& effects, Now now) {
  for (Effect& effect : effects) {
    std::visit(
        [this, now](auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, Send>) {
            apply(value, now);
          } else {
            apply(value);
          }
        },
        effect);
  }
}

void Driver::apply(Dial& dial) {
  add(dial.connection);
  transport_.dial(dial.connection, dial.endpoint);
}

void Driver::apply(Resolve& resolve) { transport_.resolve(resolve.query, resolve.host); }

void Driver::apply(Send& send, Now now) {
  SharedBytes frame;               // encoded when the first receiver that is still there is found
  constexpr size_t kTogether = 8;  // fetched at once: see IdIndex
  for (size_t i = 0; i < send.to.size(); ++i) {
    if (i % kTogether == 0) {
      const auto next = std::span<const ConnectionId>(send.to).subspan(i);
      connection_by_id_.prefetch_items(next.first(std::min(next.size(), kTogether)));
    }
    const ConnectionId id = send.to[i];
    Connection* const target = find(id);
    if (target == nullptr || !target->open || !target->writable) {
      ++misdirected_;
      continue;
    }
    if (frame == nullptr) frame = encode_frame(self_id_, now.unix_ms, send.payload, &keys_);
    target->traffic.bytes_out += frame->size();
    target->traffic.frames_out += 1;
    totals_.bytes_out += frame->size();
    totals_.frames_out += 1;
    transport_.write(id, frame);
  }
}

void Driver::apply(Close& close) {
  Connection* const target = find(close.connection);
  if (target == nullptr) {
    ++misdirected_;
    return;
  }
  switch (close.mode) {
    case CloseMode::Abort:
      transport_.close(close.connection, StreamClose::Abort);
      break;
    case CloseMode::Flush:
      transport_.close(close.connection, target->open ? StreamClose::Flush : StreamClose::Abort);
      break;
    case CloseMode::ShutdownWrite:
      if (!target->open || !target->writable) {
        ++misdirected_;
        return;
      }
      target->writable = false;
      transport_.close(close.connection, StreamClose::ShutdownWrite);
      return;  // reading goes on: the connection stays known until its end
  }
  erase(close.connection);
}

void Driver::apply(RaiseFrameLimit& raise) {
  Connection* const target = find(raise.connection);
  if (target != nullptr) target->session.raise_frame_limit();
}

void Driver::apply(Notify& notify) {
  if (std::holds_alternative<Left>(notify.notification)) left_ = true;
  observer_.on_notification(notify.notification);
}

void Driver::publish() { observer_.on_table(membership_.table()); }

void Driver::arm(Now now) {
  if (left_) return transport_.wake_at(Instant::never());
  // A change that nobody is told of waits until the transport has delivered what is there, so that a burst makes one
  // table.
  transport_.wake_at(membership_.table_changed() ? now.mono : membership_.deadline());
}

}  // namespace noex
