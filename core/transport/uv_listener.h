// The listening socket. It is our own descriptor under a uv_poll_t rather than uv_listen: when accept() fails for want
// of descriptors or memory, libuv 1.44 calls back in a loop without end or drops the peer; here accepting pauses for a
// moment and the peer waits in the backlog.
#pragma once

#include <uv.h>

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "model/address.h"

namespace noex {

struct UvContext;

class UvListener {
 public:
  explicit UvListener(UvContext& context) : context_(context) {}
  ~UvListener();
  UvListener(const UvListener&) = delete;
  UvListener& operator=(const UvListener&) = delete;

  // Binds and listens; returns the actual port. `host` is for messages. Errors: Bind.
  [[nodiscard]] Result<uint16_t> listen(const Endpoint& endpoint, std::string_view host);
  // Closes; `*this` may be destroyed at once.
  void close();

 private:
  // What libuv owns until its close callbacks; outlives the listener.
  struct Handles;

  void resume();
  void pause();
  void on_readable();
  // False: nothing more to accept for now.
  [[nodiscard]] bool accept_one();

  UvContext& context_;
  Handles* handles_ = nullptr;
  uint64_t next_id_ = 2;  // accepted connections have even numbers
};

// The Error of a failed bind: `os_error` is errno.
[[nodiscard]] Error bind_error(std::string_view host, uint16_t port, int os_error);

}  // namespace noex
