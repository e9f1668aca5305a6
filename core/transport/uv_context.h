// What the connections and the listener of a UvTransport share with it: the loop, the handler, the limits, and the
// rules for callbacks.
#pragma once

#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/time.h"
#include "model/address.h"
#include "transport/transport.h"
#include "transport/uv_transport.h"

namespace noex {

class UvConnection;

struct UvContext {
  explicit UvContext(const UvTransportOptions& the_options);
  ~UvContext();
  UvContext(const UvContext&) = delete;
  UvContext& operator=(const UvContext&) = delete;

  uv_loop_t loop{};
  const UvTransportOptions options;
  TransportHandler* handler = nullptr;  // null before and after run(), and once something has thrown

  // Connections that the handler knows. One that it has closed, or has been told the end of, is not here any more.
  std::unordered_map<uint64_t, UvConnection*> by_id;
  // All connections whose libuv handles are not closed yet.
  std::unordered_map<UvConnection*, std::unique_ptr<UvConnection>> all;

  // One buffer for all reads: libuv fills it and hands it over before it asks again.
  const std::unique_ptr<char[]> read_buffer;
  static constexpr size_t kReadBufferSize = size_t{64} << 10;

  // Connections that brought much at once and are not read from until it is their turn again, in that order; some may
  // be gone. What they bring takes time to read: each poll reads from two of them, however many there are.
  std::deque<UvConnection*> resting;
  static constexpr size_t kMuch = size_t{16} << 10;
  static constexpr size_t kTurnsPerPoll = 2;

  // Things delivered since the last poll began; see UvTransport's pacing.
  size_t delivered = 0;

  // Set when something threw: run() then ends with this Error.
  bool failed = false;
  std::string failure;

  // Called when a connection is gone for good.
  std::function<void()> on_connection_gone;

  // Runs `body` outside the present call, on the loop: for callbacks that must not come from within a call of the
  // handler's.
  void defer(std::function<void()> body) { deferred.push_back(std::move(body)); }
  std::vector<std::function<void()>> deferred;

  // Whether `ip` belongs to an interface of this machine, as of a few seconds ago at most.
  [[nodiscard]] bool is_local_address(const IpAddress& ip);

  [[nodiscard]] UvConnection* find(uint64_t id) const;
  // Creates a connection that the handler is to know as `id`.
  UvConnection* add(uint64_t id);

  // Every callback from libuv goes through here: no exception may cross its frames. Nothing runs after one was caught.
  template <typename Body>
  void guarded(Body&& body) noexcept {
    if (failed) return;
    try {
      body();
    } catch (const std::exception& error) {
      fail(error.what());
    } catch (...) {
      fail("unknown exception");
    }
  }

 private:
  void fail(const char* what) noexcept;

  std::vector<IpAddress> local_addresses_;
  Instant local_addresses_until_ = Instant::from_ns(0);
};

// Milliseconds for a libuv timer, rounded up: it must not fire early.
[[nodiscard]] uint64_t timer_ms(Duration duration);

// "connection refused", "no route to host", ...; `error` is libuv's negative number.
[[nodiscard]] std::string dial_error_text(int error);

}  // namespace noex
