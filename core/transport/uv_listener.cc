#include "transport/uv_listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "base/checks.h"
#include "transport/socket_address.h"
#include "transport/uv_connection.h"
#include "transport/uv_context.h"

namespace noex {
namespace {

constexpr int kBacklog = 511;          // as Node's; the system's maximum caps it
constexpr int kAcceptsPerWakeup = 64;  // then the other sockets have their turn
constexpr Duration kPause = Duration::milliseconds(100);

int listening_socket(const Endpoint& endpoint) {
  const SocketAddress address(endpoint);
#if defined(SOCK_CLOEXEC)
  const int fd = socket(address.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
  const int fd = socket(address.get()->sa_family, SOCK_STREAM, 0);
  if (fd >= 0) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
  }
#endif
  if (fd < 0) return -1;
  const int on = 1;
  const int off = 0;
  // As libuv and everybody does: a restarted node takes its port over from connections in TIME_WAIT.
  bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
  // `::` takes IPv4 too.
  if (endpoint.ip.is_v6()) ok = ok && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0;
  ok = ok && bind(fd, address.get(), address.size) == 0 && listen(fd, kBacklog) == 0;
  if (ok) return fd;
  const int failure = errno;
  close(fd);
  errno = failure;
  return -1;
}

int accept_socket(int listening) {
#if defined(__linux__)
  return accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
  const int fd = accept(listening, nullptr, nullptr);
  if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);  // uv_tcp_open makes it non-blocking
  return fd;
#endif
}

}  // namespace

struct UvListener::Handles {
  uv_poll_t poll{};
  uv_timer_t timer{};
  int fd = -1;
  int open = 2;
  UvListener* listener = nullptr;  // null once closed
};

Error bind_error(std::string_view host, uint16_t port, int os_error) {
  const std::string shown =
      host.find(':') == std::string_view::npos ? std::string(host) : "[" + std::string(host) + "]";
  const int uv_error = uv_translate_sys_error(os_error);
  std::string message = "cannot listen on " + shown + ":" + std::to_string(port) + ": ";
  message += std::string(uv_strerror(uv_error)) + " (" + uv_err_name(uv_error) + ")";
  switch (os_error) {
    case EADDRINUSE:
      message += "; is another node, or Erlang's epmd, which uses port 4369 too, running here?";
      break;
    case EADDRNOTAVAIL:
      message += "; no interface of this machine has that address";
      break;
    case EACCES:
      message += "; ports below 1024 need a privilege";
      break;
    default:
      break;
  }
  return {ErrorCode::Bind, std::move(message), {os_error, "listen", uv_err_name(uv_error), std::string(host), port}};
}

UvListener::~UvListener() { close(); }

Result<uint16_t> UvListener::listen(const Endpoint& endpoint, std::string_view host) {
  NOEX_CHECK(handles_ == nullptr);
  auto handles = std::make_unique<Handles>();
  const int fd = listening_socket(endpoint);
  if (fd < 0) return bind_error(host, endpoint.port, errno);
  const auto bound = local_endpoint(fd);
  if (!bound || uv_poll_init(&context_.loop, &handles->poll, fd) != 0) {
    const int failure = errno;
    ::close(fd);
    return bind_error(host, endpoint.port, failure);
  }
  NOEX_CHECK(uv_timer_init(&context_.loop, &handles->timer) == 0);
  handles_ = handles.release();
  handles_->fd = fd;
  handles_->listener = this;
  handles_->poll.data = handles_;
  handles_->timer.data = handles_;
  resume();
  return bound->port;
}

void UvListener::resume() {
  uv_poll_start(&handles_->poll, UV_READABLE, [](uv_poll_t* poll, int, int) {
    UvListener* const self = static_cast<Handles*>(poll->data)->listener;
    if (self != nullptr) self->context_.guarded([self] { self->on_readable(); });
  });
}

void UvListener::pause() {
  uv_poll_stop(&handles_->poll);
  uv_update_time(&context_.loop);
  uv_timer_start(
      &handles_->timer,
      [](uv_timer_t* timer) {
        UvListener* const self = static_cast<Handles*>(timer->data)->listener;
        if (self != nullptr) self->resume();
      },
      timer_ms(kPause), 0);
}

void UvListener::on_readable() {
  for (int accepted = 0; accepted < kAcceptsPerWakeup; ++accepted) {
    // The handler may have closed the listener in a callback.
    if (handles_ == nullptr || context_.handler == nullptr || !accept_one()) return;
  }
}

bool UvListener::accept_one() {
  const int fd = accept_socket(handles_->fd);
  if (fd < 0) {
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
  context_.delivered += 1;
  const auto remote = remote_endpoint(fd);
  if (!remote) {
    ::close(fd);  // gone already
    return true;
  }
  const uint64_t id = next_id_;
  next_id_ += 2;
  UvConnection* const connection = context_.add(id);
  if (connection->adopt(fd)) context_.handler->on_accepted(id, *remote, connection->remote_is_local());
  return true;
}

void UvListener::close() {
  if (handles_ == nullptr) return;
  Handles* const handles = std::exchange(handles_, nullptr);
  handles->listener = nullptr;
  const auto closed = [](uv_handle_t* handle) {
    auto* const owned = static_cast<Handles*>(handle->data);
    if (--owned->open == 0) delete owned;
  };
  uv_close(reinterpret_cast<uv_handle_t*>(&handles->poll), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles->timer), closed);
  // After uv_close, which takes it out of the poll set. A child of the host that was forked off holds a copy: without
  // the shutdown the port would stay taken, and connections to it would be accepted by nobody, until that child ends.
  ::shutdown(handles->fd, SHUT_RDWR);
  ::close(handles->fd);
}

}  // namespace noex
