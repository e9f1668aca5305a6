// Where `run --http` listens: the address that the user typed, and the socket it becomes.
#pragma once

#include <netdb.h>

#include <string>
#include <string_view>

namespace noex_cli {

// A socket that listens. Closes it.
class HttpListener {
 public:
  HttpListener() = default;
  ~HttpListener();
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  // `address` is host:port; port 0 or "auto" is any free one. On failure: false, a message and what the process should
  // exit with.
  [[nodiscard]] bool open(const std::string& address, std::string& problem, int& exit_code);

  [[nodiscard]] int fd() const { return fd_; }
  // http://host:port/ with the real port.
  [[nodiscard]] const std::string& url() const { return url_; }
  // Only processes of this machine can connect.
  [[nodiscard]] bool is_loopback() const { return loopback_; }

 private:
  [[nodiscard]] bool listen_on(const addrinfo& place);

  int fd_ = -1;
  std::string url_;
  bool loopback_ = false;
};

// Whether a request's Host header names this machine's loopback interface: localhost, 127.0.0.0/8 or ::1, with or
// without a port.
[[nodiscard]] bool is_loopback_host(std::string_view host);

}  // namespace noex_cli
