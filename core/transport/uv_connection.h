// One TCP connection, from the dial or the accept to the last close callback of libuv.
#pragma once

#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"
#include "model/address.h"
#include "transport/page_buffer.h"
#include "transport/transport.h"

namespace noex {

struct UvContext;

class UvConnection {
 public:
  UvConnection(UvContext& context, uint64_t id) : context_(context), id_(id) {}
  UvConnection(const UvConnection&) = delete;
  UvConnection& operator=(const UvConnection&) = delete;

  // From here on the connection must end through close_handles(), and lives until libuv has called back.
  void open_handles();

  void dial(const Endpoint& endpoint);
  // Takes over an accepted descriptor. False: it was closed, and so is the connection.
  [[nodiscard]] bool adopt(int fd);
  [[nodiscard]] bool remote_is_local() const { return remote_is_local_; }

  void write(const SharedBytes& frame);
  // The handler closes: it hears nothing more of Abort and Flush.
  void close(StreamClose how);
  [[nodiscard]] size_t unsent() const;
  [[nodiscard]] std::optional<Duration> round_trip() const;
  // It is its turn again, after a rest.
  void resume();
  [[nodiscard]] bool flushing() const { return state_ == State::Flushing; }
  // Drops everything; nobody is told.
  void close_handles();

 private:
  enum class State {
    Dialing,
    Open,
    Ending,    // cut by us (SlowReader); the handler is about to be told
    Flushing,  // nobody's any more: sends what is queued, discards what comes
    Closed,    // the handles are closing
  };
  struct WriteRequest;

  void on_dialed(int status);
  void on_dial_timeout();
  void end_dial(std::string_view reason);
  [[nodiscard]] bool establish();
  void be_persistent();
  [[nodiscard]] bool start_reading();
  void rest();
  void on_read(ssize_t size, const char* data);
  void on_written(int status);
  void note_write_failed();
  // Hands the backlog to libuv; false if that failed.
  [[nodiscard]] bool send_backlog();
  void on_shut_down(int status);
  void on_timer();
  void on_handle_closed();
  void cut(StreamEnd end);
  void end(StreamEnd end);
  void flush();
  void shut_down();
  void start_timer(Duration delay);
  void note_remote();

  UvContext& context_;
  const uint64_t id_;
  State state_ = State::Dialing;
  uv_tcp_t tcp_{};
  uv_timer_t timer_{};  // the dial's time limit, then the flush's
  uv_connect_t connect_{};
  uv_shutdown_t shutdown_{};
  int handles_ = 0;     // open libuv handles
  int writes_ = 0;      // requests of libuv under way; each holds its bytes
  PageBuffer backlog_;  // what waits behind them
  bool shutdown_asked_ = false;
  bool shutdown_done_ = false;
  bool peer_hung_up_ = false;
  bool write_failed_ = false;
  bool remote_is_local_ = false;
};

}  // namespace noex
