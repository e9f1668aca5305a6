// Accepts connections on a listening socket. It is our own descriptor under a uv_poll_t rather than uv_listen: when
// accept() fails for want of descriptors or memory, libuv 1.44 calls back in a loop without end or drops the peer; here
// accepting pauses for a moment and the peer waits in the backlog.
#pragma once

#include <uv.h>

#include <functional>
#include <utility>

namespace noex {

struct UvContext;

class UvAcceptor {
 public:
  // `on_accepted` owns the descriptor that it is given, which is non-blocking. It may close the acceptor.
  UvAcceptor(UvContext& context, std::function<void(int)> on_accepted)
      : context_(context), on_accepted_(std::move(on_accepted)) {}
  ~UvAcceptor();
  UvAcceptor(const UvAcceptor&) = delete;
  UvAcceptor& operator=(const UvAcceptor&) = delete;

  // Takes over a descriptor that listens and is non-blocking. False: it was closed, errno says why. Once.
  [[nodiscard]] bool open(int fd);
  // Closes; `*this` may be destroyed at once.
  void close();

 private:
  // What libuv owns until its close callbacks; outlives the acceptor.
  struct Handles;

  void resume();
  void pause();
  void on_readable();
  // False: nothing more to accept for now.
  [[nodiscard]] bool accept_one();

  UvContext& context_;
  const std::function<void(int)> on_accepted_;
  Handles* handles_ = nullptr;
};

}  // namespace noex
