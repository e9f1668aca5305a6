#include "base/process_id.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <new>

namespace noex {
namespace {

using Kept = std::atomic<pid_t>;
static_assert(Kept::is_always_lock_free);

// A page that is all zero in the child of a fork (MADV_WIPEONFORK, Linux 4.14). Null where there is none. It is never
// given back: there is one, and threads may be asking until the very end.
Kept* map_kept() {
#if defined(MADV_WIPEONFORK)
  const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* const page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (madvise(page, size, MADV_WIPEONFORK) == 0) return new (page) Kept(0);
  munmap(page, size);
#endif
  return nullptr;
}

// Made while the library is loaded and not at the first call: a fork could come in the middle of that.
Kept* const kept = map_kept();

}  // namespace

pid_t process_id() {
  if (kept == nullptr) return getpid();
  pid_t id = kept->load(std::memory_order_relaxed);
  if (id == 0) kept->store(id = getpid(), std::memory_order_relaxed);
  return id;
}

}  // namespace noex
