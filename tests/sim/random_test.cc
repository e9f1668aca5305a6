// Random lives of clusters of 3 to 12 nodes, two thousand, in shards that run side by side. A failure prints its seed,
// the timeline, and the command that plays it again.
#include <gtest/gtest.h>

#include "sim/scenario.h"

namespace noex::sim {
namespace {

constexpr uint64_t kSeedsPerShard = 125;

class RandomLives : public testing::TestWithParam<uint64_t> {};

TEST_P(RandomLives, AreSound) {
  for (uint64_t seed = GetParam() * kSeedsPerShard + 1; seed <= (GetParam() + 1) * kSeedsPerShard; ++seed) {
    Scenario scenario({seed});
    ASSERT_TRUE(scenario.play()) << scenario.report();
  }
}

INSTANTIATE_TEST_SUITE_P(Shard, RandomLives, testing::Range<uint64_t>(0, 16));

// Every table, list and burst at another size: what only shows among many.
TEST(LargeLife, OfAHundredNodesIsSound) {
  ScenarioOptions options{1};
  options.nodes = 100;
  Scenario scenario(options);
  ASSERT_TRUE(scenario.play()) << scenario.report();
}

// What is left out changes nothing in the plan: this is how a failing life is made smaller.
TEST(Plan, IsTheSameWhateverIsLeftOut) {
  Scenario whole({3});
  ScenarioOptions options{3};
  options.only = {{1}};
  options.without = {2};
  Scenario part(options);
  ASSERT_EQ(whole.plan().size(), part.plan().size());
  for (size_t i = 0; i < whole.plan().size(); ++i) {
    EXPECT_EQ(whole.plan()[i].number, part.plan()[i].number);
    EXPECT_EQ(whole.plan()[i].at, part.plan()[i].at);
    EXPECT_EQ(whole.plan()[i].kind, part.plan()[i].kind);
    EXPECT_EQ(whole.plan()[i].seed, part.plan()[i].seed);
  }
  EXPECT_TRUE(part.play()) << part.report();
  EXPECT_TRUE(part.simulation().runs(2).empty());
}

TEST(Plan, OneLifeInFourHasNodesOfTheReference) {
  size_t mixed = 0;
  for (uint64_t seed = 1; seed <= 2000; ++seed) mixed += Scenario({seed}).reference_count() > 0;
  EXPECT_NEAR(static_cast<double>(mixed) / 2000, 0.25, 0.03);
}

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
