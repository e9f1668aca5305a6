// `noex-cluster watch`: the health of the cluster as a running node sees it, live: a screen on a terminal, lines
// elsewhere.
#pragma once

#include "control_client.h"

namespace noex_cli {

struct WatchOptions {
  ControlOptions control;
};

[[nodiscard]] int watch(const WatchOptions& options);

}  // namespace noex_cli
