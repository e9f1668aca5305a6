// The listening TCP socket of a node.
#pragma once

#include <uv.h>

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "model/address.h"
#include "transport/uv_acceptor.h"

namespace noex {

struct UvContext;

class UvListener {
 public:
  explicit UvListener(UvContext& context)
      : context_(context), acceptor_(context, [this](int fd) { on_accepted(fd); }) {}
  UvListener(const UvListener&) = delete;
  UvListener& operator=(const UvListener&) = delete;

  // Binds and listens; returns the actual port. `host` is for messages. Errors: Bind.
  [[nodiscard]] Result<uint16_t> listen(const Endpoint& endpoint, std::string_view host);
  // Closes; `*this` may be destroyed at once.
  void close() { acceptor_.close(); }

 private:
  void on_accepted(int fd);

  UvContext& context_;
  UvAcceptor acceptor_;
  uint64_t next_id_ = 2;  // accepted connections have even numbers
};

// The Error of a failed bind: `os_error` is errno.
[[nodiscard]] Error bind_error(std::string_view host, uint16_t port, int os_error);

}  // namespace noex
