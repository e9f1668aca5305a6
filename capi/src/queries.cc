// What a handle can be asked. Everything but the statistics is read from published snapshots.

#include <memory>
#include <string>

#include "buffer.h"
#include "handle.h"
#include "nodes.h"
#include "stats.h"

namespace noex::capi {
namespace {

constexpr int64_t kProcessCountMax = (int64_t{1} << 53) - 1;  // what a JSON number carries exactly

using TableResult = Result<std::shared_ptr<const NodeTable>>;

TableResult table_of(const noex_cluster* cluster) {
  if (Status status = check_handle(cluster); !status) return status.error();
  return cluster->node->table();
}

// The local node as a table of one.
std::shared_ptr<const NodeTable> table_of_one(const NodeInfo& info) {
  auto cell = std::make_shared<NodeCell>(info.id);
  cell->last_heartbeat_at = info.last_heartbeat_at;
  cell->uptime_ms = info.uptime_ms;
  cell->process_count = info.process_count;
  auto table = std::make_shared<NodeTable>();
  table->nodes.push_back({std::move(cell), info.status, info.incarnation});
  table->connected_count = 1;
  return table;
}

}  // namespace
}  // namespace noex::capi

using noex::Result;
using noex::Status;
using noex::capi::check_handle;
using noex::capi::guard;
using noex::capi::require;
using noex::capi::table_of;
using noex::capi::TableResult;

extern "C" {

noex_status noex_cluster_status(const noex_cluster* cluster, int32_t* out_status) {
  return guard([&]() -> Status {
    if (Status status = check_handle(cluster); !status) return status;
    if (Status status = require(out_status, "out_status"); !status) return status;
    *out_status = static_cast<int32_t>(cluster->node->status());
    return {};
  });
}

noex_status noex_cluster_local_id(const noex_cluster* cluster, char* buffer, size_t buffer_size) {
  return guard([&]() -> Status {
    if (Status status = check_handle(cluster); !status) return status;
    if (Status status = require(buffer, "buffer"); !status) return status;
    const Result<noex::NodeId> id = cluster->node->local_id();
    if (!id) return id.error();
    return noex::capi::write_text(id->text(), buffer, buffer_size);
  });
}

noex_status noex_cluster_local_node(const noex_cluster* cluster, noex_nodes** out_nodes) {
  return guard([&]() -> Status {
    if (Status status = require(out_nodes, "out_nodes"); !status) return status;
    *out_nodes = nullptr;
    if (Status status = check_handle(cluster); !status) return status;
    const Result<noex::NodeInfo> info = cluster->node->local_info();
    if (!info) return info.error();
    *out_nodes = noex::capi::make_nodes(noex::capi::table_of_one(*info));
    return {};
  });
}

noex_status noex_cluster_nodes(const noex_cluster* cluster, noex_nodes** out_nodes) {
  return guard([&]() -> Status {
    if (Status status = require(out_nodes, "out_nodes"); !status) return status;
    *out_nodes = nullptr;
    TableResult table = table_of(cluster);
    if (!table) return table.error();
    *out_nodes = noex::capi::make_nodes(*std::move(table));
    return {};
  });
}

noex_status noex_cluster_nodes_version(const noex_cluster* cluster, uint64_t* out_version) {
  return guard([&]() -> Status {
    if (Status status = check_handle(cluster); !status) return status;
    if (Status status = require(out_version, "out_version"); !status) return status;
    const Result<uint64_t> version = cluster->node->table_version();
    if (!version) return version.error();
    *out_version = *version;
    return {};
  });
}

noex_status noex_cluster_is_node_connected(const noex_cluster* cluster, const char* id, bool* out_connected) {
  return guard([&]() -> Status {
    if (Status status = check_handle(cluster); !status) return status;
    if (Status status = require(id, "id"); !status) return status;
    if (Status status = require(out_connected, "out_connected"); !status) return status;
    const TableResult table = table_of(cluster);
    if (!table) return table.error();
    const noex::NodeEntry* const entry = noex::capi::find_node(**table, id);
    *out_connected = entry != nullptr && entry->status == noex::NodeStatus::Connected;
    return {};
  });
}

noex_status noex_cluster_connected_count(const noex_cluster* cluster, size_t* out_count) {
  return guard([&]() -> Status {
    if (Status status = check_handle(cluster); !status) return status;
    if (Status status = require(out_count, "out_count"); !status) return status;
    const TableResult table = table_of(cluster);
    if (!table) return table.error();
    *out_count = (*table)->connected_count;
    return {};
  });
}

noex_status noex_cluster_uptime_ms(const noex_cluster* cluster, int64_t* out_uptime_ms) {
  return guard([&]() -> Status {
    if (Status status = check_handle(cluster); !status) return status;
    if (Status status = require(out_uptime_ms, "out_uptime_ms"); !status) return status;
    const Result<noex::Duration> uptime = cluster->node->uptime();
    if (!uptime) return uptime.error();
    *out_uptime_ms = uptime->ms();
    return {};
  });
}

noex_status noex_cluster_set_process_count(noex_cluster* cluster, int64_t count) {
  return guard([&]() -> Status {
    if (Status status = check_handle(cluster); !status) return status;
    if (count < 0 || count > noex::capi::kProcessCountMax) {
      return noex::capi::invalid_argument("invalid process count " + std::to_string(count) +
                                          ": it is a number from 0 to 2^53 - 1");
    }
    return cluster->node->set_process_count(count);
  });
}

noex_status noex_cluster_stats(const noex_cluster* cluster, noex_stats_snapshot** out_stats) {
  return guard([&]() -> Status {
    if (Status status = require(out_stats, "out_stats"); !status) return status;
    *out_stats = nullptr;
    if (Status status = check_handle(cluster); !status) return status;
    const Result<noex::NodeStats> stats = cluster->node->stats();
    if (!stats) return stats.error();
    *out_stats = new noex_stats_snapshot(*stats);
    return {};
  });
}

}  // extern "C"
