#include "nodes.h"

#include <algorithm>
#include <cstddef>
#include <new>
#include <utility>

#include "error.h"

// The nodes follow this header in the same block of memory.
struct noex_nodes {
  std::shared_ptr<const noex::NodeTable> table;
  size_t count = 0;
  size_t connected_count = 0;

  [[nodiscard]] static constexpr size_t offset() {
    constexpr size_t kAlignment = alignof(noex_node);
    return (sizeof(noex_nodes) + kAlignment - 1) / kAlignment * kAlignment;
  }
  [[nodiscard]] const noex_node* begin() const {
    return std::launder(reinterpret_cast<const noex_node*>(reinterpret_cast<const std::byte*>(this) + offset()));
  }
};

namespace noex::capi {

noex_node to_public(const NodeEntry& entry) {
  const NodeCell& cell = *entry.cell;
  noex_node node{};
  node.struct_size = sizeof node;
  node.id = cell.id_text;
  node.host = cell.host_text;
  node.port = cell.port;
  node.status = static_cast<int32_t>(entry.status);
  node.process_count = cell.process_count.load(std::memory_order_relaxed);
  node.last_heartbeat_at = cell.last_heartbeat_at.load(std::memory_order_relaxed);
  node.uptime_ms = cell.uptime_ms.load(std::memory_order_relaxed);
  node.incarnation = entry.incarnation;
  return node;
}

noex_nodes* make_nodes(std::shared_ptr<const NodeTable> table) {
  const size_t count = table->nodes.size();
  void* const memory = ::operator new(noex_nodes::offset() + count * sizeof(noex_node));
  auto* const nodes = new (memory) noex_nodes{std::move(table), count, 0};
  std::byte* position = static_cast<std::byte*>(memory) + noex_nodes::offset();
  for (const NodeEntry& entry : nodes->table->nodes) {
    new (position) noex_node(to_public(entry));
    position += sizeof(noex_node);
    if (entry.status == NodeStatus::Connected) ++nodes->connected_count;
  }
  return nodes;
}

const NodeEntry* find_node(const NodeTable& table, const char* id) {
  // Most callers ask in the canonical spelling, which needs no parsing.
  if (const NodeEntry* const found = table.find(id)) return found;
  const Result<NodeId> parsed = NodeId::parse(id);
  return parsed ? table.find(parsed->text()) : nullptr;
}

}  // namespace noex::capi

extern "C" {

size_t noex_nodes_count(const noex_nodes* nodes) {
  noex::capi::clear_last_error();
  return nodes == nullptr ? 0 : nodes->count;
}

size_t noex_nodes_connected_count(const noex_nodes* nodes) {
  noex::capi::clear_last_error();
  return nodes == nullptr ? 0 : nodes->connected_count;
}

const noex_node* noex_nodes_at(const noex_nodes* nodes, size_t index) {
  noex::capi::clear_last_error();
  return nodes == nullptr || index >= nodes->count ? nullptr : nodes->begin() + index;
}

const noex_node* noex_nodes_find(const noex_nodes* nodes, const char* id) {
  const noex_node* found = nullptr;
  const noex_status status = noex::capi::guard([&]() -> noex::Status {
    if (nodes == nullptr || id == nullptr) return {};
    const noex::NodeEntry* const entry = noex::capi::find_node(*nodes->table, id);
    if (entry != nullptr) found = nodes->begin() + (entry - nodes->table->nodes.data());
    return {};
  });
  return status == NOEX_OK ? found : nullptr;
}

void noex_nodes_free(noex_nodes* nodes) {
  if (nodes == nullptr) return;
  nodes->~noex_nodes();
  ::operator delete(nodes);
}

}  // extern "C"
