// noex_stats_snapshot: all counters of a node at one moment, as C sees them.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "cluster/node.h"
#include "model/message.h"
#include "noex_cluster.h"

struct noex_stats_snapshot {
  explicit noex_stats_snapshot(const noex::NodeStats& stats);
  noex_stats_snapshot(const noex_stats_snapshot&) = delete;
  noex_stats_snapshot& operator=(const noex_stats_snapshot&) = delete;

  noex_stats totals{};
  std::array<uint64_t, static_cast<size_t>(noex::RejectKind::Count)> rejected{};
  std::vector<noex_peer_stats> peers;
  std::vector<std::string> texts;  // what the pointers in `peers` point to; never grows after the constructor
};
