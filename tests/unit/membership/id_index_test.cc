#include "membership/id_index.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "base/rng.h"

namespace noex {
namespace {

struct Item {
  NodeId id;
};

NodeId numbered(uint64_t number) { return NodeId::create("n" + std::to_string(number), "10.0.0.1", 4369).value(); }

TEST(IdIndex, FindsWhatAMapFinds) {
  Rng rng(7);
  IdIndex<Item> index;
  std::map<uint64_t, std::unique_ptr<Item>> items;
  EXPECT_EQ(index.find(numbered(1)), nullptr);
  for (int step = 0; step < 20'000; ++step) {
    // Grows to a few hundred, then shrinks to nothing, again and again.
    const bool growing = step / 2'000 % 2 == 0;
    const uint64_t number = rng.below(400);
    const auto found = items.find(number);
    if (found == items.end()) {
      if (growing || rng.chance(0.1)) {
        const auto& added = items.emplace(number, std::make_unique<Item>(Item{numbered(number)})).first->second;
        index.add(*added);
      }
    } else if (!growing || rng.chance(0.1)) {
      index.remove(*found->second);
      items.erase(found);
    }
    ASSERT_EQ(index.size(), items.size());
    if (step % 50 != 0) continue;
    std::vector<NodeId> all;
    for (uint64_t other = 0; other < 400; ++other) {
      all.push_back(numbered(other));
      const auto expected = items.find(other);
      ASSERT_EQ(index.find(all.back()), expected == items.end() ? nullptr : expected->second.get());
    }
    index.prefetch_slots(all);  // changes nothing
    index.prefetch_items(all);
  }
  EXPECT_GT(index.size(), 0u);
}

}  // namespace
}  // namespace noex
