// What the simulator's tests share: failures that explain themselves.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "sim/simulation.h"

namespace noex::sim {

// The end of the timeline: how it came to this.
inline std::string story(const Simulation& simulation, size_t lines = 60) {
  const auto& timeline = simulation.timeline();
  std::string text = "\n";
  for (const std::string& failure : simulation.failures()) text += "  " + failure + "\n";
  text += "  the last lines of the timeline:\n";
  for (size_t i = timeline.size() - std::min(lines, timeline.size()); i < timeline.size(); ++i)
    text += "    " + timeline[i] + "\n";
  return text;
}

inline constexpr Duration kSecond = Duration::seconds(1);

// N nodes that all know the first, started at the same instant.
inline void add_and_start(Simulation& sim, size_t count, const std::function<void(NodeSpec&)>& change = {}) {
  for (size_t i = 0; i < count; ++i) {
    sim.add_node(i == 0 ? std::vector<std::string>{} : std::vector<std::string>{sim.id(0).text()}, change);
  }
  for (size_t i = 0; i < count; ++i) sim.start(i);
}

inline void expect_full_mesh(Simulation& sim, Duration limit) {
  EXPECT_TRUE(sim.run_until_true(limit, [&] { return sim.full_mesh(); }))
      << "after " << seconds(limit) << " s:" << sim.missing_links() << story(sim);
}

inline bool has_error(const Witness& witness, ErrorKind kind) {
  return std::any_of(witness.errors().begin(), witness.errors().end(),
                     [kind](const ErrorReport& error) { return error.kind == kind; });
}

#define EXPECT_SOUND(simulation) EXPECT_FALSE((simulation).failed()) << story(simulation)

}  // namespace noex::sim
