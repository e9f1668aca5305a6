// What strangers can cost: connections that prove nothing, many of one node, refusals that hold sockets, and what is
// written to the log about it.
#include <gtest/gtest.h>

#include "unit/membership/script.h"

namespace noex::script {
namespace {

constexpr const char* kA = "a@127.0.0.1:4001";
constexpr const char* kZ = "z@127.0.0.1:4026";

std::vector<std::string> warnings(const Script& node) {
  std::vector<std::string> lines;
  for (const LogRecord& record : node.told<LogRecord>()) {
    if (record.level == LogLevel::Warning) lines.push_back(record.message);
  }
  return lines;
}

TEST(Strangers, WhoProvesNothingMakesRoomOldestFirst) {
  MembershipLimits limits;
  limits.unproven_max = 3;
  Script node({.limits = limits});
  const ConnectionId member = node.join(kZ, 1);
  // The same recorded hello again and again: each is answered, none echoes.
  std::vector<ConnectionId> replays;
  for (int i = 0; i < 3; ++i) {
    replays.push_back(node.accept());
    node.beat(replays.back(), kA, Script::hello(1, 5));
  }
  EXPECT_FALSE(node.closed(replays[0]));
  node.pass(250);
  const ConnectionId honest = node.accept();
  node.beat(honest, kA, Script::hello(2, 6));
  EXPECT_TRUE(node.closed(replays[0]));
  EXPECT_FALSE(node.closed(replays[1]));
  EXPECT_EQ(node.rejected(RejectKind::TooManyUnidentified), 1u);
  // Those that claim the id of a member that lives wait for the challenge: they are counted as well.
  node.beat(node.accept(), kZ, Script::hello(7, 7));
  EXPECT_TRUE(node.closed(replays[1]));
  // Who proves that it is live holds no place any more.
  node.beat(honest, kA, Script::echo(node.nonce_of(honest)));
  node.beat(node.accept(), kA, Script::hello(2, 8));
  EXPECT_FALSE(node.closed(replays[2]));
  EXPECT_FALSE(node.closed(honest));
  EXPECT_FALSE(node.closed(member));
}

// Hundreds that start at once are no strangers: to close one whose proof is under way would be a down for it.
TEST(Strangers, WhoJustCameIsNotPushedOut) {
  MembershipLimits limits;
  limits.unproven_max = 2;
  Script node({.limits = limits});
  const ConnectionId first = node.accept();
  node.beat(first, kA, Script::hello(1, 5));
  const ConnectionId second = node.accept();
  node.beat(second, kZ, Script::hello(2, 6));
  node.pass(249);
  const ConnectionId third = node.accept();
  node.beat(third, "b@127.0.0.1:4002", Script::hello(3, 7));
  EXPECT_TRUE(node.closed(third));
  EXPECT_TRUE(node.sent(third).empty()) << "it was not answered, so it takes nobody for up";
  EXPECT_EQ(node.rejected(RejectKind::TooManyUnidentified), 1u);
  node.beat(first, kA, Script::echo(node.nonce_of(first)));
  EXPECT_EQ(node.events(), Lines{std::string("up ") + kA});
  const ConnectionId again = node.accept();
  node.beat(again, "b@127.0.0.1:4002", Script::hello(3, 8));
  EXPECT_FALSE(node.closed(again));
  EXPECT_FALSE(node.closed(second));
}

TEST(Strangers, OneNodeHoldsSoManyConnectionsOnly) {
  for (const char* const who : {kA, kZ}) {  // both sides of the tie-break: they draw no line themselves
    MembershipLimits limits;
    limits.hello_connections_max = 4;
    Script node({.limits = limits});
    std::vector<ConnectionId> all;
    for (int i = 0; i < 6; ++i) all.push_back(node.join(who, 1));
    EXPECT_TRUE(node.closed(all[0]));
    EXPECT_TRUE(node.closed(all[1]));
    EXPECT_FALSE(node.closed(all[2]));
    EXPECT_EQ(node.machine().stats().connections, 4u);
    EXPECT_EQ(node.rejected(RejectKind::Full), 2u);
    EXPECT_EQ(node.events(), Lines{"up " + std::string(who)}) << "and nobody is told";
  }
}

TEST(Strangers, RefusalsBeyondAFewASecondAreNotExplained) {
  MembershipLimits limits;
  limits.refusals_per_second_max = 2;
  Script node({.limits = limits});
  const auto refused = [&node] {
    node.take();
    node.beat(node.accept(), "m@127.0.0.1:5000", Script::hello(0xbad, 5));  // our own id, another run
    const auto closes = node.effects<Close>();
    EXPECT_EQ(closes.size(), 1u);
    return closes.empty() ? CloseMode::ShutdownWrite : closes.front().mode;
  };
  EXPECT_EQ(refused(), CloseMode::Flush);
  EXPECT_EQ(refused(), CloseMode::Flush);
  EXPECT_EQ(refused(), CloseMode::Abort);
  node.pass(1001);
  EXPECT_EQ(refused(), CloseMode::Flush);
  EXPECT_EQ(node.rejected(RejectKind::DuplicateId), 4u) << "counted they are all";
}

TEST(Strangers, WhatIsNoErrorIsLoggedNowAndThen) {
  Script node;
  const ConnectionId peer = node.join(kA);
  node.take();
  for (int i = 0; i < 1000; ++i) node.goodbye(peer, kA, kZ);
  ASSERT_EQ(warnings(node).size(), 1u);
  EXPECT_NE(warnings(node)[0].find("ignored a goodbye for '" + std::string(kZ) + "'"), std::string::npos);
  // One line for each kind, whatever the others do.
  node.step(FrameRejected{peer, RejectKind::UnknownType, "the type 'x' is not known"});
  EXPECT_EQ(warnings(node).size(), 2u);
  for (int i = 0; i < 6; ++i) {
    node.run(1000);
    node.beat(peer, kA, Hello());
  }
  node.take();
  node.goodbye(peer, kA, kZ);
  ASSERT_EQ(warnings(node).size(), 1u);
  EXPECT_NE(warnings(node)[0].find("999 more"), std::string::npos) << warnings(node)[0];
  EXPECT_EQ(node.rejected(RejectKind::ForeignGoodbye), 1001u);
}

TEST(Strangers, AFloodOfOneErrorHidesNoOther) {
  Script node;
  for (int i = 0; i < 100; ++i) node.step(FrameRejected{node.accept(), RejectKind::BadSignature, "it is wrong"});
  EXPECT_EQ(node.told<ErrorReport>().size(), 10u);
  node.beat(node.accept(), "m@127.0.0.1:5000", Script::hello(0xbad, 5));
  node.beat(node.accept(), "m@127.0.0.1:5000", Script::hello(0xbad, 6));
  ASSERT_EQ(node.told<ErrorReport>().size(), 11u);
  EXPECT_EQ(node.told<ErrorReport>().back().kind, ErrorKind::DuplicateId);
}

TEST(Strangers, WhoSaysNothingIsNamedInTheLog) {
  Script node;
  node.accept(at("127.0.0.1", 40'001));
  node.accept(at("127.0.0.1", 40'002));
  node.run(11'000);
  EXPECT_EQ(node.rejected(RejectKind::IdentificationTimeout), 2u);
  ASSERT_EQ(warnings(node).size(), 1u);
  EXPECT_NE(warnings(node)[0].find("127.0.0.1:40001"), std::string::npos) << warnings(node)[0];
}

TEST(Strangers, InventedNamesDoNotStandBeforeThoseOfSeeds) {
  Script node({.seeds = {"seed.example:4369"}});
  const auto looked_up = [&node] {
    std::vector<std::string> names;
    for (const Resolve& resolve : node.effects<Resolve>()) names.push_back(resolve.host);
    return names;
  };
  const auto answer = [&node](const std::string& name) {
    for (const Resolve& resolve : node.effects<Resolve>()) {
      if (resolve.host == name) node.step(Resolved{resolve.query, {}, "unknown host"});
    }
  };
  EXPECT_EQ(looked_up(), (std::vector<std::string>{"seed.example"}));
  const ConnectionId teacher = node.join(kA);
  std::vector<NodeId> invented;
  for (int i = 0; i < 50; ++i)
    invented.push_back(id("x" + std::to_string(i) + "@x" + std::to_string(i) + ".example:1"));
  node.beat(teacher, kA, Hello(), invented);
  node.run(600);
  EXPECT_EQ(looked_up().size(), 3u) << "two of the fifty";
  // One look-up ends, the next begins.
  answer(looked_up()[1]);
  EXPECT_EQ(looked_up().size(), 4u);
  // The seed waits for none of them.
  answer("seed.example");
  node.run(1'100);
  EXPECT_EQ(looked_up().back(), "seed.example");
}

}  // namespace
}  // namespace noex::script
