// What calls of the C API cost in a cluster that is full and beats. --expect nodes, besides its own, must be connected
// first. Says `nodes NS` and `connected NS` for each of --samples batches: nanoseconds of one call.

#include "measure.h"

namespace {

using bench::check;

constexpr int kNodesCalls = 200;
constexpr int kConnectedCalls = 2000;

double nodes_ns(const noex_cluster* cluster, size_t expect) {
  const int64_t began = bench::now_ns();
  for (int i = 0; i < kNodesCalls; ++i) {
    noex_nodes* nodes = nullptr;
    check(noex_cluster_nodes(cluster, &nodes), "nodes");
    if (noex_nodes_connected_count(nodes) != expect) bench::fail("the cluster is not whole any more");
    noex_nodes_free(nodes);
  }
  return static_cast<double>(bench::now_ns() - began) / kNodesCalls;
}

double connected_ns(const noex_cluster* cluster, const std::vector<std::string>& ids) {
  size_t next = 0;
  const int64_t began = bench::now_ns();
  for (int i = 0; i < kConnectedCalls; ++i) {
    bool connected = false;
    check(noex_cluster_is_node_connected(cluster, ids[next].c_str(), &connected), "is connected");
    if (!connected) bench::fail(ids[next] + " is not connected any more");
    if (++next == ids.size()) next = 0;
  }
  return static_cast<double>(bench::now_ns() - began) / kConnectedCalls;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv);
  const auto expect = static_cast<size_t>(arguments.number("--expect", 1));
  noex_cluster* cluster = nullptr;
  const bench::Config config(arguments, "caller", arguments.all("--seed"));
  check(noex_cluster_create(&cluster), "create");
  check(noex_cluster_start(cluster, config.get()), "start");
  size_t count = 0;
  while (count < expect) {
    check(noex_cluster_connected_count(cluster, &count), "count");
    const timespec moment{0, 10'000'000};
    nanosleep(&moment, nullptr);
  }
  std::vector<std::string> ids;
  noex_nodes* nodes = nullptr;
  check(noex_cluster_nodes(cluster, &nodes), "nodes");
  for (size_t i = 0; i < noex_nodes_count(nodes); ++i) ids.emplace_back(noex_nodes_at(nodes, i)->id);
  noex_nodes_free(nodes);

  for (int64_t i = arguments.number("--samples", 100); i > 0; --i) {
    std::printf("nodes %.1f\n", nodes_ns(cluster, expect));
    std::printf("connected %.1f\n", connected_ns(cluster, ids));
    const timespec moment{0, 20'000'000};
    nanosleep(&moment, nullptr);
  }
  check(noex_cluster_stop(cluster), "stop");
  noex_cluster_free(cluster);
  return 0;
}
