// Scenes with a known right outcome: starting, dying, pausing, coming back.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/support.h"

namespace noex::sim {
namespace {

using std::string;

string seed_of(const Simulation& sim, size_t node) { return sim.id(node).text(); }

TEST(Start, TwoNodesSeeEachOther) {
  Simulation sim(1);
  add_and_start(sim, 2, [](NodeSpec& spec) { spec.secret = "swordfish"; });
  expect_full_mesh(sim, Duration::milliseconds(100));
  sim.run_for(60 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.down_count(), 0u);
  EXPECT_EQ(sim.event_count(), 2u);
  EXPECT_FALSE(sim.witness(0).joined_at().is_never());
  EXPECT_LE(sim.witness(1).joined_at(), Instant() + Duration::seconds(2));
}

TEST(Start, TenAtOnceMakeAFullMeshWithinASecondAndKeepIt) {
  Simulation sim(2);
  add_and_start(sim, 10, [](NodeSpec& spec) { spec.interval = 5 * kSecond; });  // the first beat is not waited for
  expect_full_mesh(sim, kSecond);
  sim.run_for(60 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.event_count(), 90u) << "one up for each pair and direction, nothing else" << story(sim);
}

// Its seed's answer names everyone, and those are dialled at once: not one interval passes.
TEST(Start, AJoinerMeetsEveryoneAtOnce) {
  Simulation sim(14);
  add_and_start(sim, 12, [](NodeSpec& spec) { spec.interval = 5 * kSecond; });
  expect_full_mesh(sim, kSecond);
  sim.run_for(20 * kSecond);
  const size_t joiner = sim.add_node({sim.id(3).text()}, [](NodeSpec& spec) { spec.interval = 5 * kSecond; });
  sim.start(joiner);
  EXPECT_TRUE(sim.run_until_true(
      Duration::milliseconds(30), [&] { return sim.full_mesh(); }, Duration::milliseconds(1)))
      << sim.missing_links() << story(sim);
  EXPECT_SOUND(sim);
}

TEST(Start, TenThatAllDialEachOther) {
  Simulation sim(3);
  std::vector<string> everyone;
  for (int i = 0; i < 10; ++i)
    everyone.push_back("n" + std::to_string(i) + "@10.0.0." + std::to_string(i + 1) + ":5000");
  for (int i = 0; i < 10; ++i) sim.add_node(everyone);  // itself, too
  for (size_t i = 0; i < 10; ++i) sim.start(i);
  expect_full_mesh(sim, kSecond);
  sim.run_for(60 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.event_count(), 90u) << story(sim);
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(sim.run(i).driver->stats().membership.connections, 9u) << "one connection per pair remains";
    EXPECT_TRUE(sim.witness(i).errors().empty());
  }
}

TEST(Start, ASeedThatStartsLastIsJoined) {
  Simulation sim(4);
  sim.add_node();
  for (int i = 0; i < 3; ++i) sim.add_node({seed_of(sim, 0)});
  for (size_t i = 1; i < 4; ++i) sim.start(i);
  sim.run_for(30 * kSecond);
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(sim.witness(i).count(sim.id(0), false), 1u) << "connection_refused, once";
    EXPECT_EQ(sim.witness(i).up_count(), 0u);
  }
  sim.start(0);
  expect_full_mesh(sim, 6 * kSecond);  // a lonely node dials its seeds every 5 s at least
  EXPECT_SOUND(sim);
}

TEST(Start, AChainOfSeedsClosesByGossip) {
  Simulation sim(5);
  sim.add_node();
  for (size_t i = 1; i < 8; ++i) sim.add_node({seed_of(sim, i - 1)});
  for (size_t i = 0; i < 8; ++i) sim.start(i);
  expect_full_mesh(sim, 4 * kSecond);
  sim.run_for(20 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.down_count(), 0u);
}

TEST(Start, CrossedDialsLeaveOneConnectionAndNoEvent) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    NetworkSettings settings;
    settings.link = {Duration::milliseconds(20), Duration::milliseconds(static_cast<int64_t>(seed % 20))};
    Simulation sim(seed, settings);
    sim.add_node({"n1@10.0.0.2:5000"});
    sim.add_node({"n0@10.0.0.1:5000"});
    sim.start(0);
    sim.start(1);
    expect_full_mesh(sim, kSecond);
    sim.run_for(10 * kSecond);
    EXPECT_SOUND(sim);
    ASSERT_EQ(sim.event_count(), 2u) << "seed " << seed << story(sim);
    EXPECT_EQ(sim.run(0).driver->stats().membership.connections, 1u);
    EXPECT_EQ(sim.run(1).driver->stats().membership.connections, 1u);
  }
}

TEST(Death, ByTheKernelsWordAtOnce) {
  Simulation sim(6);
  add_and_start(sim, 5);
  expect_full_mesh(sim, kSecond);
  sim.kill(2);
  sim.run_for(kSecond);
  for (const size_t i : {0u, 1u, 3u, 4u}) {
    EXPECT_FALSE(sim.witness(i).is_up(sim.id(2)));
    EXPECT_EQ(sim.witness(i).events().back().down, DownReason::ConnectionClosed);
  }
  EXPECT_EQ(sim.down_count(), 4u);
  EXPECT_SOUND(sim);
}

TEST(Death, OfAHostBySilence) {
  Simulation sim(7);
  add_and_start(sim, 4);
  expect_full_mesh(sim, kSecond);
  sim.run_for(10 * kSecond);
  sim.power_off(3);
  sim.run_for(Duration::milliseconds(1900));
  EXPECT_EQ(sim.down_count(), 0u) << "nobody can know yet";
  sim.run_for(Duration::milliseconds(1300));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(sim.witness(i).count(sim.id(3), false), 1u) << story(sim);
    EXPECT_EQ(sim.witness(i).events().back().down, DownReason::HeartbeatTimeout);
  }
  sim.run_for(30 * kSecond);
  sim.power_on(3);
  sim.start(3);
  expect_full_mesh(sim, 6 * kSecond);
  EXPECT_EQ(sim.down_count(), 3u);
  EXPECT_SOUND(sim);
}

TEST(Death, ARestartUnderTheSameIdIsOneDownAndOneUpEverywhere) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Simulation sim(seed);
    add_and_start(sim, 6);
    expect_full_mesh(sim, kSecond);
    sim.run_for(3 * kSecond);
    const bool silently = seed % 3 == 0;
    if (silently) {
      sim.power_off(4);  // nobody is told; the new process meets connections that look alive
      sim.power_on(4);
    } else {
      sim.kill(4);
    }
    sim.run_for(Duration::milliseconds(static_cast<int64_t>(seed * 37 % 1500)));
    sim.start(4);
    expect_full_mesh(sim, 8 * kSecond);
    sim.run_for(10 * kSecond);
    EXPECT_SOUND(sim);
    for (size_t i = 0; i < 6; ++i) {
      if (i == 4) continue;
      EXPECT_EQ(sim.witness(i).count(sim.id(4), false), 1u) << "seed " << seed << story(sim);
      EXPECT_EQ(sim.witness(i).count(sim.id(4), true), 2u) << "seed " << seed << story(sim);
      EXPECT_EQ(sim.witness(i).events().size(), 7u) << "seed " << seed << ": about the others nothing" << story(sim);
    }
  }
}

// One end lost the connection and dials again; the other never hears of the loss, and may not close what looks like the
// older of two.
TEST(Break, AHalfOpenConnectionIsNotKeptForEver) {
  for (const int told : {0, 1}) {
    Simulation sim(10);
    add_and_start(sim, 2);
    expect_full_mesh(sim, kSecond);
    ASSERT_EQ(sim.network().streams().size(), 1u);
    sim.network().half_open_stream(sim.network().streams()[0].id, told);
    sim.run_for(10 * kSecond);
    EXPECT_TRUE(sim.full_mesh());
    sim.run_for(65 * kSecond);
    EXPECT_SOUND(sim);
    EXPECT_LE(sim.down_count(), 2u) << story(sim);
    for (size_t i = 0; i < 2; ++i)
      EXPECT_EQ(sim.run(i).driver->stats().membership.connections, 1u) << "n" << i << ", told: " << told;
  }
}

TEST(Dial, BackoffGrowsAndStartsAfreshWithTheFirstHeartbeat) {
  Simulation sim(15);
  add_and_start(sim, 3);
  expect_full_mesh(sim, kSecond);
  sim.power_off(2);
  sim.run_for(10 * kSecond);
  const auto dials = [&] { return sim.network().counters(sim.run(1).life.process).dials; };
  const uint64_t before = dials();
  sim.run_for(120 * kSecond);
  EXPECT_GE(dials() - before, 3u) << "for ever";
  EXPECT_LE(dials() - before, 8u) << "but not in a loop: up to 30 s apart, each for 5 s";
  sim.power_on(2);
  sim.start(2);
  expect_full_mesh(sim, 6 * kSecond);
  sim.run_for(5 * kSecond);
  for (const StreamView& stream : sim.network().streams()) {
    if (stream.process[0] != sim.run(2).life.process && stream.process[1] != sim.run(2).life.process) continue;
    sim.network().reset_stream(stream.id);
  }
  expect_full_mesh(sim, Duration::milliseconds(1200));  // the base delay again
  EXPECT_SOUND(sim);
}

TEST(Goodbye, IsBelievedAtOnceAndNotRedialled) {
  Simulation sim(8);
  add_and_start(sim, 5);
  expect_full_mesh(sim, kSecond);
  sim.run_for(5 * kSecond);
  sim.leave(3);
  sim.run_for(kSecond);
  EXPECT_TRUE(sim.full_mesh()) << sim.missing_links();
  for (const size_t i : {0u, 1u, 2u, 4u}) EXPECT_EQ(sim.witness(i).events().back().down, DownReason::GracefulShutdown);
  EXPECT_EQ(sim.runs(3).back()->witness->down_count(), 0u) << "one's own stop is no news";
  std::vector<uint64_t> dials;
  for (const size_t i : {0u, 1u, 2u, 4u}) dials.push_back(sim.network().counters(sim.run(i).life.process).dials);
  sim.run_for(60 * kSecond);
  size_t next = 0;
  for (const size_t i : {0u, 1u, 2u, 4u}) {
    EXPECT_EQ(sim.network().counters(sim.run(i).life.process).dials, dials[next++]) << "re-dials one that left";
  }
  sim.start(3);
  expect_full_mesh(sim, 2 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.down_count(), 4u);
}

TEST(Goodbye, OfASeedIsRedialled) {
  Simulation sim(9);
  add_and_start(sim, 4);
  expect_full_mesh(sim, kSecond);
  sim.leave(0);
  sim.run_for(20 * kSecond);
  sim.start(0);  // knows nobody: the others must come
  expect_full_mesh(sim, 31 * kSecond);
  EXPECT_SOUND(sim);
}

TEST(Pause, OthersReportItOnceAndItReportsNobody) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Simulation sim(seed);
    add_and_start(sim, 6);
    expect_full_mesh(sim, kSecond);
    sim.run_for(5 * kSecond);
    sim.freeze(2);
    sim.run_for(Duration::milliseconds(4000 + static_cast<int64_t>(seed) * 700));
    for (size_t i = 0; i < 6; ++i) {
      if (i == 2) continue;
      EXPECT_EQ(sim.witness(i).count(sim.id(2), false), 1u);
      EXPECT_EQ(sim.witness(i).events().back().down, DownReason::HeartbeatTimeout) << story(sim);
    }
    sim.thaw(2);
    expect_full_mesh(sim, Duration::milliseconds(1200));  // within one interval
    sim.run_for(90 * kSecond);
    EXPECT_SOUND(sim);
    EXPECT_EQ(sim.witness(2).down_count(), 0u)
        << "seed " << seed << ": it blames others for its own pause" << story(sim);
    EXPECT_EQ(sim.down_count(), 5u) << "seed " << seed << story(sim);
  }
}

// The others keep what fell silent for a minute. After that it finds every connection closed, by its own absence.
TEST(Pause, LongerThanItsConnectionsAreKept) {
  Simulation sim(13);
  add_and_start(sim, 5);
  expect_full_mesh(sim, kSecond);
  sim.run_for(5 * kSecond);
  sim.freeze(2);
  sim.run_for(90 * kSecond);
  sim.thaw(2);
  expect_full_mesh(sim, 2 * kSecond);
  sim.run_for(30 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.witness(2).down_count(), 0u) << story(sim);
  EXPECT_EQ(sim.down_count(), 4u) << story(sim);
}

TEST(Pause, HalfOfThem) {
  Simulation sim(11);
  add_and_start(sim, 8);
  expect_full_mesh(sim, kSecond);
  sim.run_for(5 * kSecond);
  for (size_t i = 0; i < 4; ++i) sim.freeze(i);
  sim.run_for(10 * kSecond);
  for (size_t i = 0; i < 4; ++i) sim.thaw(i);
  expect_full_mesh(sim, Duration::milliseconds(1500));
  sim.run_for(30 * kSecond);
  EXPECT_SOUND(sim);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(sim.witness(i).down_count(), 0u) << "n" << i << story(sim);
  EXPECT_EQ(sim.down_count(), 16u);
}

TEST(Pause, ShorterThanTheTimeoutIsNoNews) {
  Simulation sim(12);
  add_and_start(sim, 5);
  expect_full_mesh(sim, kSecond);
  for (int round = 0; round < 10; ++round) {
    sim.run_for(3 * kSecond);
    sim.freeze(static_cast<size_t>(round) % 5);
    sim.run_for(Duration::milliseconds(1800));
    sim.thaw(static_cast<size_t>(round) % 5);
  }
  sim.run_for(10 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.down_count(), 0u) << story(sim);
}

TEST(Pause, ASuspendedMachineReportsNobody) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    NetworkSettings settings;
    settings.break_chance_long = 0;  // with broken streams some downs are right
    Simulation sim(seed, settings);
    add_and_start(sim, 5);
    expect_full_mesh(sim, kSecond);
    sim.run_for(5 * kSecond);
    sim.suspend(sim.spec(1).host);
    sim.run_for(Duration::seconds(20 + static_cast<int64_t>(seed)));
    sim.resume(sim.spec(1).host);  // the clock jumped, and nothing is readable yet
    expect_full_mesh(sim, 7 * kSecond);
    sim.run_for(20 * kSecond);
    EXPECT_SOUND(sim);
    EXPECT_EQ(sim.witness(1).down_count(), 0u) << "seed " << seed << story(sim);
  }
}

}  // namespace
}  // namespace noex::sim
