// All that a running node knows of itself at one moment, gathered on its I/O thread: what statistics, metrics and the
// documents for an operator are made of.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/time.h"
#include "cluster/driver.h"
#include "cluster/event_queue.h"
#include "model/node_info.h"

namespace noex {

struct NodeStats {
  int64_t unix_ms = 0;  // when this was gathered
  NodeId local_id;
  Incarnation incarnation = 0;
  ClusterStatus status = ClusterStatus::Running;
  Duration uptime;
  int64_t process_count = 0;

  std::string cluster_name;
  bool authenticated = false;  // there is a secret
  Duration heartbeat_interval;
  int64_t heartbeat_miss_threshold = 0;

  DriverStats driver;
  size_t events_queued = 0;
  SkippedEvents events_skipped;
};

}  // namespace noex
