// Where things are found by their id: a member by its node id, which each frame asks for its sender and for each id
// that it names, and a connection by its number. A flat table of hashes and pointers, with its slots in a row: a
// look-up waits for memory as rarely as can be.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <type_traits>
#include <vector>

#include "base/checks.h"
#include "model/node_id.h"

namespace noex {

// T has a member `id`, which stays as it is while the item is in here. Items are borrowed.
template <typename T>
class IdIndex {
 public:
  using Id = std::remove_const_t<decltype(T::id)>;

  [[nodiscard]] size_t size() const { return size_; }

  [[nodiscard]] T* find(const Id& id) const {
    if (slots_.empty()) return nullptr;
    const size_t hash = hash_of(id);
    for (size_t at = home(hash); slots_[at].item != nullptr; at = next(at)) {
      if (slots_[at].hash == hash && slots_[at].item->id == id) return slots_[at].item;
    }
    return nullptr;
  }

  // `item` is not in here, nor another of its id.
  void add(T& item) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    insert({hash_of(item.id), &item});
    ++size_;
  }

  void clear() {
    slots_.clear();
    size_ = 0;
  }

  // `item` is in here.
  void remove(const T& item) {
    size_t hole = home(hash_of(item.id));
    while (slots_[hole].item != &item) {
      NOEX_CHECK(slots_[hole].item != nullptr);
      hole = next(hole);
    }
    // What was pushed on by it moves back (Knuth, 6.4, algorithm R), so that a search may end at the first empty slot.
    for (size_t at = next(hole); slots_[at].item != nullptr; at = next(at)) {
      const size_t wanted = home(slots_[at].hash);
      if (((at - wanted) & mask()) < ((at - hole) & mask())) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = Slot{};
    --size_;
  }

  // Has the processor fetch what find() of these will look at: first where it begins, later, when that has come, all
  // that hangs on it. Where very many nodes live in one process, as in the simulator, none of it is in a cache, and
  // fetching one after the other takes longer than all else about a beat. Of more ids than `kTogether` the first are as
  // good as all: the processor's own queue is not longer.
  void prefetch_slots(std::span<const NodeId> ids) const requires std::is_same_v<Id, NodeId> {
    if (slots_.empty()) return;
    for (const NodeId& id : ids.first(std::min(ids.size(), kTogether))) __builtin_prefetch(&slots_[home(hash_of(id))]);
  }
  void prefetch_items(std::span<const Id> ids) const {
    if (slots_.empty()) return;
    for (; !ids.empty(); ids = ids.subspan(std::min(ids.size(), kTogether))) {
      const size_t count = std::min(ids.size(), kTogether);
      std::array<const T*, kTogether> items{};
      for (size_t i = 0; i < count; ++i) {
        const size_t hash = hash_of(ids[i]);
        size_t at = home(hash);
        while (slots_[at].item != nullptr && slots_[at].hash != hash) at = next(at);
        items[i] = slots_[at].item;
        if (items[i] != nullptr) __builtin_prefetch(&items[i]->id);
      }
      if constexpr (std::is_same_v<Id, NodeId>) {
        for (size_t i = 0; i < count; ++i) {
          if (items[i] != nullptr) __builtin_prefetch(items[i]->id.text().data());
        }
      }
    }
  }

 private:
  static constexpr size_t kTogether = 16;

  struct Slot {
    size_t hash = 0;
    T* item = nullptr;
  };

  [[nodiscard]] static size_t hash_of(const Id& id) { return std::hash<Id>{}(id); }
  [[nodiscard]] size_t mask() const { return slots_.size() - 1; }
  [[nodiscard]] size_t home(size_t hash) const { return hash & mask(); }
  [[nodiscard]] size_t next(size_t at) const { return (at + 1) & mask(); }

  void insert(Slot slot) {
    size_t at = home(slot.hash);
    while (slots_[at].item != nullptr) at = next(at);
    slots_[at] = slot;
  }
  void grow() {
    constexpr size_t kSizeMin = 16;
    std::vector<Slot> old(std::max(kSizeMin, 2 * slots_.size()));  // a power of two, half empty at least
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.item != nullptr) insert(slot);
    }
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
};

}  // namespace noex
