// One node of a cluster: says who joins and who leaves, and every ten seconds who is there. In three terminals:
//
//     ./cluster_node seed1 4369
//     ./cluster_node worker1 4370 seed1@localhost:4369
//     ./cluster_node worker2 4371 worker1@localhost:4370     (finds seed1 by gossip)
//
// The cluster's secret, if it has one, comes from the environment (NOEX_CLUSTER_SECRET), because an argument could be
// read by everyone on the machine. With an installed package:
//
//     c++ -std=c++17 cluster_node.cc -o cluster_node $(pkg-config --cflags --libs noex_cluster)
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <noex_cluster.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

/// Prints a line in one piece, because handlers run on a thread of the library, beside main's.
template <typename... Parts>
void print(std::ostream& out, const Parts&... parts) {
  std::ostringstream line;
  (line << ... << parts) << "\n";
  out << line.str() << std::flush;
}

void report(const noex::Cluster& cluster, const std::string& name) {
  const noex::Nodes nodes = cluster.nodes().value();
  print(std::cout, "[", name, "] Connected to ", nodes.connected_count(), " nodes:");
  for (const noex::Node& node : nodes) {
    if (node.is_connected()) print(std::cout, "  - ", node.id, " (", node.process_count, " processes)");
  }
}

int run(const std::string& name, int port, std::vector<std::string> seeds) {
  print(std::cout, "Starting node: ", name);

  // Signals that end the program are waited for below. Blocked before the node starts, no thread takes them.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  noex::Cluster cluster;
  cluster.on_node_up([&](const noex::Node& node) { print(std::cout, "[", name, "] Node joined: ", node.id); }).value();
  cluster
      .on_node_down([&](const noex::Node& node, noex::DownReason reason) {
        print(std::cout, "[", name, "] Node left: ", node.id, " (", noex::to_string(reason), ")");
      })
      .value();
  cluster
      .on_status_change([&](noex::ClusterStatus status) {
        print(std::cout, "[", name, "] Cluster status: ", noex::to_string(status));
      })
      .value();

  cluster.on_error([&](const noex::Error& error) { print(std::cerr, "[", name, "] ", error.message); }).value();

  noex::Config config;
  config.node_name = name;
  config.port = port;
  config.seeds = std::move(seeds);
  if (const char* const secret = std::getenv("NOEX_CLUSTER_SECRET")) config.cluster_secret = secret;
  config.heartbeat_interval = std::chrono::seconds(2);  // fast, for a demonstration
  config.heartbeat_miss_threshold = 2;
  if (const auto started = cluster.start(config); !started) {
    print(std::cerr, "cannot start: ", started.error().message);
    return 1;
  }
  print(std::cout, "[", name, "] Started as ", cluster.local_id().value());

  const timespec ten_seconds{10, 0};
  while (sigtimedwait(&ending, nullptr, &ten_seconds) < 0) report(cluster, name);

  print(std::cout, "Shutting down...");
  cluster.stop().value();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    print(std::cerr, "usage: ", argv[0], " NAME PORT [SEED...]");
    return 2;
  }
  return run(argv[1], std::atoi(argv[2]), {argv + 3, argv + argc});
}
