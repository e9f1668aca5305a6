// A UvTransport on a thread of its own, and a handler that writes down what it is told, in order.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread.h"
#include "cluster/raw_socket.h"
#include "transport/uv_transport.h"

namespace noex::test {

class TransportHarness final : private TransportHandler {
 public:
  struct Accepted {
    uint64_t id = 0;
    Endpoint remote;
    bool remote_is_local = false;
  };
  struct Record {
    std::vector<std::string> log;  // "connected 1", "received 1", "wake", ... in order
    std::vector<Accepted> accepted;
    std::map<uint64_t, bool> connected;  // -> remote_is_local
    std::map<uint64_t, std::string> dial_failed;
    std::map<uint64_t, std::string> received;
    std::map<uint64_t, std::vector<StreamEnd>> closed;
    std::map<uint64_t, Lookup> resolved;
    std::vector<Instant> wakes;
    bool ended = false;
    Status outcome;
  };

  explicit TransportHarness(const UvTransportOptions& options = {});
  ~TransportHarness() override;

  // Runs `body` on the loop's thread and waits for it.
  void on_loop(std::function<void(UvTransport&)> body);
  // The same without waiting; also from the loop's thread, where it runs out of the next poll.
  void post(std::function<void(UvTransport&)> body);
  // Waits until `met` holds of the record; false after kPatience.
  [[nodiscard]] bool wait(const std::function<bool(const Record&)>& met);
  [[nodiscard]] Record record();
  // Called inside on_received.
  void set_on_received(std::function<void(uint64_t)> hook);

  [[nodiscard]] uint16_t listen(std::string_view host = "127.0.0.1");
  // Waits for the next accepted connection beyond the first `known`.
  [[nodiscard]] Accepted wait_accepted(size_t known = 0);
  [[nodiscard]] bool wait_received(uint64_t id, std::string_view text);
  [[nodiscard]] bool wait_ended();
  [[nodiscard]] UvTransport& transport() { return *transport_; }
  // Joins the loop's thread and destroys the transport.
  void destroy();

 private:
  void on_accepted(uint64_t connection, const Endpoint& remote, bool remote_is_local) override;
  void on_connected(uint64_t connection, bool remote_is_local) override;
  void on_dial_failed(uint64_t connection, std::string_view reason) override;
  void on_received(uint64_t connection, ByteView bytes) override;
  void on_closed(uint64_t connection, StreamEnd end) override;
  void on_resolved(uint64_t query, const std::vector<IpAddress>& addresses, std::string_view reason) override;
  void on_wake() override;
  void note(std::string what, const std::function<void(Record&)>& change);

  std::unique_ptr<UvTransport> transport_;
  Thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Record record_;
  std::vector<std::function<void(UvTransport&)>> posted_;
  uint64_t posts_ = 0;
  uint64_t done_ = 0;
  std::function<void(uint64_t)> received_hook_;
};

[[nodiscard]] inline SharedBytes bytes_of(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

}  // namespace noex::test
