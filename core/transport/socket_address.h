// Endpoint <-> sockaddr, for the files of this folder.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>

#include "model/address.h"

namespace noex {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  explicit SocketAddress(const Endpoint& endpoint);
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// nullopt for anything but IPv4 and IPv6.
[[nodiscard]] std::optional<Endpoint> endpoint_of(const sockaddr* address);
// Of the two ends of a connected socket; nullopt if the socket is not connected (any more).
[[nodiscard]] std::optional<Endpoint> local_endpoint(int fd);
[[nodiscard]] std::optional<Endpoint> remote_endpoint(int fd);

}  // namespace noex
