// Ours and nodes of the reference in one mesh: nobody flaps because of us, and who really goes is reported.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "sim/reference_model.h"
#include "sim/support.h"

namespace noex::sim {
namespace {

struct Mixed {
  explicit Mixed(uint64_t seed, const std::string& common_secret = "between us")
      : sim(seed), secret(common_secret), seed_(seed) {}

  size_t add_ours(std::vector<std::string> seeds) {
    return sim.add_node(std::move(seeds), [this](NodeSpec& spec) { spec.secret = secret; });
  }
  ReferenceModel& add_reference(std::vector<NodeId> seeds) {
    ReferenceModel::Options options;
    options.name = "r" + std::to_string(references.size());
    options.host = sim.add_host();
    options.ip = Simulation::ip_of(options.host);
    options.seeds = std::move(seeds);
    options.secret = secret;
    options.greets_on_its_own = seed_ % 2 == 0;
    references.push_back(std::make_unique<ReferenceModel>(sim, options, seed_ * 100 + references.size()));
    return *references.back();
  }
  // Everyone of ours and everyone of theirs see each other, both ways.
  [[nodiscard]] bool full() const {
    for (size_t i = 0; i < sim.size(); ++i) {
      if (!sim.is_running(i)) continue;
      for (const auto& reference : references) {
        if (!reference->is_running()) continue;
        if (!sim.witness(i).is_up(reference->id()) || !reference->is_up(sim.id(i))) return false;
      }
      for (size_t other = 0; other < sim.size(); ++other) {
        if (other != i && sim.is_running(other) && !sim.witness(i).is_up(sim.id(other))) return false;
      }
    }
    return true;
  }
  void expect_full(Duration limit) {
    EXPECT_TRUE(sim.run_until_true(limit, [this] { return full(); }))
        << "after " << seconds(limit) << " s" << story(sim);
  }
  // What the reference's nodes said of ours.
  [[nodiscard]] size_t downs_said_by_references() const {
    size_t count = 0;
    for (const auto& reference : references) {
      for (size_t i = 0; i < sim.size(); ++i) count += reference->downs_of(sim.id(i));
    }
    return count;
  }

  Simulation sim;
  const std::string secret;
  std::vector<std::unique_ptr<ReferenceModel>> references;

 private:
  const uint64_t seed_;
};

TEST(MixedMesh, TheReferenceJoinsOurs) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Mixed mesh(seed, seed % 2 == 0 ? "between us" : "");
    mesh.add_ours({});
    mesh.add_ours({mesh.sim.id(0).text()});
    mesh.add_ours({mesh.sim.id(0).text()});
    for (size_t i = 0; i < 3; ++i) mesh.sim.start(i);
    mesh.sim.run_for(2 * kSecond);
    mesh.add_reference({mesh.sim.id(0)}).start();
    mesh.sim.run_for(Duration::milliseconds(static_cast<int64_t>(seed * 61)));
    mesh.add_reference({mesh.sim.id(1)}).start();
    mesh.expect_full(6 * kSecond);
    mesh.sim.run_for(120 * kSecond);
    EXPECT_SOUND(mesh.sim);
    EXPECT_TRUE(mesh.full());
    EXPECT_EQ(mesh.sim.down_count(), 0u) << "seed " << seed << story(mesh.sim);
    EXPECT_EQ(mesh.downs_said_by_references(), 0u) << "seed " << seed << story(mesh.sim);
  }
}

TEST(MixedMesh, OursJoinTheReference) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Mixed mesh(seed);
    ReferenceModel& first = mesh.add_reference({});
    mesh.add_reference({first.id()});
    for (const auto& reference : mesh.references) reference->start();
    mesh.sim.run_for(Duration::milliseconds(1500 + static_cast<int64_t>(seed * 53)));
    for (int i = 0; i < 3; ++i) mesh.add_ours({first.id().text()});
    for (size_t i = 0; i < 3; ++i) mesh.sim.start(i);
    mesh.expect_full(6 * kSecond);
    mesh.sim.run_for(120 * kSecond);
    EXPECT_SOUND(mesh.sim);
    EXPECT_TRUE(mesh.full());
    EXPECT_EQ(mesh.sim.down_count(), 0u) << "seed " << seed << story(mesh.sim);
    EXPECT_EQ(mesh.downs_said_by_references(), 0u) << "seed " << seed << story(mesh.sim);
  }
}

TEST(MixedMesh, BothDialEachOtherAtOnce) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Mixed mesh(seed);
    mesh.add_ours({"r0@10.0.0.2:5000"});
    ReferenceModel& reference = mesh.add_reference({mesh.sim.id(0)});
    // Either may be first, or both at the same instant.
    if (seed % 3 != 1) mesh.sim.start(0);
    mesh.sim.run_for(Duration::microseconds(static_cast<int64_t>(seed * 20)));
    reference.start();
    if (seed % 3 == 1) mesh.sim.start(0);
    mesh.expect_full(6 * kSecond);
    const size_t downs = mesh.sim.down_count() + mesh.downs_said_by_references();
    mesh.sim.run_for(120 * kSecond);
    EXPECT_SOUND(mesh.sim);
    EXPECT_TRUE(mesh.full());
    EXPECT_EQ(mesh.sim.down_count() + mesh.downs_said_by_references(), downs) << "seed " << seed << story(mesh.sim);
    EXPECT_EQ(downs, 0u) << "seed " << seed << story(mesh.sim);
  }
}

// Its connection objects that were replaced dial again and stay silent; cutting them off would make it report us down
// every 12 s.
TEST(MixedMesh, SilentRedialsStayOpen) {
  size_t silent = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Mixed mesh(seed);
    mesh.add_ours({});
    ReferenceModel& reference = mesh.add_reference({mesh.sim.id(0)});
    mesh.sim.start(0);
    reference.start();
    mesh.expect_full(4 * kSecond);
    for (const StreamView& stream : mesh.sim.network().streams()) mesh.sim.network().reset_stream(stream.id);
    mesh.sim.run_for(20 * kSecond);  // ours re-dials, and so does its old object
    EXPECT_TRUE(mesh.full()) << story(mesh.sim);
    silent += reference.silent_connections();
    const size_t ours = mesh.sim.down_count();
    const size_t theirs = mesh.downs_said_by_references();
    mesh.sim.run_for(120 * kSecond);
    EXPECT_SOUND(mesh.sim);
    EXPECT_EQ(mesh.sim.down_count(), ours) << "seed " << seed << story(mesh.sim);
    EXPECT_EQ(mesh.downs_said_by_references(), theirs) << "seed " << seed << story(mesh.sim);
  }
  EXPECT_GT(silent, 0u) << "the habit under test never came up";
}

TEST(MixedMesh, HealsAfterAPartitionAndThenKeepsStill) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Mixed mesh(seed);
    mesh.add_ours({});
    mesh.add_ours({mesh.sim.id(0).text()});
    ReferenceModel& first = mesh.add_reference({mesh.sim.id(0)});
    mesh.add_reference({mesh.sim.id(1)});
    for (size_t i = 0; i < 2; ++i) mesh.sim.start(i);
    for (const auto& reference : mesh.references) reference->start();
    mesh.expect_full(8 * kSecond);
    mesh.sim.run_for(3 * kSecond);
    MemoryNetwork& network = mesh.sim.network();
    const HostId theirs = network.host_of(first.process());
    for (size_t i = 0; i < 2; ++i) {
      network.cut(mesh.sim.spec(i).host, theirs);
      if (seed % 4 != 0) network.cut(theirs, mesh.sim.spec(i).host);
    }
    mesh.sim.run_for(Duration::seconds(2 + static_cast<int64_t>(seed) * 2));
    network.heal_all();
    mesh.expect_full(40 * kSecond);
    mesh.sim.run_for(15 * kSecond);  // what its old objects still have to say about that time
    EXPECT_TRUE(mesh.full());
    const size_t ours = mesh.sim.down_count();
    const size_t said = mesh.downs_said_by_references();
    mesh.sim.run_for(120 * kSecond);
    EXPECT_SOUND(mesh.sim);
    EXPECT_TRUE(mesh.full());
    EXPECT_EQ(mesh.sim.down_count(), ours) << "seed " << seed << story(mesh.sim);
    EXPECT_EQ(mesh.downs_said_by_references(), said) << "seed " << seed << story(mesh.sim);
  }
}

// A dial of ours and one of theirs cross, and frames come on both. One ending is nobody's death.
TEST(MixedMesh, TheEndOfOneOfTwoConnectionsIsNoNews) {
  for (uint64_t seed = 6; seed <= 60; seed += 6) {
    Mixed mesh(seed);
    mesh.add_ours({});
    mesh.sim.start(0);
    ReferenceModel& reference = mesh.add_reference({mesh.sim.id(0)});
    reference.start();
    mesh.expect_full(3 * kSecond);
    mesh.add_ours({mesh.sim.id(0).text()});
    MemoryNetwork& network = mesh.sim.network();
    const HostId theirs = network.host_of(reference.process());
    // Both learn of the other at once, and both their first packets are lost.
    network.cut(theirs, mesh.sim.spec(1).host);
    mesh.sim.start(1);
    mesh.sim.run_for(Duration::milliseconds(400));
    network.heal_all();
    mesh.sim.run_for(5 * kSecond);
    EXPECT_TRUE(mesh.full()) << story(mesh.sim);
    const ProcessId ours = mesh.sim.run(1).life.process;
    StreamId dialled = 0;
    StreamId accepted = 0;
    for (const StreamView& stream : network.streams()) {
      if (stream.process[0] == ours && stream.process[1] == reference.process()) dialled = stream.id;
      if (stream.process[1] == ours && stream.process[0] == reference.process()) accepted = stream.id;
    }
    ASSERT_TRUE(dialled != 0 && accepted != 0) << "the dials did not cross" << story(mesh.sim);
    EXPECT_EQ(mesh.downs_said_by_references(), 0u) << "closing either would be a death to it";
    mesh.sim.run_for(30 * kSecond);
    EXPECT_EQ(mesh.sim.down_count() + mesh.downs_said_by_references(), 0u) << story(mesh.sim);
    network.reset_stream(accepted);  // the one that it does not write on
    mesh.sim.run_for(30 * kSecond);
    EXPECT_SOUND(mesh.sim);
    EXPECT_EQ(mesh.sim.down_count(), 0u) << "seed " << seed << story(mesh.sim);
    EXPECT_TRUE(mesh.full());
  }
}

// Only its start time tells: the connection to its former process looks alive.
TEST(MixedMesh, ASilentRestartIsOneDownAndOneUp) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Mixed mesh(seed);
    mesh.add_ours({});
    mesh.add_ours({mesh.sim.id(0).text()});
    ReferenceModel& reference = mesh.add_reference({mesh.sim.id(0)});
    for (size_t i = 0; i < 2; ++i) mesh.sim.start(i);
    reference.start();
    mesh.expect_full(6 * kSecond);
    mesh.sim.run_for(Duration::milliseconds(3000 + static_cast<int64_t>(seed) * 90));
    const HostId host = mesh.sim.network().host_of(reference.process());
    mesh.sim.network().crash_host(host);
    reference.kill();
    mesh.sim.network().restore_host(host);
    reference.start();
    mesh.sim.run_for(20 * kSecond);
    EXPECT_SOUND(mesh.sim);
    EXPECT_TRUE(mesh.full()) << "seed " << seed << story(mesh.sim);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(mesh.sim.witness(i).count(reference.id(), false), 1u) << "seed " << seed << story(mesh.sim);
      EXPECT_EQ(mesh.sim.witness(i).count(reference.id(), true), 2u) << "seed " << seed << story(mesh.sim);
    }
  }
}

TEST(MixedMesh, NobodyIsBelievedAboutOthers) {
  Mixed mesh(1);
  mesh.add_ours({});
  mesh.add_ours({mesh.sim.id(0).text()});
  ReferenceModel& liar = mesh.add_reference({mesh.sim.id(0)});
  for (size_t i = 0; i < 2; ++i) mesh.sim.start(i);
  liar.start();
  mesh.expect_full(6 * kSecond);
  liar.slander(mesh.sim.id(1));
  mesh.sim.run_for(5 * kSecond);
  EXPECT_SOUND(mesh.sim);
  EXPECT_TRUE(mesh.full());
  EXPECT_EQ(mesh.sim.down_count(), 0u) << story(mesh.sim);
  const auto rejected = mesh.sim.run(0).driver->stats().membership.rejected;
  EXPECT_EQ(rejected[static_cast<size_t>(RejectKind::ForeignGoodbye)], 1u);
}

TEST(MixedMesh, DeathsGoodbyesAndRestartsAreTold) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Mixed mesh(seed);
    mesh.add_ours({});
    mesh.add_ours({mesh.sim.id(0).text()});
    ReferenceModel& reference = mesh.add_reference({mesh.sim.id(0)});
    ReferenceModel& leaver = mesh.add_reference({mesh.sim.id(0)});
    for (size_t i = 0; i < 2; ++i) mesh.sim.start(i);
    reference.start();
    leaver.start();
    mesh.expect_full(6 * kSecond);
    mesh.sim.run_for(5 * kSecond);
    leaver.leave();
    mesh.sim.run_for(kSecond);
    for (size_t i = 0; i < 2; ++i)
      EXPECT_EQ(mesh.sim.witness(i).events().back().down, DownReason::GracefulShutdown) << story(mesh.sim);
    reference.kill();
    mesh.sim.run_for(kSecond);
    for (size_t i = 0; i < 2; ++i)
      EXPECT_EQ(mesh.sim.witness(i).events().back().down, DownReason::ConnectionClosed) << story(mesh.sim);
    reference.start();
    mesh.expect_full(6 * kSecond);
    mesh.sim.run_for(30 * kSecond);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(mesh.sim.witness(i).count(reference.id(), false), 1u) << story(mesh.sim);
      EXPECT_EQ(mesh.sim.witness(i).count(reference.id(), true), 2u) << story(mesh.sim);
    }
    const size_t before = mesh.downs_said_by_references();
    mesh.sim.leave(1);
    mesh.sim.run_for(kSecond);
    EXPECT_EQ(mesh.downs_said_by_references(), before + 1) << "it believes our goodbye";
    EXPECT_SOUND(mesh.sim);
  }
}

}  // namespace
}  // namespace noex::sim
