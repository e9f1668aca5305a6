// Who answers requests that come over the node's Unix socket (UvLocalServer). Lines in, text out; the rules are the
// handler's.
#pragma once

#include <cstdint>
#include <string_view>

namespace noex {

class LocalHandler {
 public:
  virtual ~LocalHandler() = default;
  // A line without its end; borrowed for the call. `client` is never reused.
  virtual void on_local_line(uint64_t client, std::string_view line) = 0;
  // It is gone, whoever ended it. Last callback of a client; none comes once the transport ends.
  virtual void on_local_closed(uint64_t client) = 0;
};

}  // namespace noex
