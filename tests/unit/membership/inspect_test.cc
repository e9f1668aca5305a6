// What statistics show: kinds of ups, how late beats are, who sees whom, how the seeds stand, on what evidence a node
// is down.
#include <numeric>

#include "script.h"

namespace noex {
namespace {

using script::at;
using script::id;
using script::Script;

constexpr const char* kA = "a@127.0.0.1:5001";
constexpr const char* kB = "b@127.0.0.1:5002";
constexpr const char* kC = "c@127.0.0.1:5003";

uint64_t ups(const Script& node, UpKind kind) { return node.machine().stats().ups[static_cast<size_t>(kind)]; }

// The row of `who` as text: "bc us", in the order of the table.
std::string row_of(Script& node, std::string_view who) {
  const auto table = node.table();
  const Sightings sightings = node.machine().sightings(node.now().mono);
  EXPECT_EQ(sightings.rows.size(), table->nodes.size());
  for (size_t i = 0; i < table->nodes.size(); ++i) {
    if (table->nodes[i].id() != id(who)) continue;
    std::string text;
    for (const uint32_t other : sightings.rows[i].others) text += table->nodes[other].id().name();
    return text + (sightings.rows[i].us ? " us" : "");
  }
  return "not listed";
}

std::vector<NodeId> ids(std::initializer_list<const char*> texts) {
  std::vector<NodeId> list;
  for (const char* text : texts) list.push_back(id(text));
  return list;
}

std::string last_evidence(const Script& node) {
  const auto downs = node.told<NodeDown>();
  return downs.empty() ? "no down" : downs.back().evidence;
}

TEST(Ups, TheFirstAReconnectionAndARestartAreToldApart) {
  Script node;
  const ConnectionId first = node.join(kA, 1);
  node.step(ConnectionClosed{first, CloseCause::Reset});
  const ConnectionId again = node.join(kA, 1);
  node.step(ConnectionClosed{again, CloseCause::EndOfStream});
  node.join(kA, 2);
  EXPECT_EQ(ups(node, UpKind::First), 1u);
  EXPECT_EQ(ups(node, UpKind::Reconnect), 1u);
  EXPECT_EQ(ups(node, UpKind::Restart), 1u);
}

TEST(BeatLateness, GoesIntoTheBucketThatHoldsIt) {
  BeatLateness lateness;
  lateness.add(Duration());
  lateness.add(Duration::milliseconds(1));
  lateness.add(Duration::microseconds(1001));
  lateness.add(Duration::seconds(10));
  lateness.add(Duration::seconds(11));
  EXPECT_EQ(lateness.counts.front(), 2u);
  EXPECT_EQ(lateness.counts[1], 1u);
  EXPECT_EQ(lateness.counts[BeatLateness::kBoundsMs.size() - 1], 1u);
  EXPECT_EQ(lateness.counts.back(), 1u);
  EXPECT_EQ(lateness.sum, Duration::seconds(21) + Duration::microseconds(2001));
}

TEST(BeatLateness, APauseIsPartOfIt) {
  Script node({.interval_ms = 1000});
  node.run(2500);
  node.pass(503);
  node.tick();  // late, and no pause
  node.pass(6000);
  node.tick();  // 5 s late: a pause, which the deadlines do not count
  const BeatLateness& lateness = node.machine().stats().beat_lateness;
  EXPECT_EQ(std::accumulate(lateness.counts.begin(), lateness.counts.end(), uint64_t{0}), 4u);
  EXPECT_EQ(lateness.sum, Duration::milliseconds(3 + 5000));
  EXPECT_EQ(node.machine().stats().paused, Duration::milliseconds(5000));
}

TEST(Sightings, AreWhatTheOthersName) {
  Script node;
  const ConnectionId a = node.join(kA);
  node.join(kB);
  EXPECT_EQ(row_of(node, kA), "");
  node.beat(a, kA, Hello{}, ids({kB, "m@127.0.0.1:5000"}));
  EXPECT_EQ(row_of(node, kA), "b us");
  EXPECT_EQ(row_of(node, kB), "") << "one side says so";
  node.beat(a, kA, Hello{}, ids({kC}));
  EXPECT_EQ(row_of(node, kA), "bc us") << "also one that is not up here";
  EXPECT_EQ(row_of(node, kC), "") << "that one says nothing";
}

TEST(Sightings, AreForgottenWhenTheyAreNamedNoMore) {
  Script node({.interval_ms = 1000});
  const ConnectionId a = node.join(kA);
  node.join(kB);
  node.beat(a, kA, Hello{}, ids({kB}));
  node.run(1900);
  node.beat(a, kA, Hello{}, ids({}));
  EXPECT_EQ(row_of(node, kA), "b") << "each is named once in two turns";
  node.run(300);
  EXPECT_EQ(row_of(node, kA), "");
}

TEST(Sightings, EndWithTheNodeThatSaidThem) {
  Script node;
  const ConnectionId a = node.join(kA, 1);
  node.join(kB);
  node.beat(a, kA, Hello{}, ids({kB}));
  node.step(ConnectionClosed{a, CloseCause::Reset});
  EXPECT_EQ(row_of(node, kA), "");
  node.join(kA, 1);
  EXPECT_EQ(row_of(node, kA), "") << "what was said before is not taken up again";
}

TEST(Sightings, AreNotKeptInALargeCluster) {
  Script node;
  const ConnectionId a = node.join(kA);
  node.join(kB);
  for (size_t i = node.table()->nodes.size(); i <= kSightingsNodesMax; ++i) {
    const std::string who = "n" + std::to_string(i) + "@127.0.0.1:" + std::to_string(10000 + i);
    node.beat(a, kA, Hello{}, {id(who)});
  }
  EXPECT_EQ(node.table()->nodes.size(), kSightingsNodesMax + 1);
  EXPECT_TRUE(node.machine().sightings(node.now().mono).rows.empty());
}

TEST(Seeds, ShowWhoAnswersAndWhatFailed) {
  Script node({.seeds = {kA, "x@127.0.0.1:5002", kC}});
  node.answer("127.0.0.1:5001", kA);
  node.answer("127.0.0.1:5002", kB);
  node.step(DialFailed{node.dial_to("127.0.0.1:5003"), "connection refused"});
  const std::vector<SeedView> seeds = node.machine().seeds();
  ASSERT_EQ(seeds.size(), 3u);
  EXPECT_EQ(seeds[0].text, kA);
  EXPECT_EQ(seeds[0].state, SeedView::State::Connected);
  EXPECT_EQ(seeds[0].node, id(kA));
  EXPECT_EQ(seeds[1].state, SeedView::State::Connected);
  EXPECT_EQ(seeds[1].node, id(kB)) << "who answers there, under its own name";
  EXPECT_EQ(seeds[2].state, SeedView::State::Waiting);
  EXPECT_EQ(seeds[2].failure, "connection refused");
  EXPECT_TRUE(seeds[2].node.empty());
}

TEST(Evidence, NamesTheLastFrameTheDeadlineAndTheAddress) {
  Script node({.interval_ms = 1000, .threshold = 3});
  node.join(kA, 1, at("10.0.0.7", 40123));
  node.take();
  node.run(3'100);
  EXPECT_EQ(last_evidence(node),
            "no frame for 3000 ms, the limit is 3000 ms (3 intervals); last frame at "
            "2023-11-14T22:13:21.000Z from 10.0.0.7:40123");
}

TEST(Evidence, SaysWhoseEndItWas) {
  Script node;
  const ConnectionId a = node.join(kA, 1, at("10.0.0.7", 40123));
  node.take();
  node.pass(250);
  node.step(ConnectionClosed{a, CloseCause::EndOfStream});
  EXPECT_EQ(last_evidence(node).find("closed by the peer (FIN); last frame at "), 0u) << last_evidence(node);
  const ConnectionId again = node.join(kA, 1);
  node.take();
  node.step(ConnectionClosed{again, CloseCause::Reset});
  EXPECT_EQ(last_evidence(node).find("reset by the peer (RST); last frame at "), 0u) << last_evidence(node);
}

TEST(Connections, ShowHowLongAPeerIsSilent) {
  Script node;
  const ConnectionId a = node.join(kA);
  node.run(400);
  const ConnectionId stranger = node.accept();
  node.pass(100);
  const std::vector<PeerConnection> list = node.machine().connections(node.now().mono);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].connection, a);
  EXPECT_TRUE(list[0].active);
  EXPECT_EQ(list[0].silence, Duration::milliseconds(500));
  EXPECT_EQ(list[1].connection, stranger);
  EXPECT_FALSE(list[1].active);
  EXPECT_FALSE(list[1].clock_offset_ms.has_value()) << "it has said nothing";
  EXPECT_EQ(list[1].silence, Duration::milliseconds(100));
}

TEST(Connections, ShowHowFarAPeersClockIsOff) {
  Script node;
  const ConnectionId a = node.join(kA);
  EXPECT_EQ(node.machine().connections(node.now().mono).front().clock_offset_ms, 0);
  node.beat(a, kA, Hello{}, {}, 5000, 4321);
  EXPECT_EQ(node.machine().connections(node.now().mono).front().clock_offset_ms, 4321);
}

}  // namespace
}  // namespace noex
