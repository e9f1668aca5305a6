// What a node answers on its control socket (docs/control-socket.md): one word a line in, one line of JSON out, and the
// events for who asks for them. On the I/O thread, and bounded: it answers while the application is blocked, and keeps
// nobody waiting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "cluster/event_queue.h"
#include "cluster/node_stats.h"
#include "transport/uv_transport.h"

namespace noex {

class Control final : public LocalHandler {
 public:
  static constexpr size_t kRecentMax = 64;

  // `transport` is borrowed and outlives the last call.
  explicit Control(UvTransport& transport) : transport_(transport) {}

  // From here on the node runs under this id, and requests are answered from what `gather` gives.
  void begin(NodeId local_id, std::function<NodeStats()> gather);
  // Keeps it as one of the recent ones, and sends it to who follows.
  void on_event(const EventBody& body);

  void on_local_line(uint64_t client, std::string_view line) override;
  void on_local_closed(uint64_t client) override { followers_.erase(client); }

 private:
  [[nodiscard]] std::string answer(std::string_view request);

  UvTransport& transport_;
  NodeId local_id_;
  std::function<NodeStats()> gather_;
  std::deque<std::string> recent_;
  std::set<uint64_t> followers_;
};

}  // namespace noex
