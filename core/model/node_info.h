// What is known of a member, and the words for its states: plain values shared by the protocol, the handle and the C
// ABI.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/node_id.h"

namespace noex {

// The numbers cross the C ABI and are never reused.
enum class NodeStatus : int32_t { Connecting = 1, Connected = 2, Disconnected = 3 };
enum class ClusterStatus : int32_t { Starting = 1, Running = 2, Stopping = 3, Stopped = 4 };
enum class DownReason : int32_t {
  HeartbeatTimeout = 1,
  ConnectionClosed = 2,
  ConnectionRefused = 3,
  GracefulShutdown = 4
};

// The documented words: "connecting", "running", "heartbeat_timeout", ...
[[nodiscard]] std::string_view to_string(NodeStatus status);
[[nodiscard]] std::string_view to_string(ClusterStatus status);
[[nodiscard]] std::string_view to_string(DownReason reason);
[[nodiscard]] bool parse_node_status(std::string_view text, NodeStatus* out);
[[nodiscard]] bool parse_down_reason(std::string_view text, DownReason* out);

// One run of a process: 48 bits of its start time in ms and 16 random bits. Compared for equality only; 0 means
// unknown.
using Incarnation = uint64_t;

struct NodeInfo {
  NodeId id;
  NodeStatus status = NodeStatus::Connecting;
  int64_t process_count = 0;      // what the application on that node publishes
  int64_t last_heartbeat_at = 0;  // our receipt time, ms since the epoch; 0 = none yet
  int64_t uptime_ms = 0;          // as the node said in its last heartbeat
  Incarnation incarnation = 0;    // 0 until the node was confirmed once

  friend bool operator==(const NodeInfo&, const NodeInfo&) = default;
};

}  // namespace noex
