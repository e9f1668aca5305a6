// The C API's objects with an owner, for the command.
#pragma once

#include <memory>

#include "exit_codes.h"
#include "noex_cluster.h"

namespace noex_cli {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using Cluster = std::unique_ptr<noex_cluster, Free<noex_cluster_free>>;
using Event = std::unique_ptr<noex_event, Free<noex_event_free>>;
using Stats = std::unique_ptr<noex_stats_snapshot, Free<noex_stats_free>>;
using Nodes = std::unique_ptr<noex_nodes, Free<noex_nodes_free>>;

}  // namespace noex_cli
