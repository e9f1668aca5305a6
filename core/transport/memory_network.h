// A virtual network in one process: hosts, listeners, streams, a name service and one clock, all driven by one seeded
// generator. It behaves as TCP does towards a program: order within a direction, random segmentation, windows, half
// close, resets, retransmission over an outage, listeners whose kernel accepts while the process is stopped. What can
// happen to a real network can be done to it: cuts (also one-way), lost hosts, killed and frozen processes, broken and
// half-open streams. No thread, no socket, no real time: the same seed and the same calls give the same run, to the
// byte (`trace_hash`). The simulator in tests/sim runs whole clusters on it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "model/address.h"
#include "transport/transport.h"

namespace noex {

class MemoryTransport;

using HostId = uint32_t;
using ProcessId = uint32_t;
using StreamId = uint64_t;

// One way from a host to another. Each segment takes `delay` plus up to `jitter`; segments of one direction never
// overtake.
struct LinkModel {
  Duration delay = Duration::microseconds(200);
  Duration jitter = Duration::microseconds(100);
};

struct NetworkSettings {
  LinkModel link;  // between hosts, unless set_link says otherwise
  LinkModel loopback{Duration::microseconds(15), Duration::microseconds(10)};
  Duration dial_timeout = Duration::seconds(5);
  Duration flush_timeout = Duration::seconds(1);          // for what a Close(Flush) left queued
  Duration wake_late_max = Duration::microseconds(0);     // timers fire up to this much late
  Duration retransmit_max = Duration::milliseconds(500);  // after a heal, until what was stuck flows again
  double segment_chance = 0.1;                            // that a write leaves in several random pieces
  double break_chance = 0.2;            // that a stream does not survive an outage that it had bytes in
  double break_chance_long = 0.6;       // the same for outages over 15 s
  double reset_chance = 0.5;            // that a dropped connection ends by RST, not FIN
  size_t window = 256 * 1024;           // bytes in flight and unread per direction; the rest waits at the sender
  size_t send_queue_max = 1024 * 1024;  // waiting bytes above which the sender's transport cuts the connection
};

// Why a process lost a connection, for judging what it says about it.
enum class StreamEndCause { PeerClosed, PeerDied, NetworkBroke, SlowReader };

struct NameAnswer {
  std::vector<IpAddress> addresses;  // none: the look-up fails with `reason`
  std::string reason = "unknown host";
  Duration delay = Duration::milliseconds(2);
};

struct ProcessCounters {
  uint64_t bytes_written = 0;
  uint64_t frames_written = 0;
  uint64_t bytes_read = 0;
  uint64_t wakes = 0;
  uint64_t dials = 0;
};

// An established stream, for choosing what to break. Ends: 0 dialled, 1 accepted.
struct StreamView {
  StreamId id = 0;
  ProcessId process[2] = {0, 0};
};

class MemoryNetwork {
 public:
  explicit MemoryNetwork(uint64_t seed, const NetworkSettings& settings = {});
  ~MemoryNetwork();
  MemoryNetwork(const MemoryNetwork&) = delete;
  MemoryNetwork& operator=(const MemoryNetwork&) = delete;

  // ---------------------------------------------------------------------------------------------- time
  [[nodiscard]] Instant now() const { return now_; }
  // Handles the next thing that is due at `limit` or before; false when there is none (the clock is then at `limit`).
  bool run_next(Instant limit);
  void run_until(Instant limit);
  void run_for(Duration duration) { run_until(now_ + duration); }
  // Calls `action` at `when`, between the network's own events.
  void at(Instant when, std::function<void()> action);

  // ------------------------------------------------------------------------------------------ topology
  HostId add_host(const std::vector<IpAddress>& addresses);
  void add_address(HostId host, const IpAddress& address);
  void set_name(const std::string& host, NameAnswer answer);
  void set_link(HostId from, HostId to, const LinkModel& link);
  // What the wall clock of `host` is ahead of the network's.
  void set_clock_offset(HostId host, Duration offset);

  // Starts a process on `host`. The transport ends it when destroyed: as exit() does, without a flush of its own.
  [[nodiscard]] std::unique_ptr<MemoryTransport> start_process(HostId host);

  // -------------------------------------------------------------------------------------------- faults
  void cut(HostId from, HostId to);   // packets from `from` to `to` vanish, until heal
  void heal(HostId from, HostId to);  // what was stuck is sent again, or its stream breaks
  void heal_all();
  [[nodiscard]] bool is_cut(HostId from, HostId to) const { return cuts_.contains({from, to}); }
  void crash_host(HostId host);    // power cut: processes die, no packet says so
  void restore_host(HostId host);  // the kernel is back, without the processes: old streams are answered with RST
  void suspend_host(HostId host);  // laptop lid: processes and kernel stand still
  void resume_host(HostId host);
  void kill(ProcessId process);    // SIGKILL: the kernel tells the peers
  void freeze(ProcessId process);  // SIGSTOP: the kernel goes on accepting and buffering
  void thaw(ProcessId process);    // SIGCONT: all that is readable first, then an overdue timer
  [[nodiscard]] bool is_alive(ProcessId process) const;
  // Whether it stands still: stopped, or with its host.
  [[nodiscard]] bool is_frozen(ProcessId process) const;
  // Whether it is stopped (SIGSTOP), whatever its host does.
  [[nodiscard]] bool is_stopped(ProcessId process) const;

  [[nodiscard]] std::vector<StreamView> streams() const;
  void reset_stream(StreamId stream);                // both ends learn
  void half_open_stream(StreamId stream, int told);  // only end `told` learns; for the other all is silence
  void silence_stream(StreamId stream, int from);    // nothing more arrives from end `from`
  // Room for bytes that nobody reads, from now on: in the receiver's kernel, and in the sender's transport.
  void set_buffers(size_t window, size_t send_queue_max);
  [[nodiscard]] const NetworkSettings& settings() const { return settings_; }

  // ------------------------------------------------------------------------------------------ accounts
  [[nodiscard]] const ProcessCounters& counters(ProcessId process) const;
  [[nodiscard]] bool is_host_up(HostId host) const { return hosts_.at(host).up && !hosts_.at(host).asleep; }
  [[nodiscard]] HostId host_of(ProcessId process) const;
  // The process at the other end of a connection that was established; nullopt for one that was not.
  [[nodiscard]] std::optional<ProcessId> peer_of(ProcessId process, uint64_t connection) const;
  // Whether bytes of `process` still wait in its own queues (a flush under way).
  [[nodiscard]] bool has_unsent(ProcessId process) const;
  // How many things have happened so far: segments, timers, actions.
  [[nodiscard]] uint64_t handled() const { return handled_; }
  // A digest of everything delivered so far, with its time.
  [[nodiscard]] uint64_t trace_hash() const { return trace_hash_; }
  // Called when `process` is told of the end of `connection`, just before.
  std::function<void(ProcessId process, uint64_t connection, ProcessId peer, StreamEndCause cause)> on_stream_end;
  // Called when bytes from `from` reach the kernel of `to`, on end `end` of a stream, whether the process runs or not.
  std::function<void(ProcessId to, ProcessId from, StreamId stream, int end, std::string_view bytes)> on_arrival;
  // Called for each fault and each end of a stream with a line for people. Costs only when set.
  std::function<void(std::string line)> on_log;

 private:
  friend class MemoryTransport;

  // A queue that takes memory for what is in it, and has one block of it: a deque takes half a kilobyte for nothing,
  // and a thousand nodes in full mesh have two million queues.
  template <typename T>
  class Queue {
   public:
    [[nodiscard]] bool empty() const { return first_ == items_.size(); }
    [[nodiscard]] T& front() { return items_[first_]; }
    [[nodiscard]] const T& back() const { return items_.back(); }
    void push_back(T item) { items_.push_back(std::move(item)); }
    void pop_front() {
      items_[first_++] = T();
      if (empty()) return clear();
      if (2 * first_ < items_.size()) return;
      items_.erase(items_.begin(), items_.begin() + static_cast<ptrdiff_t>(first_));
      first_ = 0;
    }
    void clear() {
      items_.clear();
      first_ = 0;
    }
    [[nodiscard]] auto begin() { return items_.begin() + static_cast<ptrdiff_t>(first_); }
    [[nodiscard]] auto end() { return items_.end(); }
    template <typename Condition>
    void remove_if(Condition condition) {
      items_.erase(std::remove_if(begin(), end(), condition), end());
    }

   private:
    std::vector<T> items_;
    size_t first_ = 0;
  };

  // What a segment carries: mostly one whole frame, which its other receivers then share, else a copy of some part.
  struct Carried {
    SharedBytes frame;
    std::string part;
    [[nodiscard]] std::string_view view() const { return frame != nullptr ? std::string_view(*frame) : part; }
    [[nodiscard]] size_t size() const { return view().size(); }
  };

  enum class SegmentKind : uint8_t { Established, Data, Fin, Reset };
  struct Segment {
    SegmentKind kind = SegmentKind::Data;
    Instant due;
    Carried bytes;
    StreamEndCause cause = StreamEndCause::PeerClosed;
  };
  // One direction of a stream.
  struct Flow {
    Queue<SharedBytes> pending;  // written, not yet taken by the kernel
    size_t pending_offset = 0;   // into the first of them
    size_t pending_bytes = 0;
    Queue<Segment> wire;
    size_t in_flight = 0;  // bytes on the wire or unread at the other end
    Instant last_due;
    bool scheduled = false;
    bool stalled = false;
    Instant stalled_since;
    bool silenced = false;
    bool fin_wanted = false;
    bool ended = false;  // FIN or RST is on the wire
  };
  struct End {
    ProcessId process = 0;
    uint64_t connection = 0;
    Endpoint remote;
    bool open = false;          // the process holds it and is to be called back
    bool shut_down = false;     // the process wants to write no more
    bool cut_off = false;       // a SlowReader notice is on its way
    bool refuses_data = false;  // closed by the process: data is answered with RST
    Flow out;
  };
  enum class StreamState : uint8_t { Dialing, Established };
  struct Stream {
    StreamId id = 0;
    StreamState state = StreamState::Dialing;
    Endpoint endpoint;
    End ends[2];
    HostId hosts[2] = {0, 0};
  };
  enum class NoticeKind : uint8_t { Accepted, Connected, DialFailed, Received, Closed, Resolved };
  // What a process is to be told: at once, or at its thaw.
  struct Notice {
    NoticeKind kind = NoticeKind::Received;
    StreamId stream = 0;
    int end = 0;
    uint64_t query = 0;
    Carried bytes;
    std::string reason;
    std::vector<IpAddress> addresses;
    StreamEnd stream_end = StreamEnd::EndOfStream;
    StreamEndCause cause = StreamEndCause::PeerClosed;
  };
  struct Listener {
    IpAddress ip;
    uint16_t port = 0;
  };
  struct Process {
    ProcessId id = 0;
    HostId host = 0;
    TransportHandler* handler = nullptr;
    bool alive = true;
    bool frozen = false;
    bool asleep = false;  // with its host
    Instant wake_at = Instant::never();
    Instant wake_scheduled = Instant::never();  // the earliest look at `wake_at` that is in the queue
    bool wake_overdue = false;
    std::deque<Notice> inbox;
    uint64_t next_accepted = 2;
    std::optional<Listener> listener;
    std::unordered_map<uint64_t, std::pair<StreamId, int>> connections;  // to be called back
    std::unordered_map<uint64_t, ProcessId> peers;                       // every connection that was ever established
    ProcessCounters counters;
  };
  struct Host {
    std::vector<IpAddress> addresses;
    bool up = true;
    bool asleep = false;
    Duration clock_offset;
    uint16_t next_port = 32768;
    std::vector<ProcessId> listening;
  };
  // Something that is due: small, since very many are at once.
  struct Item {
    Instant at;
    uint64_t order = 0;  // among those due at the same instant: rank, then sequence
    uint64_t what = 0;   // odd: the flow of an end of a stream; even: one of `actions_`
    friend bool operator<(const Item& a, const Item& b) {  // the heap's top is the earliest
      return a.at != b.at ? a.at > b.at : a.order > b.order;
    }
  };

  // What MemoryTransport calls.
  [[nodiscard]] Now process_now(ProcessId process) const;
  [[nodiscard]] Result<uint16_t> listen(ProcessId process, std::string_view host, uint16_t port);
  void stop_listening(ProcessId process);
  void dial(ProcessId process, uint64_t connection, const Endpoint& endpoint);
  void write(ProcessId process, uint64_t connection, const SharedBytes& frame);
  void close(ProcessId process, uint64_t connection, StreamClose how);
  void resolve(ProcessId process, uint64_t query, std::string_view host);
  [[nodiscard]] size_t unsent(ProcessId process, uint64_t connection) const;
  void wake_at(ProcessId process, Instant when);
  void set_handler(ProcessId process, TransportHandler* handler);

  void schedule(Instant when, std::function<void()> action, int rank = 0);
  void schedule_flow(Instant when, StreamId id, int end);
  void enqueue(Instant when, int rank, uint64_t what);
  [[nodiscard]] Process& process(ProcessId id);
  [[nodiscard]] Stream* stream(StreamId id);
  [[nodiscard]] Duration latency(HostId from, HostId to);
  [[nodiscard]] bool path_open(HostId from, HostId to) const;
  [[nodiscard]] std::optional<HostId> route(HostId from, const IpAddress& ip) const;
  [[nodiscard]] Process* listener_at(HostId host, const Endpoint& endpoint);

  void send_syn(StreamId id, size_t attempt);
  void syn_arrived(StreamId id, HostId target);
  void syn_ack_arrived(StreamId id, HostId target, ProcessId acceptor);
  void fail_dial(StreamId id, std::string reason);

  void pump(Stream& stream, int end);
  void put_on_wire(Stream& stream, int end, SegmentKind kind, Carried bytes, StreamEndCause cause);
  void arm_flow(Stream& stream, int end);
  void flow_due(StreamId id, int end);
  void segment_arrived(Stream& stream, int to, Segment segment);
  // Ends the sending side of `end`: what is pending is dropped, FIN or RST follows what is on the wire.
  void end_flow(Stream& stream, int end, SegmentKind kind, StreamEndCause cause);
  void release_end(Stream& stream, int end);
  void forget_if_done(StreamId id);
  void probe_windows(HostId host);
  void kick_flows();

  void notify(ProcessId to, Notice notice);
  void dispatch(Process& to, Notice& notice);
  void arm_wake(Process& process);
  void wake_due(ProcessId id, Instant scheduled);
  void wake_up(Process& process);
  void end_process(Process& process, bool silently);
  void trace(uint64_t kind, uint64_t a, uint64_t b, std::string_view bytes = {});
  void log(const std::function<std::string()>& line) const;
  [[nodiscard]] std::string name_of(const Stream& stream) const;

  NetworkSettings settings_;
  Rng rng_;
  Instant now_;
  std::vector<Item> queue_;
  std::vector<std::function<void()>> actions_;
  std::vector<size_t> free_actions_;
  uint64_t next_sequence_ = 1;
  uint64_t handled_ = 0;
  std::vector<Host> hosts_;
  std::vector<std::unique_ptr<Process>> processes_;
  // Streams in the order of their numbers, which are never reused: that of the first is `first_stream_`, those that are
  // gone are null.
  std::deque<std::unique_ptr<Stream>> streams_;
  StreamId first_stream_ = 1;
  std::set<std::pair<HostId, HostId>> cuts_;
  std::map<std::pair<HostId, HostId>, LinkModel> links_;
  std::map<IpAddress, HostId> host_of_address_;
  std::map<std::string, NameAnswer, std::less<>> names_;
  uint64_t trace_hash_ = 0xcbf29ce484222325ULL;
};

}  // namespace noex
