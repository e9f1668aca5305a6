// The virtual network keeps the transport's contract and breaks only as real networks do: what the simulator judges
// rests on it.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transport/memory_transport.h"

namespace noex {
namespace {

IpAddress ip(int last) { return IpAddress::v4(0x0a000000u + static_cast<uint32_t>(last)); }

SharedBytes text(std::string value) { return std::make_shared<const std::string>(std::move(value)); }

// A process that writes down what it is told.
class Peer final : public TransportHandler {
 public:
  Peer(MemoryNetwork& network, HostId host) : network_(network), transport(network.start_process(host)) {
    transport->set_handler(this);
  }

  void on_accepted(uint64_t connection, const Endpoint& remote, bool is_local) override {
    accepted.push_back(connection);
    remotes.push_back(remote);
    local = is_local;
    note("accepted");
  }
  void on_connected(uint64_t connection, bool is_local) override {
    connected.push_back(connection);
    local = is_local;
    note("connected");
  }
  void on_dial_failed(uint64_t connection, std::string_view reason) override {
    static_cast<void>(connection);
    note("failed: " + std::string(reason));
  }
  void on_received(uint64_t connection, ByteView bytes) override {
    received[connection] += as_text(bytes);
    ++segments;
    note("received");
  }
  void on_closed(uint64_t connection, StreamEnd end) override {
    closed[connection] = end;
    note("closed");
  }
  void on_resolved(uint64_t query, const std::vector<IpAddress>& addresses, std::string_view reason) override {
    static_cast<void>(query);
    resolved = addresses;
    note("resolved: " + std::string(reason));
  }
  void on_wake() override { note("wake"); }

  [[nodiscard]] std::vector<std::string> take() { return std::exchange(notes, {}); }

  std::vector<uint64_t> accepted;
  std::vector<Endpoint> remotes;
  std::vector<uint64_t> connected;
  std::map<uint64_t, std::string> received;
  std::map<uint64_t, StreamEnd> closed;
  std::vector<IpAddress> resolved;
  std::vector<std::string> notes;
  std::vector<Instant> times;
  int segments = 0;
  bool local = false;

 private:
  void note(std::string what) {
    notes.push_back(std::move(what));
    times.push_back(network_.now());
  }
  MemoryNetwork& network_;

 public:
  std::unique_ptr<MemoryTransport> transport;
};

using Notes = std::vector<std::string>;

class MemoryNetworkTest : public testing::Test {
 protected:
  static NetworkSettings settings() {
    NetworkSettings wanted;
    wanted.break_chance = 0;
    wanted.break_chance_long = 0;
    wanted.segment_chance = 0;
    return wanted;
  }
  // `server` listens, `client` has connection 1 to it.
  void connect() {
    ASSERT_TRUE(server.transport->listen("0.0.0.0", 5000).ok());
    client.transport->dial(1, {ip(2), 5000});
    network.run_for(Duration::milliseconds(10));
    ASSERT_EQ(client.take(), Notes{"connected"});
    ASSERT_EQ(server.take(), Notes{"accepted"});
  }

  MemoryNetwork network{1, settings()};
  Peer client{network, network.add_host({ip(1)})};
  Peer server{network, network.add_host({ip(2)})};
};

TEST_F(MemoryNetworkTest, BytesArriveInOrderBothWays) {
  ASSERT_NO_FATAL_FAILURE(connect());
  EXPECT_EQ(server.accepted, std::vector<uint64_t>{2});
  EXPECT_EQ(server.remotes[0].ip, ip(1));
  EXPECT_FALSE(server.local);
  std::string all;
  for (int i = 0; i < 100; ++i) {
    const std::string frame = "frame " + std::to_string(i) + ";";
    all += frame;
    client.transport->write(1, text(frame));
    server.transport->write(2, text(frame));
  }
  EXPECT_TRUE(client.notes.empty()) << "callbacks never come from within a call";
  network.run_for(Duration::milliseconds(10));
  EXPECT_EQ(server.received[2], all);
  EXPECT_EQ(client.received[1], all);
  EXPECT_EQ(network.peer_of(0, 1), std::optional<ProcessId>(1));
}

TEST_F(MemoryNetworkTest, SegmentsAreCutAnywhere) {
  NetworkSettings wanted = settings();
  wanted.segment_chance = 1;
  MemoryNetwork other(7, wanted);
  other.add_host({ip(1)});
  Peer a(other, 0);
  Peer b(other, 0);
  ASSERT_TRUE(b.transport->listen("127.0.0.1", 5000).ok());
  a.transport->dial(1, {IpAddress::loopback_v4(), 5000});
  other.run_for(Duration::milliseconds(10));
  EXPECT_TRUE(b.local);
  const std::string frame(2000, 'x');
  a.transport->write(1, text(frame));
  other.run_for(Duration::milliseconds(10));
  EXPECT_EQ(b.received[2], frame);
  EXPECT_GT(b.segments, 3);
}

TEST_F(MemoryNetworkTest, DialsAreRefusedUnreachableOrTimeOut) {
  client.transport->dial(1, {ip(2), 5000});
  network.run_for(Duration::milliseconds(10));
  EXPECT_EQ(client.take(), Notes{"failed: connection refused"});

  client.transport->dial(3, {ip(9), 5000});  // nobody has this address
  network.run_for(Duration::milliseconds(5100));
  const Notes notes = client.take();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_TRUE(notes[0] == "failed: no route to host" || notes[0] == "failed: timed out after 5 s") << notes[0];

  ASSERT_TRUE(server.transport->listen("0.0.0.0", 5000).ok());
  network.cut(1, 0);  // the SYN arrives, the answer does not
  client.transport->dial(5, {ip(2), 5000});
  network.run_for(Duration::milliseconds(4990));
  EXPECT_TRUE(client.notes.empty());
  network.run_for(Duration::milliseconds(20));
  EXPECT_EQ(client.take(), Notes{"failed: timed out after 5 s"});
  EXPECT_TRUE(server.accepted.empty());

  client.transport->dial(7, {ip(2), 5000});
  network.run_for(Duration::milliseconds(500));
  network.heal_all();  // the SYN is sent again after 1 s
  network.run_for(Duration::milliseconds(600));
  EXPECT_EQ(client.take(), Notes{"connected"});

  client.transport->dial(9, {ip(2), 5000});
  client.transport->close(9, StreamClose::Abort);
  network.run_for(Duration::seconds(6));
  EXPECT_TRUE(client.notes.empty()) << "an aborted dial is silent";
  EXPECT_EQ(server.accepted.size(), 1u);
}

TEST_F(MemoryNetworkTest, HalfCloseReadsOn) {
  ASSERT_NO_FATAL_FAILURE(connect());
  client.transport->write(1, text("last words"));
  client.transport->close(1, StreamClose::ShutdownWrite);
  server.transport->write(2, text("answer"));
  network.run_for(Duration::milliseconds(10));
  EXPECT_EQ(server.take(), (Notes{"received", "closed"}));
  EXPECT_EQ(server.closed[2], StreamEnd::EndOfStream);
  EXPECT_EQ(server.received[2], "last words");
  EXPECT_EQ(client.take(), (Notes{"received", "closed"}));
  EXPECT_EQ(client.received[1], "answer");
  EXPECT_EQ(client.closed[1], StreamEnd::EndOfStream);
}

TEST_F(MemoryNetworkTest, FlushSendsAbortDropsAndBothAreSilent) {
  ASSERT_NO_FATAL_FAILURE(connect());
  client.transport->write(1, text(std::string(600'000, 'x')));  // more than one window
  client.transport->close(1, StreamClose::Flush);
  network.run_for(Duration::seconds(2));
  EXPECT_EQ(server.received[2].size(), 600'000u);
  EXPECT_TRUE(server.closed.contains(2));
  EXPECT_TRUE(client.notes.empty());

  client.transport->dial(3, {ip(2), 5000});
  network.run_for(Duration::milliseconds(10));
  ASSERT_EQ(client.take(), Notes{"connected"});
  client.transport->write(3, text(std::string(600'000, 'y')));
  client.transport->close(3, StreamClose::Abort);
  network.run_for(Duration::seconds(2));
  EXPECT_LT(server.received[4].size(), 600'000u);
  EXPECT_TRUE(server.closed.contains(4));
  EXPECT_TRUE(client.notes.empty());
}

TEST_F(MemoryNetworkTest, APeerThatDoesNotReadIsCut) {
  ASSERT_NO_FATAL_FAILURE(connect());
  network.freeze(1);
  for (int i = 0; i < 20; ++i) client.transport->write(1, text(std::string(100'000, 'x')));
  EXPECT_GT(client.transport->unsent(1), 1024u * 1024u);
  EXPECT_TRUE(client.notes.empty());
  network.run_for(Duration::milliseconds(100));
  EXPECT_EQ(client.closed[1], StreamEnd::SlowReader);
}

TEST_F(MemoryNetworkTest, AFrozenProcessFindsEverythingOnWaking) {
  ASSERT_NO_FATAL_FAILURE(connect());
  server.transport->wake_at(network.now() + Duration::seconds(1));
  network.freeze(1);
  client.transport->write(1, text("hello"));
  client.transport->dial(3, {ip(2), 5000});
  network.run_for(Duration::seconds(3));
  EXPECT_EQ(client.take(), Notes{"connected"}) << "the kernel accepts for a stopped process";
  EXPECT_TRUE(server.notes.empty());
  network.thaw(1);
  Notes notes = server.take();
  ASSERT_EQ(notes.size(), 3u);
  EXPECT_EQ(notes.back(), "wake") << "what is readable comes before the timer";
  EXPECT_EQ(server.received[2], "hello");
}

TEST_F(MemoryNetworkTest, WakesComeOnceAtTheirTime) {
  const Instant start = network.now();
  client.transport->wake_at(start + Duration::milliseconds(500));
  client.transport->wake_at(start + Duration::milliseconds(100));
  client.transport->wake_at(start + Duration::milliseconds(300));
  network.run_for(Duration::seconds(1));
  EXPECT_EQ(client.take(), Notes{"wake"});
  EXPECT_EQ(client.times.back(), start + Duration::milliseconds(300));
  client.transport->wake_at(network.now() + Duration::milliseconds(5));
  client.transport->wake_at(Instant::never());
  network.run_for(Duration::seconds(1));
  EXPECT_TRUE(client.notes.empty());
}

TEST_F(MemoryNetworkTest, BytesOutliveAShortCut) {
  ASSERT_NO_FATAL_FAILURE(connect());
  network.cut(0, 1);
  client.transport->write(1, text("through"));
  server.transport->write(2, text("other way"));
  network.run_for(Duration::seconds(3));
  EXPECT_TRUE(server.notes.empty());
  EXPECT_EQ(client.received[1], "other way") << "the cut was one-way";
  network.heal(0, 1);
  network.run_for(Duration::seconds(1));
  EXPECT_EQ(server.received[2], "through");
}

TEST_F(MemoryNetworkTest, DeathsAreToldByKernelsOnly) {
  ASSERT_NO_FATAL_FAILURE(connect());
  network.kill(1);
  network.run_for(Duration::milliseconds(10));
  EXPECT_EQ(client.take(), Notes{"closed"});

  Peer again(network, 1);
  ASSERT_TRUE(again.transport->listen("10.0.0.2", 5000).ok());
  client.transport->dial(3, {ip(2), 5000});
  network.run_for(Duration::milliseconds(10));
  ASSERT_EQ(client.take(), Notes{"connected"});
  network.crash_host(1);
  client.transport->write(3, text("anyone?"));
  network.run_for(Duration::seconds(60));
  EXPECT_TRUE(client.notes.empty()) << "a host without power says nothing";
  network.restore_host(1);
  network.run_for(Duration::seconds(1));
  EXPECT_EQ(client.closed[3], StreamEnd::Reset) << "the kernel that came back knows no such connection";
}

TEST_F(MemoryNetworkTest, HalfOpenIsKnownToOneEndOnly) {
  ASSERT_NO_FATAL_FAILURE(connect());
  ASSERT_EQ(network.streams().size(), 1u);
  network.half_open_stream(network.streams()[0].id, 0);
  server.transport->write(2, text("into the void"));
  network.run_for(Duration::seconds(30));
  EXPECT_EQ(client.closed[1], StreamEnd::Reset);
  EXPECT_TRUE(client.received.empty());
  EXPECT_TRUE(server.notes.empty());
}

TEST_F(MemoryNetworkTest, NamesAndPorts) {
  network.set_name("seeds", {{ip(1), ip(2)}, "", Duration::milliseconds(5)});
  client.transport->resolve(1, "seeds");
  client.transport->resolve(2, "nowhere");
  EXPECT_TRUE(client.notes.empty());
  network.run_for(Duration::milliseconds(10));
  EXPECT_EQ(client.take(), (Notes{"resolved: unknown host", "resolved: "}));
  EXPECT_EQ(client.resolved.size(), 2u);

  ASSERT_TRUE(server.transport->listen("0.0.0.0", 5000).ok());
  Peer second(network, 1);
  const auto taken = second.transport->listen("10.0.0.2", 5000);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().bind.code, "EADDRINUSE");
  EXPECT_FALSE(second.transport->listen("10.0.0.1", 5000).ok()) << "not an address of this host";
  EXPECT_GT(*second.transport->listen("10.0.0.2", 0), 0);
}

TEST_F(MemoryNetworkTest, TheSameSeedGivesTheSameRun) {
  const auto run = [](uint64_t seed) {
    MemoryNetwork twin(seed);
    twin.add_host({ip(1)});
    twin.add_host({ip(2)});
    Peer a(twin, 0);
    Peer b(twin, 1);
    EXPECT_TRUE(b.transport->listen("0.0.0.0", 5000).ok());
    a.transport->dial(1, {ip(2), 5000});
    for (int i = 0; i < 50; ++i) {
      a.transport->write(1, text(std::string(100, 'x')));
      twin.run_for(Duration::milliseconds(3));
    }
    return twin.trace_hash();
  };
  EXPECT_EQ(run(3), run(3));
  EXPECT_NE(run(3), run(4));
}

}  // namespace
}  // namespace noex
