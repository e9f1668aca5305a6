#include "sim/recorder.h"

#include <algorithm>
#include <utility>

namespace noex::sim {
namespace {

// More wake-ups of one node in one virtual second mean a deadline that does not move: beats, gossip and dials of a
// small cluster need a few dozen.
constexpr int kWakesPerSecondMax = 2000;

bool is_dialled(uint64_t connection) { return connection % 2 == 1; }

}  // namespace

bool is_proven(bool dialled, const FrameCounter& heard) { return heard.frames() > (dialled ? 0u : 1u); }

Recorder::Recorder(MemoryNetwork& network, MemoryTransport& below, std::function<void(std::string)> fail,
                   std::function<void()> after_callback)
    : network_(network), below_(below), fail_(std::move(fail)), after_callback_(std::move(after_callback)) {
  below_.set_handler(this);
}

std::optional<Instant> Recorder::last_frame_from(ProcessId peer) const { return heard_of(peer).last; }

std::optional<Instant> Recorder::last_deliverable_frame_from(ProcessId peer) const {
  return heard_of(peer).last_deliverable;
}

std::optional<Instant> Recorder::first_frame_from(ProcessId peer) const { return heard_of(peer).first; }

Recorder::Heard& Recorder::heard(ProcessId peer) {
  if (peer >= heard_.size()) heard_.resize(peer + 1);
  return heard_[peer];
}

bool Recorder::lost_connection_to(ProcessId peer, Instant since) const {
  const auto found = last_loss_.find(peer);
  return found != last_loss_.end() && found->second >= since;
}

void Recorder::note_stream_end(ProcessId peer, StreamEndCause cause) {
  last_loss_[peer] = network_.now();
  if (cause == StreamEndCause::PeerClosed) {
    closed_by_peer_.insert(peer);
  } else {
    closed_by_peer_.erase(peer);
  }
}

std::optional<Instant> Recorder::last_fin_from(ProcessId peer) const {
  const auto found = last_fin_.find(peer);
  if (found == last_fin_.end()) return std::nullopt;
  return found->second;
}

std::optional<Instant> Recorder::last_close_by(ProcessId peer) const {
  if (!closed_by_peer_.contains(peer)) return std::nullopt;
  return last_loss_.at(peer);
}

bool Recorder::has_dialled(const Endpoint& endpoint, Instant since) const {
  const auto last = last_dial_.find(endpoint);
  if (last != last_dial_.end() && last->second >= since) return true;
  return std::any_of(connections_.begin(), connections_.end(), [&](const auto& entry) {
    return entry.first % 2 == 1 && entry.second.endpoint == endpoint && entry.second.heard.frames() == 0;
  });
}

bool Recorder::has_proven_connection_to(ProcessId peer, Instant since) const {
  return std::any_of(connections_.begin(), connections_.end(), [&](const auto& entry) {
    const Connection& connection = entry.second;
    return connection.peer == peer && connection.state == State::Open && connection.heard_at >= since &&
           is_proven(is_dialled(entry.first), connection.heard);
  });
}

void Recorder::open(uint64_t id, Connection& connection) {
  connection.state = State::Open;
  connection.peer = network_.peer_of(below_.process(), id);
  if (connection.peer) ++open_to_[*connection.peer];
}

Recorder::Connection& Recorder::add(uint64_t id, Connection connection) {
  if (id >= by_number_.size()) by_number_.resize(id + 1);
  return *(by_number_[id] = &(connections_[id] = std::move(connection)));
}

void Recorder::erase(uint64_t id) {
  const Connection& gone = *find(id);
  if (gone.state == State::Dialing) dialing_.erase(dialing_.find(gone.endpoint));
  if (is_dialled(id) && gone.heard.frames() <= 1) last_dial_[gone.endpoint] = network_.now();
  if (gone.peer && --open_to_.at(*gone.peer) == 0) open_to_.erase(*gone.peer);
  by_number_[id] = nullptr;
  connections_.erase(id);
}

void Recorder::end_callback() {
  after_callback_();
  just_closed_.clear();
}

// ------------------------------------------------------------------------------------------------- the
// driver's calls

void Recorder::dial(uint64_t connection, const Endpoint& endpoint) {
  if (connection % 2 == 0 || !used_.insert(connection).second)
    fail("dials with the used number " + std::to_string(connection));
  if (dialing_.contains(endpoint)) fail("dials " + endpoint.to_string() + " while a dial to it is in progress");
  dialing_.insert(endpoint);
  last_dial_[endpoint] = network_.now();
  if (on_dial) on_dial(endpoint);
  add(connection, Connection{State::Dialing, endpoint, {}, {}, {}});
  below_.dial(connection, endpoint);
}

void Recorder::write(uint64_t connection, const SharedBytes& frame) {
  Connection* const found = find(connection);
  if (found == nullptr) return fail("writes on connection " + std::to_string(connection) + ", which is gone");
  if (found->state != State::Open) {
    return fail("writes on connection " + std::to_string(connection) + ", which is not open for writing");
  }
  if (on_frame && frame != last_written_) {
    last_written_ = frame;  // kept, so that its address is not another's
    on_frame(*frame);
  }
  below_.write(connection, frame);
}

void Recorder::close(uint64_t connection, StreamClose how) {
  Connection* const found = find(connection);
  if (found == nullptr) return fail("closes connection " + std::to_string(connection) + ", which is gone");
  Connection& closed = *found;
  if (how == StreamClose::ShutdownWrite) {
    if (closed.state != State::Open)
      fail("shuts down connection " + std::to_string(connection) + ", which is not open");
    closed.state = State::HalfClosed;
  } else {
    if (closed.peer && is_proven(is_dialled(connection), closed.heard)) just_closed_.insert(*closed.peer);
    erase(connection);
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
  open(connection, add(connection, Connection{State::Open, remote, {}, {}, {}}));
  handler_->on_accepted(connection, remote, remote_is_local);
  end_callback();
}

void Recorder::on_connected(uint64_t connection, bool remote_is_local) {
  Connection* const found = find(connection);
  if (found == nullptr || found->state != State::Dialing) return fail("the network connected what was not dialled");
  dialing_.erase(dialing_.find(found->endpoint));
  open(connection, *found);
  handler_->on_connected(connection, remote_is_local);
  end_callback();
}

void Recorder::on_dial_failed(uint64_t connection, std::string_view reason) {
  Connection* const found = find(connection);
  if (found == nullptr || found->state != State::Dialing) return fail("the network failed what was not dialled");
  erase(connection);
  handler_->on_dial_failed(connection, reason);
  end_callback();
}

void Recorder::on_received(uint64_t connection, ByteView bytes) {
  Connection* const found = find(connection);
  if (found == nullptr) return fail("the network delivered on a connection that is gone");
  Connection& read = *found;
  if (read.heard.feed(as_text(bytes)) > 0 && read.peer) {
    Heard& peer = heard(*read.peer);
    read.heard_at = network_.now();
    peer.last = network_.now();
    if (!peer.first) peer.first = network_.now();
    if (is_proven(is_dialled(connection), read.heard)) peer.last_deliverable = network_.now();
  }
  handler_->on_received(connection, bytes);
  end_callback();
}

void Recorder::on_closed(uint64_t connection, StreamEnd end) {
  Connection* const found = find(connection);
  if (found == nullptr) return fail("the network closed a connection that is gone");
  // Only a FIN is surely the process's own doing: a kernel answers with RST for a socket that the network broke.
  if (found->peer) {
    if (end == StreamEnd::EndOfStream) {
      last_fin_[*found->peer] = network_.now();
    } else {
      closed_by_peer_.erase(*found->peer);
    }
  }
  erase(connection);
  handler_->on_closed(connection, end);
  end_callback();
}

void Recorder::on_resolved(uint64_t query, const std::vector<IpAddress>& addresses, std::string_view reason) {
  if (queries_.erase(query) == 0) return fail("the network resolved what was not asked");
  handler_->on_resolved(query, addresses, reason);
  end_callback();
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
  end_callback();
  waking_ = false;
}

size_t FrameCounter::feed(std::string_view bytes) {
  const size_t before = frames_;
  while (!bytes.empty()) {
    if (frame_left_ > 0) {
      const size_t taken = std::min<size_t>(frame_left_, bytes.size());
      frame_left_ -= static_cast<uint32_t>(taken);
      bytes.remove_prefix(taken);
      if (frame_left_ == 0) ++frames_;
      continue;
    }
    length_ = length_ << 8 | static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    if (++length_bytes_ < 4) continue;
    frame_left_ = std::exchange(length_, 0);
    length_bytes_ = 0;
  }
  return frames_ - before;
}

}  // namespace noex::sim
