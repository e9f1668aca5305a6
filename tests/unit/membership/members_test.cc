// Up and down, own pauses, dialling, gossip, forgetting.
#include <set>

#include "unit/membership/script.h"

namespace noex::script {
namespace {

constexpr const char* kM = "m@127.0.0.1:5000";
constexpr const char* kA = "a@127.0.0.1:5001";
constexpr const char* kZ = "z@127.0.0.1:5002";

TEST(Join, SettlesAtOnceWithoutSeeds) {
  Script node;
  EXPECT_EQ(node.told<JoinSettled>().size(), 1u);
}

TEST(Join, WaitsForEachSeedsFirstAttempt) {
  Script node({.seeds = {kA, kZ}});
  EXPECT_EQ(node.dialled(), (Lines{"127.0.0.1:5001", "127.0.0.1:5002"}));
  node.answer("127.0.0.1:5001", kA);
  EXPECT_TRUE(node.told<JoinSettled>().empty());
  node.step(DialFailed{node.dial_to("127.0.0.1:5002"), "connection refused"});
  node.run(251);
  EXPECT_EQ(node.told<JoinSettled>().size(), 1u) << "a list that does not come is not waited for";
}

TEST(Join, EndsWithTheMembersOfASeedKnown) {
  Script node({.seeds = {kA}});
  const ConnectionId connection = node.answer("127.0.0.1:5001", kA);
  EXPECT_EQ(node.events(), Lines{"up a@127.0.0.1:5001"});
  EXPECT_TRUE(node.told<JoinSettled>().empty());
  node.beat(connection, kA, std::nullopt, {id(kZ)});
  EXPECT_EQ(node.told<JoinSettled>().size(), 1u);
  EXPECT_EQ(node.status(kZ), NodeStatus::Connecting);
}

TEST(Join, DoesNotWaitForTheListOfASeedThatIsGone) {
  Script node({.seeds = {kA}});
  const ConnectionId connection = node.answer("127.0.0.1:5001", kA);
  EXPECT_TRUE(node.told<JoinSettled>().empty());
  node.step(ConnectionClosed{connection, CloseCause::Reset});
  EXPECT_EQ(node.told<JoinSettled>().size(), 1u);
}

TEST(Join, ASeedThatSaysNothingIsNotWaitedFor) {
  Script node({.seeds = {kA}});
  node.open(node.dial_to("127.0.0.1:5001"));
  node.run(249);
  EXPECT_TRUE(node.told<JoinSettled>().empty());
  node.run(2);
  EXPECT_EQ(node.told<JoinSettled>().size(), 1u);
}

TEST(Join, TakesTwoSecondsAtMostAndSaysWhatFailed) {
  Script node({.seeds = {kA}});
  node.run(1999);
  EXPECT_TRUE(node.told<JoinSettled>().empty());
  node.run(2);
  EXPECT_EQ(node.told<JoinSettled>().size(), 1u);
  const auto logs = node.told<LogRecord>();
  ASSERT_EQ(std::count_if(logs.begin(), logs.end(), [](const LogRecord& l) { return l.level == LogLevel::Warning; }),
            1);
  EXPECT_NE(logs[0].message.find(kA), std::string::npos);
}

TEST(Seeds, RefusedOnceTheQuickTriesAreOverAndDialledForEver) {
  Script node({.seeds = {kA, "localhost.test:5009"}});
  std::vector<int64_t> tries;
  int64_t passed = 0;
  for (; passed < 60'000; passed += 5) {
    for (const Dial& dial : node.effects<Dial>()) {
      tries.push_back(passed);
      node.step(DialFailed{dial.connection, "connection refused"});
    }
    for (const Resolve& query : node.effects<Resolve>()) node.step(Resolved{query.query, {}, "unknown host"});
    const Lines events = node.events();
    if (!events.empty()) {
      EXPECT_EQ(events, Lines{"down a@127.0.0.1:5001 connection_refused"}) << "a nameless seed is no node";
      EXPECT_GE(passed, 1500) << "a seed that is just starting too was never refused";
    }
    node.take();
    node.run(5);
  }
  EXPECT_EQ(node.status(kA), NodeStatus::Disconnected);
  ASSERT_GE(tries.size(), 14u);
  // Connected to nobody: at least every 5 s.
  for (size_t i = 1; i < tries.size(); ++i) EXPECT_LE(tries[i] - tries[i - 1], 5'010);
}

TEST(Seeds, AnotherIdAtItsAddressMakesItAnAlias) {
  Script node({.seeds = {"seed@127.0.0.1:5001"}});
  EXPECT_EQ(node.status("seed@127.0.0.1:5001"), NodeStatus::Connecting);
  const ConnectionId connection = node.answer("127.0.0.1:5001", kA);
  EXPECT_EQ(node.events(), Lines{"up a@127.0.0.1:5001"});
  EXPECT_EQ(node.table()->nodes.size(), 1u) << "lists name real ids only";
  EXPECT_EQ(node.table()->find("seed@127.0.0.1:5001")->id(), id(kA)) << "queries take an alias";
  node.take();
  node.step(ConnectionClosed{connection, CloseCause::Reset});
  node.run(1001);
  EXPECT_FALSE(node.dialled().empty());
}

TEST(Seeds, ASeedOnceUpUnderItsNameIsNoAlias) {
  Script node({.seeds = {kA}});
  const ConnectionId connection = node.answer("127.0.0.1:5001", kA);
  node.step(ConnectionClosed{connection, CloseCause::Reset});
  node.take();
  node.run(1001);
  node.answer("127.0.0.1:5001", "b@127.0.0.1:5001");
  EXPECT_EQ(node.events(), Lines{"up b@127.0.0.1:5001"});
  EXPECT_EQ(node.status(kA), NodeStatus::Disconnected);
}

TEST(Seeds, ANamelessSeedDialsEveryAnswer) {
  Script node({.seeds = {"headless.test:5001"}});
  ASSERT_EQ(node.effects<Resolve>().size(), 1u);
  EXPECT_EQ(node.effects<Resolve>()[0].host, "headless.test");
  node.step(
      Resolved{node.effects<Resolve>()[0].query, {*IpAddress::parse("127.0.0.1"), *IpAddress::parse("127.0.0.2")}, ""});
  EXPECT_EQ(node.dialled(), (Lines{"127.0.0.1:5001", "127.0.0.2:5001"}));
  node.beat(node.answer("127.0.0.1:5001", kA), kA);
  node.step(DialFailed{node.dial_to("127.0.0.2:5001"), "connection refused"});
  EXPECT_EQ(node.events(), Lines{"up a@127.0.0.1:5001"});
  EXPECT_EQ(node.told<JoinSettled>().size(), 1u);
}

TEST(Seeds, OurOwnHelloSentBackIsNotOurselves) {
  // Whoever is in between can return what we signed without knowing the secret: on the same connection, on another of
  // our dials, or on a dial of its own.
  for (const std::string how : {"the same", "another dial", "a dial of its own"}) {
    SCOPED_TRACE(how);
    Script node({.seeds = {"a@10.0.0.7:5001", "z@10.0.0.8:5001"}});
    const ConnectionId to_a = node.dial_to("10.0.0.7:5001");
    const ConnectionId to_z = node.dial_to("10.0.0.8:5001");
    node.step(ConnectionOpened{to_a, false});
    node.step(ConnectionOpened{to_z, false});
    const Hello ours = *node.sent(to_a).front().hello;
    node.take();
    if (how == "a dial of its own") {
      node.beat(node.accept(at("10.0.0.7", 999), false), kM, ours);
    } else {
      node.beat(how == "the same" ? to_a : to_z, kM, ours);
      EXPECT_EQ(node.rejected(RejectKind::Replayed), 1u);
    }
    node.run(60'000);
    const Lines dialled = node.dialled();
    const std::string victim = how == "another dial" ? "10.0.0.8:5001" : "10.0.0.7:5001";
    EXPECT_GE(std::count(dialled.begin(), dialled.end(), victim), 1) << "a seed is dialled for ever";
  }
}

TEST(Seeds, AnAnswerThatIsAWildcardIsNoAddress) {
  Script node({.seeds = {"blocked.test:5001"}});
  node.step(Resolved{node.effects<Resolve>()[0].query, {*IpAddress::parse("0.0.0.0"), *IpAddress::parse("::")}, ""});
  EXPECT_EQ(node.dialled(), Lines{}) << "that would be a dial to ourselves, or to whoever listens there";
  EXPECT_EQ(node.told<JoinSettled>().size(), 1u);
}

TEST(Dialling, AWildcardInAnIdIsTheLoopbackOfItsMachine) {
  Script node({.seeds = {"w@0.0.0.0:5001", "v@[::]:5001"}});
  EXPECT_EQ(node.dialled(), (Lines{"127.0.0.1:5001", "[::1]:5001"}));
  // A peer elsewhere that names itself so is dialled where it was seen.
  Script other;
  const ConnectionId connection = other.accept(at("10.0.0.7", 999), false);
  other.beat(connection, "w@0.0.0.0:5001", Script::hello(1, 5));
  other.beat(connection, "w@0.0.0.0:5001", Script::echo(other.nonce_of(connection)));
  other.step(ConnectionClosed{connection, CloseCause::Reset});
  other.run(1001);
  EXPECT_EQ(other.dialled(), Lines{"10.0.0.7:5001"});
}

TEST(Down, AtTheTimeoutTheConnectionStaysAndRevivesTheNode) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.take();
  node.run(2'999);
  EXPECT_EQ(node.events(), Lines{});
  node.run(2);
  EXPECT_EQ(node.events(), Lines{"down a@127.0.0.1:5001 heartbeat_timeout"});
  EXPECT_FALSE(node.closed(connection));
  node.take();
  node.run(1'000);
  EXPECT_TRUE(node.sent(connection).empty()) << "nothing more is sent on it";
  EXPECT_FALSE(node.dialled().empty());
  node.beat(connection, kA);
  EXPECT_EQ(node.events(), Lines{"up a@127.0.0.1:5001"});
}

// A pause came while it was about to close the older of two. When it goes on, it does, whichever we heard first.
TEST(Down, EachSilentConnectionLivesAgainWithItsFirstFrame) {
  Script node;
  const ConnectionId older = node.join(kA);
  const ConnectionId newer = node.join(kA);
  node.run(3'001);
  node.take();
  node.beat(older, kA);
  EXPECT_EQ(node.events(), Lines{"up a@127.0.0.1:5001"});
  node.beat(newer, kA);
  node.step(ConnectionClosed{older, CloseCause::EndOfStream});
  EXPECT_EQ(node.events(), Lines{"up a@127.0.0.1:5001"}) << "the newer was alive";
  node.take();
  node.run(1'000);
  EXPECT_FALSE(node.sent(newer).empty());
}

// The same, and the end of the older comes before a word on the newer.
TEST(Down, WhoClosesTheOlderOfTwoSilentOnesSpeaksOnTheNewer) {
  for (const bool speaks : {true, false}) {
    Script node;
    const ConnectionId older = node.join(kA);
    const ConnectionId newer = node.join(kA);
    node.run(3'001);
    node.take();
    node.beat(older, kA);
    node.step(ConnectionClosed{older, CloseCause::EndOfStream});
    EXPECT_EQ(node.events(), Lines{"up a@127.0.0.1:5001"});
    node.take();
    node.run(2'999);
    EXPECT_EQ(node.events(), Lines{}) << "it lived a moment ago";
    if (speaks) {
      node.beat(newer, kA);
      node.take();
      node.run(2'900);
      EXPECT_EQ(node.events(), Lines{});
      EXPECT_FALSE(node.sent(newer).empty());
    } else {
      node.run(2);
      EXPECT_EQ(node.events(), Lines{"down a@127.0.0.1:5001 connection_closed"});
    }
  }
}

TEST(Down, AllConnectionsThatEndAreADownAtOnce) {
  Script node;
  const ConnectionId older = node.join(kA);
  const ConnectionId newer = node.join(kA);
  node.run(3'001);
  node.beat(older, kA);
  node.take();
  node.step(ConnectionClosed{older, CloseCause::EndOfStream});
  node.step(ConnectionClosed{newer, CloseCause::EndOfStream});
  EXPECT_EQ(node.events(), Lines{"down a@127.0.0.1:5001 connection_closed"});
}

TEST(Down, ASilentConnectionGoesAfterAMinute) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.run(3'000 + 60'000 + 10);
  EXPECT_TRUE(node.closed(connection));
  EXPECT_EQ(node.events(), (Lines{"up a@127.0.0.1:5001", "down a@127.0.0.1:5001 heartbeat_timeout"}));
}

TEST(Down, TheSlowerOfTheTwoIntervalsCounts) {
  Script node;
  const ConnectionId connection = node.accept();
  Hello slow = Script::hello(1, 5);
  slow.interval_ms = 4000;
  node.beat(connection, kA, slow);
  node.beat(connection, kA, Script::echo(node.nonce_of(connection)));
  node.take();
  node.run(11'990);
  EXPECT_EQ(node.events(), Lines{});
  node.run(20);
  EXPECT_EQ(node.events(), Lines{"down a@127.0.0.1:5001 heartbeat_timeout"});
}

TEST(Down, AGoodbyeIsBelievedOnlyOfOneself) {
  Script node;
  const ConnectionId a = node.join(kA);
  const ConnectionId z = node.join(kZ);
  node.take();
  node.goodbye(a, kA, kZ);
  EXPECT_EQ(node.events(), Lines{});
  EXPECT_EQ(node.rejected(RejectKind::ForeignGoodbye), 1u);
  node.goodbye(z, kZ, kZ);
  EXPECT_EQ(node.events(), Lines{"down z@127.0.0.1:5002 graceful_shutdown"});
  node.take();
  // Not dialled again, and not on hearsay for twice the timeout either.
  for (int i = 0; i < 5; ++i) {
    node.run(1000);
    node.beat(a, kA, std::nullopt, {id(kZ)});
  }
  EXPECT_EQ(node.dialled(), Lines{});
  for (int i = 0; i < 4; ++i) {
    node.run(1000);
    node.beat(a, kA, std::nullopt, {id(kZ)});
  }
  EXPECT_EQ(node.dialled(), Lines{"127.0.0.1:5002"}) << "somebody is connected to it again: it is back";
}

TEST(Down, AConfiguredSeedIsDialledEvenAfterItsGoodbye) {
  Script node({.seeds = {kA}});
  const ConnectionId connection = node.answer("127.0.0.1:5001", kA);
  node.goodbye(connection, kA, kA);
  node.take();
  node.run(1001);
  EXPECT_EQ(node.dialled(), Lines{"127.0.0.1:5001"});
}

TEST(Pause, OnesOwnPauseIsNoEvidence) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.take();
  node.pass(20'000);
  node.tick();
  EXPECT_EQ(node.events(), Lines{});
  EXPECT_FALSE(node.sent(connection).empty()) << "the beat that was due goes out at once";
  EXPECT_EQ(node.machine().stats().pauses, 1u);
  node.run(1'900);
  EXPECT_EQ(node.events(), Lines{});
  node.run(1'200);
  EXPECT_EQ(node.events(), Lines{"down a@127.0.0.1:5001 heartbeat_timeout"})
      << "after the pause the time goes on where it stood";
}

TEST(Pause, WhatIsReadBeforeTheTickIsOnTheNewClock) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.take();
  node.pass(20'000);
  node.beat(connection, kA);  // was waiting in the socket
  node.tick();
  node.run(2'950);
  EXPECT_EQ(node.events(), Lines{});
  node.run(100);
  EXPECT_EQ(node.events(), Lines{"down a@127.0.0.1:5001 heartbeat_timeout"}) << "not 20 s later";
}

TEST(Pause, ConnectionsThatEndedMeanwhileAreDialledAgainSilently) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.take();
  node.pass(80'000);
  node.step(ConnectionClosed{connection, CloseCause::EndOfStream});
  node.tick();
  EXPECT_EQ(node.events(), Lines{});
  EXPECT_EQ(node.dialled(), Lines{"127.0.0.1:5001"});
  const ConnectionId again = node.dial_to("127.0.0.1:5001");
  node.open(again);
  node.beat(again, kA, Script::hello(1, 9, node.nonce_of(again)));
  node.run(500);
  EXPECT_EQ(node.events(), Lines{});
  EXPECT_EQ(node.status(kA), NodeStatus::Connected);
}

TEST(Pause, NotBackWithinOneTimeoutIsDown) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.take();
  node.pass(80'000);
  node.step(ConnectionClosed{connection, CloseCause::EndOfStream});
  node.tick();
  node.run(3'001);
  EXPECT_EQ(node.events(), Lines{"down a@127.0.0.1:5001 connection_closed"});
}

TEST(Reconnect, BacksOffToTheCapAndIsResetByAHeartbeat) {
  Script node;
  ConnectionId connection = node.join(kA);
  node.step(ConnectionClosed{connection, CloseCause::Reset});
  std::vector<int64_t> waits;
  int64_t waited = 0;
  while (waits.size() < 8) {
    node.take();
    node.run(10);
    waited += 10;
    for (const Dial& dial : node.effects<Dial>()) {
      waits.push_back(waited);
      waited = 0;
      node.step(DialFailed{dial.connection, "connection refused"});
    }
    ASSERT_LT(waited, 40'000);
  }
  const std::vector<int64_t> expected = {1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
  for (size_t i = 0; i < waits.size(); ++i) {
    EXPECT_LE(waits[i], expected[i] + 10);
    EXPECT_GE(waits[i], expected[i] * 9 / 10 - 10);
  }
  node.take();
  node.run(30'010);
  connection = node.answer("127.0.0.1:5001", kA);
  node.take();
  node.step(ConnectionClosed{connection, CloseCause::Reset});
  node.run(1'010);
  EXPECT_EQ(node.dialled(), Lines{"127.0.0.1:5001"});
}

TEST(Reconnect, AConnectionAloneDoesNotResetTheBackoff) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.step(ConnectionClosed{connection, CloseCause::Reset});
  node.take();
  node.run(1'010);
  const ConnectionId second = node.dial_to("127.0.0.1:5001");
  node.open(second);
  node.step(ConnectionClosed{second, CloseCause::EndOfStream});
  EXPECT_TRUE(node.told<ErrorReport>().empty()) << "it may just be ending";
  node.take();
  node.run(1'700);
  EXPECT_EQ(node.dialled(), Lines{});
  node.run(400);
  EXPECT_EQ(node.dialled(), Lines{"127.0.0.1:5001"});
  const ConnectionId third = node.dial_to("127.0.0.1:5001");
  node.open(third);
  node.step(ConnectionClosed{third, CloseCause::EndOfStream});
  ASSERT_EQ(node.told<ErrorReport>().size(), 1u) << "being hung up on again is said aloud";
  EXPECT_NE(node.told<ErrorReport>()[0].message.find("secret"), std::string::npos);
  EXPECT_EQ(node.told<ErrorReport>()[0].address, "127.0.0.1:5001");
}

TEST(Gossip, TheAnswerToOurDialIsDialledAtOnce) {
  Script node({.seeds = {kA}});
  const ConnectionId connection = node.answer("127.0.0.1:5001", kA);
  node.take();
  node.beat(connection, kA, std::nullopt, {id("b@127.0.0.1:5003"), id("m@127.0.0.1:5000")});
  EXPECT_EQ(node.dialled(), Lines{"127.0.0.1:5003"}) << "never oneself";
  EXPECT_EQ(node.status("b@127.0.0.1:5003"), NodeStatus::Connecting);
}

TEST(Gossip, OthersAreLeftTimeToDialUs) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.take();
  node.beat(connection, kA, std::nullopt, {id("b@127.0.0.1:5003"), id("y@127.0.0.1:5004")});
  node.run(100);
  EXPECT_EQ(node.dialled(), Lines{"127.0.0.1:5004"}) << "of two the smaller id begins";
  node.run(350);
  EXPECT_EQ(node.dialled().size(), 1u);
  node.run(100);
  EXPECT_EQ(node.dialled(), (Lines{"127.0.0.1:5004", "127.0.0.1:5003"}));
}

TEST(Gossip, AnIdThatAnswersAsAnotherIsDropped) {
  Script node({.seeds = {kA}});
  const ConnectionId connection = node.answer("127.0.0.1:5001", kA);
  node.beat(connection, kA, std::nullopt, {id("ghost@127.0.0.1:5003")});
  node.answer("127.0.0.1:5003", "real@127.0.0.1:5003");
  EXPECT_FALSE(node.listed("ghost@127.0.0.1:5003"));
  EXPECT_EQ(node.status("real@127.0.0.1:5003"), NodeStatus::Connected);
  node.take();
  node.beat(connection, kA, std::nullopt, {id("ghost@127.0.0.1:5003")});
  EXPECT_FALSE(node.listed("ghost@127.0.0.1:5003"));
}

TEST(Gossip, LoopbackFromElsewhereMeansNothing) {
  Script node;
  const ConnectionId connection = node.accept(at("10.0.0.7", 999), false);
  node.beat(connection, "far@10.0.0.7:5001", Script::hello(1, 5));
  node.beat(connection, "far@10.0.0.7:5001", Script::echo(node.nonce_of(connection)));
  node.take();
  node.beat(connection, "far@10.0.0.7:5001", std::nullopt,
            {id("x@127.0.0.1:5003"), id("y@localhost:5003"), id("z@[::1]:5003"), id("w@0.0.0.0:5003")});
  EXPECT_EQ(node.table()->nodes.size(), 1u);
}

TEST(Gossip, UnreachableHearsayIsRefusedOnlyWhileSomebodyVouches) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.beat(connection, kA, std::nullopt, {id("b@127.0.0.1:5003")});
  node.take();
  int64_t refused_at = -1;
  for (int64_t passed = 0; passed < 20'000; passed += 100) {
    for (const Dial& dial : node.effects<Dial>()) node.step(DialFailed{dial.connection, "connection refused"});
    if (!node.events().empty() && refused_at < 0) {
      EXPECT_EQ(node.events(), Lines{"down b@127.0.0.1:5003 connection_refused"});
      refused_at = passed;
    }
    node.take();
    if (passed % 1000 == 0) node.beat(connection, kA, std::nullopt, {id("b@127.0.0.1:5003")});
    node.run(100);
  }
  EXPECT_GE(refused_at, 3'000);
  // Nobody speaks of it any more: it vanishes without a word.
  for (int i = 0; i < 100; ++i) {
    for (const Dial& dial : node.effects<Dial>()) node.step(DialFailed{dial.connection, "connection refused"});
    node.take();
    node.run(1000);
    node.beat(connection, kA);
    EXPECT_EQ(node.events(), Lines{});
  }
  EXPECT_FALSE(node.listed("b@127.0.0.1:5003"));
}

TEST(Gossip, BeatsTeachEightIdsInTurnTheSameToAll) {
  Script node;
  std::vector<ConnectionId> connections;
  for (int i = 0; i < 20; ++i)
    connections.push_back(node.join("n" + std::to_string(i) + "@127.0.0.1:" + std::to_string(6000 + i)));
  node.run(20);
  node.take();
  std::set<NodeId> taught;
  for (int i = 0; i < 3; ++i) {
    node.run(1000);
    for (size_t c = 0; c < connections.size(); ++c)
      node.beat(connections[c], "n" + std::to_string(c) + "@127.0.0.1:" + std::to_string(6000 + c));
    ASSERT_EQ(node.effects<Send>().size(), 1u) << "one payload for all";
    const auto beat = std::get<Heartbeat>(node.effects<Send>()[0].payload);
    EXPECT_EQ(node.effects<Send>()[0].to.size(), 20u);
    EXPECT_EQ(beat.known_nodes.size(), 8u);
    EXPECT_EQ(beat.hello, Hello{}) << "a beat says that its sender speaks with hello, and no more";
    taught.insert(beat.known_nodes.begin(), beat.known_nodes.end());
    node.take();
  }
  EXPECT_EQ(taught.size(), 20u);
}

TEST(Gossip, NewcomersAreAnnouncedTogether) {
  Script node;
  node.join(kA);
  node.run(50);
  node.take();
  node.join("b@127.0.0.1:5003");
  node.join("c@127.0.0.1:5004");
  node.take();
  node.run(11);
  ASSERT_EQ(node.effects<Send>().size(), 1u);
  EXPECT_EQ(std::get<Heartbeat>(node.effects<Send>()[0].payload).known_nodes.size(), 2u);
}

TEST(Beats, TwiceAnIntervalWithThresholdOne) {
  Script node({.threshold = 1});
  const ConnectionId connection = node.join(kA);
  node.run(20);
  node.take();
  for (int i = 0; i < 4; ++i) {
    node.run(500);
    node.beat(connection, kA);
  }
  EXPECT_EQ(node.sent(connection).size(), 4u);
}

TEST(Beats, WithThresholdOneASingleBeatAnIntervalIsNoMiss) {
  for (const bool beats_twice : {false, true}) {
    Script node({.threshold = 1});
    const ConnectionId connection = node.accept();
    Hello hello = Script::hello(1, 5);
    if (beats_twice) hello.capabilities = {"beats_twice"};
    node.beat(connection, kA, hello);
    node.beat(connection, kA, Script::echo(node.nonce_of(connection)));
    node.take();
    node.run(1'010);
    EXPECT_EQ(node.events(), beats_twice ? Lines{"down a@127.0.0.1:5001 heartbeat_timeout"} : Lines{});
    node.run(500);
    EXPECT_EQ(node.events(), Lines{"down a@127.0.0.1:5001 heartbeat_timeout"});
  }
}

// Of two connections each side may hold to another, for the moment.
TEST(Leave, IsSaidOnEachConnection) {
  Script node;
  const ConnectionId older = node.join(kA);
  const ConnectionId newer = node.join(kA);
  node.take();
  node.step(LeaveRequested{});
  const auto sends = node.effects<Send>();
  ASSERT_EQ(sends.size(), 1u);
  EXPECT_EQ(std::set<ConnectionId>(sends[0].to.begin(), sends[0].to.end()), (std::set<ConnectionId>{older, newer}));
  EXPECT_EQ(sends[0].to.size(), 2u);
  for (const Close& close : node.effects<Close>()) EXPECT_EQ(close.mode, CloseMode::Flush);
}

TEST(Leave, ASilentPeerIsToldToo) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.run(3'100);
  node.take();
  node.step(LeaveRequested{});
  ASSERT_EQ(node.effects<Send>().size(), 1u);
  EXPECT_EQ(node.effects<Send>()[0].to, std::vector<ConnectionId>{connection});
}

TEST(Forget, AfterTheConfiguredTime) {
  Script node({.forget_after_ms = 100'000});
  const ConnectionId connection = node.join(kA);
  node.step(ConnectionClosed{connection, CloseCause::Reset});
  for (int i = 0; i < 99; ++i) {
    node.run(1000);
    for (const Dial& dial : node.effects<Dial>()) node.step(DialFailed{dial.connection, "connection refused"});
    node.take();
  }
  EXPECT_TRUE(node.listed(kA));
  node.run(2000);
  EXPECT_FALSE(node.listed(kA));
  node.take();
  node.run(100'000);
  EXPECT_EQ(node.dialled(), Lines{});
}

TEST(Forget, AFullTableLosesHearsayFirst) {
  MembershipLimits limits;
  limits.nodes_max = 3;
  Script node({.limits = limits});
  const ConnectionId a = node.join(kA);
  const ConnectionId z = node.join(kZ);
  node.beat(a, kA, std::nullopt, {id("b@127.0.0.1:5003")});
  node.beat(a, kA, std::nullopt, {id("c@127.0.0.1:5004")});
  EXPECT_EQ(node.table()->nodes.size(), 3u);
  node.join("d@127.0.0.1:5005");
  EXPECT_FALSE(node.listed("b@127.0.0.1:5003"));
  EXPECT_TRUE(node.listed("d@127.0.0.1:5005"));
  node.step(ConnectionClosed{z, CloseCause::Reset});
  node.join("e@127.0.0.1:5006");
  EXPECT_FALSE(node.listed(kZ)) << "then those that are down";
  const ConnectionId refused = node.accept();
  node.beat(refused, "f@127.0.0.1:5007", Script::hello(1, 5));
  node.beat(refused, "f@127.0.0.1:5007", Script::echo(node.nonce_of(refused)));
  EXPECT_TRUE(node.closed(refused));
  EXPECT_EQ(node.rejected(RejectKind::Full), 1u);
}

TEST(Leave, TellsEveryPeerOnceAndIsDone) {
  Script node({.seeds = {"s@127.0.0.1:7000"}});
  const ConnectionId a = node.join(kA);
  const ConnectionId z = node.join(kZ);
  const ConnectionId stranger = node.accept();
  const ConnectionId dialling = node.dial_to("127.0.0.1:7000");
  node.take();
  node.step(LeaveRequested{});
  ASSERT_EQ(node.effects<Send>().size(), 1u);
  EXPECT_EQ(node.effects<Send>()[0].to, (std::vector<ConnectionId>{a, z}));
  for (const Close& close : node.effects<Close>()) {
    const bool told = close.connection == a || close.connection == z;
    EXPECT_EQ(close.mode, told ? CloseMode::Flush : CloseMode::Abort);
  }
  EXPECT_TRUE(node.closed(stranger) && node.closed(dialling));
  EXPECT_EQ(node.told<Left>().size(), 1u);
  EXPECT_EQ(node.events(), Lines{}) << "our own stop reports nobody";
  EXPECT_TRUE(node.machine().deadline().is_never());
}

TEST(Errors, AreReportedTenTimesASecondAndCountedAlways) {
  Script node;
  for (int i = 0; i < 30; ++i) node.step(FrameRejected{node.accept(), RejectKind::Malformed, "not JSON"});
  EXPECT_EQ(node.told<ErrorReport>().size(), 10u);
  EXPECT_EQ(node.rejected(RejectKind::Malformed), 30u);
  node.take();
  node.run(1001);
  node.step(FrameRejected{node.accept(), RejectKind::Malformed, "not JSON"});
  ASSERT_EQ(node.told<ErrorReport>().size(), 1u);
  EXPECT_NE(node.told<ErrorReport>()[0].message.find("20 more"), std::string::npos);
}

TEST(Dialling, AtMostSoManyAtATimeSeedsFirst) {
  MembershipLimits limits;
  limits.dials_max = 4;
  Options options;
  options.limits = limits;
  for (int i = 0; i < 10; ++i)
    options.seeds.push_back("s" + std::to_string(i) + "@127.0.0.1:" + std::to_string(7000 + i));
  Script node(options);
  EXPECT_EQ(node.dialled().size(), 4u);
  node.step(DialFailed{node.dial_to("127.0.0.1:7000"), "connection refused"});
  EXPECT_EQ(node.dialled().size(), 5u);
}

TEST(Dialling, APeerWhoseAddressFailsIsDialledWhereItWasSeen) {
  Script node;
  const ConnectionId connection = node.accept(at("10.0.0.7", 999), false);
  node.beat(connection, "far@unresolvable.test:5001", Script::hello(1, 5));
  node.beat(connection, "far@unresolvable.test:5001", Script::echo(node.nonce_of(connection)));
  node.step(ConnectionClosed{connection, CloseCause::Reset});
  node.run(1001);
  ASSERT_EQ(node.effects<Resolve>().size(), 1u);
  node.step(Resolved{node.effects<Resolve>()[0].query, {}, "unknown host"});
  EXPECT_EQ(node.dialled(), Lines{"10.0.0.7:5001"});
}

}  // namespace
}  // namespace noex::script
