#include "cluster/incarnation.h"

#include <algorithm>
#include <atomic>

namespace noex {

Incarnation new_incarnation(int64_t unix_ms, uint64_t random) {
  static std::atomic<int64_t> newest_ms{0};
  int64_t before = newest_ms.load(std::memory_order_relaxed);
  int64_t ms = 0;
  do {
    ms = std::max(unix_ms, before + 1);
  } while (!newest_ms.compare_exchange_weak(before, ms, std::memory_order_relaxed));
  return static_cast<Incarnation>(ms) << 16 | (random & 0xffff);
}

}  // namespace noex
