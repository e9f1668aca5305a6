// How a handle's events are consumed: pulled by the user, or by callbacks that one dispatch thread runs. The dispatch
// thread is nothing but a user who pulls: it takes event after event from the same queue and calls what is registered,
// in order, with no lock held.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/thread.h"
#include "base/time.h"
#include "cluster/node.h"
#include "event.h"
#include "noex_cluster.h"

namespace noex::capi {

using Callback = std::variant<noex_event_cb, noex_node_up_cb, noex_node_down_cb, noex_status_change_cb, noex_error_cb>;

class Dispatcher {
 public:
  // `node` is borrowed and outlives the dispatcher.
  explicit Dispatcher(Node& node);
  // After end(), or before any subscription.
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Fixes the handle to callbacks and starts the dispatch thread if it does not run yet. `destroy` is not called if
  // this fails. Errors: State (the handle is pulled from), Internal (no thread).
  [[nodiscard]] Result<noex_subscription> subscribe(uint32_t kinds, Callback callback, void* user_data,
                                                    void (*destroy)(void*));
  // After it the callback does not run any more; waits for a running call unless it is made in one. Errors: NotFound.
  [[nodiscard]] Status cancel(noex_subscription subscription);
  // Fixes the handle to pulling. Errors: State.
  [[nodiscard]] Status use_pull();
  void select(uint32_t kinds, LogLevel log_level_min);

  // Whether the caller is a callback of this handle.
  [[nodiscard]] bool on_own_thread() const;
  // Waits until the callbacks of all events that are queued now have run. Not on the own thread. Errors: Timeout.
  [[nodiscard]] Status drain(std::optional<Duration> timeout);
  // Drops what is queued, waits for a running callback, ends the thread and destroys all subscriptions. Once; not on
  // the own thread.
  void end();

 private:
  enum class Mode { Open, Pull, Callbacks };

  struct Subscription {
    noex_subscription id = 0;
    uint32_t kinds = 0;
    Callback callback;
    void* user_data = nullptr;
    void (*destroy)(void*) = nullptr;
    bool cancelled = false;
    bool finish_after_call = false;  // cancelled inside its own call: the dispatch thread finishes it

    void call(const noex_event& event) const;
    // Once, by whoever took the subscription out of the map.
    void finish() const;
  };

  void run();
  void dispatch(QueuedEvent event);
  [[nodiscard]] std::vector<std::shared_ptr<Subscription>> subscribers_of(EventKind kind);
  void call(Subscription& subscription, const noex_event& event);
  // With the mutex held.
  void update_selection();

  Node& node_;
  std::mutex mutex_;
  std::condition_variable changed_;  // running_, idle_count_
  Mode mode_ = Mode::Open;
  uint32_t pull_kinds_;
  LogLevel log_level_min_ = LogLevel::Info;
  std::map<noex_subscription, std::shared_ptr<Subscription>> subscriptions_;  // in the order of registration
  noex_subscription next_id_ = 1;
  noex_subscription running_ = 0;
  uint64_t idle_count_ = 0;  // how often the dispatch thread has seen the queue empty when asked
  bool ending_ = false;
  Thread thread_;
};

}  // namespace noex::capi
