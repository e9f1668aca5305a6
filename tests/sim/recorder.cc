#include "sim/recorder.h"

#include <algorithm>
#include <utility>

namespace noex::sim {
namespace {

// More wake-ups of one node in one virtual second mean a deadline that does not move: beats, gossip and dials of a
// small cluster need a few dozen.
constexpr int kWakesPerSecondMax = 2000;

}  // namespace

Recorder::Recorder(MemoryNetwork& network, MemoryTransport& below, std::function<void(std::string)> fail,
                   std::function<void()> after_callback)
    : network_(network), below_(below), fail_(std::move(fail)), after_callback_(std::move(after_callback)) {
  below_.set_handler(this);
}

std::optional<Instant> Recorder::last_frame_from(ProcessId peer) const {
  const auto found = last_frame_.find(peer);
  if (found == last_frame_.end()) return std::nullopt;
  return found->second;
}

std::optional<Instant> Recorder::last_proven_frame_from(ProcessId peer) const {
  const auto found = last_proven_frame_.find(peer);
  if (found == last_proven_frame_.end()) return std::nullopt;
  return found->second;
}

bool Recorder::lost_connection_to(ProcessId peer, Instant since) const {
  const auto found = last_loss_.find(peer);
  return found != last_loss_.end() && found->second >= since;
}

void Recorder::note_stream_end(ProcessId peer) { last_loss_[peer] = network_.now(); }

// ------------------------------------------------------------------------------------------------- the
// driver's calls

void Recorder::dial(uint64_t connection, const Endpoint& endpoint) {
  if (connection % 2 == 0 || !used_.insert(connection).second)
    fail("dials with the used number " + std::to_string(connection));
  if (dialing_.contains(endpoint)) fail("dials " + endpoint.to_string() + " while a dial to it is in progress");
  dialing_.insert(endpoint);
  connections_[connection] = Connection{State::Dialing, endpoint, 0, 0, {}};
  below_.dial(connection, endpoint);
}

void Recorder::write(uint64_t connection, const SharedBytes& frame) {
  const auto found = connections_.find(connection);
  if (found == connections_.end())
    return fail("writes on connection " + std::to_string(connection) + ", which is gone");
  if (found->second.state != State::Open) {
    return fail("writes on connection " + std::to_string(connection) + ", which is not open for writing");
  }
  below_.write(connection, frame);
}

void Recorder::close(uint64_t connection, StreamClose how) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return fail("closes connection " + std::to_string(connection) + ", which is gone");
  Connection& closed = found->second;
  if (how == StreamClose::ShutdownWrite) {
    if (closed.state != State::Open)
      fail("shuts down connection " + std::to_string(connection) + ", which is not open");
    closed.state = State::HalfClosed;
  } else {
    if (closed.state == State::Dialing) dialing_.erase(dialing_.find(closed.endpoint));
    connections_.erase(found);
  }
  below_.close(connection, how);
}

void Recorder::resolve(uint64_t query, std::string_view host) {
  if (!queries_.insert(query).second) fail("asks twice with query number " + std::to_string(query));
  if (IpAddress::parse(host) || host == "localhost" || host.empty()) fail("resolves '" + std::string(host) + "'");
  below_.resolve(query, host);
}

// ------------------------------------------------------------------------------------------------- the
// network's calls

void Recorder::on_accepted(uint64_t connection, const Endpoint& remote, bool remote_is_local) {
  if (connection % 2 == 1 || !used_.insert(connection).second) fail("the network reused a number");
  connections_[connection] = Connection{State::Open, remote, 0, 0, {}};
  handler_->on_accepted(connection, remote, remote_is_local);
  after_callback_();
}

void Recorder::on_connected(uint64_t connection, bool remote_is_local) {
  const auto found = connections_.find(connection);
  if (found == connections_.end() || found->second.state != State::Dialing)
    return fail("the network connected what was not dialled");
  dialing_.erase(dialing_.find(found->second.endpoint));
  found->second.state = State::Open;
  handler_->on_connected(connection, remote_is_local);
  after_callback_();
}

void Recorder::on_dial_failed(uint64_t connection, std::string_view reason) {
  const auto found = connections_.find(connection);
  if (found == connections_.end() || found->second.state != State::Dialing)
    return fail("the network failed what was not dialled");
  dialing_.erase(dialing_.find(found->second.endpoint));
  connections_.erase(found);
  handler_->on_dial_failed(connection, reason);
  after_callback_();
}

void Recorder::on_received(uint64_t connection, ByteView bytes) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return fail("the network delivered on a connection that is gone");
  count_frames(connection, found->second, bytes);
  handler_->on_received(connection, bytes);
  after_callback_();
}

void Recorder::on_closed(uint64_t connection, StreamEnd end) {
  if (connections_.erase(connection) == 0) return fail("the network closed a connection that is gone");
  handler_->on_closed(connection, end);
  after_callback_();
}

void Recorder::on_resolved(uint64_t query, const std::vector<IpAddress>& addresses, std::string_view reason) {
  if (queries_.erase(query) == 0) return fail("the network resolved what was not asked");
  handler_->on_resolved(query, addresses, reason);
  after_callback_();
}

void Recorder::on_wake() {
  const int64_t second = network_.now().ns() / 1'000'000'000;
  if (second != wake_second_) {
    wake_second_ = second;
    wakes_in_second_ = 0;
  }
  if (++wakes_in_second_ == kWakesPerSecondMax)
    fail("woke " + std::to_string(kWakesPerSecondMax) + " times in one second");
  waking_ = true;
  handler_->on_wake();
  after_callback_();
  waking_ = false;
}

void Recorder::count_frames(uint64_t id, Connection& connection, ByteView bytes) {
  std::string_view text = as_text(bytes);
  const size_t frames_before = connection.frames;
  while (!text.empty()) {
    if (connection.frame_left > 0) {
      const size_t taken = std::min(connection.frame_left, text.size());
      connection.frame_left -= taken;
      text.remove_prefix(taken);
      if (connection.frame_left == 0) ++connection.frames;
      continue;
    }
    connection.prefix += text.front();
    text.remove_prefix(1);
    if (connection.prefix.size() < 4) continue;
    for (const char byte : std::exchange(connection.prefix, {})) {
      connection.frame_left = connection.frame_left << 8 | static_cast<uint8_t>(byte);
    }
  }
  if (connection.frames == frames_before) return;
  const auto peer = network_.peer_of(below_.process(), id);
  if (!peer) return;
  last_frame_[*peer] = network_.now();
  const bool dialled = id % 2 == 1;
  if (dialled || connection.frames > 1) last_proven_frame_[*peer] = network_.now();
}

}  // namespace noex::sim
