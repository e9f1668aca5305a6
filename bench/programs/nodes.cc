// Several nodes in one process, pulled from by one thread. Each line of its output begins with a word and the time in
// seconds (CLOCK_MONOTONIC):
//   started T ID SECONDS      start() has resolved, so long after it was called
//   full T ID                 this many are connected for the first time: --expect
//   up T ID PEER              with --ups 1
//   down T ID PEER REASON SECONDS     so long after its last heartbeat was received
//   stopped T ID SECONDS      stop() has resolved
//   stats T NODES FRAMES_SENT BYTES_SENT FRAMES_RECEIVED BYTES_RECEIVED       of all together
// On stdin: `stats`; `stop`, and its end, which is a stop too.
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <utility>

#include "measure.h"

namespace {

using bench::check;

struct Node {
  noex_cluster* cluster = nullptr;
  int fd = -1;
  std::unique_ptr<bench::Config> config;
  std::string id;
  double called_at = 0;
  size_t up = 0;
  bool was_full = false;
};

struct Host {
  std::vector<Node> nodes;
  size_t expect = 0;
  bool ups = false;
  size_t stopped = 0;
};

double wall_s() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void started(Node& node, const noex_event& event, double at) {
  if (event.error != nullptr) bench::fail(event.error->message);
  node.id = bench::local_id(node.cluster);
  std::printf("started %.6f %s %.6f\n", at, node.id.c_str(), at - node.called_at);
}

void take(Host& host, Node& node, const noex_event& event, double at) {
  switch (event.kind) {
    case NOEX_EVENT_NODE_UP:
      if (host.ups) std::printf("up %.6f %s %s\n", at, node.id.c_str(), event.node->id);
      if (++node.up == host.expect && !std::exchange(node.was_full, true)) {
        if (node.id.empty()) node.id = bench::local_id(node.cluster);
        std::printf("full %.6f %s\n", at, node.id.c_str());
      }
      break;
    case NOEX_EVENT_NODE_DOWN:
      // `connection_refused` is of nodes that were never up.
      if (event.reason != NOEX_DOWN_CONNECTION_REFUSED) --node.up;
      std::printf("down %.6f %s %s %s %.6f\n", at, node.id.c_str(), event.node->id, noex_down_reason_name(event.reason),
                  wall_s() - static_cast<double>(event.node->last_heartbeat_at) * 1e-3);
      break;
    case NOEX_EVENT_COMPLETION:
      if (event.operation_kind == NOEX_OPERATION_START) {
        started(node, event, at);
      } else {
        std::printf("stopped %.6f %s %.6f\n", at, node.id.c_str(), at - node.called_at);
        ++host.stopped;
      }
      break;
    default:
      break;
  }
}

void stop_all(Host& host) {
  for (Node& node : host.nodes) {
    node.called_at = bench::now_s();
    check(noex_cluster_stop_async(node.cluster, nullptr), "stop");
  }
}

void say_stats(const Host& host) {
  noex_stats sum{};
  for (const Node& node : host.nodes) {
    noex_stats_snapshot* snapshot = nullptr;
    check(noex_cluster_stats(node.cluster, &snapshot), "stats");
    const noex_stats& totals = *noex_stats_totals(snapshot);
    sum.frames_sent += totals.frames_sent;
    sum.bytes_sent += totals.bytes_sent;
    sum.frames_received += totals.frames_received;
    sum.bytes_received += totals.bytes_received;
    noex_stats_free(snapshot);
  }
  std::printf("stats %.6f %zu %llu %llu %llu %llu\n", bench::now_s(), host.nodes.size(),
              static_cast<unsigned long long>(sum.frames_sent), static_cast<unsigned long long>(sum.bytes_sent),
              static_cast<unsigned long long>(sum.frames_received),
              static_cast<unsigned long long>(sum.bytes_received));
}

// True while there is more to come.
bool obey(Host& host) {
  char words[256];
  const ssize_t size = read(STDIN_FILENO, words, sizeof words);
  const std::string_view text(words, size > 0 ? static_cast<size_t>(size) : 0);
  if (text.find("stats") != std::string_view::npos) say_stats(host);
  if (!text.empty() && text.find("stop") == std::string_view::npos) return true;
  stop_all(host);
  return false;
}

void serve(Host& host) {
  std::vector<pollfd> polled;
  for (const Node& node : host.nodes) polled.push_back({node.fd, POLLIN, 0});
  polled.push_back({STDIN_FILENO, POLLIN, 0});
  while (host.stopped < host.nodes.size()) {
    if (poll(polled.data(), polled.size(), -1) < 0) continue;
    const double at = bench::now_s();
    for (size_t i = 0; i < host.nodes.size(); ++i) {
      if (polled[i].revents == 0) continue;
      noex_event* event = nullptr;
      while (noex_cluster_next_event(host.nodes[i].cluster, 0, &event) == NOEX_OK) {
        take(host, host.nodes[i], *event, at);
        noex_event_free(event);
      }
    }
    const bool asked = polled.size() > host.nodes.size() && polled.back().revents != 0;
    if (asked && !obey(host)) polled.pop_back();
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv);
  rlimit descriptors{};  // a hundred nodes with three hundred peers each have 30,000 of them
  getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  setrlimit(RLIMIT_NOFILE, &descriptors);
  Host host;
  host.nodes.resize(static_cast<size_t>(arguments.number("--count", 1)));
  host.expect = static_cast<size_t>(arguments.number("--expect", 0));
  host.ups = arguments.number("--ups", 0) != 0;
  const std::string name = arguments.text("--name", "node");
  const int64_t first_port = arguments.number("--port", 0);
  for (size_t i = 0; i < host.nodes.size(); ++i) {
    Node& node = host.nodes[i];
    node.config = std::make_unique<bench::Config>(arguments, name + "-" + std::to_string(i), arguments.all("--seed"),
                                                  i == 0 ? first_port : 0);
    check(noex_cluster_create(&node.cluster), "create");
    check(noex_cluster_event_fd(node.cluster, &node.fd), "event fd");
    node.called_at = bench::now_s();
    check(noex_cluster_start_async(node.cluster, node.config->get(), nullptr), "start");
  }
  serve(host);
  for (Node& node : host.nodes) noex_cluster_free(node.cluster);
  return 0;
}
