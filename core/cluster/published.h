// Published<T>: a value that one thread replaces and others read, where the writer never waits for a reader. With one
// mutex around a pointer it would: a reader that is taken off its core while it holds the mutex stops the writer until
// it has its turn again, and with many readers on few cores that is many milliseconds, in which no beat goes out.
//
// So there are several places for the value, each with a mutex of its own, and a number that says which of them is the
// present one. Readers lock that; the writer fills one that nobody holds, and then changes the number. Readers are kept
// only by each other.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

namespace noex {

template <typename T>
class Published {
 public:
  // Null until something is set. Any thread.
  [[nodiscard]] std::shared_ptr<const T> get() const {
    while (true) {
      const size_t index = present_.load(std::memory_order_acquire);
      const Place& place = places_[index];
      const std::lock_guard lock(place.mutex);
      // Else it was replaced meanwhile, and the place may have been emptied.
      if (present_.load(std::memory_order_relaxed) == index) return place.value;
    }
  }

  // One thread at a time. What get() gives from here on is this, or what is published later.
  void set(std::shared_ptr<const T> value) {
    const size_t former = present_.load(std::memory_order_relaxed);
    const size_t next = fill(former, value);
    present_.store(next, std::memory_order_release);
    // What was there is let go of here, after the locks. If a reader holds the former place, the value stays until the
    // place is used again.
    std::shared_ptr<const T> old;
    const std::unique_lock lock(places_[former].mutex, std::try_to_lock);
    if (lock.owns_lock()) old.swap(places_[former].value);
  }

 private:
  // A reader may be held up in each of them, one that came just before the number changed; only if all but one are
  // taken in this way does the writer wait.
  static constexpr size_t kPlaces = 8;

  struct Place {
    mutable std::mutex mutex;
    std::shared_ptr<const T> value;
  };

  // Puts `value` into a place that is not the present one, and says which; `value` is then what was there.
  size_t fill(size_t present, std::shared_ptr<const T>& value) {
    for (size_t step = 1; step < kPlaces; ++step) {
      const size_t index = (present + step) % kPlaces;
      const std::unique_lock lock(places_[index].mutex, std::try_to_lock);
      if (!lock.owns_lock()) continue;
      value.swap(places_[index].value);
      return index;
    }
    const size_t index = (present + 1) % kPlaces;
    const std::lock_guard lock(places_[index].mutex);
    value.swap(places_[index].value);
    return index;
  }

  std::array<Place, kPlaces> places_;
  std::atomic<size_t> present_{0};
};

}  // namespace noex
