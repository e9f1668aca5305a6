// One node that joins a cluster and leaves it, again and again. A line for each time, after --wait milliseconds of
// rest: how long start() and stop() took, in milliseconds, and how many nodes it listed when start() had returned.
#include <unistd.h>

#include "measure.h"

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv);
  const std::string name = arguments.text("--name", "joiner");
  for (int64_t i = 0; i < arguments.number("--rounds", 1); ++i) {
    usleep(static_cast<useconds_t>(arguments.number("--wait", 0) * 1000));
    noex_cluster* cluster = nullptr;
    bench::check(noex_cluster_create(&cluster), "create");
    const bench::Config config(arguments, name + std::to_string(i), arguments.all("--seed"));
    const int64_t began = bench::now_ns();
    bench::check(noex_cluster_start(cluster, config.get()), "start");
    const int64_t running = bench::now_ns();
    noex_nodes* nodes = nullptr;
    bench::check(noex_cluster_nodes(cluster, &nodes), "nodes");
    const size_t listed = noex_nodes_count(nodes);
    const size_t connected = noex_nodes_connected_count(nodes);
    noex_nodes_free(nodes);
    // A stop while others are still being dialled would be another matter.
    const int64_t patience = bench::now_ns() + 10'000'000'000;
    for (size_t count = 0; count < listed && bench::now_ns() < patience;) {
      usleep(1000);
      bench::check(noex_cluster_connected_count(cluster, &count), "connected count");
    }
    const int64_t full = bench::now_ns();
    bench::check(noex_cluster_stop(cluster), "stop");
    const int64_t stopped = bench::now_ns();
    noex_cluster_free(cluster);
    const auto ms = [](int64_t from, int64_t to) { return static_cast<double>(to - from) * 1e-6; };
    std::printf("%.3f %.3f %.3f %zu %zu\n", ms(began, running), ms(began, full), ms(full, stopped), listed, connected);
    std::fflush(stdout);
  }
  return 0;
}
