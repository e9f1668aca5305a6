// `noex-cluster status`, `members` and `metrics`: one question to a running node, and its answer as a table or as it
// is.
#pragma once

#include "control_client.h"

namespace noex_cli {

struct QueryOptions {
  ControlOptions control;
  bool json = false;
};

[[nodiscard]] int show_status(const QueryOptions& options);
[[nodiscard]] int show_members(const QueryOptions& options);
[[nodiscard]] int show_metrics(const QueryOptions& options);

}  // namespace noex_cli
