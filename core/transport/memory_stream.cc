// Streams of the virtual network: how they come about, carry bytes, and end.
#include <algorithm>
#include <array>
#include <utility>

#include "base/checks.h"
#include "transport/memory_network.h"

namespace noex {
namespace {

constexpr size_t kSegmentMax = 64 * 1024;
constexpr size_t kBacklog = 128;  // connections that a listener's kernel holds for a stopped process
// After the first and the second SYN, as Linux does.
constexpr std::array<Duration, 2> kSynRetries = {Duration::seconds(1), Duration::seconds(2)};
constexpr Duration kLongOutage = Duration::seconds(15);

// "timed out after 5 s", "timed out after 250 ms": as the libuv transport says it.
std::string timed_out(Duration after) {
  const int64_t ms = after.ms();
  return "timed out after " + (ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms");
}

}  // namespace

MemoryNetwork::Stream* MemoryNetwork::stream(StreamId id) {
  return id < first_stream_ || id - first_stream_ >= streams_.size() ? nullptr : streams_[id - first_stream_].get();
}

std::string MemoryNetwork::name_of(const Stream& stream) const {
  return "stream " + std::to_string(stream.id) + " (process " + std::to_string(stream.ends[0].process) +
         " -> process " + std::to_string(stream.ends[1].process) + ")";
}

// ----------------------------------------------------------------------------------------------- dials

void MemoryNetwork::dial(ProcessId id, uint64_t connection, const Endpoint& endpoint) {
  Process& self = process(id);
  NOEX_CHECK(self.alive && connection % 2 == 1 && !self.connections.contains(connection));
  ++self.counters.dials;
  while (!streams_.empty() && streams_.front() == nullptr) {
    streams_.pop_front();
    ++first_stream_;
  }
  const StreamId stream_id = first_stream_ + streams_.size();
  auto created = std::make_unique<Stream>();
  created->id = stream_id;
  created->endpoint = endpoint;
  created->hosts[0] = self.host;
  created->ends[0].process = id;
  created->ends[0].connection = connection;
  created->ends[0].remote = endpoint;
  created->ends[0].open = true;
  streams_.push_back(std::move(created));
  self.connections.emplace(connection, std::pair{stream_id, 0});

  const std::optional<HostId> target = route(self.host, endpoint.ip);
  if (!target) {
    // Some networks say so, some swallow the packet.
    if (rng_.chance(0.5)) {
      schedule(now_ + Duration::milliseconds(1), [this, stream_id] { fail_dial(stream_id, "no route to host"); });
    }
  } else {
    send_syn(stream_id, 0);
  }
  schedule(now_ + settings_.dial_timeout,
           [this, stream_id] { fail_dial(stream_id, timed_out(settings_.dial_timeout)); });
}

void MemoryNetwork::send_syn(StreamId id, size_t attempt) {
  const Stream* const dialed = stream(id);
  if (dialed == nullptr || dialed->state != StreamState::Dialing || !dialed->ends[0].open) return;
  const HostId from = dialed->hosts[0];
  if (attempt < kSynRetries.size()) {
    schedule(now_ + kSynRetries[attempt], [this, id, attempt] { send_syn(id, attempt + 1); });
  }
  const HostId target = *route(from, dialed->endpoint.ip);
  if (!path_open(from, target)) return;
  schedule(now_ + latency(from, target), [this, id, target] { syn_arrived(id, target); });
}

void MemoryNetwork::syn_arrived(StreamId id, HostId target) {
  Stream* const dialed = stream(id);
  if (dialed == nullptr || dialed->state != StreamState::Dialing || !dialed->ends[0].open) return;
  const HostId from = dialed->hosts[0];
  if (!path_open(from, target) || !path_open(target, from)) return;  // the SYN, or the answer, is lost
  const Instant answered = now_ + latency(target, from);
  const Process* const acceptor = listener_at(target, dialed->endpoint);
  if (acceptor == nullptr) {
    schedule(answered, [this, id] { fail_dial(id, "connection refused"); });
    return;
  }
  const auto waiting = std::count_if(acceptor->inbox.begin(), acceptor->inbox.end(),
                                     [](const Notice& notice) { return notice.kind == NoticeKind::Accepted; });
  if (static_cast<size_t>(waiting) >= kBacklog) return;
  schedule(answered, [this, id, target, by = acceptor->id] { syn_ack_arrived(id, target, by); });
}

void MemoryNetwork::syn_ack_arrived(StreamId id, HostId target, ProcessId acceptor) {
  Stream* const dialed = stream(id);
  if (dialed == nullptr || dialed->state != StreamState::Dialing || !dialed->ends[0].open) return;
  Host& source = hosts_[dialed->hosts[0]];
  dialed->state = StreamState::Established;
  dialed->hosts[1] = target;
  End& accepted = dialed->ends[1];
  accepted.process = acceptor;
  // Loopback dials come from the loopback address, others from the host's own of the same family.
  IpAddress own = dialed->endpoint.ip;
  if (dialed->hosts[0] != target) {
    for (const IpAddress& address : source.addresses) {
      if (address.is_v6() == dialed->endpoint.ip.is_v6()) own = address;
    }
  }
  accepted.remote = Endpoint{own, source.next_port};
  source.next_port = source.next_port == UINT16_MAX ? 32768 : static_cast<uint16_t>(source.next_port + 1);
  // An acceptor that died meanwhile finds its end gone: its kernel answers with RST.
  accepted.open = process(acceptor).alive;
  accepted.refuses_data = !accepted.open;
  process(dialed->ends[0].process).peers[dialed->ends[0].connection] = acceptor;
  put_on_wire(*dialed, 0, SegmentKind::Established, {}, StreamEndCause::PeerClosed);
  Notice notice;
  notice.kind = NoticeKind::Connected;
  notice.stream = id;
  notice.end = 0;
  notify(dialed->ends[0].process, std::move(notice));
}

void MemoryNetwork::fail_dial(StreamId id, std::string reason) {
  const Stream* const dialed = stream(id);
  if (dialed == nullptr || dialed->state != StreamState::Dialing) return;
  if (!dialed->ends[0].open) return forget_if_done(id);  // the dialler died
  Notice notice;
  notice.kind = NoticeKind::DialFailed;
  notice.stream = id;
  notice.end = 0;
  notice.reason = std::move(reason);
  notify(dialed->ends[0].process, std::move(notice));
}

// --------------------------------------------------------------------------------- what a process does

void MemoryNetwork::write(ProcessId id, uint64_t connection, const SharedBytes& frame) {
  Process& self = process(id);
  const auto found = self.connections.find(connection);
  if (found == self.connections.end()) return;
  Stream& target = *stream(found->second.first);
  const int index = found->second.second;
  End& end = target.ends[index];
  ++self.counters.frames_written;
  self.counters.bytes_written += frame->size();
  if (end.cut_off || end.out.ended || end.shut_down) return;
  end.out.pending.push_back(frame);
  end.out.pending_bytes += frame->size();
  pump(target, index);
  if (end.out.pending_bytes <= settings_.send_queue_max) return;
  end.cut_off = true;
  Notice notice;
  notice.kind = NoticeKind::Closed;
  notice.stream = target.id;
  notice.end = index;
  notice.stream_end = StreamEnd::SlowReader;
  notice.cause = StreamEndCause::SlowReader;
  schedule(now_, [this, id, notice] { notify(id, notice); });
}

size_t MemoryNetwork::unsent(ProcessId id, uint64_t connection) const {
  const auto& connections = processes_.at(id)->connections;
  const auto found = connections.find(connection);
  if (found == connections.end()) return 0;
  return streams_[found->second.first - first_stream_]->ends[found->second.second].out.pending_bytes;
}

bool MemoryNetwork::has_unsent(ProcessId id) const {
  for (const auto& current : streams_) {
    if (current == nullptr) continue;
    for (const End& end : current->ends) {
      if (end.process == id && end.out.pending_bytes > 0 && !end.out.ended) return true;
    }
  }
  return false;
}

void MemoryNetwork::close(ProcessId id, uint64_t connection, StreamClose how) {
  Process& self = process(id);
  const auto found = self.connections.find(connection);
  if (found == self.connections.end()) return;
  const StreamId stream_id = found->second.first;
  const int index = found->second.second;
  Stream& target = *stream(stream_id);
  End& end = target.ends[index];
  if (how == StreamClose::ShutdownWrite) {
    end.shut_down = true;
    end.out.fin_wanted = true;
    return pump(target, index);
  }
  self.connections.erase(found);
  end.open = false;
  trace(2, self.id, connection);
  if (target.state == StreamState::Dialing) return forget_if_done(stream_id);
  if (how == StreamClose::Abort) {
    end.refuses_data = true;
    end_flow(target, index, rng_.chance(settings_.reset_chance) ? SegmentKind::Reset : SegmentKind::Fin,
             StreamEndCause::PeerClosed);
  } else {
    end.out.fin_wanted = true;
    schedule(now_ + settings_.flush_timeout, [this, stream_id, index] {
      Stream* const flushed = stream(stream_id);
      if (flushed == nullptr || flushed->ends[index].out.ended) return;
      flushed->ends[index].refuses_data = true;
      end_flow(*flushed, index, SegmentKind::Reset, StreamEndCause::PeerClosed);
    });
    pump(target, index);
  }
  forget_if_done(stream_id);
}

// ----------------------------------------------------------------------------------------------- flows

void MemoryNetwork::pump(Stream& stream, int end) {
  Flow& flow = stream.ends[end].out;
  while (!flow.ended && flow.pending_bytes > 0 && flow.in_flight < settings_.window) {
    size_t size_max = std::min(kSegmentMax, settings_.window - flow.in_flight);
    if (rng_.chance(settings_.segment_chance)) {
      size_max = 1 + rng_.below(std::min<size_t>(size_max, rng_.chance(0.5) ? 8 : 700));
    }
    Carried bytes;
    if (flow.pending_offset == 0 && flow.pending.front()->size() == flow.pending_bytes &&
        flow.pending_bytes <= size_max) {
      bytes.frame = std::move(flow.pending.front());
      flow.pending.pop_front();
      flow.pending_bytes = 0;
    }
    while (flow.pending_bytes > 0 && bytes.part.size() < size_max) {
      const std::string& first = *flow.pending.front();
      const size_t size = std::min(first.size() - flow.pending_offset, size_max - bytes.part.size());
      bytes.part.append(first, flow.pending_offset, size);
      flow.pending_offset += size;
      flow.pending_bytes -= size;
      if (flow.pending_offset == first.size()) {
        flow.pending.pop_front();
        flow.pending_offset = 0;
      }
    }
    flow.in_flight += bytes.size();
    put_on_wire(stream, end, SegmentKind::Data, std::move(bytes), StreamEndCause::PeerClosed);
  }
  if (flow.fin_wanted && !flow.ended && flow.pending_bytes == 0) {
    if (!stream.ends[end].open) stream.ends[end].refuses_data = true;
    end_flow(stream, end, SegmentKind::Fin, StreamEndCause::PeerClosed);
  }
}

void MemoryNetwork::put_on_wire(Stream& stream, int end, SegmentKind kind, Carried bytes, StreamEndCause cause) {
  Flow& flow = stream.ends[end].out;
  const Instant due = std::max(flow.last_due, now_ + latency(stream.hosts[end], stream.hosts[1 - end]));
  flow.last_due = due;
  flow.wire.push_back(Segment{kind, due, std::move(bytes), cause});
  arm_flow(stream, end);
}

void MemoryNetwork::arm_flow(Stream& stream, int end) {
  Flow& flow = stream.ends[end].out;
  if (flow.scheduled || flow.stalled || flow.wire.empty()) return;
  flow.scheduled = true;
  schedule_flow(flow.wire.front().due, stream.id, end);
}

void MemoryNetwork::flow_due(StreamId id, int end) {
  Stream* const current = stream(id);
  if (current == nullptr) return;
  Flow& flow = current->ends[end].out;
  flow.scheduled = false;
  if (flow.wire.empty()) return;
  if (flow.silenced || !path_open(current->hosts[end], current->hosts[1 - end])) {
    flow.stalled = true;
    flow.stalled_since = now_;
    return;
  }
  if (flow.wire.front().due > now_) return arm_flow(*current, end);  // what was due was dropped meanwhile
  Segment segment = std::move(flow.wire.front());
  flow.wire.pop_front();
  arm_flow(*current, end);
  segment_arrived(*current, 1 - end, std::move(segment));
  forget_if_done(id);
}

void MemoryNetwork::segment_arrived(Stream& stream, int to, Segment segment) {
  End& receiver = stream.ends[to];
  Flow& source = stream.ends[1 - to].out;
  const bool is_data = segment.kind == SegmentKind::Data;
  if (!receiver.open) {
    if (is_data) source.in_flight -= segment.bytes.size();
    // The kernel answers for a socket that is gone. (A half-closed or flushing one is not gone.)
    if (receiver.refuses_data && (is_data || segment.kind == SegmentKind::Established)) {
      // It follows what that socket had sent before it went.
      const bool is_told = !receiver.out.wire.empty() && receiver.out.wire.back().kind == SegmentKind::Reset;
      const bool died = !process(receiver.process).alive;
      receiver.out.ended = true;
      if (!is_told) {
        put_on_wire(stream, to, SegmentKind::Reset, {}, died ? StreamEndCause::PeerDied : StreamEndCause::PeerClosed);
      }
    }
    if (segment.kind == SegmentKind::Reset) end_flow(stream, to, SegmentKind::Reset, segment.cause);
    return;
  }
  Notice notice;
  notice.stream = stream.id;
  notice.end = to;
  notice.cause = segment.cause;
  switch (segment.kind) {
    case SegmentKind::Established:
      notice.kind = NoticeKind::Accepted;
      break;
    case SegmentKind::Data:
      if (on_arrival) on_arrival(receiver.process, stream.ends[1 - to].process, stream.id, to, segment.bytes.view());
      notice.kind = NoticeKind::Received;
      notice.bytes = std::move(segment.bytes);
      break;
    case SegmentKind::Fin:
      notice.kind = NoticeKind::Closed;
      notice.stream_end = StreamEnd::EndOfStream;
      break;
    case SegmentKind::Reset:
      notice.kind = NoticeKind::Closed;
      notice.stream_end = StreamEnd::Reset;
      break;
  }
  notify(receiver.process, std::move(notice));
}

void MemoryNetwork::end_flow(Stream& stream, int end, SegmentKind kind, StreamEndCause cause) {
  Flow& flow = stream.ends[end].out;
  flow.pending.clear();
  flow.pending_offset = 0;
  flow.pending_bytes = 0;
  if (flow.ended || stream.state == StreamState::Dialing) return;
  flow.ended = true;
  put_on_wire(stream, end, kind, {}, cause);
}

// The process has no more to do with this end; what its kernel still sends goes on.
void MemoryNetwork::release_end(Stream& stream, int end) {
  End& released = stream.ends[end];
  released.open = false;
  process(released.process).connections.erase(released.connection);
}

void MemoryNetwork::forget_if_done(StreamId id) {
  const Stream* const current = stream(id);
  if (current == nullptr) return;
  for (const End& end : current->ends) {
    if (end.open || !end.out.wire.empty() || end.out.scheduled) return;
    if (current->state == StreamState::Established && end.out.pending_bytes > 0 && !end.out.ended) return;
  }
  streams_[id - first_stream_].reset();
}

// A sender whom a full window holds back asks for room again and again. A host that lost its memory answers with RST.
void MemoryNetwork::probe_windows(HostId host) {
  for (const auto& current : streams_) {
    if (current == nullptr) continue;
    for (int end = 0; end < 2; ++end) {
      Flow& flow = current->ends[end].out;
      const End& receiver = current->ends[1 - end];
      if (current->hosts[1 - end] != host || flow.pending_bytes == 0 || process(receiver.process).alive) continue;
      flow.in_flight = 0;  // what lay there unread is gone
      pump(*current, end);
    }
  }
}

void MemoryNetwork::kick_flows() {
  for (const auto& current : streams_) {
    if (current == nullptr) continue;
    for (int end = 0; end < 2; ++end) {
      Flow& flow = current->ends[end].out;
      if (!flow.stalled || flow.silenced || !path_open(current->hosts[end], current->hosts[1 - end])) continue;
      flow.stalled = false;
      const bool is_long = now_ - flow.stalled_since > kLongOutage;
      const Instant retransmitted = now_ + Duration::nanoseconds(static_cast<int64_t>(
                                               rng_.below(static_cast<uint64_t>(settings_.retransmit_max.ns()) + 1)));
      if (rng_.chance(is_long ? settings_.break_chance_long : settings_.break_chance)) {
        schedule(retransmitted, [this, stream_id = current->id] { reset_stream(stream_id); });
        continue;
      }
      for (Segment& segment : flow.wire) segment.due = std::max(segment.due, retransmitted);
      flow.last_due = std::max(flow.last_due, retransmitted);
      arm_flow(*current, end);
    }
  }
}

// ----------------------------------------------------------------------------------- telling a process

void MemoryNetwork::dispatch(Process& to, Notice& notice) {
  if (notice.kind == NoticeKind::Resolved) {
    trace(3, to.id, notice.query, notice.reason);
    return to.handler->on_resolved(notice.query, notice.addresses, notice.reason);
  }
  Stream* const current = stream(notice.stream);
  if (current == nullptr) return;
  End& end = current->ends[notice.end];
  if (notice.kind == NoticeKind::Received) {
    // Read by the process, or by nobody any more: either way the window opens.
    Flow& source = current->ends[1 - notice.end].out;
    source.in_flight -= notice.bytes.size();
    if (source.pending_bytes > 0) pump(*current, 1 - notice.end);
  }
  if (!end.open) return;  // closed by the process before it could be told
  const bool is_local = current->hosts[0] == current->hosts[1];
  const uint64_t connection = end.connection;
  switch (notice.kind) {
    case NoticeKind::Accepted:
      if (!to.listener) {
        end.open = false;
        end.refuses_data = true;
        return end_flow(*current, notice.end, SegmentKind::Reset, StreamEndCause::PeerClosed);
      }
      end.connection = to.next_accepted;
      to.next_accepted += 2;
      to.connections.emplace(end.connection, std::pair{current->id, notice.end});
      to.peers[end.connection] = current->ends[0].process;
      trace(4, to.id, end.connection);
      return to.handler->on_accepted(end.connection, end.remote, is_local);
    case NoticeKind::Connected:
      trace(5, to.id, connection);
      return to.handler->on_connected(connection, is_local);
    case NoticeKind::DialFailed:
      trace(6, to.id, connection, notice.reason);
      release_end(*current, notice.end);
      forget_if_done(notice.stream);
      return to.handler->on_dial_failed(connection, notice.reason);
    case NoticeKind::Received:
      trace(7, to.id, connection, notice.bytes.view());
      to.counters.bytes_read += notice.bytes.size();
      return to.handler->on_received(connection, as_byte_view(notice.bytes.view()));
    case NoticeKind::Closed: {
      trace(8, to.id, connection, {});
      release_end(*current, notice.end);
      end.refuses_data = true;
      const bool is_eof = notice.stream_end == StreamEnd::EndOfStream;
      end_flow(*current, notice.end, is_eof ? SegmentKind::Fin : SegmentKind::Reset, notice.cause);
      const ProcessId peer = current->ends[1 - notice.end].process;
      forget_if_done(notice.stream);
      if (connection == 0) return;  // broken before it could be accepted
      if (on_stream_end) on_stream_end(to.id, connection, peer, notice.cause);
      return to.handler->on_closed(connection, notice.stream_end);
    }
    case NoticeKind::Resolved:
      return;
  }
}

}  // namespace noex
