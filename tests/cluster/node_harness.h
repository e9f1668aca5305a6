// A Node for tests: a configuration on the loopback interface with quick timers, and events that are waited for, never
// slept for.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/node.h"
#include "cluster/raw_socket.h"

namespace noex::test {

// Name `name`, 127.0.0.1, any free port, a beat each 100 ms; the miss threshold is wide, for the machine may be busy.
[[nodiscard]] ClusterConfig quick_config(const std::string& name);

class NodeHarness {
 public:
  explicit NodeHarness(const NodeOptions& options = {});

  [[nodiscard]] Node& node() { return *node_; }
  Node* operator->() { return node_.get(); }
  // Starts and waits; the test ends if that fails.
  void start(const ClusterConfig& config);
  [[nodiscard]] std::string id();
  // Under which another node's seeds name this one.
  [[nodiscard]] std::string seed() { return id(); }

  // Pulls events until one fits; nullopt after kPatience. All that was pulled is in `seen`.
  std::optional<QueuedEvent> wait_event(const std::function<bool(const QueuedEvent&)>& fits);
  [[nodiscard]] bool wait_up(const std::string& id);
  // The reason, once `id` is reported down.
  [[nodiscard]] std::optional<DownReason> wait_down(const std::string& id);
  [[nodiscard]] std::optional<Completion> wait_completion(uint64_t operation);
  [[nodiscard]] bool wait_connected(size_t count);
  // Pulls what is there, without waiting.
  void drain();

  std::vector<std::string> seen;  // "starting", "up a@...", "down a@...", "log ...", "error ...", "start 1 ok", ...

  void destroy() { node_.reset(); }

 private:
  void note(const QueuedEvent& event);

  std::unique_ptr<Node> node_;
  uint64_t last_sequence_ = 0;
};

}  // namespace noex::test
