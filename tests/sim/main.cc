// The simulator as a program: plays the lives of whole clusters, one per seed, and stops at the first that is not
// right.
//   noex_sim [--seeds K] [--seed S] [--nodes N] [--verbose] [--keep-going]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "sim/scenario.h"

namespace {

int usage() {
  std::fputs(
      "usage: noex_sim [--seeds K] [--seed S] [--nodes N] [--verbose] [--keep-going]\n"
      "  --seeds K      how many lives to play (default 1000; 1 with --seed)\n"
      "  --seed S       the first seed (default 1)\n"
      "  --nodes N      nodes in each (default: 3 to 8, by the seed)\n"
      "  --verbose      print the timeline of each\n"
      "  --keep-going   do not stop at the first failure\n",
      stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t first = 1;
  uint64_t count = 0;
  noex::sim::ScenarioOptions options;
  bool keep_going = false;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const auto number = [&](uint64_t* out) {
      if (i + 1 >= argc) return false;
      char* end = nullptr;
      *out = std::strtoull(argv[++i], &end, 10);
      return end != argv[i] && *end == '\0';
    };
    uint64_t nodes = 0;
    if (option == "--seeds") {
      if (!number(&count)) return usage();
    } else if (option == "--seed") {
      if (!number(&first)) return usage();
      if (count == 0) count = 1;
    } else if (option == "--nodes") {
      if (!number(&nodes) || nodes < 2) return usage();
      options.nodes = nodes;
    } else if (option == "--verbose") {
      options.verbose = true;
    } else if (option == "--keep-going") {
      keep_going = true;
    } else {
      return usage();
    }
  }
  if (count == 0) count = 1000;

  const auto started = std::chrono::steady_clock::now();
  double virtual_seconds = 0;
  uint64_t events = 0;
  uint64_t failures = 0;
  uint64_t played = 0;
  uint64_t hash = 0;  // of all that was delivered and said in all lives: equal runs have equal hashes, on any compiler
  for (uint64_t seed = first; seed < first + count; ++seed) {
    options.seed = seed;
    noex::sim::Scenario scenario(options);
    const bool sound = scenario.play();
    ++played;
    hash = hash * 31 + scenario.simulation().hash();
    virtual_seconds += static_cast<double>(scenario.simulation().now().ns()) / 1e9;
    events += scenario.simulation().event_count();
    if (sound) continue;
    ++failures;
    std::printf("%s", scenario.report(keep_going ? 0 : 200).c_str());
    std::fflush(stdout);
    if (!keep_going) break;
  }
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  std::printf(
      "%llu lives, %llu failed; %.0f virtual seconds, %llu ups and downs; %.1f s, %.0f virtual seconds per second; "
      "trace %016llx\n",
      static_cast<unsigned long long>(played), static_cast<unsigned long long>(failures), virtual_seconds,
      static_cast<unsigned long long>(events), wall, virtual_seconds / (wall > 0 ? wall : 1),
      static_cast<unsigned long long>(hash));
  return failures == 0 ? 0 : 1;
}
