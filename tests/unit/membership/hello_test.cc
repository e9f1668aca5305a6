// Who is on a connection, and may it stay.
#include "unit/membership/script.h"

namespace noex::script {
namespace {

constexpr const char* kA = "a@127.0.0.1:5001";  // smaller than the local id
constexpr const char* kZ = "z@127.0.0.1:5002";  // larger

TEST(Hello, TheDiallerIsSureAtTheAnswerAndEchoesIt) {
  Script node({.seeds = {kA}});
  const ConnectionId connection = node.dial_to("127.0.0.1:5001");
  node.open(connection);
  ASSERT_EQ(node.sent(connection).size(), 1u);
  const Heartbeat first = node.sent(connection)[0];
  EXPECT_TRUE(first.known_nodes.empty()) << "the first frame teaches nothing: the other end is not known yet";
  EXPECT_EQ(first.hello->incarnation, Script::kOwnIncarnation);
  EXPECT_EQ(node.events(), Lines{});
  node.beat(connection, kA, Script::hello(1, 77, first.hello->nonce));
  EXPECT_EQ(node.events(), Lines{"up a@127.0.0.1:5001"});
  const auto sent = node.sent(connection);
  ASSERT_EQ(sent.size(), 2u);  // hello, echo
  EXPECT_EQ(sent[1].hello->echo, (Nonce{9, 77}));
  EXPECT_FALSE(sent[1].hello->nonce.has_value());
}

TEST(Hello, AnAnswerThatDoesNotEchoIsAReplay) {
  Script node({.seeds = {kA}});
  const ConnectionId connection = node.dial_to("127.0.0.1:5001");
  node.open(connection);
  node.beat(connection, kA, Script::hello(1, 77, Nonce{1, 2}));
  EXPECT_TRUE(node.closed(connection));
  EXPECT_EQ(node.events(), Lines{});
  EXPECT_EQ(node.rejected(RejectKind::Replayed), 1u);
  ASSERT_EQ(node.told<ErrorReport>().size(), 1u);
  EXPECT_EQ(node.told<ErrorReport>()[0].kind, ErrorKind::Authentication);
}

TEST(Hello, TheAcceptorIsSureOnlyAtTheEcho) {
  Script node;
  const ConnectionId connection = node.accept();
  node.beat(connection, kA, Script::hello(1, 5));
  EXPECT_EQ(node.events(), Lines{});
  EXPECT_FALSE(node.listed(kA)) << "an unconfirmed peer is no member";
  ASSERT_EQ(node.sent(connection).size(), 1u);
  EXPECT_EQ(node.sent(connection)[0].hello->echo, (Nonce{9, 5}));
  node.beat(connection, kA, Script::echo(node.nonce_of(connection)));
  EXPECT_EQ(node.events(), Lines{"up a@127.0.0.1:5001"});
}

TEST(Hello, AReplayedFirstFrameGetsNowhere) {
  Script node;
  const ConnectionId connection = node.accept();
  node.beat(connection, kA, Script::hello(1, 5));
  node.beat(connection, kA);  // a recorded beat
  EXPECT_TRUE(node.closed(connection));
  EXPECT_EQ(node.events(), Lines{});
  EXPECT_EQ(node.rejected(RejectKind::Replayed), 1u);
}

TEST(Hello, ARecordedBeatIsNoFirstFrameEvenOfAStranger) {
  Script sender;
  sender.join(kA);
  sender.run(1000);
  const Heartbeat recorded = std::get<Heartbeat>(sender.effects<Send>().back().payload);
  Script node({.self = "other@127.0.0.1:5005"});  // has never heard of the sender
  const ConnectionId connection = node.accept();
  node.step(MessageReceived{connection, Message{recorded.node.id, node.now().unix_ms, recorded}, 600});
  EXPECT_TRUE(node.closed(connection));
  EXPECT_EQ(node.events(), Lines{});
  EXPECT_FALSE(node.listed("m@127.0.0.1:5000"));
}

TEST(Hello, AnotherSenderOnTheConnectionEndsIt) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.beat(connection, kZ);
  EXPECT_TRUE(node.closed(connection));
  EXPECT_EQ(node.rejected(RejectKind::WrongSender), 1u);
  EXPECT_EQ(node.events(), (Lines{"up a@127.0.0.1:5001", "down a@127.0.0.1:5001 connection_closed"}));
}

TEST(Hello, AnotherClusterIsRefusedAloud) {
  Script node({.cluster_name = "blue"});
  const ConnectionId connection = node.accept();
  Hello hello = Script::hello(1, 5);
  hello.cluster = "green";
  node.beat(connection, kA, hello);
  EXPECT_TRUE(node.closed(connection));
  ASSERT_EQ(node.sent(connection).size(), 1u);
  EXPECT_EQ(node.sent(connection)[0].hello->refused, Refusal::Cluster);
  EXPECT_EQ(node.rejected(RejectKind::WrongCluster), 1u);
  // Without a hello there is no name to compare: refused as well.
  const ConnectionId reference = node.accept();
  node.beat(reference, kA);
  EXPECT_TRUE(node.closed(reference));
}

TEST(Hello, ARefusalIsReported) {
  Script node({.seeds = {kA}});
  const ConnectionId connection = node.dial_to("127.0.0.1:5001");
  node.open(connection);
  Hello refusal;
  refusal.refused = Refusal::DuplicateId;
  node.beat(connection, kA, refusal);
  ASSERT_EQ(node.told<ErrorReport>().size(), 1u);
  EXPECT_EQ(node.told<ErrorReport>()[0].kind, ErrorKind::DuplicateId);
  EXPECT_NE(node.told<ErrorReport>()[0].message.find("m@127.0.0.1:5000"), std::string::npos);
  EXPECT_TRUE(node.closed(connection));
  EXPECT_EQ(node.events(), Lines{});
}

TEST(Hello, OneselfIsRecognisedByTheIncarnation) {
  Script node({.seeds = {"other@127.0.0.1:5000"}});
  const ConnectionId dialled = node.dial_to("127.0.0.1:5000");
  node.open(dialled);
  const Nonce nonce = node.nonce_of(dialled);
  const ConnectionId accepted = node.accept();
  Hello own = Script::hello(Script::kOwnIncarnation, 0);
  own.nonce = nonce;
  node.beat(accepted, "m@127.0.0.1:5000", own);
  EXPECT_TRUE(node.closed(accepted));
  EXPECT_TRUE(node.closed(dialled));
  EXPECT_FALSE(node.listed("other@127.0.0.1:5000"));
  EXPECT_TRUE(node.told<ErrorReport>().empty());
  node.take();
  node.run(120'000);
  EXPECT_EQ(node.dialled(), Lines{}) << "that address is forgotten";
}

TEST(Hello, AnotherProcessWithOurIdIsToldSo) {
  Script node;
  const ConnectionId connection = node.accept(at("10.0.0.9", 1234), false);
  node.beat(connection, "m@127.0.0.1:5000", Script::hello(42, 5));
  ASSERT_EQ(node.sent(connection).size(), 1u);
  EXPECT_EQ(node.sent(connection)[0].hello->refused, Refusal::DuplicateId);
  ASSERT_EQ(node.told<ErrorReport>().size(), 1u);
  EXPECT_NE(node.told<ErrorReport>()[0].message.find("10.0.0.9:1234"), std::string::npos);
  EXPECT_FALSE(node.listed("m@127.0.0.1:5000"));
}

TEST(Hello, SilenceEndsAnAcceptedConnection) {
  Script node;
  const ConnectionId connection = node.accept();
  node.run(9'999);
  EXPECT_FALSE(node.closed(connection));
  node.run(2);
  EXPECT_TRUE(node.closed(connection));
  EXPECT_EQ(node.rejected(RejectKind::IdentificationTimeout), 1u);
}

TEST(Hello, TheOldestUnidentifiedConnectionMakesRoom) {
  MembershipLimits limits;
  limits.unidentified_max = 3;
  Script node({.limits = limits});
  const ConnectionId first = node.accept();
  const ConnectionId second = node.accept();
  node.beat(first, kA, Script::hello(1, 5));  // identified: it holds no place any more
  node.accept();
  node.accept();
  EXPECT_FALSE(node.closed(second));
  node.accept();
  EXPECT_TRUE(node.closed(second));
  EXPECT_FALSE(node.closed(first));
  EXPECT_EQ(node.machine().stats().unidentified, 3u);
}

// ------------------------------------------------------------------------------------------- two connections of one
// process

TEST(Duplicates, OnlyTheSmallerIdClosesTheOlder) {
  for (const bool we_are_smaller : {true, false}) {
    Script node;
    const char* const peer = we_are_smaller ? kZ : kA;
    const ConnectionId older = node.join(peer);
    node.take();
    const ConnectionId newer = node.join(peer);
    const auto closes = node.effects<Close>();
    if (we_are_smaller) {
      ASSERT_EQ(closes.size(), 1u);
      EXPECT_EQ(closes[0].connection, older);
      EXPECT_EQ(closes[0].mode, CloseMode::ShutdownWrite);
    } else {
      EXPECT_TRUE(closes.empty());
    }
    EXPECT_EQ(node.events(), Lines{});
    // The older is still read; its end is silent.
    node.take();
    node.beat(older, peer);
    node.step(ConnectionClosed{older, CloseCause::EndOfStream});
    EXPECT_EQ(node.events(), Lines{});
    node.run(1000);
    EXPECT_FALSE(node.sent(newer).empty()) << "the newest confirmed connection is the one to send on";
    node.step(ConnectionClosed{newer, CloseCause::EndOfStream});
    EXPECT_EQ(node.events(), Lines{"down " + std::string(peer) + " connection_closed"});
  }
}

// Two dials crossed, and each side takes its own for the older; the smaller's end of it was lost on the way.
TEST(Duplicates, TheLargerIdFollowsWhereTheSmallerSpeaks) {
  Script node;
  const ConnectionId kept = node.join(kA);
  const ConnectionId ended_there = node.join(kA);
  const auto beats = [&node](ConnectionId connection, int seconds) {
    for (int second = 0; second < seconds; ++second) {
      node.beat(connection, kA);
      node.run(1'000);
    }
  };
  beats(kept, 2);
  node.take();
  beats(kept, 1);
  EXPECT_TRUE(node.sent(kept).empty()) << "one or two frames were on their way";
  beats(kept, 1);
  node.take();
  beats(kept, 1);
  EXPECT_EQ(node.sent(kept).size(), 1u);
  EXPECT_TRUE(node.sent(ended_there).empty());
  beats(kept, 70);
  EXPECT_TRUE(node.closed(ended_there));
  EXPECT_FALSE(node.closed(kept));
  EXPECT_EQ(node.events(), Lines{});
}

TEST(Duplicates, TheOlderMayEndBeforeTheNewerIsConfirmed) {
  Script node;
  const ConnectionId older = node.join(kA);
  node.take();
  const ConnectionId newer = node.accept();
  node.beat(newer, kA, Script::hello(1, 6));
  node.step(ConnectionClosed{older, CloseCause::EndOfStream});
  EXPECT_EQ(node.events(), Lines{});
  node.beat(newer, kA, Script::echo(node.nonce_of(newer)));
  EXPECT_EQ(node.events(), Lines{});
  EXPECT_EQ(node.status(kA), NodeStatus::Connected);
}

TEST(Duplicates, WhenTheNewerIsNeverConfirmedTheNodeIsDown) {
  Script node;
  const ConnectionId older = node.join(kA);
  const ConnectionId newer = node.accept();
  node.beat(newer, kA, Script::hello(1, 6));
  node.step(ConnectionClosed{older, CloseCause::EndOfStream});
  node.take();
  node.step(ConnectionClosed{newer, CloseCause::Reset});
  EXPECT_EQ(node.events(), Lines{"down a@127.0.0.1:5001 connection_closed"});
}

// ------------------------------------------------------------------------------------------------ another run, or an
// impostor

TEST(Challenge, ALivingNodeKeepsItsIdAndTheNewcomerIsRefused) {
  Script node;
  const ConnectionId old_one = node.join(kA, 1);
  node.take();
  const ConnectionId newcomer = node.accept(at("127.0.0.1", 41111));
  node.beat(newcomer, kA, Script::hello(2, 6));
  EXPECT_TRUE(node.sent(newcomer).empty()) << "it waits unconfirmed, and unanswered";
  const Nonce question = node.nonce_of(old_one);
  node.beat(old_one, kA, Script::echo(question));
  EXPECT_EQ(node.events(), Lines{});
  ASSERT_EQ(node.sent(newcomer).size(), 1u);
  EXPECT_EQ(node.sent(newcomer)[0].hello->refused, Refusal::DuplicateId);
  ASSERT_EQ(node.told<ErrorReport>().size(), 1u);
  EXPECT_NE(node.told<ErrorReport>()[0].message.find("127.0.0.1:40000"), std::string::npos);
  EXPECT_NE(node.told<ErrorReport>()[0].message.find("127.0.0.1:41111"), std::string::npos);
}

TEST(Challenge, ADeadConnectionMakesWayForTheNextRun) {
  for (const bool breaks : {true, false}) {
    Script node;
    const ConnectionId old_one = node.join(kA, 1);
    node.take();
    const ConnectionId newcomer = node.accept();
    node.beat(newcomer, kA, Script::hello(2, 6));
    if (breaks) {
      node.step(ConnectionClosed{old_one, CloseCause::Reset});
    } else {
      node.run(1001);
      EXPECT_TRUE(node.closed(old_one));
    }
    EXPECT_EQ(node.events(), Lines{"down a@127.0.0.1:5001 connection_closed"});
    node.beat(newcomer, kA, Script::echo(node.nonce_of(newcomer)));
    EXPECT_EQ(node.events(), (Lines{"down a@127.0.0.1:5001 connection_closed", "up a@127.0.0.1:5001"}));
    EXPECT_EQ(node.table()->find(kA)->incarnation, 2u);
  }
}

TEST(Challenge, IsAnsweredByEchoing) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.take();
  Hello question;
  question.nonce = Nonce{3, 4};
  node.beat(connection, kA, question);
  ASSERT_EQ(node.sent(connection).size(), 1u);
  EXPECT_EQ(node.sent(connection)[0].hello->echo, (Nonce{3, 4}));
}

TEST(Challenge, ANewcomerThatGivesUpLeavesTheOldOneInPeace) {
  Script node;
  node.join(kA, 1);
  const ConnectionId newcomer = node.accept();
  node.beat(newcomer, kA, Script::hello(2, 6));
  node.take();
  node.step(ConnectionClosed{newcomer, CloseCause::EndOfStream});
  node.run(1500);
  EXPECT_EQ(node.events(), Lines{});
  EXPECT_EQ(node.status(kA), NodeStatus::Connected);
}

// ----------------------------------------------------------------------------------------------------- nodes of the
// reference

constexpr const char* kRef = "ref@127.0.0.1:6000";

TEST(Reference, ItsFirstFrameMakesItUpAndIsAnswered) {
  Script node;
  const ConnectionId connection = node.accept();
  node.beat(connection, kRef);
  EXPECT_EQ(node.events(), Lines{"up ref@127.0.0.1:6000"});
  EXPECT_FALSE(node.sent(connection).empty());
}

TEST(Reference, ItsDuplicatesAreNeverClosed) {
  Script node;
  const ConnectionId first = node.accept();
  node.beat(first, kRef);
  const ConnectionId second = node.accept();
  node.beat(second, kRef);
  EXPECT_TRUE(node.effects<Close>().empty());
  node.take();
  node.run(1000);
  EXPECT_FALSE(node.sent(second).empty()) << "it is answered where it spoke last";
  node.beat(first, kRef);
  node.take();
  node.run(1000);
  EXPECT_FALSE(node.sent(first).empty());
  node.step(ConnectionClosed{first, CloseCause::EndOfStream});
  EXPECT_EQ(node.events(), Lines{});
  node.step(ConnectionClosed{second, CloseCause::EndOfStream});
  EXPECT_EQ(node.events(), Lines{"down ref@127.0.0.1:6000 connection_closed"});
}

// What fell silent stays beside what lives: closing either makes it report us down.
TEST(Reference, AConnectionOfItsThatFellSilentStaysWhileItLives) {
  Script node;
  const ConnectionId first = node.accept();
  node.beat(first, kRef);
  const ConnectionId second = node.accept();
  node.beat(second, kRef);
  node.run(3'001);  // both are silent: down
  for (int second_passed = 0; second_passed < 70; ++second_passed) {
    node.beat(second, kRef);
    node.run(1'000);
  }
  EXPECT_FALSE(node.closed(first));
  node.run(3'001 + 60'000);  // now it is gone
  EXPECT_TRUE(node.closed(first));
  EXPECT_TRUE(node.closed(second));
}

// It said goodbye, and came back with its clock set back: nobody would dial it, and what it says looks like a replay.
TEST(Reference, WithAnOlderClockItIsMetAgainByOurOwnDial) {
  Script node;
  const ConnectionId connection = node.accept();
  node.beat(connection, kRef);
  node.goodbye(connection, kRef, kRef);
  node.take();
  node.run(20'000);
  EXPECT_TRUE(node.dialled().empty());
  const ConnectionId back = node.accept();
  node.beat(back, kRef, std::nullopt, {}, 5000, -60'000);
  EXPECT_TRUE(node.closed(back));
  const ConnectionId dialled = node.dial_to("127.0.0.1:6000");  // at once: it has none to us now
  node.open(dialled);
  node.beat(dialled, kRef, std::nullopt, {}, 5000, -60'000);
  EXPECT_EQ(node.events(), Lines{"up ref@127.0.0.1:6000"});
}

// Its own dials come sooner than ours, whose delays grow, and while one of its lasts it drops ours.
TEST(Reference, WithAnOlderClockItsDialsBringOursForward) {
  Script node;
  const auto refuse_old = [&node] {
    const ConnectionId back = node.accept();
    node.beat(back, kRef, std::nullopt, {}, 5000, -60'000);
    EXPECT_TRUE(node.closed(back));
  };
  const auto drop = [&node] {
    const ConnectionId dialled = node.dial_to("127.0.0.1:6000");
    node.open(dialled);
    node.step(ConnectionClosed{dialled, CloseCause::EndOfStream});
    node.take();
  };
  const ConnectionId connection = node.accept();
  node.beat(connection, kRef);
  node.goodbye(connection, kRef, kRef);
  node.run(20'000);
  node.take();
  for (int round = 0; round < 6; ++round) {
    refuse_old();
    drop();
    refuse_old();
    EXPECT_TRUE(node.dialled().empty()) << "two dials in an interval, round " << round;
    node.run(1'000);
    while (!node.dialled().empty()) {  // of its own accord
      drop();
      node.run(1'000);
    }
  }
}

TEST(Reference, AChangedStartTimeIsARestart) {
  Script node;
  node.beat(node.accept(), kRef, std::nullopt, {}, 5000);
  node.pass(100);
  node.beat(node.accept(), kRef, std::nullopt, {}, 5120);  // 20 ms apart: the same run
  EXPECT_EQ(node.events(), Lines{"up ref@127.0.0.1:6000"});
  node.beat(node.accept(), kRef, std::nullopt, {}, 10);
  EXPECT_EQ(node.events(),
            (Lines{"up ref@127.0.0.1:6000", "down ref@127.0.0.1:6000 connection_closed", "up ref@127.0.0.1:6000"}));
}

// It was killed with a first frame of its own on the way, which comes when its next run is up.
TEST(Reference, AFirstFrameOfAnEarlierRunIsRefused) {
  for (const bool dialled : {false, true}) {
    Script node({.seeds = {kRef}});
    const ConnectionId late = dialled ? node.dial_to("127.0.0.1:6000") : node.accept();
    if (dialled) node.open(late);
    const ConnectionId up = node.accept();
    node.beat(up, kRef, std::nullopt, {}, 10);
    node.beat(late, kRef, std::nullopt, {}, 5000, -1000);
    EXPECT_TRUE(node.closed(late));
    EXPECT_FALSE(node.closed(up));
    EXPECT_EQ(node.events(), Lines{"up ref@127.0.0.1:6000"});
  }
}

TEST(Reference, AnOldFirstFrameIsRefusedUnlessWeDialled) {
  Script node;
  const ConnectionId connection = node.accept();
  node.beat(connection, kRef);
  node.step(ConnectionClosed{connection, CloseCause::Reset});
  node.take();
  const ConnectionId replayed = node.accept();
  node.beat(replayed, kRef, std::nullopt, {}, 5000, -10'500);
  EXPECT_TRUE(node.closed(replayed));
  EXPECT_EQ(node.events(), Lines{});
  node.run(1100);  // by now we dial it
  const ConnectionId dialled = node.dial_to("127.0.0.1:6000");
  node.open(dialled);
  node.beat(dialled, kRef, std::nullopt, {}, 5000, -60'000);  // its clock was set back: on a dial of ours that heals
  EXPECT_EQ(node.events(), Lines{"up ref@127.0.0.1:6000"});
}

TEST(Reference, AnIdThatSpokeWithHelloIsNotTakenWithout) {
  Script node;
  const ConnectionId connection = node.join(kA);
  node.step(ConnectionClosed{connection, CloseCause::Reset});
  node.take();
  const ConnectionId replayed = node.accept();
  node.beat(replayed, kA);
  EXPECT_TRUE(node.closed(replayed));
  EXPECT_EQ(node.events(), Lines{});
}

TEST(Reference, ASilentConnectionOfItsStaysOpen) {
  Script node;
  const ConnectionId connection = node.accept(at("10.0.0.7", 999), false);
  node.beat(connection, kRef);
  const ConnectionId silent = node.accept(at("10.0.0.7", 1000), false);
  const ConnectionId stranger = node.accept(at("10.0.0.8", 1000), false);
  for (int i = 0; i < 12; ++i) {
    node.run(1000);
    node.beat(connection, kRef);
  }
  EXPECT_FALSE(node.closed(silent));
  EXPECT_TRUE(node.closed(stranger));
}

TEST(Reference, ASilentDialToItStaysOpen) {
  Script node({.seeds = {kRef, "other@127.0.0.1:6001"}});
  const ConnectionId dialled = node.dial_to("127.0.0.1:6000");
  const ConnectionId stranger = node.dial_to("127.0.0.1:6001");
  node.open(dialled);
  node.open(stranger);
  const ConnectionId theirs = node.accept();  // the dials crossed, and it speaks on its own only
  for (int i = 0; i < 12; ++i) {
    node.beat(theirs, kRef);
    node.run(1000);
  }
  EXPECT_EQ(node.events(), Lines{"up ref@127.0.0.1:6000"});
  EXPECT_FALSE(node.closed(dialled));
  EXPECT_TRUE(node.closed(stranger));
}

TEST(Reference, ItsSilentConnectionsOutliveAPauseOfIts) {
  Script node;
  const ConnectionId connection = node.accept();
  node.beat(connection, kRef);
  const ConnectionId silent = node.accept();
  node.run(20'000);
  EXPECT_EQ(node.events(), (Lines{"up ref@127.0.0.1:6000", "down ref@127.0.0.1:6000 heartbeat_timeout"}));
  EXPECT_FALSE(node.closed(silent)) << "it would report us down when it wakes";
}

TEST(Reference, AtMostFourConnectionsEach) {
  Script node;
  for (int i = 0; i < 4; ++i) node.beat(node.accept(), kRef);
  EXPECT_TRUE(node.effects<Close>().empty());
  const ConnectionId fifth = node.accept();
  node.beat(fifth, kRef);
  EXPECT_TRUE(node.closed(fifth));
  EXPECT_EQ(node.rejected(RejectKind::Full), 1u);
}

}  // namespace
}  // namespace noex::script
