// noex_event: one event of the core as C sees it, owning all that it points to. The same object serves a callback (on
// the stack of the dispatch thread) and a caller who pulls (on the heap, until noex_event_free).
#pragma once

#include <string>

#include "cluster/event_queue.h"
#include "model/node_info.h"
#include "model/node_table.h"
#include "noex_cluster.h"

namespace noex::capi {

class OwnedEvent : public noex_event {
 public:
  // `table` (nullable) is the present view: it has what a NODE_DOWN tells of the node besides its id.
  OwnedEvent(QueuedEvent event, const NodeTable* table);
  OwnedEvent(const OwnedEvent&) = delete;
  OwnedEvent& operator=(const OwnedEvent&) = delete;

 private:
  void fill(const NodeUp& up);
  void fill(const NodeDown& down);
  void fill(const StatusChanged& change);
  void fill(const ErrorReport& report);
  void fill(const LogRecord& record);
  void fill(const Completion& completion);
  void show_node();

  const QueuedEvent source_;  // the texts live here
  const NodeTable* table_;    // borrowed for the constructor
  NodeInfo info_;
  std::string host_;
  noex_node node_{};
  noex_error error_{};
};

}  // namespace noex::capi
