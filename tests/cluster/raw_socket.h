// A plain blocking TCP socket on the loopback interface: the badly behaved peer of the transport tests. Every wait has
// a deadline.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace noex::test {

inline constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(20);

class RawSocket {
 public:
  RawSocket() = default;
  explicit RawSocket(int fd) : fd_(fd) {}
  ~RawSocket() { close(); }
  RawSocket(RawSocket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  RawSocket& operator=(RawSocket&& other) noexcept;

  // A bound socket on 127.0.0.1; listens with `backlog` unless that is negative.
  [[nodiscard]] static RawSocket bound(int backlog);
  // A socket with a small receive buffer if asked for, not connected yet.
  [[nodiscard]] static RawSocket create(int receive_buffer = 0);
  [[nodiscard]] static RawSocket connected(uint16_t port, int receive_buffer = 0);

  [[nodiscard]] bool connect(uint16_t port);
  // Begins to connect; true if that completed within a moment.
  [[nodiscard]] bool try_connect(uint16_t port, std::chrono::milliseconds patience);
  [[nodiscard]] RawSocket accept();
  [[nodiscard]] uint16_t port() const;
  [[nodiscard]] bool send(std::string_view bytes);
  // Waits until all that was sent lies in the peer's receive buffer; false after kPatience.
  [[nodiscard]] bool wait_delivered() const;
  // Reads until `size` bytes, the end of the stream or a failure.
  [[nodiscard]] std::string read(size_t size);
  // Whether the next read is the end of the stream.
  [[nodiscard]] bool at_end();
  void shutdown_write();
  // Closes with a reset.
  void reset();
  void close();
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

}  // namespace noex::test
