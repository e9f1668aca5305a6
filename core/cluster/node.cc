#include "cluster/node.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/checks.h"
#include "base/process_id.h"
#include "base/thread.h"
#include "cluster/published.h"
#include "transport/clock.h"

namespace noex {
namespace {

constexpr Duration kStatsMax = Duration::seconds(1);

Error not_started() { return {ErrorCode::NotStarted, "Cluster is not started: call start first", {}}; }
Error forked() {
  return {ErrorCode::Forked, "this cluster node belongs to the parent process: create a new one after fork()", {}};
}

std::string environment_advertise_host() {
  const char* const value = std::getenv("NOEX_ADVERTISE_HOST");
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

class Node::Impl final : public NodeRun::Host {
 public:
  Impl(NodeOptions options, std::unique_ptr<EventQueue> queue)
      : events(std::move(queue)), options_(std::move(options)) {}
  ~Impl() override { abort(); }

  enum class Mode { Async, Blocking };

  Result<uint64_t> start(const ClusterConfig& config, Mode mode);
  uint64_t stop(Mode mode);
  Status wait_for(uint64_t operation);
  void abort();
  Status wait_stopped(std::optional<Duration> timeout);
  void set_process_count(int64_t count);

  [[nodiscard]] bool forked() const { return process_id() != pid_; }
  [[nodiscard]] ClusterStatus status() const { return status_; }
  // What queries are answered from; null if they are not. They take no lock that the I/O thread could wait for.
  struct View {
    NodeRun::Identity identity;
    std::shared_ptr<const NodeTable> table;
  };
  [[nodiscard]] std::shared_ptr<const View> view() const { return view_.get(); }
  [[nodiscard]] Result<NodeInfo> local_info() const;
  [[nodiscard]] Result<NodeStats> stats() const;

  const std::unique_ptr<EventQueue> events;

 private:
  struct Pending {
    uint64_t id = 0;
    Mode mode = Mode::Async;
  };

  // NodeRun::Host; on the I/O thread.
  bool on_running(const NodeRun::Identity& identity) override;
  void on_joined() override;
  void on_table(const std::shared_ptr<const NodeTable>& table) override;
  void on_event(EventBody body) override;
  void count_events(NodeStats& stats) override;
  void io_main(NodeRun& run) noexcept;
  void on_run_ended(const Status& outcome);

  // With the mutex held.
  void set_status(ClusterStatus status);
  void complete(const Pending& pending, Operation operation, const Status& outcome);
  void complete_start(const Status& outcome);
  void join(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] bool is_pending(uint64_t operation) const;

  const pid_t pid_ = process_id();
  const NodeOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;                             // status_, outcomes_, joining_
  std::atomic<ClusterStatus> status_ = ClusterStatus::Stopped;  // written with the mutex held
  uint64_t next_operation_ = 1;
  std::optional<Pending> pending_start_;
  std::vector<Pending> pending_stops_;
  std::map<uint64_t, Status> outcomes_;  // of blocking operations, until their callers have taken them
  std::shared_ptr<NodeRun> run_;         // of the present run; null when stopped
  Thread thread_;
  bool joining_ = false;
  std::atomic<int64_t> process_count_ = 0;  // written with the mutex held
  NodeRun::Identity identity_;              // of the present run; I/O thread only
  Published<View> view_;                    // set by the I/O thread
};

Result<uint64_t> Node::Impl::start(const ClusterConfig& config, Mode mode) {
  Result<ValidConfig> valid = validate(config, environment_advertise_host());
  std::unique_lock lock(mutex_);
  // The thread of the former run has nothing left to do but end; joining it gives the lock away for a moment.
  while (status_ == ClusterStatus::Stopped && (joining_ || thread_.joinable())) join(lock);
  if (status_ == ClusterStatus::Stopping) {
    return Error{ErrorCode::AlreadyRunning, "Cluster is already running: it is stopping, wait for stop first", {}};
  }
  if (status_ != ClusterStatus::Stopped) return Error{ErrorCode::AlreadyRunning, "Cluster is already running", {}};
  if (!valid) return valid.error();

  auto run = std::make_shared<NodeRun>(*std::move(valid), options_, process_count_, *this);
  Result<Thread> thread = Thread::start("noex-io", [this, run] { io_main(*run); });
  if (!thread) return thread.error();
  thread_ = *std::move(thread);
  run_ = std::move(run);
  const Pending pending{next_operation_++, mode};
  pending_start_ = pending;
  set_status(ClusterStatus::Starting);
  return pending.id;
}

uint64_t Node::Impl::stop(Mode mode) {
  const std::lock_guard lock(mutex_);
  const Pending pending{next_operation_++, mode};
  if (status_ == ClusterStatus::Stopped) {
    complete(pending, Operation::Stop, {});
    return pending.id;
  }
  pending_stops_.push_back(pending);
  if (status_ != ClusterStatus::Stopping) {
    set_status(ClusterStatus::Stopping);
    complete_start(Error{ErrorCode::Aborted, "the start was ended by a stop", {}});
    run_->stop();
  }
  return pending.id;
}

Status Node::Impl::wait_for(uint64_t operation) {
  std::unique_lock lock(mutex_);
  while (true) {
    if (const auto found = outcomes_.find(operation); found != outcomes_.end()) {
      Status outcome = std::move(found->second);
      outcomes_.erase(found);
      if (status_ == ClusterStatus::Stopped) join(lock);
      return outcome;
    }
    if (!is_pending(operation)) return Error{ErrorCode::NoMemory, "out of memory", {}};
    changed_.wait_until(lock, std::chrono::steady_clock::now() + std::chrono::hours(1));
  }
}

bool Node::Impl::is_pending(uint64_t operation) const {
  if (pending_start_ && pending_start_->id == operation) return true;
  return std::any_of(pending_stops_.begin(), pending_stops_.end(),
                     [operation](const Pending& pending) { return pending.id == operation; });
}

void Node::Impl::abort() {
  std::unique_lock lock(mutex_);
  if (run_ != nullptr) run_->abort();
  join(lock);
}

Status Node::Impl::wait_stopped(std::optional<Duration> timeout) {
  const auto begin = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (status_ != ClusterStatus::Stopped) {
    auto slice = std::chrono::nanoseconds(std::chrono::hours(1));
    if (timeout) {
      const auto left = std::chrono::nanoseconds(timeout->ns()) - (std::chrono::steady_clock::now() - begin);
      if (left.count() <= 0)
        return Error{ErrorCode::Timeout, "the node is still " + std::string(to_string(status_)), {}};
      slice = std::min(slice, std::chrono::nanoseconds(left));
    }
    changed_.wait_until(lock, std::chrono::steady_clock::now() + slice);
  }
  return {};
}

// One thread joins, others that come meanwhile wait for it.
void Node::Impl::join(std::unique_lock<std::mutex>& lock) {
  while (joining_) changed_.wait_until(lock, std::chrono::steady_clock::now() + std::chrono::hours(1));
  if (!thread_.joinable()) return;
  Thread thread = std::move(thread_);
  joining_ = true;
  lock.unlock();
  thread.join();
  lock.lock();
  joining_ = false;
  changed_.notify_all();
}

void Node::Impl::io_main(NodeRun& run) noexcept {
  { const std::lock_guard started(mutex_); }  // start() holds it until `starting` is told
  Status outcome;
  try {
    outcome = run.execute();
  } catch (const std::exception& error) {
    outcome = Error{ErrorCode::Internal, error.what(), {}};
  } catch (...) {
    outcome = Error{ErrorCode::Internal, "unknown exception", {}};
  }
  on_run_ended(outcome);
}

// The node must end up stopped whatever happens, also when there is no memory for the events that say so.
void Node::Impl::on_run_ended(const Status& outcome) {
  const std::lock_guard lock(mutex_);
  const bool failed = !outcome && outcome.error().code == ErrorCode::Internal;
  run_.reset();
  view_.set(nullptr);
  status_ = ClusterStatus::Stopped;
  try {
    if (failed) {
      events->push(ErrorReport{
          ErrorKind::Internal, "the node was stopped by an internal error: " + outcome.error().message, {}, {}});
    }
    set_status(ClusterStatus::Stopped);
    complete_start(outcome ? Status(Error{ErrorCode::Aborted, "the start was ended by an abort", {}}) : outcome);
    for (const Pending& pending : std::exchange(pending_stops_, {})) complete(pending, Operation::Stop, {});
  } catch (...) {
    // Who waits for an operation finds it neither pending nor done, and gives up with NoMemory.
    pending_start_.reset();
    pending_stops_.clear();
    changed_.notify_all();
  }
}

bool Node::Impl::on_running(const NodeRun::Identity& identity) {
  const std::lock_guard lock(mutex_);
  if (status_ != ClusterStatus::Starting) return false;
  identity_ = identity;
  view_.set(std::make_shared<const View>(View{identity, std::make_shared<const NodeTable>()}));
  set_status(ClusterStatus::Running);
  return true;
}

void Node::Impl::on_joined() {
  const std::lock_guard lock(mutex_);
  complete_start({});
}

void Node::Impl::on_table(const std::shared_ptr<const NodeTable>& table) {
  view_.set(std::make_shared<const View>(View{identity_, table}));
}

void Node::Impl::on_event(EventBody body) {
  if (std::holds_alternative<NodeUp>(body) || std::holds_alternative<NodeDown>(body)) {
    // Who comes and goes while this node leaves is news to nobody; the lock makes sure that none comes after
    // `stopping`.
    const std::lock_guard lock(mutex_);
    if (status_ == ClusterStatus::Running) events->push(std::move(body));
    return;
  }
  events->push(std::move(body));
}

void Node::Impl::set_status(ClusterStatus status) {
  status_ = status;
  changed_.notify_all();
  events->push(StatusChanged{status});
}

void Node::Impl::complete(const Pending& pending, Operation operation, const Status& outcome) {
  if (pending.mode == Mode::Async) {
    events->push(Completion{operation, pending.id, outcome});
  } else {
    outcomes_.emplace(pending.id, outcome);
    changed_.notify_all();
  }
}

void Node::Impl::complete_start(const Status& outcome) {
  if (!pending_start_) return;
  const Pending pending = *pending_start_;
  pending_start_.reset();
  complete(pending, Operation::Start, outcome);
}

void Node::Impl::set_process_count(int64_t count) {
  const std::lock_guard lock(mutex_);
  process_count_ = count;
  if (run_ != nullptr) run_->set_process_count(count);
}

Result<NodeInfo> Node::Impl::local_info() const {
  const Now now = clock_now();
  const std::shared_ptr<const View> seen = view();
  if (seen == nullptr) return not_started();
  NodeInfo info;
  info.id = seen->identity.id;
  info.status = NodeStatus::Connected;
  info.process_count = process_count_;
  info.last_heartbeat_at = now.unix_ms;
  info.uptime_ms = (now.mono - seen->identity.started).ms();
  info.incarnation = seen->identity.incarnation;
  return info;
}

Result<NodeStats> Node::Impl::stats() const {
  const std::shared_ptr<const View> seen = view();
  std::shared_ptr<NodeRun> run;
  {
    const std::lock_guard lock(mutex_);
    run = run_;
  }
  if (seen == nullptr || run == nullptr) return not_started();
  Result<NodeStats> stats = run->stats(kStatsMax);
  if (!stats && stats.error().code == ErrorCode::NotStarted) return not_started();
  return stats;
}

void Node::Impl::count_events(NodeStats& stats) {
  stats.events_queued = events->size();
  stats.events_skipped = events->skipped();
}

Result<std::unique_ptr<Node>> Node::create(const NodeOptions& options) {
  Result<std::unique_ptr<EventQueue>> queue = EventQueue::create(options.events);
  if (!queue) return queue.error();
  return std::unique_ptr<Node>(new Node(std::make_unique<Impl>(options, *std::move(queue))));
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Node::~Node() {
  if (impl_->forked()) static_cast<void>(impl_.release());  // on purpose: see the top of node.h
}

Result<uint64_t> Node::start_async(const ClusterConfig& config) {
  if (impl_->forked()) return forked();
  return impl_->start(config, Impl::Mode::Async);
}

Result<uint64_t> Node::stop_async() {
  if (impl_->forked()) return forked();
  return impl_->stop(Impl::Mode::Async);
}

Status Node::start(const ClusterConfig& config) {
  if (impl_->forked()) return forked();
  const Result<uint64_t> operation = impl_->start(config, Impl::Mode::Blocking);
  if (!operation) return operation.error();
  return impl_->wait_for(*operation);
}

Status Node::stop() {
  if (impl_->forked()) return forked();
  return impl_->wait_for(impl_->stop(Impl::Mode::Blocking));
}

void Node::abort() {
  if (!impl_->forked()) impl_->abort();
}

Status Node::wait_stopped(std::optional<Duration> timeout) {
  if (impl_->forked()) return forked();
  return impl_->wait_stopped(timeout);
}

ClusterStatus Node::status() const { return impl_->forked() ? ClusterStatus::Stopped : impl_->status(); }

Result<NodeId> Node::local_id() const {
  if (impl_->forked()) return forked();
  const auto view = impl_->view();
  if (view == nullptr) return not_started();
  return view->identity.id;
}

Result<NodeInfo> Node::local_info() const {
  if (impl_->forked()) return forked();
  return impl_->local_info();
}

Result<Duration> Node::uptime() const {
  if (impl_->forked()) return forked();
  const auto view = impl_->view();
  if (view == nullptr) return not_started();
  return boot_clock_now() - view->identity.started;
}

Result<std::shared_ptr<const NodeTable>> Node::table() const {
  if (impl_->forked()) return forked();
  auto view = impl_->view();
  if (view == nullptr) return not_started();
  const NodeTable* const table = view->table.get();
  return std::shared_ptr<const NodeTable>(std::move(view), table);
}

Result<uint64_t> Node::table_version() const {
  if (impl_->forked()) return forked();
  const auto view = impl_->view();
  if (view == nullptr) return not_started();
  // Tables and beats count anew with each start. An incarnation is a time in units of 1/65536 ms, later with each run:
  // fewer beats than that come in, so the sum of one run never reaches the next one's.
  return view->identity.incarnation + view->table->version + view->table->beats->load(std::memory_order_acquire);
}

Result<NodeStats> Node::stats() const {
  if (impl_->forked()) return forked();
  return impl_->stats();
}

Status Node::set_process_count(int64_t count) {
  if (impl_->forked()) return forked();
  if (count < 0) {
    return Error{
        ErrorCode::InvalidArgument, "invalid process count " + std::to_string(count) + ": it is 0 or more", {}};
  }
  impl_->set_process_count(count);
  return {};
}

Result<int> Node::event_fd() const {
  if (impl_->forked()) return forked();
  return impl_->events->fd();
}

Result<QueuedEvent> Node::next_event(std::optional<Duration> timeout) {
  if (impl_->forked()) return forked();
  std::optional<QueuedEvent> event = impl_->events->next(timeout);
  if (!event) return Error{ErrorCode::Timeout, "no event came in time", {}};
  return *std::move(event);
}

void Node::interrupt_events() {
  if (!impl_->forked()) impl_->events->interrupt();
}

void Node::resume_events() {
  if (!impl_->forked()) impl_->events->resume();
}

void Node::clear_events() {
  if (!impl_->forked()) impl_->events->clear();
}

void Node::select_events(uint32_t kinds, LogLevel log_level_min) {
  if (!impl_->forked()) impl_->events->select(kinds, log_level_min);
}

}  // namespace noex
