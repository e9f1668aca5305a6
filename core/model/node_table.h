// The published view of the cluster: an immutable table that readers on any thread share, with a few atomic cells per
// node that a beat updates in place. Only changes of membership make a new table, so a query never touches the I/O
// thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/node_info.h"

namespace noex {

// One member as all tables that name it share it: its name, and the part that changes with each beat. The atomic values
// are written by the I/O thread only; relaxed order suffices, each is a value of its own. What a reader of the whole
// list takes lies in one cache line, which is all that it waits for.
struct alignas(64) NodeCell {
  explicit NodeCell(const NodeId& node_id) : port(node_id.port()), id(node_id), host(node_id.host()) {
    id_text = id.text().c_str();
    host_text = host.c_str();
  }
  NodeCell(const NodeCell&) = delete;
  NodeCell& operator=(const NodeCell&) = delete;

  std::atomic<int64_t> last_heartbeat_at{0};
  std::atomic<int64_t> uptime_ms{0};
  std::atomic<int64_t> process_count{0};
  const int32_t port;
  const char* id_text = nullptr;    // of `id`
  const char* host_text = nullptr;  // of `host`

  const NodeId id;
  const std::string host;  // of the id, without brackets
};

struct NodeEntry {
  std::shared_ptr<const NodeCell> cell;  // never null
  NodeStatus status = NodeStatus::Connecting;
  Incarnation incarnation = 0;

  [[nodiscard]] const NodeId& id() const { return cell->id; }
  [[nodiscard]] NodeInfo info() const;
};

struct NodeTable {
  uint64_t version = 0;  // rises with each change of membership
  // Rises with each beat that updated a cell: version + beats is the same only while nothing that a reader can see has
  // changed.
  std::shared_ptr<const std::atomic<uint64_t>> beats = std::make_shared<std::atomic<uint64_t>>(0);
  size_t connected_count = 0;
  std::vector<NodeEntry> nodes;                    // sorted by id; without the local node
  std::vector<std::pair<NodeId, NodeId>> aliases;  // configured seed id -> the id that answers there; sorted

  // Finds a node by its id or by an alias. Returns nullptr if there is none. The pointer lives as long as the table.
  [[nodiscard]] const NodeEntry* find(std::string_view id) const;
};

}  // namespace noex
