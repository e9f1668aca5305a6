// Scenes about the network between the nodes, and what a cluster costs.
#include <gtest/gtest.h>

#include <string>

#include "sim/support.h"

namespace noex::sim {
namespace {

void split(Simulation& sim, size_t first_size, bool heal) {
  for (size_t a = 0; a < first_size; ++a) {
    for (size_t b = first_size; b < sim.size(); ++b) {
      if (heal) {
        sim.network().heal(sim.spec(a).host, sim.spec(b).host);
        sim.network().heal(sim.spec(b).host, sim.spec(a).host);
      } else {
        sim.network().cut(sim.spec(a).host, sim.spec(b).host);
        sim.network().cut(sim.spec(b).host, sim.spec(a).host);
      }
    }
  }
}

TEST(Partition, FourAndFourHeals) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    NetworkSettings settings;
    settings.break_chance = settings.break_chance_long = 0;  // TCP carries on, whatever the length
    Simulation sim(seed, settings);
    add_and_start(sim, 8, [](NodeSpec& spec) { spec.reconnect_max = 4 * kSecond; });
    expect_full_mesh(sim, kSecond);
    sim.run_for(5 * kSecond);
    split(sim, 4, false);
    sim.run_for(Duration::seconds(10 + static_cast<int64_t>(seed) * 7));
    for (size_t i = 0; i < 8; ++i) {
      EXPECT_EQ(sim.witness(i).up_count(), 3u) << story(sim);
      EXPECT_EQ(sim.witness(i).down_count(), 4u);
    }
    split(sim, 4, true);
    expect_full_mesh(sim, 12 * kSecond);
    sim.run_for(75 * kSecond);
    EXPECT_SOUND(sim);
    EXPECT_EQ(sim.down_count(), 32u) << "one down for each pair and direction that was cut" << story(sim);
    for (size_t i = 0; i < 8; ++i) EXPECT_EQ(sim.run(i).driver->stats().membership.connections, 7u);
  }
}

TEST(Partition, ShorterThanTheTimeoutIsNoNews) {
  NetworkSettings settings;
  settings.break_chance = 0;  // every stream survives
  Simulation sim(2, settings);
  add_and_start(sim, 6);
  expect_full_mesh(sim, kSecond);
  sim.run_for(5 * kSecond);
  split(sim, 3, false);
  sim.run_for(Duration::milliseconds(1400));
  split(sim, 3, true);
  sim.run_for(20 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.down_count(), 0u) << story(sim);
}

// Whether the old connection outlives the outage or breaks at its end: each end saw one down, and sees no other.
TEST(Partition, OnePairOnlyIsSeenByThatPairOnly) {
  for (const double breaks : {0.0, 1.0}) {
    NetworkSettings settings;
    settings.break_chance = settings.break_chance_long = breaks;
    Simulation sim(3, settings);
    add_and_start(sim, 6, [](NodeSpec& spec) { spec.reconnect_max = 2 * kSecond; });
    expect_full_mesh(sim, kSecond);
    sim.run_for(5 * kSecond);
    sim.network().cut(sim.spec(2).host, sim.spec(4).host);
    sim.network().cut(sim.spec(4).host, sim.spec(2).host);
    sim.run_for(30 * kSecond);
    EXPECT_EQ(sim.down_count(), 2u) << "nobody believes hearsay" << story(sim);
    EXPECT_FALSE(sim.witness(2).is_up(sim.id(4)));
    EXPECT_FALSE(sim.witness(4).is_up(sim.id(2)));
    sim.network().heal_all();
    expect_full_mesh(sim, 10 * kSecond);
    sim.run_for(10 * kSecond);
    EXPECT_SOUND(sim);
    EXPECT_EQ(sim.witness(2).down_count() + sim.witness(4).down_count(), sim.down_count())
        << "nobody else has lost anybody" << story(sim);
    EXPECT_EQ(sim.down_count(), 2u) << story(sim);
  }
}

TEST(Partition, OneWayIsADownForTheDeafOneFirst) {
  Simulation sim(4);
  add_and_start(sim, 3, [](NodeSpec& spec) { spec.reconnect_max = 2 * kSecond; });
  expect_full_mesh(sim, kSecond);
  sim.run_for(5 * kSecond);
  sim.network().cut(sim.spec(2).host, sim.spec(1).host);  // 1 does not hear 2
  sim.run_for(Duration::milliseconds(3500));
  EXPECT_FALSE(sim.witness(1).is_up(sim.id(2)));
  EXPECT_EQ(sim.witness(1).events().back().down, DownReason::HeartbeatTimeout);
  sim.run_for(10 * kSecond);
  EXPECT_FALSE(sim.witness(2).is_up(sim.id(1)))
      << "who is no longer written to, cannot think it is connected" << story(sim);
  sim.network().heal_all();
  expect_full_mesh(sim, 10 * kSecond);
  EXPECT_SOUND(sim);
}

TEST(Partition, IslandsThatNeverMetJoinThroughALateSeed) {
  Simulation sim(5);
  sim.add_node();
  sim.add_node({sim.id(0).text()});
  sim.add_node({sim.id(1).text()});
  sim.add_node({sim.id(0).text()});
  sim.add_node({sim.id(3).text()});
  for (size_t i = 1; i < 5; ++i) sim.start(i);
  sim.run_for(20 * kSecond);
  EXPECT_TRUE(sim.witness(1).is_up(sim.id(2)));
  EXPECT_FALSE(sim.witness(1).is_up(sim.id(3)));
  sim.start(0);
  expect_full_mesh(sim, 32 * kSecond);
  EXPECT_SOUND(sim);
}

// What a node writes per second grows with N, not with its square: no frame carries everybody.
TEST(Cost, SteadyTrafficOfANodeIsLinear) {
  const auto bytes_per_peer_and_second = [](size_t count) {
    Simulation sim(6);
    add_and_start(sim, count, [](NodeSpec& spec) { spec.secret = "between us"; });
    expect_full_mesh(sim, 5 * kSecond);
    sim.run_for(4 * kSecond);
    std::vector<uint64_t> before;
    for (size_t i = 0; i < count; ++i) before.push_back(sim.network().counters(sim.run(i).life.process).bytes_written);
    sim.run_for(10 * kSecond);
    EXPECT_SOUND(sim);
    uint64_t worst = 0;
    for (size_t i = 0; i < count; ++i) {
      worst = std::max(worst, sim.network().counters(sim.run(i).life.process).bytes_written - before[i]);
    }
    EXPECT_EQ(sim.down_count(), 0u);
    return worst / 10 / (count - 1);
  };
  const uint64_t few = bytes_per_peer_and_second(10);
  const uint64_t many = bytes_per_peer_and_second(50);
  EXPECT_LE(many, few * 5 / 4) << "per peer and second: " << few << " bytes among 10, " << many << " among 50";
  EXPECT_LE(many, 800u);
}

TEST(Cost, AMassStartOfFiftyIsQuick) {
  Simulation sim(7);
  add_and_start(sim, 50);
  expect_full_mesh(sim, 3 * kSecond);
  sim.run_for(10 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.event_count(), 50u * 49u) << story(sim);
}

}  // namespace
}  // namespace noex::sim
