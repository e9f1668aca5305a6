// The simulator as a program: plays the lives of whole clusters, one per seed, and stops at the first that is not
// right. tests/sim/sim.py runs several of it side by side, and makes what it finds smaller.
//   noex_sim [--seeds K] [--seed S] [--nodes N] [--only F,...] [--without N,...] [--verbose] [--keep-going] [--lines]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "sim/scenario.h"

namespace {

int usage() {
  std::fputs(
      "usage: noex_sim [--seeds K] [--seed S] [--nodes N] [--only F,...] [--without N,...] [--verbose] [--keep-going] "
      "[--lines]\n"
      "  --seeds K        how many lives to play (default 1000; 1 with --seed)\n"
      "  --seed S         the first seed (default 1)\n"
      "  --nodes N        nodes in each (default: 3 to 12, by the seed)\n"
      "  --only F,...     of the planned faults only these happen; '-': none\n"
      "  --without N,...  these nodes are never started (not 0)\n"
      "  --verbose        print the timeline of each\n"
      "  --keep-going     do not stop at the first failure\n"
      "  --lines          for each seed one line: 'seed S faults F nodes N references R hash H ok', or 'FAILED ...'\n",
      stderr);
  return 2;
}

bool parse_number(const char* text, uint64_t* out) {
  char* end = nullptr;
  *out = std::strtoull(text, &end, 10);
  return end != text && *end == '\0';
}

bool parse_list(const std::string& text, std::set<size_t>* out) {
  if (text == "-") return true;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    uint64_t number = 0;
    if (!parse_number(text.substr(begin, end - begin).c_str(), &number)) return false;
    out->insert(number);
    begin = end + 1;
  }
  return true;
}

unsigned long long printable(uint64_t number) { return number; }

}  // namespace

int main(int argc, char** argv) {
  uint64_t first = 1;
  uint64_t count = 0;
  noex::sim::ScenarioOptions options;
  bool keep_going = false;
  bool lines = false;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const bool has_value = i + 1 < argc;
    uint64_t nodes = 0;
    if (option == "--seeds" && has_value) {
      if (!parse_number(argv[++i], &count)) return usage();
    } else if (option == "--seed" && has_value) {
      if (!parse_number(argv[++i], &first)) return usage();
      if (count == 0) count = 1;
    } else if (option == "--nodes" && has_value) {
      if (!parse_number(argv[++i], &nodes) || nodes < 2) return usage();
      options.nodes = nodes;
    } else if (option == "--only" && has_value) {
      if (!parse_list(argv[++i], &options.only.emplace())) return usage();
    } else if (option == "--without" && has_value) {
      if (!parse_list(argv[++i], &options.without) || options.without.contains(0)) return usage();
    } else if (option == "--verbose") {
      options.verbose = true;
    } else if (option == "--keep-going") {
      keep_going = true;
    } else if (option == "--lines") {
      lines = true;
    } else {
      return usage();
    }
  }
  if (count == 0) count = 1000;

  const auto started = std::chrono::steady_clock::now();
  double virtual_seconds = 0;
  uint64_t handled = 0;
  uint64_t events = 0;
  uint64_t failures = 0;
  uint64_t played = 0;
  uint64_t mixed = 0;
  uint64_t hash = 0;  // of all that was delivered and said in all lives: equal runs have equal hashes, on any compiler
  for (uint64_t seed = first; seed < first + count; ++seed) {
    options.seed = seed;
    if (lines) {
      std::printf("seed %llu", printable(seed));
      std::fflush(stdout);
    }
    noex::sim::Scenario scenario(options);
    const bool sound = scenario.play();
    ++played;
    mixed += scenario.reference_count() > 0;
    hash = hash * 31 + scenario.simulation().hash();
    virtual_seconds += static_cast<double>(scenario.simulation().now().ns()) / 1e9;
    handled += scenario.simulation().network().handled();
    events += scenario.simulation().event_count();
    if (lines) {
      std::printf(" faults %zu nodes %zu references %zu hash %016llx %s%s\n", scenario.plan().size(),
                  scenario.node_count(), scenario.reference_count(), printable(scenario.simulation().hash()),
                  sound ? "ok" : "FAILED ", sound ? "" : scenario.simulation().failures().front().c_str());
      std::fflush(stdout);
    }
    if (sound) continue;
    ++failures;
    if (!lines) std::printf("%s", scenario.report(keep_going || options.verbose ? 0 : 200).c_str());
    std::fflush(stdout);
    if (!keep_going) break;
  }
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  std::printf(
      "%llu lives, %llu failed; %llu with nodes of the reference; %.0f virtual seconds, %llu events, %llu ups and "
      "downs; "
      "%.1f s, %.0f virtual seconds per second; trace %016llx\n",
      printable(played), printable(failures), printable(mixed), virtual_seconds, printable(handled), printable(events),
      wall, virtual_seconds / (wall > 0 ? wall : 1), printable(hash));
  return failures == 0 ? 0 : 1;
}
