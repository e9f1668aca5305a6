// The events of one handle on their way to the user. The I/O thread pushes and never waits; any thread pulls. A user
// who does not pull cannot make the node grow without bound: above a limit, a node's ups and downs shrink to their net
// effect and log records go.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <variant>

#include "base/result.h"
#include "base/time.h"
#include "model/event.h"
#include "model/node_info.h"

namespace noex {

enum class Operation : int32_t { Start = 1, Stop = 2 };

struct StatusChanged {
  ClusterStatus status = ClusterStatus::Stopped;
};

// The end of an asynchronous start or stop.
struct Completion {
  Operation operation = Operation::Start;
  uint64_t id = 0;  // what start_async() or stop_async() returned
  Status outcome;
};

using EventBody = std::variant<NodeUp, NodeDown, StatusChanged, ErrorReport, LogRecord, Completion>;

// One bit per kind, in the order of EventBody; the numbers cross the C ABI.
enum class EventKind : uint32_t {
  NodeUp = 1u << 0,
  NodeDown = 1u << 1,
  Status = 1u << 2,
  Error = 1u << 3,
  Log = 1u << 4,
  Completion = 1u << 5,
};
inline constexpr uint32_t kAllEventKinds = (1u << 6) - 1;
[[nodiscard]] constexpr uint32_t mask_of(EventKind kind) { return static_cast<uint32_t>(kind); }

struct QueuedEvent {
  uint64_t sequence = 0;  // rises by one with each event of the handle; a gap is what was skipped
  int64_t unix_ms = 0;    // when it was queued
  EventBody body;

  [[nodiscard]] EventKind kind() const { return static_cast<EventKind>(1u << body.index()); }
};

struct EventQueueLimits {
  size_t coalesce_above = 1024;
  size_t logs_max = 256;
  size_t errors_max = 256;
};

// Events that were wanted and yet not delivered, since creation.
struct SkippedEvents {
  uint64_t folded = 0;   // ups and downs that cancelled each other out
  uint64_t dropped = 0;  // log records and errors, for want of room
};

class EventQueue {
 public:
  // Errors: Internal (no descriptor left).
  [[nodiscard]] static Result<std::unique_ptr<EventQueue>> create(const EventQueueLimits& limits = {});
  ~EventQueue();
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  // What is wanted: other kinds and lower levels are not queued and cost nothing. At first everything, and logs from
  // Info on.
  void select(uint32_t kinds, LogLevel log_level_min);
  [[nodiscard]] bool wants(EventKind kind) const {
    return (kinds_.load(std::memory_order_relaxed) & mask_of(kind)) != 0;
  }
  [[nodiscard]] bool wants_log(LogLevel level) const {
    return wants(EventKind::Log) && static_cast<int32_t>(level) >= log_level_min_.load(std::memory_order_relaxed);
  }

  void push(EventBody body);

  // The oldest event; waits for one for at most `timeout` (for ever without). nullopt: none came in time, or the queue
  // was interrupted.
  [[nodiscard]] std::optional<QueuedEvent> next(std::optional<Duration> timeout);
  // Ends all waits, now and later, once the queue is empty. For whoever ends a thread that pulls.
  void interrupt();
  // Undoes interrupt().
  void resume();
  // Forgets what is queued.
  void clear();

  // Readable while events are queued, level-triggered. Poll it, never read it. Owned by the queue.
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] size_t size() const;
  [[nodiscard]] SkippedEvents skipped() const;

 private:
  using List = std::list<QueuedEvent>;

  EventQueue(const EventQueueLimits& limits, int fd) : limits_(limits), fd_(fd) {}
  // All with the mutex held.
  [[nodiscard]] bool admit(const EventBody& body);
  [[nodiscard]] bool cancels_an_up(const EventBody& body);
  void compact();
  void note_pushed(List::iterator position);
  void forget(List::const_iterator position);
  void show_readable(bool readable);

  const EventQueueLimits limits_;
  const int fd_;
  std::atomic<uint32_t> kinds_{kAllEventKinds};
  std::atomic<int32_t> log_level_min_{static_cast<int32_t>(LogLevel::Info)};

  mutable std::mutex mutex_;
  std::condition_variable pushed_;
  List events_;
  std::unordered_map<NodeId, List::iterator> last_up_;  // the undelivered up of a node that no undelivered down follows
  size_t logs_ = 0;
  size_t errors_ = 0;
  uint64_t next_sequence_ = 1;
  SkippedEvents skipped_;
  bool shrinking_ = false;  // above the limit, until half empty
  bool readable_ = false;
  bool interrupted_ = false;
};

}  // namespace noex
