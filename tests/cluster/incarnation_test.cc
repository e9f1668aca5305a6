#include "cluster/incarnation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <thread>
#include <vector>

namespace noex {
namespace {

TEST(Incarnation, OfRunsInOneMillisecondNoTwoAreOfTheSame) {
  constexpr int64_t kNow = 1'700'000'000'000;
  constexpr size_t kThreads = 4;
  constexpr size_t kRuns = 2'000;
  std::vector<std::vector<Incarnation>> found(kThreads);
  std::vector<std::thread> threads;
  for (std::vector<Incarnation>& mine : found) {
    threads.emplace_back([&mine] {
      // The clock stands still, and is set back.
      for (size_t i = 0; i < kRuns; ++i) mine.push_back(new_incarnation(kNow - (i % 2 == 0 ? 0 : 60'000), i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<Incarnation> milliseconds;
  for (const std::vector<Incarnation>& mine : found) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    for (const Incarnation incarnation : mine) milliseconds.push_back(incarnation >> 16);
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  EXPECT_EQ(std::adjacent_find(milliseconds.begin(), milliseconds.end()), milliseconds.end());
  EXPECT_GE(milliseconds.front(), static_cast<Incarnation>(kNow));
}

TEST(Incarnation, IsOfTheMillisecondOfItsStartAndRandom) {
  constexpr int64_t kLater = 4'000'000'000'000;  // than any that another test has named
  EXPECT_EQ(new_incarnation(kLater, 0x1'2345), static_cast<Incarnation>(kLater) << 16 | 0x2345);
}

}  // namespace
}  // namespace noex
