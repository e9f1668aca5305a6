#include "sim/listener.h"

#include <limits>
#include <utility>
#include <variant>

#include "base/checks.h"

namespace noex::sim {

Listener::Listener(NodeId self, size_t events_max, std::function<void(const std::string&)> fail)
    : self_(std::move(self)), events_max_(events_max), fail_(std::move(fail)) {}

void Listener::push(const Notification& event) {
  if (at_once_) {
    if (const auto* const up = std::get_if<NodeUp>(&event)) return hear(*up);
    if (const auto* const down = std::get_if<NodeDown>(&event)) return hear(*down);
    return;
  }
  if (queue_ == nullptr) {  // each holds a descriptor: only who is slow has one
    EventQueueLimits limits;
    limits.coalesce_above = events_max_;
    Result<std::unique_ptr<EventQueue>> queue = EventQueue::create(limits);
    NOEX_CHECK(queue.ok());
    queue_ = *std::move(queue);
  }
  if (const auto* const up = std::get_if<NodeUp>(&event)) queue_->push(*up);
  if (const auto* const down = std::get_if<NodeDown>(&event)) queue_->push(*down);
}

void Listener::take(size_t count) {
  if (queue_ == nullptr) return;
  for (; count > 0; --count) {
    const std::optional<QueuedEvent> event = queue_->next(Duration());
    if (!event) return;
    if (event->sequence <= last_sequence_) fail_("hands out its events in another order than they came");
    last_sequence_ = event->sequence;
    hear(event->body);
  }
}

void Listener::take_all() {
  take(std::numeric_limits<size_t>::max());
  if (queue_ != nullptr && queue_->size() > 0) fail_("keeps an event that nobody can take");
}

void Listener::hear(const EventBody& event) {
  if (const auto* const up = std::get_if<NodeUp>(&event)) {
    if (up->node.id == self_) fail_("told its user of itself");
    if (!up_.insert(up->node.id).second) fail_("told its user twice that " + up->node.id.text() + " is up");
  } else if (const auto* const down = std::get_if<NodeDown>(&event)) {
    if (down->id == self_) fail_("told its user of itself");
    const bool was_up = up_.erase(down->id) > 0;
    if (was_up == (down->reason == DownReason::ConnectionRefused)) {
      fail_("told its user that " + down->id.text() + " is down (" + std::string(to_string(down->reason)) +
            "), which was " + (was_up ? "up" : "not up"));
    }
  }
}

void Listener::check(const NodeTable& table) {
  size_t connected = 0;
  for (const NodeEntry& entry : table.nodes) {
    if (entry.status != NodeStatus::Connected) continue;
    ++connected;
    if (!up_.contains(entry.id())) fail_("did not tell its user that " + entry.id().text() + " is up");
  }
  if (connected != up_.size()) fail_("told its user of more nodes that are up than there are");
}

}  // namespace noex::sim
