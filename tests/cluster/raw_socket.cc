#include "cluster/raw_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/checks.h"

namespace noex::test {
namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool wait_readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return poll(&entry, 1, static_cast<int>(kPatience.count())) == 1;
}

}  // namespace

RawSocket& RawSocket::operator=(RawSocket&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = other.fd_;
  other.fd_ = -1;
  return *this;
}

RawSocket RawSocket::bound(int backlog) {
  RawSocket socket = create();
  const sockaddr_in address = loopback(0);
  NOEX_CHECK(bind(socket.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  if (backlog >= 0) NOEX_CHECK(listen(socket.fd_, backlog) == 0);
  return socket;
}

RawSocket RawSocket::create(int receive_buffer) {
  RawSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  NOEX_CHECK(socket.fd_ >= 0);
  if (receive_buffer > 0) setsockopt(socket.fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  return socket;
}

RawSocket RawSocket::connected(uint16_t port, int receive_buffer) {
  RawSocket socket = create(receive_buffer);
  NOEX_CHECK(socket.connect(port));
  return socket;
}

bool RawSocket::connect(uint16_t port) {
  const sockaddr_in address = loopback(port);
  return ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool RawSocket::try_connect(uint16_t port, std::chrono::milliseconds patience) {
  fcntl(fd_, F_SETFL, O_NONBLOCK);
  if (connect(port)) return true;
  if (errno != EINPROGRESS) return false;
  pollfd entry{fd_, POLLOUT, 0};
  return poll(&entry, 1, static_cast<int>(patience.count())) == 1;
}

RawSocket RawSocket::accept() {
  if (!wait_readable(fd_)) return {};
  return RawSocket(accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
}

uint16_t RawSocket::port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  NOEX_CHECK(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

bool RawSocket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool RawSocket::wait_delivered() const {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  int unacknowledged = 0;
  while (ioctl(fd_, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged > 0) {
    if (std::chrono::steady_clock::now() > until) return false;
    sched_yield();
  }
  return true;
}

std::string RawSocket::read(size_t size) {
  std::string text;
  char buffer[65536];
  while (text.size() < size && wait_readable(fd_)) {
    const ssize_t got = recv(fd_, buffer, std::min(sizeof buffer, size - text.size()), 0);
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

bool RawSocket::at_end() {
  char byte = 0;
  return wait_readable(fd_) && recv(fd_, &byte, 1, 0) == 0;
}

void RawSocket::shutdown_write() { ::shutdown(fd_, SHUT_WR); }

void RawSocket::reset() {
  const linger abrupt{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt);
  close();
}

void RawSocket::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace noex::test
