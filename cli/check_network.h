// The steps of a check below the cluster: a name to addresses, and a TCP connection to one of them, each with a
// deadline.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <string>
#include <vector>

namespace noex_cli {

struct Address {
  sockaddr_storage raw{};
  socklen_t size = 0;

  [[nodiscard]] std::string ip() const;    // "10.0.0.1", "fe80::1"
  [[nodiscard]] std::string text() const;  // "10.0.0.1:4369", "[fe80::1]:4369"
};

struct Resolution {
  std::vector<Address> addresses;
  std::string problem;      // why there are none
  bool unfinished = false;  // the resolver is still at it: the process must not wait for its thread
};

// The addresses of `host`, which may be one, with `port`.
[[nodiscard]] Resolution resolve(const std::string& host, int port, std::chrono::milliseconds timeout);

struct Connection {
  int error = 0;         // errno, ETIMEDOUT if the time was over
  std::string local_ip;  // ours, on the way there
};

// Connects, and closes again at once: a peer that is spoken to first hears nothing and forgets it.
[[nodiscard]] Connection try_connect(const Address& address, std::chrono::milliseconds timeout);

}  // namespace noex_cli
