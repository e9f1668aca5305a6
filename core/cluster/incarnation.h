// The number of one run of a node: see Incarnation in model/node_info.h.
#pragma once

#include <cstdint>

#include "model/node_info.h"

namespace noex {

// A new one for a run that starts at `unix_ms`, with 16 bits of `random`; any thread. Within this process each is of a
// later millisecond than the one before, even if that is not yet: a node that is stopped and started again in the same
// millisecond, or after its clock was set back, would otherwise once in 65,536 times look to its peers like the run
// that has said goodbye.
[[nodiscard]] Incarnation new_incarnation(int64_t unix_ms, uint64_t random);

}  // namespace noex
