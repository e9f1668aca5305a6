// A name server that answers nobody until it is released. Shared with the look-ups, which may outlive the test's
// transport.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "cluster/raw_socket.h"
#include "transport/resolver.h"

namespace noex::test {

class HangingLookup {
 public:
  HangingLookup() = default;
  ~HangingLookup() { release(); }
  HangingLookup(const HangingLookup&) = delete;
  HangingLookup& operator=(const HangingLookup&) = delete;

  [[nodiscard]] Resolver::LookupFunction function() const {
    return [state = state_](const std::string&) {
      std::unique_lock lock(state->mutex);
      state->running += 1;
      state->most = std::max(state->most, state->running);
      state->changed.notify_all();
      state->changed.wait(lock, [&] { return state->released; });
      state->running -= 1;
      state->changed.notify_all();
      return Lookup{{IpAddress::loopback_v4()}, {}, {}};
    };
  }

  // Waits until so many look-ups hang; false after kPatience.
  [[nodiscard]] bool wait_running(int count) {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_for(lock, kPatience, [&] { return state_->running == count; });
  }
  void release() {
    const std::lock_guard lock(state_->mutex);
    state_->released = true;
    state_->changed.notify_all();
  }
  // The most that ran at the same time.
  [[nodiscard]] int most() const {
    const std::lock_guard lock(state_->mutex);
    return state_->most;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool released = false;
    int running = 0;
    int most = 0;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace noex::test
