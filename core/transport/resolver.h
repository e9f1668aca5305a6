// DNS look-ups off the loop, on at most four threads of its own. libuv's shared pool is not used: a look-up that hangs
// there would hold up process exit for seconds. A thread here is detached and owns (by reference count) all that it
// touches, so a transport can be destroyed while getaddrinfo still hangs; the thread ends when that returns, and
// whatever it found is forgotten.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/address.h"

namespace noex {

struct Lookup {
  std::vector<IpAddress> addresses;  // without doubles, in the resolver's order
  std::string reason;                // with no addresses: "unknown host", ...
  std::string code;                  // with no addresses: "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", ...
};

// Looks a name up with the system's resolver; blocks.
[[nodiscard]] Lookup system_lookup(const std::string& host);

class Resolver {
 public:
  using LookupFunction = std::function<Lookup(const std::string& host)>;

  struct Answer {
    uint64_t query = 0;
    Lookup lookup;
  };

  // `on_answer` is called on a thread of the resolver's when take_answers() has something; never again once close() has
  // returned.
  Resolver(LookupFunction lookup, std::function<void()> on_answer);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Answered once, at `deadline` at the latest (expire() must be called for that).
  void resolve(uint64_t query, std::string_view host, Instant deadline);
  // Answers "timed out" for every query whose deadline has passed.
  void expire(Instant now);
  [[nodiscard]] std::vector<Answer> take_answers();
  // Queries without an answer so far.
  [[nodiscard]] bool busy() const;

  // Looks `host` up and waits for at most `limit`, or until interrupt() is called.
  [[nodiscard]] Lookup resolve_now(std::string_view host, Duration limit);
  // Ends a resolve_now() that is under way and all later ones. Any thread.
  void interrupt();

  // Forgets all queries; threads still in getaddrinfo end on their own.
  void close();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace noex
