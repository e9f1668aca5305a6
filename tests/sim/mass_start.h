// Very many nodes started at the same instant, all seeded with the first, at the delays of a local network: how soon
// each sees all the others in virtual time, and what that costs in real time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/time.h"

namespace noex::sim {

struct MassStart {
  bool full = false;         // within the limit, with no check failed and nobody reported down
  Duration full_after;       // virtual
  Duration beating_for;      // virtual, in full mesh
  double join_core = 0;      // seconds of one core
  double beat_core = 0;      // seconds of one core for the time in full mesh
  uint64_t events = 0;       // things that the network handled until the mesh was full
  uint64_t beat_events = 0;  // likewise, in full mesh
  uint64_t frames = 0;       // written by all nodes until the mesh was full
  uint64_t bytes = 0;        // likewise
  uint64_t beat_bytes = 0;   // written in full mesh
  std::string failure;       // what did not hold
};

// Plays it: at most `limit` of virtual time until the mesh is full, then `beats` heartbeat intervals (5 s, the default)
// in which nothing may happen.
[[nodiscard]] MassStart play_mass_start(size_t nodes, uint64_t seed, Duration limit, int beats);

}  // namespace noex::sim
