// Node: one handle on one cluster node, as the C ABI wraps it. It owns the I/O thread of the present run, the event
// queue out and the snapshot that queries read. The state machine is stopped -> starting -> running -> stopping ->
// stopped; a handle may be started again, as a new incarnation, and its queue goes on with rising sequence numbers.
//
// Threads: every call may come from any thread. No call waits for a user's callback, and no lock is held while one
// could run. fork(): a handle belongs to the process that created it. In a child every call answers Forked, and
// destroying the handle leaves all as it is, because closing an inherited epoll registration would stop the parent's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cluster/event_queue.h"
#include "cluster/node_run.h"
#include "cluster/node_stats.h"
#include "model/config.h"
#include "model/node_info.h"
#include "model/node_table.h"

namespace noex {

class Node {
 public:
  // Errors: Internal (no descriptor left).
  [[nodiscard]] static Result<std::unique_ptr<Node>> create(const NodeOptions& options = {});
  // As abort(): no goodbye. No other call may be under way.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Checks the configuration and begins to start; the environment's NOEX_ADVERTISE_HOST counts where the option is
  // absent. Returns the operation's id; its end comes as a Completion through the event queue, after the events that
  // led to it: Ok when every seed's first attempt has ended (2 s at most), Bind, Internal, or Aborted by a stop.
  // Errors: InvalidConfig, AlreadyRunning; then there is no operation, and the handle stays as it was.
  [[nodiscard]] Result<uint64_t> start_async(const ClusterConfig& config);
  // Begins to stop: goodbye to every peer, flush (1 s at most), close. Returns the operation's id; its Completion
  // (always Ok) comes after the status event `stopped`, or at once if nothing runs. Calls while it stops share the one
  // stop.
  [[nodiscard]] Result<uint64_t> stop_async();

  // The same, waiting for the end; it comes as the return value instead of a Completion. stop() also joins the I/O
  // thread.
  [[nodiscard]] Status start(const ClusterConfig& config);
  [[nodiscard]] Status stop();
  // Closes everything at once, without goodbye, and joins the I/O thread (within 50 ms).
  void abort();
  // Waits until the node is stopped; for ever without a timeout. Errors: Timeout.
  [[nodiscard]] Status wait_stopped(std::optional<Duration> timeout);

  // Stopped in the child of a fork.
  [[nodiscard]] ClusterStatus status() const;

  // Queries answer while running, and while stopping from the last snapshot. Errors: NotStarted.
  [[nodiscard]] Result<NodeId> local_id() const;
  [[nodiscard]] Result<NodeInfo> local_info() const;
  [[nodiscard]] Result<Duration> uptime() const;
  [[nodiscard]] Result<std::shared_ptr<const NodeTable>> table() const;
  // A number that is the same only while table() and its cells are the same, over stop and start, too.
  [[nodiscard]] Result<uint64_t> table_version() const;
  // Also asks the I/O thread. Errors: NotStarted, Timeout (1 s).
  [[nodiscard]] Result<NodeStats> stats() const;

  // What other nodes show as our process count. May be set before start, and stays over stop and start. Errors:
  // InvalidArgument.
  [[nodiscard]] Status set_process_count(int64_t count);

  // The event queue; see EventQueue. next_event's errors: Timeout (none came, or interrupt_events() was called).
  [[nodiscard]] Result<int> event_fd() const;
  [[nodiscard]] Result<QueuedEvent> next_event(std::optional<Duration> timeout);
  void interrupt_events();
  void resume_events();
  void clear_events();
  void select_events(uint32_t kinds, LogLevel log_level_min);

 private:
  class Impl;
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace noex
