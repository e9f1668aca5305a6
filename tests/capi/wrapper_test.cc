// noex_cluster.hpp, as a C++ program uses it: two nodes meet, part and are told so; results, errors and owners.
#include <noex_cluster.hpp>

#undef NDEBUG
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr auto kDeadline = 30s;

// What handlers, on the cluster's thread, have told; and the wait for it.
class Told {
 public:
  void add(const std::string& what) {
    const std::lock_guard<std::mutex> lock(mutex_);
    told_.push_back(what);
    changed_.notify_all();
  }
  void wait_for(const std::string& what) {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool came = changed_.wait_for(lock, kDeadline, [&] {
      for (const std::string& line : told_) {
        if (line == what) return true;
      }
      return false;
    });
    if (!came) {
      std::fprintf(stderr, "not told: %s; but:\n", what.c_str());
      for (const std::string& line : told_) std::fprintf(stderr, "  %s\n", line.c_str());
    }
    assert(came);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> told_;
};

noex::Config config_of(const char* name) {
  noex::Config config;
  config.node_name = name;
  config.host = "127.0.0.1";
  config.port_auto = true;
  config.cluster_secret = "between us";
  config.heartbeat_interval = 100ms;
  config.heartbeat_miss_threshold = 100;
  return config;
}

// Each status of the C interface has its name here: a new one without is a warning, and so an error.
noex::Status named(noex_status status) {
  switch (static_cast<noex::Status>(status)) {
    case noex::Status::Ok:
    case noex::Status::InvalidArgument:
    case noex::Status::InvalidConfig:
    case noex::Status::InvalidNodeId:
    case noex::Status::NotStarted:
    case noex::Status::Running:
    case noex::Status::WrongState:
    case noex::Status::WrongThread:
    case noex::Status::Bind:
    case noex::Status::Timeout:
    case noex::Status::Aborted:
    case noex::Status::OutOfMemory:
    case noex::Status::NotFound:
    case noex::Status::BufferTooSmall:
    case noex::Status::Forked:
    case noex::Status::Internal:
      return static_cast<noex::Status>(status);
  }
  assert(!"a status without a name in noex_cluster.hpp");
  return noex::Status::Internal;
}

void test_words() {
#define XX(name, number, text) assert(static_cast<int>(named(NOEX_##name)) == (number));
  NOEX_STATUS_MAP(XX)
#undef XX
  assert(std::string(noex::to_string(noex::Status::Bind)) == "NOEX_EBIND");
  assert(std::string(noex::to_string(noex::NodeStatus::Connected)) == "connected");
  assert(std::string(noex::to_string(noex::ClusterStatus::Stopping)) == "stopping");
  assert(std::string(noex::to_string(noex::DownReason::ConnectionRefused)) == "connection_refused");
  assert(std::string(noex::to_string(noex::ErrorKind::DuplicateId)) == "duplicate_id");
  assert(std::string(noex::to_string(noex::LogLevel::Warning)) == "warning");
  assert(std::string(noex::version()) == NOEX_VERSION_STRING);
}

void test_results() {
  const noex::Result<int> seven(7);
  assert(seven && *seven == 7 && seven.value() == 7 && seven.value_or(1) == 7);
  noex::Error error;
  error.status = noex::Status::Timeout;
  error.message = "too late";
  const noex::Result<int> none(error);
  assert(!none && none.value_or(1) == 1 && none.error().message == "too late");
  try {
    (void)none.value();
    assert(false);
  } catch (const noex::ClusterError& thrown) {
    assert(std::string(thrown.what()) == "too late" && thrown.error().status == noex::Status::Timeout);
  }
  assert(noex::Result<void>().has_value() && !noex::Result<void>(error));
  // The value of a temporary is one of its own: a loop over what a function returned holds it.
  const auto three = [] { return noex::Result<std::vector<int>>(std::vector<int>{1, 2, 3}); };
  static_assert(!std::is_reference_v<decltype(three().value())>);
  int sum = 0;
  for (const int number : three().value()) sum += number;
  assert(sum == 6);
}

void test_node_ids() {
  const noex::NodeId id = noex::NodeId::parse("app@[0:0::1]:4369").value();
  assert(id.text() == "app@[::1]:4369" && id.name() == "app" && id.host() == "::1" && id.port() == 4369);
  assert(noex::NodeId::create("app", "::1", 4369).value() == id);
  assert(noex::NodeId::create("b", "h", 1).value() != id && id < noex::NodeId::create("b", "h", 1).value());
  assert(noex::NodeId::is_valid("a@h:1") && !noex::NodeId::is_valid("a@h"));
  const auto wrong = noex::NodeId::parse("app@host");
  assert(!wrong && wrong.error().status == noex::Status::InvalidNodeId && !wrong.error().message.empty());
}

void test_what_is_wrong_is_said() {
  noex::Config config = config_of("1");
  assert(config.validate().error().status == noex::Status::InvalidConfig);
  noex::Cluster cluster;
  assert(cluster.start(config).error().message.find("'1'") != std::string::npos);
  assert(cluster.status().value() == noex::ClusterStatus::Stopped);
  assert(cluster.nodes().error().status == noex::Status::NotStarted);
  assert(cluster.local_id().error().status == noex::Status::NotStarted);

  config = config_of("first");
  cluster.start(config).value();
  assert(cluster.start(config).error().status == noex::Status::Running);
  noex::Config same = config_of("second");
  same.port_auto = false;
  same.port = noex::NodeId::parse(cluster.local_id().value()).value().port();
  noex::Cluster other;
  const auto taken = other.start(same);
  assert(taken.error().status == noex::Status::Bind && taken.error().code == "EADDRINUSE");
  assert(taken.error().port == *same.port && taken.error().os_error != 0 && taken.error().address == "127.0.0.1");
  cluster.stop().value();
}

void test_two_nodes_with_handlers() {
  Told told;
  noex::Cluster a;
  a.on_node_up([&](const noex::Node& node) { told.add("up " + std::string(node.id)); }).value();
  a.on_node_down([&](const noex::Node& node, noex::DownReason reason) {
     told.add("down " + std::string(node.id) + " " + noex::to_string(reason));
   }).value();
  const auto status = a.on_status_change([&](noex::ClusterStatus now) { told.add(noex::to_string(now)); }).value();
  a.on_log([&](noex::LogLevel level,
               std::string_view line) { told.add(noex::to_string(level)), told.add(std::string(line)); },
           noex::LogLevel::Debug)
      .value();
  a.on_error([&](const noex::Error& error) { told.add(noex::to_string(error.kind)); }).value();
  assert(a.next_event(0ms).error().status == noex::Status::WrongState);
  a.start(config_of("a")).value();
  told.wait_for("running");
  a.cancel(status).value();
  assert(a.cancel(status).error().status == noex::Status::NotFound);

  const std::string a_id = a.local_id().value();
  noex::Cluster b;
  noex::Config config = config_of("b");
  config.seeds = {a_id};
  b.set_process_count(3).value();
  b.start(config).value();
  const std::string b_id = b.local_id().value();
  assert(b.is_node_connected(a_id).value() && b.connected_count().value() == 1);
  told.wait_for("up " + b_id);

  const noex::Nodes nodes = a.nodes().value();
  assert(nodes.size() == 1 && !nodes.empty() && nodes.connected_count() == 1);
  std::set<std::string> ids;
  for (const noex::Node& node : nodes) ids.emplace(node.id);
  assert(ids == std::set<std::string>{b_id});
  const noex::Node seen = nodes.find(b_id).value();
  assert(seen.is_connected() && seen.host == "127.0.0.1" && seen.process_count == 3 && seen.incarnation != 0);
  assert(seen.id == nodes[0].id && seen.last_heartbeat_at <= std::chrono::system_clock::now() + 1s);
  assert(std::chrono::system_clock::now() - seen.last_heartbeat_at < 60s);
  assert(!nodes.find("nobody@h:1").has_value());
  assert(a.local_node().value()[0].id == a_id);
  assert(a.uptime().value() >= 0ms);

  const noex::Stats stats = a.stats().value();
  assert(stats.totals().nodes_connected == 1 && stats.peer_count() == 1 && stats.peer(0).id == b_id);
  const std::string metrics = a.metrics().value();
  assert(metrics.find("noex_cluster_members{state=\"connected\"} 1\n") != std::string::npos);
  assert(a.document(NOEX_DOCUMENT_STATUS).value().find(std::string(a_id)) != std::string::npos);
  assert(!noex::Cluster().metrics().has_value());
  assert(stats.rejected("bad_signature") == 0 && stats.rejected("no such kind") == 0);

  // Who has not the secret is told of as an error.
  noex::Cluster stranger;
  config = config_of("stranger");
  config.cluster_secret = "another";
  config.seeds = {a_id};
  stranger.start(config).value();
  told.wait_for("authentication");
  told.wait_for("warning");  // the same, for the log
  stranger.stop().value();

  b.stop().value();
  told.wait_for("down " + b_id + " graceful_shutdown");
  assert(!a.is_node_connected(b_id).value());

  // Moved, it is the same node; ended without stop(), it says no goodbye.
  noex::Cluster moved = std::move(a);
  assert(moved.local_id().value() == a_id);
}

void test_pulling() {
  noex::Cluster cluster;
  cluster.select_events(NOEX_EVENT_ALL, noex::LogLevel::Warning).value();
  const uint64_t operation = cluster.start_async(config_of("puller")).value();
  assert(cluster.event_fd().value() >= 0);
  bool running = false;
  while (true) {
    const noex::Event event = cluster.next_event(kDeadline).value();
    if (event->kind == NOEX_EVENT_STATUS) running = running || event->status == NOEX_CLUSTER_RUNNING;
    if (event->kind == NOEX_EVENT_COMPLETION && event->operation == operation) {
      assert((*event).error == nullptr);
      break;
    }
  }
  assert(running);
  const uint64_t version = cluster.nodes_version().value();
  assert(cluster.nodes_version().value() == version);
  assert(cluster.next_event(-1ms).error().status == noex::Status::Timeout);
  assert(cluster.on_node_up([](const noex::Node&) {}).error().status == noex::Status::WrongState);
  assert(cluster.wait(0ms).error().status == noex::Status::Timeout);
  (void)cluster.stop_async().value();
  cluster.wait().value();
  while (cluster.next_event(kDeadline).value()->kind != NOEX_EVENT_COMPLETION) {
  }
}

}  // namespace

int main() {
  test_words();
  test_results();
  test_node_ids();
  test_what_is_wrong_is_said();
  test_two_nodes_with_handlers();
  test_pulling();
  return 0;
}
