// Who tells whom of whom: lists on new connections, and what many newcomers at once cost.
#include <set>

#include "unit/membership/script.h"

namespace noex::script {
namespace {

constexpr const char* kA = "a@127.0.0.1:5001";
constexpr const char* kB = "b@127.0.0.1:5002";
constexpr const char* kC = "c@127.0.0.1:5003";
constexpr const char* kHasList = "has_list";

// The ids that `connection` was told since the last take().
std::vector<std::string> told_to(const Script& node, ConnectionId connection) {
  std::vector<std::string> list;
  for (const Heartbeat& beat : node.sent(connection)) {
    for (const NodeId& known : beat.known_nodes) list.push_back(known.text());
  }
  return list;
}

bool says_has_list(const Heartbeat& beat) {
  return beat.hello.has_value() &&
         std::count(beat.hello->capabilities.begin(), beat.hello->capabilities.end(), std::string(kHasList)) == 1;
}

TEST(Lists, TheAcceptorSendsAllThatItIsConnectedTo) {
  Script node;
  node.join(kB);
  node.run(20);
  node.take();
  const ConnectionId connection = node.join(kA);
  EXPECT_EQ(told_to(node, connection), Lines{kB});
}

TEST(Lists, TheDiallerAnswersWithWhatTheListLacked) {
  Script node({.seeds = {kA}});
  const ConnectionId connection = node.dial_to("127.0.0.1:5001");
  node.join(kB);
  node.join(kC);
  node.run(20);
  node.answer("127.0.0.1:5001", kA);
  node.take();
  node.beat(connection, kA, Hello{}, {id(kC)});
  EXPECT_EQ(told_to(node, connection), Lines{kB});
  node.take();
  node.beat(connection, kA, Hello{}, {id(kC)});
  EXPECT_EQ(told_to(node, connection), Lines{}) << "only the first list is the answer";
}

TEST(Lists, OfOneThatKnowsAsMuchNothingIsSent) {
  Script node({.seeds = {kA}});
  const ConnectionId connection = node.dial_to("127.0.0.1:5001");
  node.join(kB);
  node.run(20);
  node.answer("127.0.0.1:5001", kA);
  node.take();
  node.beat(connection, kA, Hello{}, {id(kB)});
  EXPECT_TRUE(node.sent(connection).empty());
}

TEST(Lists, WhoDialsBecauseAListSaidSoNeedsNone) {
  Script node({.seeds = {kA}});
  const ConnectionId seed = node.answer("127.0.0.1:5001", kA);
  EXPECT_FALSE(says_has_list(node.sent(seed)[0])) << "a seed's list is wanted";
  node.beat(seed, kA, Hello{}, {id(kB)});
  const ConnectionId named = node.dial_to("127.0.0.1:5002");
  node.open(named);
  ASSERT_EQ(node.sent(named).size(), 1u);
  EXPECT_TRUE(says_has_list(node.sent(named)[0]));
  node.take();
  node.beat(named, kB, Script::hello(1, 9, Nonce{7, 2}));
  ASSERT_EQ(node.events(), Lines{std::string("up ") + kB});
  node.beat(named, kB, Hello{}, {id(kC)});
  EXPECT_EQ(told_to(node, named), Lines{}) << "its first beat is no answer that asks for the difference";
  EXPECT_EQ(node.dialled(), Lines{}) << "nor one whose ids are dialled at once";
}

TEST(Lists, WhoSaysThatItHasOneGetsNone) {
  Script node;
  node.join(kB);
  node.run(20);
  const ConnectionId connection = node.accept();
  Hello hello = Script::hello(1, 5);
  hello.capabilities = {kHasList};
  node.beat(connection, kA, hello);
  node.take();
  node.beat(connection, kA, Script::echo(Nonce{7, 2}));
  ASSERT_EQ(node.events(), Lines{std::string("up ") + kA});
  EXPECT_TRUE(node.sent(connection).empty());
}

TEST(Lists, ASecondAttemptAsksForTheListAgain) {
  Script node({.seeds = {kA}});
  const ConnectionId seed = node.answer("127.0.0.1:5001", kA);
  node.beat(seed, kA, Hello{}, {id(kB)});
  node.step(DialFailed{node.dial_to("127.0.0.1:5002"), "connection refused"});
  node.take();
  node.run(2000);
  const ConnectionId again = node.dial_to("127.0.0.1:5002");
  node.open(again);
  EXPECT_FALSE(says_has_list(node.sent(again)[0])) << "by now the list is old";
}

// With everybody told of everybody by everybody a start of a thousand would send a thousand million ids.
TEST(Newcomers, ManyAtOnceAreToldToAFew) {
  Script node;
  std::vector<ConnectionId> connections;
  for (int i = 0; i < 60; ++i) {
    const int port = 6000 + i;
    connections.push_back(node.join("n" + std::to_string(i) + "@127.0.0.1:" + std::to_string(port)));
  }
  node.take();
  node.run(20);
  std::set<ConnectionId> audience;
  for (const Send& send : node.effects<Send>()) {
    EXPECT_EQ(std::get<Heartbeat>(send.payload).known_nodes.size(), 60u);
    audience.insert(send.to.begin(), send.to.end());
  }
  EXPECT_EQ(audience.size(), 8u);
}

TEST(Newcomers, AFewAreToldToAll) {
  Script node;
  for (int i = 0; i < 60; ++i) node.join("n" + std::to_string(i) + "@127.0.0.1:" + std::to_string(6000 + i));
  node.run(20);
  node.take();
  node.join(kA);
  node.take();
  node.run(20);
  ASSERT_EQ(node.effects<Send>().size(), 1u);
  EXPECT_EQ(node.effects<Send>()[0].to.size(), 61u);
}

}  // namespace
}  // namespace noex::script
