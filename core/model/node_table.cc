#include "model/node_table.h"

#include <algorithm>

namespace noex {

NodeInfo NodeEntry::info() const {
  NodeInfo info;
  info.id = cell->id;
  info.status = status;
  info.incarnation = incarnation;
  info.last_heartbeat_at = cell->last_heartbeat_at.load(std::memory_order_relaxed);
  info.uptime_ms = cell->uptime_ms.load(std::memory_order_relaxed);
  info.process_count = cell->process_count.load(std::memory_order_relaxed);
  return info;
}

const NodeEntry* NodeTable::find(std::string_view id) const {
  const auto node = std::lower_bound(nodes.begin(), nodes.end(), id, [](const NodeEntry& entry, std::string_view key) {
    return entry.id().text() < key;
  });
  if (node != nodes.end() && node->id().text() == id) return &*node;
  const auto alias = std::lower_bound(aliases.begin(), aliases.end(), id,
                                      [](const auto& pair, std::string_view key) { return pair.first.text() < key; });
  // An alias always leads to a real id, never to another alias: the recursion is one step deep.
  if (alias != aliases.end() && alias->first.text() == id && alias->second.text() != id)
    return find(alias->second.text());
  return nullptr;
}

}  // namespace noex
