// The mass start as a program.
//   noex_mass_start [--nodes N] [--seed S] [--limit SECONDS] [--beats B]
// Exit code 0 if every node saw all others within the limit (virtual seconds), and only beats were sent after that.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "sim/mass_start.h"

int main(int argc, char** argv) {
  size_t nodes = 1000;
  uint64_t seed = 1;
  int64_t limit = 5;
  int beats = 2;
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    char* end = nullptr;
    const auto value = i + 1 < argc ? std::strtoull(argv[i + 1], &end, 10) : 0;
    if (end == nullptr || *end != '\0' || value == 0) {
      std::fputs("usage: noex_mass_start [--nodes N] [--seed S] [--limit SECONDS] [--beats B]\n", stderr);
      return 2;
    }
    if (option == "--nodes") nodes = value;
    if (option == "--seed") seed = value;
    if (option == "--limit") limit = static_cast<int64_t>(value);
    if (option == "--beats") beats = static_cast<int>(value);
  }
  const noex::sim::MassStart result = noex::sim::play_mass_start(nodes, seed, noex::Duration::seconds(limit), beats);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto megabytes = [](uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  std::printf(
      "%zu nodes: full mesh after %.3f virtual s, %.2f s of a core; %llu events, %.0f events/s; "
      "%llu frames, %.0f MB sent; %.0f MB of memory\n",
      nodes, static_cast<double>(result.full_after.ns()) / 1e9, result.join_core,
      static_cast<unsigned long long>(result.events), static_cast<double>(result.events) / result.join_core,
      static_cast<unsigned long long>(result.frames), megabytes(result.bytes),
      static_cast<double>(usage.ru_maxrss) / 1024);
  if (result.beat_core > 0) {
    const double beating = static_cast<double>(result.beating_for.ns()) / 1e9;
    std::printf("then %.0f virtual s of beats in %.2f s of a core (%.2f of real time), %.0f events/s, %.1f MB/s sent\n",
                beating, result.beat_core, beating / result.beat_core,
                static_cast<double>(result.beat_events) / result.beat_core, megabytes(result.beat_bytes) / beating);
  }
  if (!result.full) std::printf("FAILED: %s\n", result.failure.c_str());
  return result.full ? 0 : 1;
}
