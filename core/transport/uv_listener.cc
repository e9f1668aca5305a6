#include "transport/uv_listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "transport/socket_address.h"
#include "transport/uv_connection.h"
#include "transport/uv_context.h"

namespace noex {
namespace {

constexpr int kBacklog = 511;  // as Node's; the system's maximum caps it

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

}  // namespace

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

Result<uint16_t> UvListener::listen(const Endpoint& endpoint, std::string_view host) {
  const int fd = listening_socket(endpoint);
  if (fd < 0) return bind_error(host, endpoint.port, errno);
  const auto bound = local_endpoint(fd);
  if (!bound) {
    const int failure = errno;
    ::close(fd);
    return bind_error(host, endpoint.port, failure);
  }
  if (!acceptor_.open(fd)) return bind_error(host, endpoint.port, errno);
  return bound->port;
}

void UvListener::on_accepted(int fd) {
  context_.delivered += 1;
  const auto remote = remote_endpoint(fd);
  if (!remote) {
    ::close(fd);  // gone already
    return;
  }
  const uint64_t id = next_id_;
  next_id_ += 2;
  UvConnection* const connection = context_.add(id);
  if (connection->adopt(fd)) context_.handler->on_accepted(id, *remote, connection->remote_is_local());
}

}  // namespace noex
