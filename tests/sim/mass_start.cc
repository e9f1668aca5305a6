#include "sim/mass_start.h"

#include <ctime>

#include "sim/simulation.h"

namespace noex::sim {
namespace {

constexpr Duration kInterval = Duration::seconds(5);

// What this program has had of its one core: what else the machine does is not its slowness.
double core_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Written {
  uint64_t frames = 0;
  uint64_t bytes = 0;
};

Written written(Simulation& sim) {
  Written sum;
  for (size_t i = 0; i < sim.size(); ++i) {
    const ProcessCounters& counters = sim.network().counters(sim.run(i).life.process);
    sum.frames += counters.frames_written;
    sum.bytes += counters.bytes_written;
  }
  return sum;
}

}  // namespace

MassStart play_mass_start(size_t nodes, uint64_t seed, Duration limit, int beats) {
  NetworkSettings settings;
  settings.link = LinkModel{Duration::microseconds(200), Duration::microseconds(100)};
  settings.wake_late_max = Duration::milliseconds(1);
  settings.segment_chance = 0.01;
  Simulation sim(seed, settings);
  sim.keep_timeline = false;
  MassStart result;
  for (size_t i = 0; i < nodes; ++i) {
    std::vector<std::string> seeds;
    if (i > 0) seeds.push_back(sim.id(0).text());
    sim.add_node(std::move(seeds), [](NodeSpec& spec) {
      spec.secret = "between us";
      spec.interval = kInterval;
    });
  }
  const auto failed = [&](const std::string& what) {
    result.failure = sim.failed() ? sim.failures().front() : what;
    return result;
  };

  const double start = core_seconds();
  for (size_t i = 0; i < nodes; ++i) sim.start(i);
  const bool full = sim.run_until_true(limit, [&] { return sim.full_mesh(); });
  result.join_core = core_seconds() - start;
  result.full_after = sim.now() - Instant();
  const Written joined = written(sim);
  result.frames = joined.frames;
  result.bytes = joined.bytes;
  result.events = sim.network().handled();
  if (!full) return failed("the mesh is not full after " + seconds(limit) + " s");

  // What the last joins still cause ends; then there are only beats.
  sim.run_for(kInterval);
  const Written before = written(sim);
  const uint64_t events_before = sim.network().handled();
  const double peace = core_seconds();
  sim.run_for(beats * kInterval);
  result.beat_core = core_seconds() - peace;
  result.beat_events = sim.network().handled() - events_before;
  result.beating_for = beats * kInterval;
  const Written after = written(sim);
  result.beat_bytes = after.bytes - before.bytes;
  if (sim.down_count() > 0) return failed("somebody was reported down");
  const uint64_t pairs = static_cast<uint64_t>(nodes) * (nodes - 1);
  if (after.frames - before.frames > pairs * static_cast<uint64_t>(beats + 1)) {
    return failed("more than beats was sent in peace: " + std::to_string(after.frames - before.frames) + " frames");
  }
  result.full = !sim.failed() && sim.full_mesh();
  return result.full ? result : failed("the mesh did not stay full");
}

}  // namespace noex::sim
