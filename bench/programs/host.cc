// A program with nodes and something to do: --count nodes whose events nobody takes, and threads that compute, or that
// ask the first node without end. Says `started ID` for each node. On stdin:
//   burn N        N threads compute
//   read N        N threads ask for the list of nodes, and whether each of them is connected
//   rest          they end; says `rested CALLS`, the calls that they have made
//   stats         says `stats QUEUED COALESCED UPS DOWNS LOGS_DROPPED` of the first node
// The end of the input ends it.
#include <algorithm>
#include <atomic>
#include <iostream>
#include <memory>
#include <sstream>
#include <thread>

#include "measure.h"

namespace {

using bench::check;

struct Load {
  std::atomic<bool> ending{false};
  std::atomic<uint64_t> calls{0};
  std::vector<std::thread> threads;
};

void burn(const Load& load) {
  volatile uint64_t value = 1;
  while (!load.ending.load(std::memory_order_relaxed)) value = value * 6364136223846793005u + 1442695040888963407u;
}

void ask(Load& load, const noex_cluster* cluster) {
  uint64_t calls = 0;
  while (!load.ending.load(std::memory_order_relaxed)) {
    noex_nodes* nodes = nullptr;
    check(noex_cluster_nodes(cluster, &nodes), "nodes");
    const size_t count = noex_nodes_count(nodes);
    for (size_t i = 0; i < count; ++i) {
      bool connected = false;
      check(noex_cluster_is_node_connected(cluster, noex_nodes_at(nodes, i)->id, &connected), "is connected");
    }
    noex_nodes_free(nodes);
    calls += count + 1;
  }
  load.calls += calls;
}

void rest(Load& load) {
  load.ending = true;
  for (std::thread& thread : load.threads) thread.join();
  load.threads.clear();
  load.ending = false;
}

void say_stats(const noex_cluster* cluster) {
  noex_stats_snapshot* snapshot = nullptr;
  check(noex_cluster_stats(cluster, &snapshot), "stats");
  const noex_stats& totals = *noex_stats_totals(snapshot);
  std::printf("stats %llu %llu %llu %llu %llu\n", static_cast<unsigned long long>(totals.events_queued),
              static_cast<unsigned long long>(totals.events_coalesced),
              static_cast<unsigned long long>(totals.node_ups), static_cast<unsigned long long>(totals.node_downs),
              static_cast<unsigned long long>(totals.logs_dropped));
  noex_stats_free(snapshot);
}

void obey(const std::string& line, Load& load, const noex_cluster* cluster) {
  std::istringstream words(line);
  std::string command;
  size_t count = 0;
  words >> command >> count;
  if (command == "stats") return say_stats(cluster);
  rest(load);
  if (command == "rest") std::printf("rested %llu\n", static_cast<unsigned long long>(load.calls.exchange(0)));
  for (size_t i = 0; i < count; ++i) {
    if (command == "burn") load.threads.emplace_back([&load] { burn(load); });
    if (command == "read") load.threads.emplace_back([&load, cluster] { ask(load, cluster); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv);
  std::vector<noex_cluster*> nodes(static_cast<size_t>(arguments.number("--count", 1)), nullptr);
  for (size_t i = 0; i < nodes.size(); ++i) {
    const bench::Config config(arguments, "host-" + std::to_string(i), arguments.all("--seed"));
    check(noex_cluster_create(&nodes[i]), "create");
    check(noex_cluster_start(nodes[i], config.get()), "start");
    std::printf("started %s\n", bench::local_id(nodes[i]).c_str());
  }
  std::fflush(stdout);
  Load load;
  for (std::string line; std::getline(std::cin, line); std::fflush(stdout)) obey(line, load, nodes.front());
  rest(load);
  for (noex_cluster* const node : nodes) {
    check(noex_cluster_stop(node), "stop");
    noex_cluster_free(node);
  }
  return 0;
}
