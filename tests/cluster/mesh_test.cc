// Several handles in one process, on real sockets: what each sees of the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "cluster/node_harness.h"

namespace noex::test {
namespace {

ClusterConfig seeded(const std::string& name, NodeHarness& seed) {
  ClusterConfig config = quick_config(name);
  config.seeds = {seed.seed()};
  return config;
}

TEST(Mesh, TwoNodesSeeEachOther) {
  NodeHarness a;
  NodeHarness b;
  a.start(quick_config("a"));
  b.start(seeded("b", a));
  const std::string a_id = a.id();
  const std::string b_id = b.id();

  // start() completes when the seed's heartbeat has come: the table shows it at once.
  const auto table = b->table();
  ASSERT_TRUE(table.ok());
  EXPECT_EQ((*table)->connected_count, 1u);
  const NodeEntry* const seen_a = (*table)->find(a_id);
  ASSERT_NE(seen_a, nullptr);
  EXPECT_EQ(seen_a->status, NodeStatus::Connected);
  EXPECT_EQ(seen_a->incarnation, a->local_info()->incarnation);
  EXPECT_EQ((*table)->find(b_id), nullptr) << "the local node is not in its own table";

  ASSERT_TRUE(b.wait_up(a_id));
  EXPECT_EQ(b.seen.front(), "starting");
  EXPECT_EQ(b.seen[1], "running") << "before any node is up";
  ASSERT_TRUE(a.wait_up(b_id));
}

TEST(Mesh, TheTableShowsANodeBeforeItsEventDoes) {
  NodeHarness a;
  a.start(quick_config("a"));
  for (int round = 0; round < 10; ++round) {
    NodeHarness b;
    b.start(seeded("b", a));
    const std::string b_id = b.id();
    ASSERT_TRUE(a.wait_up(b_id));
    const NodeEntry* const entry = (*a->table())->find(b_id);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->status, NodeStatus::Connected);
    ASSERT_TRUE(b->stop().ok());
    ASSERT_TRUE(a.wait_down(b_id));
    EXPECT_EQ((*a->table())->find(b_id)->status, NodeStatus::Disconnected);
  }
}

TEST(Mesh, APoliteStopIsAGracefulShutdown) {
  NodeHarness a;
  NodeHarness b;
  a.start(quick_config("a"));
  b.start(seeded("b", a));
  const std::string b_id = b.id();
  ASSERT_TRUE(a.wait_up(b_id));
  ASSERT_TRUE(b->stop().ok());
  EXPECT_EQ(a.wait_down(b_id), DownReason::GracefulShutdown);
  b.drain();
  EXPECT_TRUE(std::none_of(b.seen.begin(), b.seen.end(), [](const std::string& word) {
    return word.rfind("down", 0) == 0;
  })) << "one's own stop is nobody else's end";
}

TEST(Mesh, AnAbortSaysNothing) {
  NodeHarness a;
  NodeHarness b;
  a.start(quick_config("a"));
  b.start(seeded("b", a));
  const std::string b_id = b.id();
  ASSERT_TRUE(a.wait_up(b_id));
  b->abort();
  EXPECT_EQ(b->status(), ClusterStatus::Stopped);
  EXPECT_EQ(a.wait_down(b_id), DownReason::ConnectionClosed);
}

TEST(Mesh, ADestroyedHandleSaysNothing) {
  NodeHarness a;
  NodeHarness b;
  a.start(quick_config("a"));
  b.start(seeded("b", a));
  const std::string b_id = b.id();
  ASSERT_TRUE(a.wait_up(b_id));
  b.destroy();
  EXPECT_EQ(a.wait_down(b_id), DownReason::ConnectionClosed);
}

TEST(Mesh, TheRestIsLearntByGossip) {
  NodeHarness seed;
  seed.start(quick_config("seed"));
  std::vector<std::unique_ptr<NodeHarness>> nodes;
  for (int i = 0; i < 6; ++i) {
    nodes.push_back(std::make_unique<NodeHarness>());
    // Each knows only the one before it.
    NodeHarness& known = i == 0 ? seed : *nodes[nodes.size() - 2];
    nodes.back()->start(seeded("n" + std::to_string(i), known));
  }
  EXPECT_TRUE(seed.wait_connected(6));
  for (const auto& node : nodes) EXPECT_TRUE(node->wait_connected(6));
  for (const auto& node : nodes) {
    node->drain();
    EXPECT_TRUE(std::none_of(node->seen.begin(), node->seen.end(),
                             [](const std::string& word) { return word.rfind("down", 0) == 0; }));
  }
}

TEST(Mesh, AWrongSecretIsNeverAMember) {
  NodeHarness a;
  NodeHarness b;
  a.start(quick_config("a"));
  ClusterConfig config = seeded("b", a);
  config.cluster_secret = "another secret";
  b.start(config);
  const auto is_error = [](const QueuedEvent& event) { return event.kind() == EventKind::Error; };
  const auto error = a.wait_event(is_error);
  ASSERT_TRUE(error);
  EXPECT_EQ(std::get<ErrorReport>(error->body).kind, ErrorKind::Authentication);
  EXPECT_TRUE(b.wait_event(is_error)) << "both sides say why";
  EXPECT_EQ((*a->table())->connected_count, 0u);
  EXPECT_EQ((*b->table())->connected_count, 0u);
}

TEST(Mesh, TheProcessCountTravels) {
  NodeHarness a;
  NodeHarness b;
  a.start(quick_config("a"));
  ASSERT_TRUE(b->set_process_count(7).ok());
  b.start(seeded("b", a));
  const std::string b_id = b.id();
  const auto wait_count = [&](int64_t count) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      const auto table = *a->table();
      const NodeEntry* const entry = table->find(b_id);
      if (entry != nullptr && entry->info().process_count == count) return true;
    }
    return false;
  };
  EXPECT_TRUE(wait_count(7)) << "set before the start";
  ASSERT_TRUE(b->set_process_count(9).ok());
  EXPECT_TRUE(wait_count(9));
  EXPECT_EQ(b->local_info()->process_count, 9);
}

TEST(Mesh, StatisticsCountWhatGoesOverTheWire) {
  NodeHarness a;
  NodeHarness b;
  a.start(quick_config("a"));
  b.start(seeded("b", a));
  ASSERT_TRUE(a.wait_up(b.id()));
  const auto until = std::chrono::steady_clock::now() + kPatience;
  Result<NodeStats> stats = a->stats();
  while (stats.ok() && stats->driver.totals.frames_in < 4 && std::chrono::steady_clock::now() < until)
    stats = a->stats();
  ASSERT_TRUE(stats.ok());
  ASSERT_EQ(stats->driver.peers.size(), 1u);
  const PeerStats& peer = stats->driver.peers.front();
  EXPECT_EQ(peer.connection.node.text(), b.id());
  EXPECT_FALSE(peer.connection.outbound);
  EXPECT_TRUE(peer.connection.confirmed);
  EXPECT_GE(peer.traffic.frames_in, 4u);
  EXPECT_GT(peer.traffic.bytes_in, peer.traffic.frames_in * 100) << "a signed heartbeat is longer than that";
  EXPECT_GE(peer.traffic.frames_out, 1u);
  EXPECT_EQ(stats->driver.totals.bytes_in, peer.traffic.bytes_in) << "there was only one connection";
  EXPECT_EQ(stats->driver.membership.connected, 1u);
}

TEST(Mesh, AMemberThatComesBackIsOneDownAndOneUp) {
  NodeHarness a;
  NodeHarness b;
  a.start(quick_config("a"));
  ClusterConfig config = seeded("b", a);
  b.start(config);
  const std::string b_id = b.id();
  ASSERT_TRUE(a.wait_up(b_id));
  config.port_auto = false;
  config.port = b->local_id()->port();
  b->abort();
  b.start(config);
  ASSERT_EQ(b.id(), b_id);
  ASSERT_EQ(a.wait_down(b_id), DownReason::ConnectionClosed);
  ASSERT_TRUE(a.wait_up(b_id));
  a.drain();
  EXPECT_EQ(std::count(a.seen.begin(), a.seen.end(), "up " + b_id), 2);
  EXPECT_EQ(std::count(a.seen.begin(), a.seen.end(), "down " + b_id), 1);
}

}  // namespace
}  // namespace noex::test
