// noex_nodes: an immutable list of members as C sees it. One allocation; the texts stay in the core's table, which it
// shares.
#pragma once

#include <memory>

#include "model/node_table.h"
#include "noex_cluster.h"

namespace noex::capi {

// Copies what a beat may change out of the table, so that the list stands still. Throws std::bad_alloc.
[[nodiscard]] noex_nodes* make_nodes(std::shared_ptr<const NodeTable> table);

// The entry as the public struct; its texts live in entry.cell.
[[nodiscard]] noex_node to_public(const NodeEntry& entry);

// Looks `id` up in any spelling, aliases too; nullptr for what is unknown or no id at all.
[[nodiscard]] const NodeEntry* find_node(const NodeTable& table, const char* id);

}  // namespace noex::capi
