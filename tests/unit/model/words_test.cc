// The words of the documented interface and of the wire, and the published table.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "model/message.h"
#include "model/node_info.h"
#include "model/node_table.h"

namespace noex {
namespace {

TEST(Words, NodeStatus) {
  const std::pair<NodeStatus, const char*> cases[] = {{NodeStatus::Connecting, "connecting"},
                                                      {NodeStatus::Connected, "connected"},
                                                      {NodeStatus::Disconnected, "disconnected"}};
  for (const auto& [status, word] : cases) {
    EXPECT_EQ(to_string(status), word);
    NodeStatus read{};
    EXPECT_TRUE(parse_node_status(word, &read));
    EXPECT_EQ(read, status);
  }
  NodeStatus read{};
  for (const char* word : {"", "Connected", "connected ", "unknown"}) EXPECT_FALSE(parse_node_status(word, &read));
}

TEST(Words, ClusterStatus) {
  EXPECT_EQ(to_string(ClusterStatus::Starting), "starting");
  EXPECT_EQ(to_string(ClusterStatus::Running), "running");
  EXPECT_EQ(to_string(ClusterStatus::Stopping), "stopping");
  EXPECT_EQ(to_string(ClusterStatus::Stopped), "stopped");
}

TEST(Words, DownReason) {
  const std::pair<DownReason, const char*> cases[] = {{DownReason::HeartbeatTimeout, "heartbeat_timeout"},
                                                      {DownReason::ConnectionClosed, "connection_closed"},
                                                      {DownReason::ConnectionRefused, "connection_refused"},
                                                      {DownReason::GracefulShutdown, "graceful_shutdown"}};
  for (const auto& [reason, word] : cases) {
    EXPECT_EQ(to_string(reason), word);
    DownReason read{};
    EXPECT_TRUE(parse_down_reason(word, &read));
    EXPECT_EQ(read, reason);
  }
  DownReason read{};
  EXPECT_FALSE(parse_down_reason("unknown", &read));
}

TEST(Words, Refusal) {
  for (const Refusal refusal : {Refusal::DuplicateId, Refusal::Cluster, Refusal::Version, Refusal::Full}) {
    Refusal read{};
    EXPECT_TRUE(parse_refusal(to_string(refusal), &read));
    EXPECT_EQ(read, refusal);
  }
  Refusal read{};
  EXPECT_FALSE(parse_refusal("", &read));
  EXPECT_EQ(to_string(Refusal::DuplicateId), "duplicate_id");
  EXPECT_EQ(to_string(Refusal::Full), "full");
}

// The statistics are indexed by kind: every kind has a word of its own.
TEST(Words, RejectKinds) {
  std::set<std::string_view> words;
  for (int kind = 0; kind < static_cast<int>(RejectKind::Count); ++kind) {
    const std::string_view word = to_string(static_cast<RejectKind>(kind));
    EXPECT_FALSE(word.empty());
    EXPECT_TRUE(words.insert(word).second) << word;
  }
  EXPECT_EQ(to_string(RejectKind::FrameTooLarge), "frame_too_large");
  EXPECT_EQ(to_string(RejectKind::BadSignature), "bad_signature");
  EXPECT_EQ(to_string(RejectKind::UnknownType), "unknown_type");
}

TEST(NodeTable, FindsByIdAndByAlias) {
  const auto id = [](const char* text) { return NodeId::parse(text).value(); };
  NodeTable table;
  for (const char* text : {"a@h:1", "b@h:1", "c@h:1"}) {
    table.nodes.push_back({std::make_shared<NodeCell>(id(text)), NodeStatus::Connected, 7});
  }
  table.aliases = {{id("seed@h:1"), id("b@h:1")}, {id("x@h:1"), id("gone@h:1")}, {id("y@h:1"), id("y@h:1")}};
  ASSERT_NE(table.find("a@h:1"), nullptr);
  EXPECT_EQ(table.find("c@h:1")->id(), id("c@h:1"));
  ASSERT_NE(table.find("seed@h:1"), nullptr);
  EXPECT_EQ(table.find("seed@h:1")->id(), id("b@h:1"));
  for (const char* text : {"", "a@h:2", "d@h:1", "x@h:1", "y@h:1"}) EXPECT_EQ(table.find(text), nullptr) << text;
}

TEST(NodeTable, AnEntryShowsWhatABeatWrote) {
  const auto cell = std::make_shared<NodeCell>(NodeId::parse("a@[::1]:1").value());
  const NodeEntry entry{cell, NodeStatus::Connected, 7};
  EXPECT_EQ(cell->host, "::1");
  cell->last_heartbeat_at = 11;
  cell->uptime_ms = 12;
  cell->process_count = 13;
  const NodeInfo info = entry.info();
  EXPECT_EQ(info.id.text(), "a@[::1]:1");
  EXPECT_EQ(info.status, NodeStatus::Connected);
  EXPECT_EQ(info.last_heartbeat_at, 11);
  EXPECT_EQ(info.uptime_ms, 12);
  EXPECT_EQ(info.process_count, 13);
  EXPECT_EQ(info.incarnation, 7u);
}

}  // namespace
}  // namespace noex
