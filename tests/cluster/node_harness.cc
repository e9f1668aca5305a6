#include "cluster/node_harness.h"

#include <chrono>
#include <thread>
#include <utility>

#include "base/checks.h"

namespace noex::test {
namespace {

std::string word_of(const EventBody& body) {
  if (const auto* up = std::get_if<NodeUp>(&body)) return "up " + up->node.id.text();
  if (const auto* down = std::get_if<NodeDown>(&body)) return "down " + down->id.text();
  if (const auto* status = std::get_if<StatusChanged>(&body)) return std::string(to_string(status->status));
  if (const auto* error = std::get_if<ErrorReport>(&body)) return "error " + error->message;
  if (const auto* log = std::get_if<LogRecord>(&body)) return "log " + log->message;
  const auto& completion = std::get<Completion>(body);
  return std::string(completion.operation == Operation::Start ? "start " : "stop ") + std::to_string(completion.id) +
         (completion.outcome ? " ok" : " failed");
}

}  // namespace

ClusterConfig quick_config(const std::string& name) {
  ClusterConfig config;
  config.node_name = name;
  config.host = "127.0.0.1";
  config.port_auto = true;
  config.cluster_secret = "a secret of tests";
  config.heartbeat_interval_ms = 100;
  config.heartbeat_miss_threshold = 100;
  config.reconnect_base_delay_ms = 20;
  config.reconnect_max_delay_ms = 100;
  return config;
}

NodeHarness::NodeHarness(const NodeOptions& options) {
  Result<std::unique_ptr<Node>> node = Node::create(options);
  NOEX_CHECK(node.ok());
  node_ = *std::move(node);
}

void NodeHarness::start(const ClusterConfig& config) {
  const Status started = node_->start(config);
  NOEX_CHECK(started.ok());
}

std::string NodeHarness::id() {
  const Result<NodeId> id = node_->local_id();
  NOEX_CHECK(id.ok());
  return id->text();
}

void NodeHarness::note(const QueuedEvent& event) {
  NOEX_CHECK(event.sequence > last_sequence_);
  last_sequence_ = event.sequence;
  seen.push_back(word_of(event.body));
}

std::optional<QueuedEvent> NodeHarness::wait_event(const std::function<bool(const QueuedEvent&)>& fits) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    Result<QueuedEvent> event = node_->next_event(Duration::milliseconds(std::max<int64_t>(left.count(), 0)));
    if (!event) return std::nullopt;
    note(*event);
    if (fits(*event)) return *std::move(event);
  }
}

bool NodeHarness::wait_up(const std::string& id) {
  return wait_event([&](const QueuedEvent& event) {
           const auto* const up = std::get_if<NodeUp>(&event.body);
           return up != nullptr && up->node.id.text() == id;
         })
      .has_value();
}

std::optional<DownReason> NodeHarness::wait_down(const std::string& id) {
  const auto event = wait_event([&](const QueuedEvent& candidate) {
    const auto* const down = std::get_if<NodeDown>(&candidate.body);
    return down != nullptr && down->id.text() == id;
  });
  if (!event) return std::nullopt;
  return std::get<NodeDown>(event->body).reason;
}

std::optional<Completion> NodeHarness::wait_completion(uint64_t operation) {
  const auto event = wait_event([&](const QueuedEvent& candidate) {
    const auto* const completion = std::get_if<Completion>(&candidate.body);
    return completion != nullptr && completion->id == operation;
  });
  if (!event) return std::nullopt;
  return std::get<Completion>(event->body);
}

bool NodeHarness::wait_connected(size_t count) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    const auto table = node_->table();
    if (table && (*table)->connected_count == count) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

void NodeHarness::drain() {
  while (true) {
    const Result<QueuedEvent> event = node_->next_event(Duration());
    if (!event) return;
    note(*event);
  }
}

}  // namespace noex::test
