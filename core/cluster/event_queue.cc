#include "cluster/event_queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "base/checks.h"
#include "transport/clock.h"

namespace noex {

Result<std::unique_ptr<EventQueue>> EventQueue::create(const EventQueueLimits& limits) {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0)
    return Error{ErrorCode::Internal, std::string("cannot create an event descriptor: ") + std::strerror(errno)};
  return std::unique_ptr<EventQueue>(new EventQueue(limits, fd));
}

EventQueue::~EventQueue() { ::close(fd_); }

void EventQueue::select(uint32_t kinds, LogLevel log_level_min) {
  log_level_min_.store(static_cast<int32_t>(log_level_min), std::memory_order_relaxed);
  kinds_.store(kinds, std::memory_order_relaxed);
}

void EventQueue::push(EventBody body) {
  const auto kind = static_cast<EventKind>(1u << body.index());
  if (!wants(kind)) return;
  if (const auto* const log = std::get_if<LogRecord>(&body); log != nullptr && !wants_log(log->level)) return;

  const std::lock_guard lock(mutex_);
  const uint64_t sequence = next_sequence_++;
  if (!admit(body)) {
    skipped_.dropped += 1;
    return;
  }
  // At the limit everything queued is looked through once; from then on each new event is held against its node's last
  // one, until the queue is half empty.
  if (!shrinking_ && events_.size() >= limits_.coalesce_above) {
    shrinking_ = true;
    compact();
  }
  if (shrinking_ && cancels_an_up(body)) {
    skipped_.folded += 2;
    if (events_.empty()) show_readable(false);
    return;
  }
  events_.push_back({sequence, unix_clock_now_ms(), std::move(body)});
  note_pushed(std::prev(events_.end()));
  show_readable(true);
  pushed_.notify_one();
}

bool EventQueue::admit(const EventBody& body) {
  if (std::holds_alternative<LogRecord>(body)) return logs_ < limits_.logs_max && !shrinking_;
  if (std::holds_alternative<ErrorReport>(body)) return errors_ < limits_.errors_max;
  return true;
}

// An up and the down that followed it, both still undelivered, are news to nobody: without them the user's picture is
// the same, and the order "down, up" of the rest still holds.
bool EventQueue::cancels_an_up(const EventBody& body) {
  const auto* const down = std::get_if<NodeDown>(&body);
  if (down == nullptr) return false;
  const auto up = last_up_.find(down->id);
  if (up == last_up_.end()) return false;
  events_.erase(up->second);
  last_up_.erase(up);
  return true;
}

void EventQueue::compact() {
  last_up_.clear();
  for (auto position = events_.begin(); position != events_.end();) {
    const auto current = position++;
    if (std::holds_alternative<LogRecord>(current->body)) {
      forget(current);
      events_.erase(current);
      skipped_.dropped += 1;
    } else if (cancels_an_up(current->body)) {
      events_.erase(current);
      skipped_.folded += 2;
    } else if (const auto* const up = std::get_if<NodeUp>(&current->body)) {
      last_up_.insert_or_assign(up->node.id, current);
    }
  }
}

void EventQueue::note_pushed(List::iterator position) {
  if (const auto* const up = std::get_if<NodeUp>(&position->body)) {
    last_up_.insert_or_assign(up->node.id, position);
  } else if (const auto* const down = std::get_if<NodeDown>(&position->body)) {
    last_up_.erase(down->id);
  } else if (std::holds_alternative<LogRecord>(position->body)) {
    logs_ += 1;
  } else if (std::holds_alternative<ErrorReport>(position->body)) {
    errors_ += 1;
  }
}

// Takes a queued event out of the counts and the index.
void EventQueue::forget(List::const_iterator position) {
  if (const auto* const up = std::get_if<NodeUp>(&position->body)) {
    const auto last = last_up_.find(up->node.id);
    if (last != last_up_.end() && last->second == position) last_up_.erase(last);
  } else if (std::holds_alternative<LogRecord>(position->body)) {
    logs_ -= 1;
  } else if (std::holds_alternative<ErrorReport>(position->body)) {
    errors_ -= 1;
  }
}

std::optional<QueuedEvent> EventQueue::next(std::optional<Duration> timeout) {
  using Clock = std::chrono::steady_clock;
  // Waits are sliced: a wait "for ever" then needs only wait_until, which old C++ runtimes have.
  constexpr auto kSlice = std::chrono::hours(1);
  const auto begin = Clock::now();
  const auto limit = std::chrono::nanoseconds(timeout ? timeout->ns() : 0);
  std::unique_lock lock(mutex_);
  while (events_.empty()) {
    if (interrupted_) return std::nullopt;
    const auto passed = Clock::now() - begin;
    if (timeout && passed >= limit) return std::nullopt;
    const auto slice = timeout && limit - passed < kSlice ? limit - passed : std::chrono::nanoseconds(kSlice);
    pushed_.wait_until(lock, Clock::now() + slice);
  }
  forget(events_.begin());
  QueuedEvent event = std::move(events_.front());
  events_.pop_front();
  if (events_.size() < limits_.coalesce_above / 2 || events_.empty()) shrinking_ = false;
  if (events_.empty()) show_readable(false);
  return event;
}

void EventQueue::interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  pushed_.notify_all();
}

void EventQueue::resume() {
  const std::lock_guard lock(mutex_);
  interrupted_ = false;
}

void EventQueue::clear() {
  const std::lock_guard lock(mutex_);
  events_.clear();
  last_up_.clear();
  shrinking_ = false;
  logs_ = 0;
  errors_ = 0;
  show_readable(false);
}

size_t EventQueue::size() const {
  const std::lock_guard lock(mutex_);
  return events_.size();
}

SkippedEvents EventQueue::skipped() const {
  const std::lock_guard lock(mutex_);
  return skipped_;
}

void EventQueue::show_readable(bool readable) {
  if (readable == readable_) return;
  readable_ = readable;
  uint64_t count = 1;
  const ssize_t done = readable ? ::write(fd_, &count, sizeof count) : ::read(fd_, &count, sizeof count);
  NOEX_CHECK(done == static_cast<ssize_t>(sizeof count));
}

}  // namespace noex
