// The user of a node in the simulator, who takes events from the same bounded queue that a handle has, at once or
// slowly. However slowly: what it is told must make sense by itself, and all of it together is whom the node is
// connected to.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "cluster/event_queue.h"
#include "membership/types.h"
#include "model/node_table.h"

namespace noex::sim {

class Listener {
 public:
  // `fail` is told what did not make sense.
  Listener(NodeId self, size_t events_max, std::function<void(const std::string&)> fail);

  void push(const Notification& event);
  // From now on nothing waits.
  void take_at_once() { at_once_ = true; }
  void take(size_t count);
  void take_all();
  // With nothing waiting: those who are up are those that `table` shows as connected.
  void check(const NodeTable& table);

 private:
  void hear(const EventBody& event);

  const NodeId self_;
  const size_t events_max_;
  const std::function<void(const std::string&)> fail_;
  std::unique_ptr<EventQueue> queue_;
  bool at_once_ = false;
  uint64_t last_sequence_ = 0;
  std::set<NodeId> up_;
};

}  // namespace noex::sim
