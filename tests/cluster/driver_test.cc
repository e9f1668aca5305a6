// The driver alone, between a transport that only writes down what it is told and an observer that does the same: the
// order of what it does, and what it does not do any more once a connection or the node itself is gone.
#include "cluster/driver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace noex::test {
namespace {

class ScriptedTransport final : public Transport {
 public:
  struct Write {
    uint64_t connection = 0;
    SharedBytes frame;
  };

  [[nodiscard]] Now now() const override { return time; }
  [[nodiscard]] Result<uint16_t> listen(std::string_view, uint16_t port) override { return port; }
  void stop_listening() override {}
  void dial(uint64_t connection, const Endpoint&) override { dials.push_back(connection); }
  void write(uint64_t connection, const SharedBytes& frame) override { writes.push_back({connection, frame}); }
  void close(uint64_t connection, StreamClose how) override { closes.emplace_back(connection, how); }
  void resolve(uint64_t, std::string_view) override {}
  void wake_at(Instant when) override { wake = when; }

  Now time{Instant::from_ns(1'000'000'000'000), 1'700'000'000'000};
  Instant wake = Instant::never();
  std::vector<uint64_t> dials;
  std::vector<Write> writes;
  std::vector<std::pair<uint64_t, StreamClose>> closes;
};

class Observer final : public DriverObserver {
 public:
  void on_table(const std::shared_ptr<const NodeTable>& new_table) override {
    table = new_table;
    tables += 1;
  }
  void on_notification(const Notification& notification) override {
    if (const auto* const up = std::get_if<NodeUp>(&notification)) {
      log.push_back("up " + std::string(up->node.id.name()));
      const NodeEntry* const entry = table->find(up->node.id.text());
      shown_when_up = shown_when_up && entry != nullptr && entry->status == NodeStatus::Connected;
    } else if (const auto* const down = std::get_if<NodeDown>(&notification)) {
      log.push_back("down " + std::string(down->id.name()));
    } else if (std::holds_alternative<ErrorReport>(notification)) {
      log.push_back("error");
    } else if (std::holds_alternative<Left>(notification)) {
      log.push_back("left");
    }
  }

  std::shared_ptr<const NodeTable> table;
  int tables = 0;
  bool shown_when_up = true;
  std::vector<std::string> log;
};

// One node: a driver, and what is around it.
struct Bench {
  explicit Bench(const std::string& name, uint16_t port, const std::string& seed = {}) {
    ClusterConfig config;
    config.node_name = name;
    config.host = "127.0.0.1";
    config.port = port;
    if (!seed.empty()) config.seeds = {seed};
    config.cluster_secret = "a secret of tests";
    config.heartbeat_interval_ms = 1000;
    Self self;
    self.id = *NodeId::create(name, "127.0.0.1", port);
    self.incarnation = port;
    self.nonce = [n = uint64_t{port}]() mutable { return Nonce{n, ++n}; };
    id = self.id;
    driver = std::make_unique<Driver>(*validate(config, {}), self, Rng(port), MembershipLimits{}, transport, observer);
    driver->start();
  }

  NodeId id;
  ScriptedTransport transport;
  Observer observer;
  std::unique_ptr<Driver> driver;
};

// Carries all that `from` has written on `out` to `to`, where that connection is `in`.
void carry(Bench& from, uint64_t out, Bench& to, uint64_t in) {
  const auto writes = std::exchange(from.transport.writes, {});
  for (const auto& write : writes) {
    if (write.connection == out) {
      to.driver->on_received(in, as_byte_view(*write.frame));
    } else {
      from.transport.writes.push_back(write);
    }
  }
}

// `joiner` has dialled `seed` (as its only seed); runs the hello of both to its end. `in` is the connection's number at
// the seed.
void connect(Bench& joiner, Bench& seed, uint64_t in) {
  ASSERT_EQ(joiner.transport.dials.size(), 1u);
  const uint64_t out = joiner.transport.dials.front();
  seed.driver->on_accepted(in, {IpAddress::loopback_v4(), 40'000}, true);
  joiner.driver->on_connected(out, true);
  for (int round = 0; round < 3; ++round) {
    carry(joiner, out, seed, in);
    carry(seed, in, joiner, out);
  }
}

void advance(Bench& bench, Duration by) {
  bench.transport.time.mono = bench.transport.time.mono + by;
  bench.transport.time.unix_ms += by.ms();
}

TEST(Driver, ShowsANodeBeforeItTellsOfIt) {
  Bench seed("seed", 5001);
  Bench joiner("joiner", 5002, seed.id.text());
  connect(joiner, seed, 2);
  EXPECT_EQ(seed.observer.log, std::vector<std::string>{"up joiner"});
  EXPECT_EQ(joiner.observer.log, std::vector<std::string>{"up seed"});
  EXPECT_TRUE(seed.observer.shown_when_up);
  EXPECT_TRUE(joiner.observer.shown_when_up);
}

TEST(Driver, ABeatIsEncodedOnceForAll) {
  Bench seed("seed", 5001);
  Bench first("first", 5002, seed.id.text());
  Bench second("second", 5003, seed.id.text());
  connect(first, seed, 2);
  connect(second, seed, 4);
  seed.transport.writes.clear();
  ASSERT_EQ(seed.transport.wake, seed.driver->membership().deadline());
  // To the next beat. Everything on the way there (gossip of the second node) is due earlier and not looked at.
  std::map<const std::string*, std::vector<uint64_t>> receivers;
  for (int i = 0; i < 50 && receivers.empty(); ++i) {
    advance(seed, seed.transport.wake - seed.transport.time.mono);
    seed.transport.writes.clear();
    seed.driver->on_wake();
    if (seed.transport.writes.size() != 2) continue;
    for (const auto& write : seed.transport.writes) receivers[write.frame.get()].push_back(write.connection);
  }
  ASSERT_EQ(receivers.size(), 1u) << "the very same bytes";
  std::vector<uint64_t> both = receivers.begin()->second;
  std::sort(both.begin(), both.end());
  EXPECT_EQ(both, (std::vector<uint64_t>{2, 4}));
}

TEST(Driver, ReadsNothingMoreOfAConnectionThatItClosed) {
  Bench seed("seed", 5001);
  Bench joiner("joiner", 5002, seed.id.text());
  const uint64_t out = joiner.transport.dials.front();
  seed.driver->on_accepted(2, {IpAddress::loopback_v4(), 40'000}, true);
  joiner.driver->on_connected(out, true);
  ASSERT_EQ(joiner.transport.writes.size(), 1u);
  const std::string good = *joiner.transport.writes.front().frame;
  std::string forged = good;
  forged[forged.size() - 10] = forged[forged.size() - 10] == '0' ? '1' : '0';  // a digit of the signature

  // Forged and good in one segment: the good one comes on a connection that is no more.
  const std::string both = forged + good;
  seed.driver->on_received(2, as_byte_view(both));
  ASSERT_EQ(seed.transport.closes.size(), 1u);
  EXPECT_EQ(seed.transport.closes.front().first, 2u);
  EXPECT_TRUE(seed.transport.writes.empty()) << "no answer to the good frame";
  seed.driver->on_received(2, as_byte_view(good));
  seed.driver->on_closed(2, StreamEnd::EndOfStream);
  EXPECT_TRUE(seed.transport.writes.empty());
  const DriverStats stats = seed.driver->stats();
  EXPECT_EQ(stats.membership.rejected[static_cast<size_t>(RejectKind::BadSignature)], 1u);
  EXPECT_EQ(stats.totals.bytes_in, both.size()) << "what comes after the end is not even counted";
}

TEST(Driver, AFrameThatIdentifiesRaisesTheLimitForTheOneBehindIt) {
  Bench seed("seed", 5001);
  const SigningKeys keys(std::vector<std::string_view>{"a secret of tests"});
  Heartbeat beat;
  beat.node.id = *NodeId::create("reference", "127.0.0.1", 5002);
  beat.node.status = NodeStatus::Connected;
  const std::string first = *encode_frame(beat.node.id, 1'700'000'000'000, beat, &keys);
  // More than a stranger may send, less than a member may.
  while (beat.known_nodes.size() < 20'000) beat.known_nodes.push_back(beat.node.id);
  const std::string large = *encode_frame(beat.node.id, 1'700'000'000'000, beat, &keys);
  ASSERT_GT(large.size(), size_t{256} << 10);
  ASSERT_LT(large.size(), size_t{1} << 20);

  seed.driver->on_accepted(2, {IpAddress::loopback_v4(), 40'000}, true);
  const std::string both = first + large;
  seed.driver->on_received(2, as_byte_view(both));
  EXPECT_TRUE(seed.transport.closes.empty());
  EXPECT_EQ(seed.observer.log, std::vector<std::string>{"up reference"});
  EXPECT_EQ(seed.driver->stats().totals.frames_in, 2u);
}

TEST(Driver, SendsNothingToAConnectionThatIsGone) {
  Bench seed("seed", 5001);
  Bench joiner("joiner", 5002, seed.id.text());
  connect(joiner, seed, 2);
  seed.driver->on_closed(2, StreamEnd::Reset);
  EXPECT_EQ(seed.observer.log.back(), "down joiner");
  seed.transport.writes.clear();
  for (int i = 0; i < 5 && !seed.transport.wake.is_never(); ++i) {
    advance(seed, seed.transport.wake - seed.transport.time.mono);
    seed.driver->on_wake();
  }
  EXPECT_TRUE(std::none_of(seed.transport.writes.begin(), seed.transport.writes.end(),
                           [](const auto& write) { return write.connection == 2; }));
}

TEST(Driver, AfterItLeftItDoesNothing) {
  Bench seed("seed", 5001);
  Bench joiner("joiner", 5002, seed.id.text());
  connect(joiner, seed, 2);
  seed.transport.writes.clear();
  seed.driver->leave();
  EXPECT_EQ(seed.transport.writes.size(), 1u) << "one goodbye";
  EXPECT_EQ(seed.observer.log.back(), "left");
  ASSERT_EQ(seed.transport.closes.size(), 1u);
  EXPECT_EQ(seed.transport.closes.front(), (std::pair<uint64_t, StreamClose>{2, StreamClose::Flush}));
  EXPECT_TRUE(seed.transport.wake.is_never());

  const auto log = seed.observer.log;
  seed.driver->leave();
  seed.driver->on_accepted(4, {IpAddress::loopback_v4(), 40'001}, true);
  seed.driver->on_wake();
  seed.driver->set_process_count(5);
  EXPECT_EQ(seed.observer.log, log);
  EXPECT_EQ(seed.transport.writes.size(), 1u);
  EXPECT_EQ(seed.transport.closes.back(), (std::pair<uint64_t, StreamClose>{4, StreamClose::Abort}));
}

TEST(Driver, PublishesOneTableForABurst) {
  Bench seed("seed", 5001);
  Bench joiner("joiner", 5002, seed.id.text());
  connect(joiner, seed, 2);
  // A peer names twenty strangers: nobody is told of them, they only stand in the table.
  const SigningKeys keys({"a secret of tests"});
  seed.driver->on_wake();
  const int before = seed.observer.tables;
  for (int i = 0; i < 20; ++i) {
    Heartbeat beat;
    beat.node.id = joiner.id;
    beat.node.status = NodeStatus::Connected;
    beat.known_nodes = {*NodeId::create("stranger" + std::to_string(i), "127.0.0.1", 6000 + i)};
    const SharedBytes frame = encode_frame(joiner.id, joiner.transport.time.unix_ms, beat, &keys);
    seed.driver->on_received(2, as_byte_view(*frame));
  }
  EXPECT_EQ(seed.observer.tables, before);
  EXPECT_LE(seed.transport.wake, seed.transport.time.mono) << "but soon";
  seed.driver->on_wake();
  EXPECT_EQ(seed.observer.tables, before + 1);
  EXPECT_EQ(seed.observer.table->nodes.size(), 21u);
  EXPECT_GT(seed.transport.wake, seed.transport.time.mono) << "and then it rests";
}

// Who asks for statistics between a change and its publication sees it first, and must not be the only one.
TEST(Driver, StatisticsShowNothingThatIsNotPublished) {
  Bench seed("seed", 5001);
  Bench joiner("joiner", 5002, seed.id.text());
  connect(joiner, seed, 2);
  seed.driver->on_wake();
  const SigningKeys keys({"a secret of tests"});
  Heartbeat beat;
  beat.node.id = joiner.id;
  beat.node.status = NodeStatus::Connected;
  beat.known_nodes = {*NodeId::create("stranger", "127.0.0.1", 6000)};
  const SharedBytes frame = encode_frame(joiner.id, joiner.transport.time.unix_ms, beat, &keys);
  seed.driver->on_received(2, as_byte_view(*frame));
  ASSERT_EQ(seed.observer.table->nodes.size(), 1u) << "it waits for more";
  const DriverStats stats = seed.driver->stats();
  EXPECT_EQ(stats.table->nodes.size(), 2u);
  EXPECT_EQ(seed.observer.table, stats.table);
}

}  // namespace
}  // namespace noex::test
