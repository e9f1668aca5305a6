// One run of a node, from start to stop, as its I/O thread lives it: listener, advertised address, driver, loop. A
// handle (Node) makes a new one for each start. Other threads reach it through a few flags and one wake-up; it never
// waits on them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cluster/control.h"
#include "cluster/driver.h"
#include "cluster/event_queue.h"
#include "cluster/node_stats.h"
#include "model/config.h"
#include "transport/uv_transport.h"

namespace noex {

// Limits of a node that tests lower. Users cannot.
struct NodeOptions {
  MembershipLimits membership = {};
  UvTransportOptions transport = {};
  EventQueueLimits events = {};
};

class NodeRun final : private DriverObserver {
 public:
  struct Identity {
    NodeId id;
    Incarnation incarnation = 0;
    Instant started;
  };

  // Told on the I/O thread.
  class Host {
   public:
    virtual ~Host() = default;
    // The listener is up. False: a stop came first, and the run ends here.
    [[nodiscard]] virtual bool on_running(const Identity& identity) = 0;
    // Every seed's first attempt has ended.
    virtual void on_joined() = 0;
    virtual void on_table(const std::shared_ptr<const NodeTable>& table) = 0;
    virtual void on_event(EventBody body) = 0;
    // How many events wait for the user, and what was skipped.
    virtual void count_events(NodeStats& stats) = 0;
  };

  // `host` is borrowed and outlives the run.
  NodeRun(ValidConfig config, NodeOptions options, int64_t process_count, Host& host);

  // The whole run; on the I/O thread. Returns when all is closed: Ok after stop(), Aborted when stop() or abort() came
  // before the node ran, otherwise what went wrong (Bind, Internal).
  [[nodiscard]] Status execute();

  // Any thread, at any time, also when the run has ended.
  void stop();   // says goodbye, flushes, ends
  void abort();  // closes all at once, ends
  void set_process_count(int64_t count);
  // Asks the I/O thread, which never waits and so answers soon. Errors: NotStarted (ended, or not up yet), Timeout.
  [[nodiscard]] Result<NodeStats> stats(Duration limit);

 private:
  class Attachment;
  struct StatsRequest {
    std::optional<NodeStats> answer;
  };

  void on_table(const std::shared_ptr<const NodeTable>& table) override { host_.on_table(table); }
  void on_notification(const Notification& notification) override;
  void tell(EventBody body);

  [[nodiscard]] bool ending() const { return stop_asked_ || abort_asked_; }
  [[nodiscard]] std::string advertised_host(UvTransport& transport);
  [[nodiscard]] Status run_driver(UvTransport& transport, const Identity& identity);
  void serve(Driver& driver, const Identity& identity, UvTransport& transport);
  [[nodiscard]] NodeStats gather(Driver& driver, const Identity& identity);
  void wake();
  void log(LogLevel level, std::string message);

  const ValidConfig config_;
  const NodeOptions options_;
  Host& host_;
  std::atomic<bool> stop_asked_{false};
  std::atomic<bool> abort_asked_{false};
  std::atomic<int64_t> process_count_;
  int64_t announced_process_count_ = 0;  // I/O thread only
  std::unique_ptr<Control> control_;     // I/O thread only; null without a control socket

  std::mutex mutex_;
  std::condition_variable answered_;
  UvTransport* transport_ = nullptr;                           // guarded by mutex_; null before and after
  bool serving_ = false;                                       // guarded by mutex_: the loop is about to run, or runs
  std::vector<std::shared_ptr<StatsRequest>> stats_requests_;  // guarded by mutex_
};

}  // namespace noex
