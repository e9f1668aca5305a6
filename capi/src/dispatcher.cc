#include "dispatcher.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "base/checks.h"

namespace noex::capi {
namespace {

using Clock = std::chrono::steady_clock;
// Waits without limit are sliced: wait_until is all that old C++ runtimes have.
constexpr auto kSlice = std::chrono::hours(1);
constexpr uint32_t kPullKindsDefault = kAllEventKinds & ~mask_of(EventKind::Log);

// The dispatcher whose callback the thread is in; a plain pointer, so that nothing has to be destroyed at thread exit.
thread_local constinit const Dispatcher* current = nullptr;

}  // namespace

void Dispatcher::Subscription::call(const noex_event& event) const {
  if (const auto* const on_event = std::get_if<noex_event_cb>(&callback)) {
    (*on_event)(&event, user_data);
  } else if (const auto* const on_up = std::get_if<noex_node_up_cb>(&callback)) {
    (*on_up)(event.node, user_data);
  } else if (const auto* const on_down = std::get_if<noex_node_down_cb>(&callback)) {
    (*on_down)(event.node->id, event.reason, user_data);
  } else if (const auto* const on_status = std::get_if<noex_status_change_cb>(&callback)) {
    (*on_status)(event.status, user_data);
  } else if (const auto* const on_error = std::get_if<noex_error_cb>(&callback)) {
    (*on_error)(event.error, user_data);
  }
}

void Dispatcher::Subscription::finish() const {
  if (destroy != nullptr) destroy(user_data);
}

Dispatcher::Dispatcher(Node& node) : node_(node), pull_kinds_(kPullKindsDefault) { update_selection(); }

Dispatcher::~Dispatcher() { NOEX_CHECK(!thread_.joinable()); }

Result<noex_subscription> Dispatcher::subscribe(uint32_t kinds, Callback callback, void* user_data,
                                                void (*destroy)(void*)) {
  const std::lock_guard lock(mutex_);
  if (mode_ == Mode::Pull) {
    return Error{
        ErrorCode::State, "this handle's events are pulled (event_fd, next_event), so it takes no callbacks", {}};
  }
  auto subscription = std::make_shared<Subscription>();
  subscription->id = next_id_;
  subscription->kinds = kinds;
  subscription->callback = callback;
  subscription->user_data = user_data;
  subscription->destroy = destroy;
  if (!thread_.joinable()) {
    Result<Thread> thread = Thread::start("noex-dispatch", [this] { run(); });
    if (!thread) return thread.error();
    thread_ = *std::move(thread);
  }
  mode_ = Mode::Callbacks;
  subscriptions_.emplace(next_id_, std::move(subscription));
  update_selection();
  return next_id_++;
}

Status Dispatcher::cancel(noex_subscription id) {
  std::shared_ptr<Subscription> subscription;
  {
    std::unique_lock lock(mutex_);
    const auto found = subscriptions_.find(id);
    if (found == subscriptions_.end()) {
      return Error{ErrorCode::NotFound, "there is no subscription " + std::to_string(id) + " (any more)", {}};
    }
    subscription = std::move(found->second);
    subscriptions_.erase(found);
    subscription->cancelled = true;
    update_selection();
    if (running_ == id && on_own_thread()) {
      subscription->finish_after_call = true;
      return {};
    }
    while (running_ == id) changed_.wait_until(lock, Clock::now() + kSlice);
  }
  subscription->finish();
  return {};
}

Status Dispatcher::use_pull() {
  const std::lock_guard lock(mutex_);
  if (mode_ == Mode::Callbacks) {
    return Error{ErrorCode::State, "this handle's events go to callbacks (on_*), so they cannot be pulled", {}};
  }
  mode_ = Mode::Pull;
  return {};
}

void Dispatcher::select(uint32_t kinds, LogLevel log_level_min) {
  const std::lock_guard lock(mutex_);
  pull_kinds_ = kinds;
  log_level_min_ = log_level_min;
  update_selection();
}

void Dispatcher::update_selection() {
  uint32_t kinds = pull_kinds_;
  if (mode_ == Mode::Callbacks) {
    kinds = 0;
    for (const auto& [id, subscription] : subscriptions_) kinds |= subscription->kinds;
  }
  node_.select_events(kinds | mask_of(EventKind::Completion), log_level_min_);
}

bool Dispatcher::on_own_thread() const { return current == this; }

// Whether everything queued is done only the dispatch thread can say, and only when it looks: it is woken to look.
Status Dispatcher::drain(std::optional<Duration> timeout) {
  const auto begin = Clock::now();
  std::unique_lock lock(mutex_);
  if (!thread_.joinable()) return {};
  const uint64_t before = idle_count_;
  node_.interrupt_events();
  while (idle_count_ == before) {
    auto slice = std::chrono::nanoseconds(kSlice);
    if (timeout) {
      const auto left = std::chrono::nanoseconds(timeout->ns()) - (Clock::now() - begin);
      if (left.count() <= 0) return Error{ErrorCode::Timeout, "callbacks are still running", {}};
      slice = std::min(slice, std::chrono::nanoseconds(left));
    }
    changed_.wait_until(lock, Clock::now() + slice);
  }
  return {};
}

void Dispatcher::end() {
  std::map<noex_subscription, std::shared_ptr<Subscription>> rest;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    rest.swap(subscriptions_);
    for (const auto& [id, subscription] : rest) subscription->cancelled = true;
    if (thread_.joinable()) node_.interrupt_events();
  }
  if (thread_.joinable()) thread_.join();
  for (const auto& [id, subscription] : rest) subscription->finish();
}

void Dispatcher::run() {
  current = this;
  while (true) {
    Result<QueuedEvent> event = node_.next_event(std::nullopt);
    if (!event) {
      if (event.error().code == ErrorCode::Forked)
        return;  // a callback forked: in the child this is a thread without a node
      const std::lock_guard lock(mutex_);
      if (ending_) return;
      // The queue was empty when the interruption was seen, but an event may have come before the one who drains took
      // the lock.
      event = node_.next_event(Duration());
      if (!event) {
        ++idle_count_;
        node_.resume_events();
        changed_.notify_all();
        continue;
      }
    }
    dispatch(*std::move(event));
  }
}

void Dispatcher::dispatch(QueuedEvent event) {
  const EventKind kind = event.kind();
  std::optional<OwnedEvent> shown;
  std::vector<std::shared_ptr<Subscription>> subscribers;
  try {
    subscribers = subscribers_of(kind);
    if (subscribers.empty()) return;
    const Result<std::shared_ptr<const NodeTable>> table = node_.table();
    shown.emplace(std::move(event), table ? table->get() : nullptr);
  } catch (const std::bad_alloc&) {
    return;  // an event is lost for want of memory; the sequence numbers show it
  }
  // Outside of the try: an exception of a callback is the program's own, and ends it where it was thrown.
  for (const auto& subscription : subscribers) call(*subscription, *shown);
}

std::vector<std::shared_ptr<Dispatcher::Subscription>> Dispatcher::subscribers_of(EventKind kind) {
  std::vector<std::shared_ptr<Subscription>> found;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, subscription] : subscriptions_) {
    if ((subscription->kinds & mask_of(kind)) != 0) found.push_back(subscription);
  }
  return found;
}

void Dispatcher::call(Subscription& subscription, const noex_event& event) {
  {
    const std::lock_guard lock(mutex_);
    if (subscription.cancelled) return;
    running_ = subscription.id;
  }
  subscription.call(event);
  bool finish = false;
  {
    const std::lock_guard lock(mutex_);
    running_ = 0;
    finish = subscription.finish_after_call;
    changed_.notify_all();
  }
  if (finish) subscription.finish();
}

}  // namespace noex::capi
