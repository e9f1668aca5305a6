// The libuv transport on real sockets of the loopback interface: streams, their ends, and the limits on peers that
// misbehave.
#include "transport/uv_transport.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/process_state.h"
#include "cluster/raw_socket.h"
#include "cluster/transport_harness.h"
#include "transport/socket_address.h"

namespace noex::test {
namespace {

Endpoint loopback(uint16_t port) { return {IpAddress::loopback_v4(), port}; }

// A listening socket whose backlog is full, so that a further dial gets no answer at all.
class SilentListener {
 public:
  SilentListener() : listener_(RawSocket::bound(0)) {
    while (true) {
      RawSocket filler = RawSocket::create();
      const bool connected = filler.try_connect(listener_.port(), std::chrono::milliseconds(100));
      fillers_.push_back(std::move(filler));
      if (!connected) return;
    }
  }
  [[nodiscard]] uint16_t port() const { return listener_.port(); }

 private:
  RawSocket listener_;
  std::vector<RawSocket> fillers_;
};

TEST(UvTransport, CarriesBytesBothWays) {
  TransportHarness server;
  TransportHarness client;
  const uint16_t port = server.listen();
  client.on_loop([&](UvTransport& transport) { transport.dial(1, loopback(port)); });
  ASSERT_TRUE(client.wait([](const auto& record) { return record.connected.count(1) == 1; }));
  const TransportHarness::Accepted accepted = server.wait_accepted();
  EXPECT_EQ(accepted.id % 2, 0u);
  EXPECT_TRUE(accepted.remote_is_local);
  EXPECT_TRUE(accepted.remote.ip.is_loopback());
  EXPECT_TRUE(client.record().connected[1]);

  client.on_loop([](UvTransport& transport) {
    transport.write(1, bytes_of("to the "));
    transport.write(1, bytes_of("server"));
  });
  EXPECT_TRUE(server.wait_received(accepted.id, "to the server"));
  const std::string large(300'000, 'x');
  server.on_loop([&](UvTransport& transport) { transport.write(accepted.id, bytes_of(large)); });
  EXPECT_TRUE(client.wait_received(1, large));

  client.on_loop([](UvTransport& transport) { transport.close(1, StreamClose::Abort); });
  EXPECT_TRUE(server.wait([&](const auto& record) { return record.closed.count(accepted.id) == 1; }));
  EXPECT_TRUE(client.record().closed.empty()) << "a connection closed by the handler must end silently";
}

// This process's end of the connection to that port; -1 if there is none.
int socket_to(uint16_t peer) {
  for (int fd = 0; fd < 1024; ++fd) {
    const auto remote = remote_endpoint(fd);
    if (remote && remote->port == peer) return fd;
  }
  return -1;
}

void expect_persistent(int fd) {
  for (const int option : {TCP_NODELAY, TCP_THIN_LINEAR_TIMEOUTS}) {
    int value = 0;
    socklen_t size = sizeof value;
    ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, option, &value, &size), 0);
    EXPECT_EQ(value, 1) << "option " << option;
  }
  std::array<char, 16> name{};
  socklen_t size = name.size();
  ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size), 0);
  EXPECT_NE(std::string_view(name.data()).substr(0, 3), "bbr");
}

TEST(UvTransport, LostHeartbeatsAreRepeatedAtAnEvenPace) {
  TransportHarness server;
  const RawSocket dialler = RawSocket::connected(server.listen());
  expect_persistent(socket_to(server.wait_accepted().remote.port));

  TransportHarness client;
  const RawSocket listener = RawSocket::bound(1);
  client.on_loop([&](UvTransport& transport) { transport.dial(1, loopback(listener.port())); });
  ASSERT_TRUE(client.wait([](const auto& record) { return record.connected.count(1) == 1; }));
  expect_persistent(socket_to(listener.port()));
}

TEST(UvTransport, DualStackWildcardTakesIpv4) {
  TransportHarness server;
  uint16_t port = 0;
  bool has_v6 = false;
  server.on_loop([&](UvTransport& transport) {
    const Result<uint16_t> bound = transport.listen("::", 0);
    has_v6 = bound.ok();
    if (bound) port = *bound;
  });
  if (!has_v6) GTEST_SKIP() << "no IPv6 here";
  const RawSocket peer = RawSocket::connected(port);
  const TransportHarness::Accepted accepted = server.wait_accepted();
  EXPECT_EQ(accepted.remote.ip, IpAddress::loopback_v4()) << "a mapped address is the IPv4 address that it means";
}

TEST(UvTransport, SaysWhyADialFailed) {
  const RawSocket nobody = RawSocket::bound(-1);  // bound, so that nobody else listens there
  TransportHarness client;
  client.on_loop([&](UvTransport& transport) { transport.dial(1, loopback(nobody.port())); });
  ASSERT_TRUE(client.wait([](const auto& record) { return record.dial_failed.count(1) == 1; }));
  EXPECT_EQ(client.record().dial_failed[1], "connection refused");
}

TEST(UvTransport, ADialThatFailsAtOnceIsToldLater) {
  TransportHarness client;
  bool told_inside = false;
  client.on_loop([&](UvTransport& transport) {
    transport.dial(1, {*IpAddress::parse("255.255.255.255"), 1});  // connect() itself refuses a broadcast address
    told_inside = !client.record().dial_failed.empty();
  });
  EXPECT_FALSE(told_inside) << "callbacks never come from within a call";
  ASSERT_TRUE(client.wait([](const auto& record) { return record.dial_failed.count(1) == 1; }));
  EXPECT_FALSE(client.record().dial_failed[1].empty());
}

TEST(UvTransport, ADialTimesOut) {
  const SilentListener silent;
  UvTransportOptions options;
  options.dial_timeout = Duration::milliseconds(300);
  TransportHarness client(options);
  const Instant begin = client.transport().now().mono;
  client.on_loop([&](UvTransport& transport) { transport.dial(1, loopback(silent.port())); });
  ASSERT_TRUE(client.wait([](const auto& record) { return record.dial_failed.count(1) == 1; }));
  EXPECT_GE(client.transport().now().mono - begin, options.dial_timeout);
  EXPECT_EQ(client.record().dial_failed[1], "timed out after 300 ms");
}

TEST(UvTransport, ACancelledDialIsSilent) {
  const SilentListener silent;
  UvTransportOptions options;
  options.dial_timeout = Duration::milliseconds(200);
  TransportHarness client(options);
  client.on_loop([&](UvTransport& transport) {
    transport.dial(1, loopback(silent.port()));
    transport.close(1, StreamClose::Abort);
    transport.dial(3, loopback(silent.port()));  // times out later than the first would have
  });
  ASSERT_TRUE(client.wait([](const auto& record) { return record.dial_failed.count(3) == 1; }));
  EXPECT_EQ(client.record().dial_failed.count(1), 0u);
}

TEST(UvTransport, CutsAPeerThatDoesNotRead) {
  UvTransportOptions options;
  options.socket_send_buffer = 16 * 1024;
  TransportHarness server(options);
  const RawSocket peer = RawSocket::connected(server.listen(), 4096);
  const uint64_t id = server.wait_accepted().id;
  const SharedBytes frame = bytes_of(std::string(64 * 1024, 'x'));
  bool told_inside = false;
  size_t most = 0;
  server.on_loop([&](UvTransport& transport) {
    for (int i = 0; i < 64; ++i) {
      transport.write(id, frame);
      most = std::max(most, transport.unsent(id));
    }
    told_inside = !server.record().closed.empty();
  });
  EXPECT_FALSE(told_inside);
  EXPECT_GT(most, options.send_queue_max);
  EXPECT_LE(most, options.send_queue_max + frame->size()) << "nothing is queued beyond the limit";
  ASSERT_TRUE(server.wait([&](const auto& record) { return record.closed.count(id) == 1; }));
  EXPECT_EQ(server.record().closed[id], std::vector<StreamEnd>{StreamEnd::SlowReader});
}

TEST(UvTransport, FlushSendsEverythingThenEnds) {
  UvTransportOptions options;
  options.socket_send_buffer = 16 * 1024;  // most of it waits in our queue, not in the kernel's
  TransportHarness server(options);
  RawSocket peer = RawSocket::connected(server.listen(), 4096);
  const uint64_t id = server.wait_accepted().id;
  const std::string text(900'000, 'x');
  server.on_loop([&](UvTransport& transport) {
    transport.write(id, bytes_of(text));
    transport.close(id, StreamClose::Flush);
    transport.write(id, bytes_of("too late"));
  });
  EXPECT_EQ(peer.read(text.size() + 8).size(), text.size());
  EXPECT_TRUE(peer.at_end());
  peer.close();
  server.on_loop([](UvTransport&) {});
  EXPECT_TRUE(server.record().closed.empty()) << "a flushed connection ends silently";
}

TEST(UvTransport, AFlushThatIsStillReadFromIsNotReset) {
  // Bytes of the peer's that nobody reads any more would turn a plain close into a reset, which takes our last words
  // with it.
  TransportHarness server;
  RawSocket peer = RawSocket::connected(server.listen());
  const uint64_t id = server.wait_accepted().id;
  server.on_loop([&](UvTransport& transport) {
    ASSERT_TRUE(peer.send("a question that comes too late"));
    transport.write(id, bytes_of("last words"));
    transport.close(id, StreamClose::Flush);
  });
  EXPECT_TRUE(peer.send("another"));
  EXPECT_EQ(peer.read(100), "last words");
  EXPECT_TRUE(peer.at_end());
}

TEST(UvTransport, FinishEndsThoughAPeerNeverReads) {
  UvTransportOptions options;
  options.flush_timeout = Duration::milliseconds(300);
  options.socket_send_buffer = 16 * 1024;
  TransportHarness server(options);
  const RawSocket peer = RawSocket::connected(server.listen(), 4096);
  const uint64_t id = server.wait_accepted().id;
  const Instant begin = server.transport().now().mono;
  server.on_loop([&](UvTransport& transport) {
    transport.write(id, bytes_of(std::string(900'000, 'x')));
    transport.close(id, StreamClose::Flush);
    transport.finish();
  });
  ASSERT_TRUE(server.wait_ended());
  EXPECT_TRUE(server.record().outcome.ok());
  EXPECT_GE(server.transport().now().mono - begin, options.flush_timeout) << "it was not given its time to read";
}

TEST(UvTransport, HalfClosedConnectionStillReads) {
  TransportHarness server;
  RawSocket peer = RawSocket::connected(server.listen());
  const uint64_t id = server.wait_accepted().id;
  server.on_loop([&](UvTransport& transport) {
    transport.write(id, bytes_of("last"));
    transport.close(id, StreamClose::ShutdownWrite);
    transport.write(id, bytes_of("too late"));
  });
  EXPECT_EQ(peer.read(100), "last");
  EXPECT_TRUE(peer.at_end());
  ASSERT_TRUE(peer.send("still here"));
  EXPECT_TRUE(server.wait_received(id, "still here"));
  peer.close();
  ASSERT_TRUE(server.wait([&](const auto& record) { return record.closed.count(id) == 1; }));
  EXPECT_EQ(server.record().closed[id], std::vector<StreamEnd>{StreamEnd::EndOfStream});
}

TEST(UvTransport, WhatWasQueuedReachesAPeerThatOnlyStoppedSending) {
  UvTransportOptions options;
  options.socket_send_buffer = 16 * 1024;  // most of it waits in our queue, not in the kernel's
  TransportHarness server(options);
  RawSocket peer = RawSocket::connected(server.listen(), 4096);
  const uint64_t id = server.wait_accepted().id;
  const std::string text(900'000, 'x');
  server.on_loop([&](UvTransport& transport) {
    transport.write(id, bytes_of(text));
    EXPECT_GT(transport.unsent(id), text.size() / 2);
  });
  peer.shutdown_write();
  ASSERT_TRUE(server.wait([&](const auto& record) { return record.closed.count(id) == 1; }));
  EXPECT_EQ(peer.read(text.size()).size(), text.size());
  EXPECT_TRUE(peer.at_end());
}

TEST(UvTransport, ReadsTheLastWordsOfAPeerThatIsGone) {
  TransportHarness server;
  RawSocket peer = RawSocket::connected(server.listen());
  const uint64_t id = server.wait_accepted().id;
  server.on_loop([&](UvTransport& transport) {
    // All of it before the loop can read: the peer says something and is gone, so that writing to it fails.
    ASSERT_TRUE(peer.send("goodbye"));
    peer.close();
    for (int i = 0; i < 3; ++i) {
      transport.write(id, bytes_of("a beat"));
      usleep(10'000);  // let the peer's reset come in before the next write, which then fails
    }
  });
  ASSERT_TRUE(server.wait([&](const auto& record) { return record.closed.count(id) == 1; }));
  EXPECT_EQ(server.record().received[id], "goodbye");
  EXPECT_EQ(server.record().closed[id].size(), 1u);
}

TEST(UvTransport, TellsAResetFromAnEnd) {
  TransportHarness server;
  const uint16_t port = server.listen();
  RawSocket peer = RawSocket::connected(port);
  const uint64_t id = server.wait_accepted().id;
  peer.reset();
  ASSERT_TRUE(server.wait([&](const auto& record) { return record.closed.count(id) == 1; }));
  EXPECT_EQ(server.record().closed[id], std::vector<StreamEnd>{StreamEnd::Reset});
}

TEST(UvTransport, ATakenPortIsAClearError) {
  const RawSocket taken = RawSocket::bound(1);
  TransportHarness server;
  server.on_loop([&](UvTransport& transport) {
    const Result<uint16_t> bound = transport.listen("127.0.0.1", taken.port());
    ASSERT_FALSE(bound.ok());
    const Error& error = bound.error();
    EXPECT_EQ(error.code, ErrorCode::Bind);
    EXPECT_EQ(error.bind.code, "EADDRINUSE");
    EXPECT_EQ(error.bind.os_error, EADDRINUSE);
    EXPECT_EQ(error.bind.address, "127.0.0.1");
    EXPECT_EQ(error.bind.port, taken.port());
    EXPECT_EQ(error.bind.syscall, "listen");
    EXPECT_EQ(error.message,
              "cannot listen on 127.0.0.1:" + std::to_string(taken.port()) +
                  ": address already in use (EADDRINUSE); is another node, or Erlang's epmd, which uses port 4369 "
                  "too, running here?");
    EXPECT_TRUE(transport.listen("127.0.0.1", 0).ok()) << "a failed listen leaves the transport usable";
  });
}

TEST(UvTransport, WithoutDescriptorsLeftItWaitsAndThenAccepts) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  TransportHarness server;
  const uint16_t port = server.listen();
  RawSocket peer = RawSocket::create();  // its descriptor exists before they run out
  rlimit low = before;
  low.rlim_cur = std::min<rlim_t>(before.rlim_cur, 256);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  std::vector<int> hoard;
  for (int fd = dup(0); fd >= 0; fd = dup(0)) hoard.push_back(fd);

  timespec cpu_before{};
  server.on_loop([&](UvTransport& transport) {
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu_before);
    transport.wake_at(transport.now().mono + Duration::milliseconds(500));
  });
  const bool connected = peer.connect(port);  // the kernel accepts into the backlog
  const bool woken = server.wait([](const auto& record) { return record.wakes.size() == 1; });
  timespec cpu_after{};
  server.on_loop([&](UvTransport&) { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu_after); });
  const bool accepted_early = !server.record().accepted.empty();

  for (const int fd : hoard) close(fd);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(connected);
  EXPECT_TRUE(woken) << "timers go on meanwhile";
  EXPECT_FALSE(accepted_early);
  EXPECT_EQ(server.wait_accepted().id, 2u);
  const double cpu_seconds = static_cast<double>(cpu_after.tv_sec - cpu_before.tv_sec) +
                             1e-9 * static_cast<double>(cpu_after.tv_nsec - cpu_before.tv_nsec);
  EXPECT_LT(cpu_seconds, 0.03) << "the loop span while it could not accept";
}

TEST(UvTransport, AnExceptionEndsTheRunAndNothingElse) {
  TransportHarness server;
  RawSocket peer = RawSocket::connected(server.listen());
  static_cast<void>(server.wait_accepted());
  server.set_on_received([](uint64_t) { throw std::runtime_error("out of something"); });
  ASSERT_TRUE(peer.send("x"));
  ASSERT_TRUE(server.wait_ended());
  ASSERT_FALSE(server.record().outcome.ok());
  EXPECT_EQ(server.record().outcome.error().code, ErrorCode::Internal);
  EXPECT_EQ(server.record().outcome.error().message, "out of something");
  EXPECT_TRUE(peer.at_end()) << "the connections of the failed run are closed";
}

TEST(UvTransport, LeavesNothingBehind) {
  { TransportHarness first; }  // libuv keeps two descriptors per process from its first loop on
  const size_t descriptors = open_descriptors();
  const size_t threads = thread_count();
  for (int round = 0; round < 20; ++round) {
    TransportHarness server;
    TransportHarness client;
    const uint16_t port = server.listen();
    client.on_loop([&](UvTransport& transport) {
      for (uint64_t id = 1; id < 20; id += 2) transport.dial(id, loopback(port));
    });
    ASSERT_TRUE(client.wait([](const auto& record) { return record.connected.size() == 10; }));
    client.on_loop([](UvTransport& transport) { transport.close(1, StreamClose::Flush); });
  }
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_TRUE(wait_threads_at_most(threads));
}

}  // namespace
}  // namespace noex::test
