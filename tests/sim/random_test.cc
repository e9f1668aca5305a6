// Random lives of clusters, a few hundred, in shards that run side by side. A failure prints its seed, the timeline,
// and the command that plays it again.
#include <gtest/gtest.h>

#include "sim/scenario.h"

namespace noex::sim {
namespace {

constexpr uint64_t kSeedsPerShard = 75;

class RandomLives : public testing::TestWithParam<uint64_t> {};

TEST_P(RandomLives, AreSound) {
  for (uint64_t seed = GetParam() * kSeedsPerShard + 1; seed <= (GetParam() + 1) * kSeedsPerShard; ++seed) {
    Scenario scenario({seed});
    ASSERT_TRUE(scenario.play()) << scenario.report();
  }
}

INSTANTIATE_TEST_SUITE_P(Shard, RandomLives, testing::Range<uint64_t>(0, 8));

TEST(Determinism, TheSameSeedIsTheSameLife) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Scenario one({seed});
    Scenario same({seed});
    ASSERT_TRUE(one.play());
    ASSERT_TRUE(same.play());
    EXPECT_EQ(one.simulation().hash(), same.simulation().hash()) << "seed " << seed;
    EXPECT_EQ(one.simulation().timeline(), same.simulation().timeline());
  }
  Scenario one({1});
  Scenario other({2});
  ASSERT_TRUE(one.play());
  ASSERT_TRUE(other.play());
  EXPECT_NE(one.simulation().hash(), other.simulation().hash());
}

}  // namespace
}  // namespace noex::sim
