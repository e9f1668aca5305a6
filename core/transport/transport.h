// The byte transport below a node: connections, a listener, name look-ups and one timer. Two implementations: libuv
// (UvTransport) and the in-memory twin that the simulator drives (tests see the same driver on both). Single-threaded:
// every call and every callback happens on the thread that runs the transport's loop; callbacks never come from within
// a call of the driver's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "model/address.h"

namespace noex {

enum class StreamEnd { EndOfStream, Reset, WriteFailed, SlowReader };
enum class StreamClose { Abort, Flush, ShutdownWrite };

// Implemented by the driver.
class TransportHandler {
 public:
  virtual ~TransportHandler() = default;
  // `connection` is even, chosen by the transport, never reused.
  virtual void on_accepted(uint64_t connection, const Endpoint& remote, bool remote_is_local) = 0;
  virtual void on_connected(uint64_t connection, bool remote_is_local) = 0;
  virtual void on_dial_failed(uint64_t connection, std::string_view reason) = 0;
  // `bytes` is borrowed for the call.
  virtual void on_received(uint64_t connection, ByteView bytes) = 0;
  // Last callback of a connection. Not called for connections closed by close(Abort) or close(Flush).
  virtual void on_closed(uint64_t connection, StreamEnd end) = 0;
  virtual void on_resolved(uint64_t query, const std::vector<IpAddress>& addresses, std::string_view reason) = 0;
  // The time given to wake_at() has come, and everything that was readable has been delivered. A time that is not in
  // the future asks for a call as soon as that is so.
  virtual void on_wake() = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  [[nodiscard]] virtual Now now() const = 0;
  // Binds and listens; returns the actual port. Errors: Bind (with BindFailure).
  [[nodiscard]] virtual Result<uint16_t> listen(std::string_view host, uint16_t port) = 0;
  virtual void stop_listening() = 0;
  // `connection` is odd, chosen by the caller. Ends in on_connected or on_dial_failed (5 s at most).
  virtual void dial(uint64_t connection, const Endpoint& endpoint) = 0;
  // Queues one whole frame. Above 1 MiB of unsent bytes the connection is cut: on_closed(SlowReader) follows.
  virtual void write(uint64_t connection, const SharedBytes& frame) = 0;
  // Abort and Flush (1 s at most) end the connection without on_closed; an Abort of a dial cancels it without
  // on_dial_failed.
  virtual void close(uint64_t connection, StreamClose how) = 0;
  // Bytes that write() took and the operating system has not; 0 for a connection that is gone. For statistics.
  [[nodiscard]] virtual size_t unsent(uint64_t connection) const {
    static_cast<void>(connection);
    return 0;
  }
  // The smoothed round trip that the operating system measures; nullopt where it does not, or has not yet. For
  // statistics.
  [[nodiscard]] virtual std::optional<Duration> round_trip(uint64_t connection) const {
    static_cast<void>(connection);
    return std::nullopt;
  }
  virtual void resolve(uint64_t query, std::string_view host) = 0;
  // Asks for one on_wake() at `when` (replaces the former wish; never() = none).
  virtual void wake_at(Instant when) = 0;
};

}  // namespace noex
