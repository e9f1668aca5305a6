// What the simulator's tests share: failures that explain themselves.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sim/simulation.h"

namespace noex::sim {

// The end of the timeline: how it came to this.
inline std::string story(const Simulation& simulation, size_t lines = 60) {
  const auto& timeline = simulation.timeline();
  std::string text = "\n";
  for (const std::string& failure : simulation.failures()) text += "  " + failure + "\n";
  text += "  the last lines of the timeline:\n";
  for (size_t i = timeline.size() - std::min(lines, timeline.size()); i < timeline.size(); ++i) text += "    " + timeline[i] + "\n";
  return text;
}

#define EXPECT_SOUND(simulation) EXPECT_FALSE((simulation).failed()) << story(simulation)

}  // namespace noex::sim
