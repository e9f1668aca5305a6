#include "base/thread.h"

#include <signal.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/checks.h"

namespace noex {
namespace {

struct Start {
  const char* name;
  std::function<void()> body;
};

void* thread_main(void* argument) {
  const std::unique_ptr<Start> start(static_cast<Start*>(argument));
#if defined(__linux__)
  pthread_setname_np(pthread_self(), start->name);
#endif
  start->body();
  return nullptr;
}

Status create(const char* name, std::function<void()> body, bool detached, pthread_t* out) {
  auto start = std::make_unique<Start>(Start{name, std::move(body)});
  sigset_t blocked;
  sigset_t before;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&blocked, fault);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (detached) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // A new thread inherits the mask of its creator: set here, it holds from the thread's first instruction on.
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  const int failure = pthread_create(out, &attributes, &thread_main, start.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (failure != 0) {
    return Error{ErrorCode::Internal, std::string("cannot start a thread: ") + std::strerror(failure)};
  }
  static_cast<void>(start.release());
  return {};
}

}  // namespace

Thread::~Thread() { NOEX_CHECK(!joinable_); }

Thread::Thread(Thread&& other) noexcept : thread_(other.thread_), joinable_(std::exchange(other.joinable_, false)) {}

Thread& Thread::operator=(Thread&& other) noexcept {
  NOEX_CHECK(!joinable_);
  thread_ = other.thread_;
  joinable_ = std::exchange(other.joinable_, false);
  return *this;
}

Result<Thread> Thread::start(const char* name, std::function<void()> body) {
  Thread thread;
  const Status created = create(name, std::move(body), false, &thread.thread_);
  if (!created) return created.error();
  thread.joinable_ = true;
  return thread;
}

Status Thread::start_detached(const char* name, std::function<void()> body) {
  pthread_t ignored;
  return create(name, std::move(body), true, &ignored);
}

void Thread::join() {
  NOEX_CHECK(joinable_);
  const int failure = pthread_join(thread_, nullptr);
  NOEX_CHECK(failure == 0);
  joinable_ = false;
}

}  // namespace noex
