// Scenes about who is who: two processes under one id, secrets, aliases, names, oneself.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/support.h"

namespace noex::sim {
namespace {

// A second process that claims the id of node `index`, on a host of its own: it listens there, but says it is the
// other.
size_t add_twin(Simulation& sim, size_t index, std::vector<std::string> seeds) {
  NodeSpec twin = sim.spec(index);
  twin.host = sim.add_host();
  twin.seeds = std::move(seeds);
  return sim.add_spec(std::move(twin));
}

TEST(DuplicateId, IsRefusedAndSaidOnBothSides) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Simulation sim(seed);
    add_and_start(sim, 4);
    expect_full_mesh(sim, kSecond);
    sim.run_for(Duration::milliseconds(static_cast<int64_t>(seed * 300)));
    const size_t twin = add_twin(sim, 2, {sim.id(0).text()});
    sim.start(twin);
    sim.run_for(10 * kSecond);
    EXPECT_SOUND(sim);
    EXPECT_EQ(sim.down_count(), 0u) << "seed " << seed << ": the living one stays" << story(sim);
    EXPECT_EQ(sim.witness(0).count(sim.id(2), true), 1u);
    EXPECT_EQ(sim.witness(twin).up_count(), 0u);
    EXPECT_TRUE(has_error(sim.witness(0), ErrorKind::DuplicateId)) << "seed " << seed << story(sim);
    EXPECT_TRUE(has_error(sim.witness(twin), ErrorKind::DuplicateId)) << "seed " << seed << story(sim);
    EXPECT_TRUE(sim.witness(1).errors().empty()) << "who was not asked says nothing";
  }
}

TEST(DuplicateId, DialledByTheLivingOneItself) {
  Simulation sim(3);
  add_and_start(sim, 3);
  expect_full_mesh(sim, kSecond);
  const size_t twin = add_twin(sim, 1, {sim.id(1).text(), sim.id(2).text()});
  sim.start(twin);
  sim.run_for(10 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.down_count(), 0u) << story(sim);
  EXPECT_TRUE(has_error(sim.witness(twin), ErrorKind::DuplicateId)) << story(sim);
}

TEST(Secret, AWrongOneIsNeverUpAndBothSidesSayWhy) {
  for (const std::string& other : {std::string("wrong"), std::string()}) {
    Simulation sim(4);
    add_and_start(sim, 3, [](NodeSpec& spec) { spec.secret = "right"; });
    expect_full_mesh(sim, kSecond);
    const size_t stranger = sim.add_node({sim.id(0).text()}, [&](NodeSpec& spec) { spec.secret = other; });
    sim.start(stranger);
    sim.run_for(30 * kSecond);
    EXPECT_SOUND(sim);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(sim.witness(i).count(sim.id(stranger), true), 0u) << story(sim);
      EXPECT_EQ(sim.witness(i).down_count(), 0u);
    }
    EXPECT_EQ(sim.witness(stranger).events().size(), 0u) << "not even refused: somebody listens there" << story(sim);
    EXPECT_TRUE(has_error(sim.witness(0), ErrorKind::Authentication)) << story(sim);
    EXPECT_TRUE(has_error(sim.witness(stranger), ErrorKind::Authentication)) << story(sim);
    // Patience, and few words: by backoff, not in a loop.
    EXPECT_LE(sim.network().counters(sim.run(stranger).life.process).dials, 12u);
    EXPECT_LE(sim.witness(0).errors().size(), 24u);
  }
}

TEST(Secret, MembersWithoutOneDoNotTakeASigningStranger) {
  Simulation sim(5);
  add_and_start(sim, 2);
  const size_t stranger = sim.add_node({sim.id(0).text()}, [](NodeSpec& spec) { spec.secret = "mine"; });
  sim.start(stranger);
  sim.run_for(20 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.witness(stranger).up_count(), 0u);
  EXPECT_EQ(sim.witness(0).count(sim.id(stranger), true), 0u) << "never a member of half a cluster" << story(sim);
  EXPECT_TRUE(has_error(sim.witness(stranger), ErrorKind::Authentication)) << story(sim);
}

TEST(ClusterName, AnotherIsRefusedAloud) {
  Simulation sim(6);
  add_and_start(sim, 2, [](NodeSpec& spec) { spec.cluster_name = "blue"; });
  const size_t stranger = sim.add_node({sim.id(0).text()}, [](NodeSpec& spec) { spec.cluster_name = "red"; });
  sim.start(stranger);
  sim.run_for(10 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.witness(stranger).up_count(), 0u);
  EXPECT_EQ(sim.witness(0).up_count(), 1u);
  EXPECT_TRUE(has_error(sim.witness(0), ErrorKind::ClusterMismatch)) << story(sim);
  EXPECT_TRUE(has_error(sim.witness(stranger), ErrorKind::ClusterMismatch)) << story(sim);
}

TEST(Alias, ASeedUnderAnotherNameIsTheNodeThatAnswers) {
  Simulation sim(7);
  sim.add_node();
  sim.add_node({"seed@10.0.0.1:5000"});
  sim.add_node({"seed@10.0.0.1:5000", "other@10.0.0.2:5000"});
  for (size_t i = 0; i < 3; ++i) sim.start(i);
  expect_full_mesh(sim, kSecond);
  sim.run_for(30 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.event_count(), 6u) << "real ids only" << story(sim);
  const auto& table = sim.witness(2).table();
  EXPECT_EQ(table->nodes.size(), 2u);
  ASSERT_NE(table->find("seed@10.0.0.1:5000"), nullptr) << "queries take the alias";
  EXPECT_EQ(table->find("seed@10.0.0.1:5000")->id(), sim.id(0));
  EXPECT_EQ(table->find("other@10.0.0.2:5000")->id(), sim.id(1));
  // It leads there again when that node has been away.
  sim.kill(0);
  sim.run_for(20 * kSecond);
  sim.start(0);
  expect_full_mesh(sim, 31 * kSecond);
  EXPECT_SOUND(sim);
}

TEST(Names, EveryAnswerIsASeedAlsoOneself) {
  Simulation sim(8);
  for (int i = 0; i < 4; ++i) sim.add_node({"mesh.internal:5000"});
  NameAnswer answer;
  for (size_t i = 0; i < 4; ++i) answer.addresses.push_back(sim.spec(i).ip);
  sim.network().set_name("mesh.internal", answer);
  for (size_t i = 0; i < 4; ++i) sim.start(i);
  expect_full_mesh(sim, kSecond);
  sim.run_for(60 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.event_count(), 12u) << story(sim);
  for (size_t i = 0; i < 4; ++i)
    EXPECT_TRUE(sim.witness(i).errors().empty()) << "meeting oneself is no error" << story(sim);
}

TEST(Names, AreLookedUpAgain) {
  Simulation sim(9);
  sim.add_node({"mesh.internal:5000"});
  sim.add_node();
  sim.start(0);
  sim.start(1);
  sim.run_for(20 * kSecond);
  EXPECT_EQ(sim.witness(0).events().size(), 0u) << "a nameless seed is never reported refused";
  NameAnswer answer;
  answer.addresses = {sim.spec(1).ip};
  sim.network().set_name("mesh.internal", answer);
  expect_full_mesh(sim, 6 * kSecond);
  EXPECT_SOUND(sim);
}

TEST(Self, AsItsOwnSeedIsNoError) {
  Simulation sim(10);
  sim.add_node({"n0@10.0.0.1:5000", "me@10.0.0.1:5000"});
  sim.add_node({"n0@10.0.0.1:5000"});
  sim.start(0);
  sim.run_for(10 * kSecond);
  sim.start(1);
  expect_full_mesh(sim, 2 * kSecond);
  sim.run_for(30 * kSecond);
  EXPECT_SOUND(sim);
  EXPECT_EQ(sim.event_count(), 2u) << story(sim);
  EXPECT_TRUE(sim.witness(0).errors().empty()) << story(sim);
}

TEST(Join, SettlesWhenEverySeedWasTried) {
  Simulation sim(11);
  sim.add_node();
  sim.add_node({sim.id(0).text()});
  sim.start(0);
  sim.run_for(kSecond);
  sim.start(1);
  sim.run_for(Duration::milliseconds(100));
  EXPECT_LE(sim.witness(1).joined_at(), Instant() + Duration::milliseconds(1010)) << "its seed answered";
  EXPECT_TRUE(sim.witness(1).is_up(sim.id(0)));

  const size_t lonely = sim.add_node({"gone@10.0.0.1:5999"});  // refused
  sim.start(lonely);
  const Instant started = sim.now();
  sim.run_for(3 * kSecond);
  EXPECT_LE(sim.witness(lonely).joined_at(), started + Duration::milliseconds(50)) << story(sim);

  const size_t hopeless = sim.add_node({"gone@10.0.1.1:5000"});  // a black hole
  sim.network().cut(sim.spec(hopeless).host, 0);
  sim.start(hopeless);
  const Instant began = sim.now();
  sim.run_for(3 * kSecond);
  EXPECT_LE(sim.witness(hopeless).joined_at(), began + 2 * kSecond + Duration::milliseconds(10)) << story(sim);
  EXPECT_SOUND(sim);
}

}  // namespace
}  // namespace noex::sim
