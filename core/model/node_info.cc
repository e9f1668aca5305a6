#include "model/node_info.h"

#include <array>
#include <utility>

namespace noex {
namespace {

constexpr std::array<std::pair<NodeStatus, std::string_view>, 3> kNodeStatus = {{
    {NodeStatus::Connecting, "connecting"},
    {NodeStatus::Connected, "connected"},
    {NodeStatus::Disconnected, "disconnected"},
}};
constexpr std::array<std::pair<ClusterStatus, std::string_view>, 4> kClusterStatus = {{
    {ClusterStatus::Starting, "starting"},
    {ClusterStatus::Running, "running"},
    {ClusterStatus::Stopping, "stopping"},
    {ClusterStatus::Stopped, "stopped"},
}};
constexpr std::array<std::pair<DownReason, std::string_view>, 4> kDownReason = {{
    {DownReason::HeartbeatTimeout, "heartbeat_timeout"},
    {DownReason::ConnectionClosed, "connection_closed"},
    {DownReason::ConnectionRefused, "connection_refused"},
    {DownReason::GracefulShutdown, "graceful_shutdown"},
}};

template <typename Table, typename Key>
std::string_view word_of(const Table& table, Key key) {
  for (const auto& [value, word] : table) {
    if (value == key) return word;
  }
  return "unknown";
}

template <typename Table, typename Key>
bool value_of(const Table& table, std::string_view word, Key* out) {
  for (const auto& [value, candidate] : table) {
    if (candidate != word) continue;
    *out = value;
    return true;
  }
  return false;
}

}  // namespace

std::string_view to_string(NodeStatus status) { return word_of(kNodeStatus, status); }
std::string_view to_string(ClusterStatus status) { return word_of(kClusterStatus, status); }
std::string_view to_string(DownReason reason) { return word_of(kDownReason, reason); }
bool parse_node_status(std::string_view text, NodeStatus* out) { return value_of(kNodeStatus, text, out); }
bool parse_down_reason(std::string_view text, DownReason* out) { return value_of(kDownReason, text, out); }

}  // namespace noex
