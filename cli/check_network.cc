#include "check_network.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

namespace noex_cli {
namespace {

struct Lookup {
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  Resolution result;
};

Resolution look_up(const std::string& host, int port) {
  Resolution result;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    result.problem = error == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(error);
    return result;
  }
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    Address address;
    address.size = entry->ai_addrlen;
    std::memcpy(&address.raw, entry->ai_addr, entry->ai_addrlen);
    result.addresses.push_back(address);
  }
  freeaddrinfo(found);
  return result;
}

int outcome_of(int fd, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd watched{fd, POLLOUT, 0};
    const int ready = left.count() <= 0 ? 0 : poll(&watched, 1, static_cast<int>(left.count()));
    if (ready == 0) return ETIMEDOUT;
    if (ready < 0 && errno != EINTR) return errno;
    if (ready < 0) continue;
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
  }
}

}  // namespace

std::string Address::ip() const {
  std::array<char, NI_MAXHOST> host;
  const auto* const raw_address = reinterpret_cast<const sockaddr*>(&raw);
  const int error = getnameinfo(raw_address, size, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST);
  return error == 0 ? host.data() : "?";
}

std::string Address::text() const {
  const bool six = raw.ss_family == AF_INET6;
  const uint16_t port = six ? reinterpret_cast<const sockaddr_in6*>(&raw)->sin6_port
                            : reinterpret_cast<const sockaddr_in*>(&raw)->sin_port;
  return (six ? "[" + ip() + "]" : ip()) + ":" + std::to_string(ntohs(port));
}

Resolution resolve(const std::string& host, int port, std::chrono::milliseconds timeout) {
  const auto lookup = std::make_shared<Lookup>();
  std::thread([lookup, host, port] {
    Resolution result = look_up(host, port);
    const std::lock_guard<std::mutex> lock(lookup->mutex);
    lookup->result = std::move(result);
    lookup->done = true;
    lookup->ended.notify_all();
  }).detach();
  std::unique_lock<std::mutex> lock(lookup->mutex);
  if (lookup->ended.wait_for(lock, timeout, [&lookup] { return lookup->done; })) return lookup->result;
  Resolution result;
  result.problem = "no answer in time";
  result.unfinished = true;
  return result;
}

Connection try_connect(const Address& address, std::chrono::milliseconds timeout) {
  Connection result;
  const int fd = socket(address.raw.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    result.error = errno;
    return result;
  }
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address.raw), address.size) != 0) {
    result.error = errno == EINPROGRESS ? outcome_of(fd, timeout) : errno;
  }
  Address local;
  local.size = sizeof local.raw;
  if (result.error == 0 && getsockname(fd, reinterpret_cast<sockaddr*>(&local.raw), &local.size) == 0) {
    result.local_ip = local.ip();
  }
  close(fd);
  return result;
}

}  // namespace noex_cli
