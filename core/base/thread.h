// A thread of ours inside somebody else's process. It starts with every signal blocked but those that a fault of its
// own raises: the host's signals stay the host's, and a write to a dead peer (SIGPIPE) cannot kill a C program that
// never heard of it.
#pragma once

#include <pthread.h>

#include <functional>

#include "base/result.h"

namespace noex {

class Thread {
 public:
  Thread() = default;
  // A thread that is still running must have been joined.
  ~Thread();
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&& other) noexcept;

  // Starts `body`, which must not throw. `name` is shown by top and gdb: at most 15 characters. Errors: Internal, with
  // the reason.
  [[nodiscard]] static Result<Thread> start(const char* name, std::function<void()> body);
  // The same for a thread that nobody waits for: it must own all that it touches.
  [[nodiscard]] static Status start_detached(const char* name, std::function<void()> body);

  [[nodiscard]] bool joinable() const { return joinable_; }
  void join();
  [[nodiscard]] bool is_current() const { return joinable_ && pthread_equal(thread_, pthread_self()) != 0; }
  // Forgets the thread without waiting for it: for the child of a fork(), where it does not exist.
  void forget() { joinable_ = false; }

 private:
  pthread_t thread_{};
  bool joinable_ = false;
};

}  // namespace noex
