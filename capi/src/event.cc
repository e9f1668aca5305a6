#include "event.h"

#include <utility>
#include <variant>

namespace noex::capi {

OwnedEvent::OwnedEvent(QueuedEvent queued, const NodeTable* view)
    : noex_event{}, source_(std::move(queued)), table_(view) {
  struct_size = sizeof(noex_event);
  kind = static_cast<int32_t>(source_.kind());
  sequence = source_.sequence;
  created_at = source_.unix_ms;
  std::visit([this](const auto& body) { fill(body); }, source_.body);
  table_ = nullptr;
}

void OwnedEvent::fill(const NodeUp& up) {
  info_ = up.node;
  show_node();
}

void OwnedEvent::fill(const NodeDown& down) {
  const NodeEntry* const entry = table_ == nullptr ? nullptr : table_->find(down.id.text());
  if (entry != nullptr && entry->id() == down.id) info_ = entry->info();
  info_.id = down.id;
  // The view may be newer than the event: whoever hears of a node that is down must not read that it is connected.
  if (entry == nullptr || info_.status == NodeStatus::Connected) info_.status = NodeStatus::Disconnected;
  show_node();
  reason = static_cast<int32_t>(down.reason);
  evidence = down.evidence.c_str();
}

void OwnedEvent::fill(const StatusChanged& change) { status = static_cast<int32_t>(change.status); }

void OwnedEvent::fill(const ErrorReport& report) {
  error_.struct_size = sizeof error_;
  error_.status = NOEX_OK;
  error_.kind = static_cast<int32_t>(report.kind);
  error_.message = report.message.c_str();
  error_.node_id = report.node_id.c_str();
  error_.address = report.address.c_str();
  error_.code = "";
  error_.syscall = "";
  error = &error_;
}

void OwnedEvent::fill(const LogRecord& record) {
  created_at = record.unix_ms;
  level = static_cast<int32_t>(record.level);
  message = record.message.c_str();
}

void OwnedEvent::fill(const Completion& completion) {
  operation = completion.id;
  operation_kind = static_cast<int32_t>(completion.operation);
  if (completion.outcome.ok()) return;
  const Error& failure = completion.outcome.error();
  error_.struct_size = sizeof error_;
  error_.status = static_cast<noex_status>(failure.code);
  error_.message = failure.message.c_str();
  error_.node_id = "";
  error_.address = failure.bind.address.c_str();
  error_.port = failure.bind.port;
  error_.os_error = failure.bind.os_error;
  error_.code = failure.bind.code.c_str();
  error_.syscall = failure.bind.syscall.c_str();
  error = &error_;
}

void OwnedEvent::show_node() {
  host_ = info_.id.host();
  node_.struct_size = sizeof node_;
  node_.id = info_.id.text().c_str();
  node_.host = host_.c_str();
  node_.port = info_.id.port();
  node_.status = static_cast<int32_t>(info_.status);
  node_.process_count = info_.process_count;
  node_.last_heartbeat_at = info_.last_heartbeat_at;
  node_.uptime_ms = info_.uptime_ms;
  node_.incarnation = info_.incarnation;
  node = &node_;
}

}  // namespace noex::capi

extern "C" {

void noex_event_free(noex_event* event) { delete static_cast<noex::capi::OwnedEvent*>(event); }

}  // extern "C"
