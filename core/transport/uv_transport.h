// The transport of a real node: TCP over one libuv loop. It also owns the pacing: libuv runs timers before it polls, so
// a node that was frozen would judge its peers before it had read what they sent meanwhile. Here the timer only ends
// the poll; on_wake() comes out of uv_check, after a poll that began when the time had come and found nothing more to
// deliver.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "model/address.h"
#include "transport/local_handler.h"
#include "transport/resolver.h"
#include "transport/transport.h"

namespace noex {

// The fixed limits of a node (docs/limits.md). Tests lower them; users cannot.
struct UvTransportOptions {
  Duration dial_timeout = Duration::seconds(5);
  Duration flush_timeout = Duration::seconds(1);
  // After the last byte and the FIN of a flush: how long the peer may take to hang up. Closing at once could turn bytes
  // of its that are still under way into a reset, which would take our last words with it.
  Duration flush_linger = Duration::milliseconds(250);
  Duration resolve_timeout = Duration::seconds(10);
  size_t send_queue_max = size_t{1} << 20;
  int socket_send_buffer = 0;            // 0 = the system's
  Resolver::LookupFunction lookup = {};  // empty = the system's
};

class UvTransport final : public Transport {
 public:
  // Errors: Internal (no descriptors left, ...).
  [[nodiscard]] static Result<std::unique_ptr<UvTransport>> create(const UvTransportOptions& options = {});
  // Closes everything at once. On the thread that ran it, or when no run() is under way.
  ~UvTransport() override;
  UvTransport(const UvTransport&) = delete;
  UvTransport& operator=(const UvTransport&) = delete;

  // Runs the loop on the calling thread; all callbacks come out of it. Ends after finish() or abort(), or with an Error
  // (Internal) when something threw inside a callback. Everything is closed when it returns. Once.
  [[nodiscard]] Status run(TransportHandler& handler);

  // On the loop's thread, within a callback:
  // Closes all but the connections that are being flushed, and lets run() return when those are done (1 s at most).
  void finish();
  // Closes all at once and lets run() return.
  void abort();

  // Called on the loop's thread for wakeup(), once for any number of calls.
  void set_on_wakeup(std::function<void()> on_wakeup);
  // Any thread, while the transport exists and run() has not returned.
  void wakeup();
  // Any thread, while the transport exists: ends a resolve_now() that is under way and all later ones.
  void interrupt();

  // Opens a Unix socket for requests from this machine; see UvLocalServer. `handler` is borrowed and outlives run().
  // Before run(), once. Errors: Bind.
  [[nodiscard]] Status listen_local(const std::string& path, LocalHandler& handler);
  // On the loop's thread. A client that is gone is passed over in silence.
  void send_local(uint64_t client, std::string text);

  // Looks a host up (a literal and "localhost" without the resolver) and waits for it. Before run().
  [[nodiscard]] Lookup resolve_now(std::string_view host, Duration limit);

  [[nodiscard]] Now now() const override;
  [[nodiscard]] Result<uint16_t> listen(std::string_view host, uint16_t port) override;
  void stop_listening() override;
  void dial(uint64_t connection, const Endpoint& endpoint) override;
  void write(uint64_t connection, const SharedBytes& frame) override;
  void close(uint64_t connection, StreamClose how) override;
  [[nodiscard]] size_t unsent(uint64_t connection) const override;
  [[nodiscard]] std::optional<Duration> round_trip(uint64_t connection) const override;
  void resolve(uint64_t query, std::string_view host) override;
  void wake_at(Instant when) override;

 private:
  class Impl;
  explicit UvTransport(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace noex
