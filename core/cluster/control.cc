#include "cluster/control.h"

#include <utility>

#include "base/utf8.h"
#include "cluster/documents.h"
#include "transport/clock.h"

namespace noex {

void Control::begin(NodeId local_id, std::function<NodeStats()> gather) {
  local_id_ = std::move(local_id);
  gather_ = std::move(gather);
}

void Control::on_event(const EventBody& body) {
  std::string line = event_document(body, unix_clock_now_ms(), local_id_);
  if (line.empty()) return;
  line += '\n';
  for (const uint64_t client : std::set<uint64_t>(followers_)) transport_.send_local(client, line);  // one may be cut
  recent_.push_back(std::move(line));
  if (recent_.size() > kRecentMax) recent_.pop_front();
}

void Control::on_local_line(uint64_t client, std::string_view line) {
  if (line == "events") {
    std::string recent;
    for (const std::string& event : recent_) recent += event;
    followers_.insert(client);
    transport_.send_local(client, std::move(recent));
    return;
  }
  transport_.send_local(client, answer(line) + '\n');
}

std::string Control::answer(std::string_view request) {
  if (request == "status") return status_document(gather_());
  if (request == "members") return members_document(gather_());
  if (request == "metrics") return wrapped_document("metrics", metrics_document(gather_()));
  return wrapped_document("error",
                          "unknown request '" + printable(request) + "': it is status, members, metrics or events");
}

}  // namespace noex
