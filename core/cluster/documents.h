// What a node says of itself, as text: JSON for an operator's tools, OpenMetrics for whoever collects metrics, events
// as lines. Pure: values in, text out. The fields are documented in docs/control-socket.md and docs/metrics.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cluster/event_queue.h"
#include "cluster/node_stats.h"

namespace noex {

// One JSON object, in one line without its end.
[[nodiscard]] std::string status_document(const NodeStats& stats);
[[nodiscard]] std::string members_document(const NodeStats& stats);

// OpenMetrics 1.0 text, with its `# EOF`.
[[nodiscard]] std::string metrics_document(const NodeStats& stats);

// An event as one JSON object, as `noex-cluster run --json` prints it; "" for kinds that are nobody's business but the
// caller's (completions, logs).
[[nodiscard]] std::string event_document(const EventBody& event, int64_t unix_ms, const NodeId& local_id);

// {"<key>":"<text>"}
[[nodiscard]] std::string wrapped_document(std::string_view key, std::string_view text);

}  // namespace noex
