#include "transport/uv_acceptor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/checks.h"
#include "transport/uv_context.h"

namespace noex {
namespace {

constexpr int kAcceptsPerWakeup = 64;  // then the other sockets have their turn
constexpr Duration kPause = Duration::milliseconds(100);

int accept_socket(int listening) {
#if defined(__linux__)
  return accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
  const int fd = accept(listening, nullptr, nullptr);
  if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);  // libuv makes it non-blocking
  return fd;
#endif
}

}  // namespace

struct UvAcceptor::Handles {
  uv_poll_t poll{};
  uv_timer_t timer{};
  int fd = -1;
  int open = 2;
  UvAcceptor* acceptor = nullptr;  // null once closed
};

UvAcceptor::~UvAcceptor() { close(); }

bool UvAcceptor::open(int fd) {
  NOEX_CHECK(handles_ == nullptr);
  auto handles = std::make_unique<Handles>();
  if (uv_poll_init(&context_.loop, &handles->poll, fd) != 0) {
    const int failure = errno;
    ::close(fd);
    errno = failure;
    return false;
  }
  NOEX_CHECK(uv_timer_init(&context_.loop, &handles->timer) == 0);
  handles_ = handles.release();
  handles_->fd = fd;
  handles_->acceptor = this;
  handles_->poll.data = handles_;
  handles_->timer.data = handles_;
  resume();
  return true;
}

void UvAcceptor::resume() {
  uv_poll_start(&handles_->poll, UV_READABLE, [](uv_poll_t* poll, int, int) {
    UvAcceptor* const self = static_cast<Handles*>(poll->data)->acceptor;
    if (self != nullptr) self->context_.guarded([self] { self->on_readable(); });
  });
}

void UvAcceptor::pause() {
  uv_poll_stop(&handles_->poll);
  uv_update_time(&context_.loop);
  uv_timer_start(
      &handles_->timer,
      [](uv_timer_t* timer) {
        UvAcceptor* const self = static_cast<Handles*>(timer->data)->acceptor;
        if (self != nullptr) self->resume();
      },
      timer_ms(kPause), 0);
}

void UvAcceptor::on_readable() {
  for (int accepted = 0; accepted < kAcceptsPerWakeup; ++accepted) {
    // A callback may have closed the acceptor.
    if (handles_ == nullptr || context_.handler == nullptr || !accept_one()) return;
  }
}

bool UvAcceptor::accept_one() {
  const int fd = accept_socket(handles_->fd);
  if (fd >= 0) {
    on_accepted_(fd);
    return true;
  }
  switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      pause();
      return false;
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
      return false;
    default:
      return true;  // a connection that died in the backlog, or an interruption
  }
}

void UvAcceptor::close() {
  if (handles_ == nullptr) return;
  Handles* const handles = std::exchange(handles_, nullptr);
  handles->acceptor = nullptr;
  const auto closed = [](uv_handle_t* handle) {
    auto* const owned = static_cast<Handles*>(handle->data);
    if (--owned->open == 0) delete owned;
  };
  uv_close(reinterpret_cast<uv_handle_t*>(&handles->poll), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles->timer), closed);
  // After uv_close, which takes it out of the poll set. A child of the host that was forked off holds a copy: without
  // the shutdown the address would stay taken, and connections to it would be accepted by nobody, until that child
  // ends.
  ::shutdown(handles->fd, SHUT_RDWR);
  ::close(handles->fd);
}

}  // namespace noex
