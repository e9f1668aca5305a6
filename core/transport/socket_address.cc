#include "transport/socket_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace noex {
namespace {

using NameFunction = int (*)(int, sockaddr*, socklen_t*);

std::optional<Endpoint> endpoint_by(NameFunction name_of, int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (name_of(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return std::nullopt;
  return endpoint_of(reinterpret_cast<const sockaddr*>(&storage));
}

}  // namespace

SocketAddress::SocketAddress(const Endpoint& endpoint) {
  const auto& bytes = endpoint.ip.bytes();
  if (endpoint.ip.is_v6()) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(endpoint.port);
    std::copy(bytes.begin(), bytes.end(), address.sin6_addr.s6_addr);
    std::memcpy(&storage, &address, sizeof address);
    size = sizeof address;
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    std::memcpy(&address.sin_addr, bytes.data(), sizeof address.sin_addr);
    std::memcpy(&storage, &address, sizeof address);
    size = sizeof address;
  }
}

std::optional<Endpoint> endpoint_of(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    return Endpoint{IpAddress::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof v6);
    std::array<uint8_t, 16> bytes;
    std::copy(std::begin(v6.sin6_addr.s6_addr), std::end(v6.sin6_addr.s6_addr), bytes.begin());
    return Endpoint{IpAddress::v6(bytes), ntohs(v6.sin6_port)};
  }
  return std::nullopt;
}

std::optional<Endpoint> local_endpoint(int fd) {
  return endpoint_by([](int f, sockaddr* a, socklen_t* s) { return getsockname(f, a, s); }, fd);
}

std::optional<Endpoint> remote_endpoint(int fd) {
  return endpoint_by([](int f, sockaddr* a, socklen_t* s) { return getpeername(f, a, s); }, fd);
}

}  // namespace noex
