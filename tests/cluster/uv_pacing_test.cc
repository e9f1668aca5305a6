// When on_wake() comes: never early, and after a pause of this process only when everything that had arrived was
// delivered.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cluster/raw_socket.h"
#include "cluster/transport_harness.h"
#include "transport/uv_transport.h"

namespace noex::test {
namespace {

TEST(UvPacing, NeverWakesEarly) {
  TransportHarness harness;
  for (int round = 0; round < 40; ++round) {
    Instant due;
    harness.on_loop([&](UvTransport& transport) {
      due = transport.now().mono + Duration::microseconds(137 * round);
      transport.wake_at(due);
    });
    const auto count = static_cast<size_t>(round) + 1;
    ASSERT_TRUE(harness.wait([&](const auto& record) { return record.wakes.size() >= count; }));
    ASSERT_EQ(harness.record().wakes.size(), count);
    EXPECT_GE(harness.record().wakes.back(), due);
  }
}

TEST(UvPacing, TheLastWishCounts) {
  TransportHarness harness;
  Instant due;
  harness.on_loop([&](UvTransport& transport) {
    const Instant now = transport.now().mono;
    due = now + Duration::milliseconds(60);
    transport.wake_at(now + Duration::milliseconds(5));
    transport.wake_at(Instant::never());
    transport.wake_at(due);
  });
  ASSERT_TRUE(harness.wait([](const auto& record) { return !record.wakes.empty(); }));
  EXPECT_GE(harness.record().wakes.front(), due);
  harness.on_loop([](UvTransport& transport) { transport.wake_at(transport.now().mono + Duration::milliseconds(1)); });
  ASSERT_TRUE(harness.wait([](const auto& record) { return record.wakes.size() == 2; })) << "one call per wish";
}

TEST(UvPacing, ATimeInThePastMeansSoon) {
  TransportHarness harness;
  harness.on_loop([](UvTransport& transport) { transport.wake_at(transport.now().mono - Duration::seconds(1)); });
  EXPECT_TRUE(harness.wait([](const auto& record) { return record.wakes.size() == 1; }));
}

// The loop stands still, as in a frozen process, while others go on.
void freeze_while(const std::function<void()>& others) {
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // longer than any poll of ours may lie back
  others();
}

void say(RawSocket& peer, std::string_view text) {
  ASSERT_TRUE(peer.send(text));
  ASSERT_TRUE(peer.wait_delivered());
}

// Everything of every connection was delivered before the first wake-up.
void expect_read_before_the_wake(const TransportHarness::Record& record, size_t peers, size_t bytes_each) {
  EXPECT_EQ(record.accepted.size(), peers);
  const auto wake = std::find(record.log.begin(), record.log.end(), "wake");
  for (const auto& accepted : record.accepted) {
    const auto late = std::find(wake, record.log.end(), "received " + std::to_string(accepted.id));
    EXPECT_EQ(late, record.log.end()) << "read after the wake-up, though it was there before";
    ASSERT_EQ(record.received.count(accepted.id), 1u);
    EXPECT_EQ(record.received.at(accepted.id).size(), bytes_each);
  }
}

TEST(UvPacing, AfterAPauseEverythingIsReadBeforeTheWakeUp) {
  constexpr size_t kPeers = 20;
  constexpr size_t kBytes = 30'000;  // fits in the receive buffer
  TransportHarness harness;
  const uint16_t port = harness.listen();
  std::vector<RawSocket> peers;
  for (size_t i = 0; i < kPeers; ++i) peers.push_back(RawSocket::connected(port));
  static_cast<void>(harness.wait_accepted(kPeers - 1));
  harness.on_loop([&](UvTransport& transport) {
    transport.wake_at(transport.now().mono + Duration::milliseconds(1));  // comes, and goes by, while it is frozen
    freeze_while([&] {
      for (RawSocket& peer : peers) say(peer, std::string(kBytes, 'x'));
    });
  });
  ASSERT_TRUE(harness.wait([](const auto& record) { return record.wakes.size() == 1; }));
  expect_read_before_the_wake(harness.record(), kPeers, kBytes);
}

TEST(UvPacing, WhatAFirstReadBringsToLightIsReadToo) {
  // Connections that came during the pause are accepted by one poll, and what they said is found by the next.
  constexpr size_t kPeers = 20;
  TransportHarness harness;
  const uint16_t port = harness.listen();
  std::vector<RawSocket> peers;
  harness.on_loop([&](UvTransport& transport) {
    transport.wake_at(transport.now().mono + Duration::milliseconds(1));
    freeze_while([&] {
      for (size_t i = 0; i < kPeers; ++i) {
        peers.push_back(RawSocket::connected(port));
        say(peers.back(), "hello");
      }
    });
  });
  ASSERT_TRUE(harness.wait([](const auto& record) { return record.wakes.size() == 1; }));
  expect_read_before_the_wake(harness.record(), kPeers, 5);
}

TEST(UvPacing, APauseBetweenPollAndWakeUpCountsToo) {
  TransportHarness harness;
  RawSocket peer = RawSocket::connected(harness.listen());
  static_cast<void>(harness.wait_accepted());
  harness.on_loop([&](UvTransport& transport) {
    transport.wake_at(transport.now().mono);
    // Runs out of the next poll, which begins when the time has come and finds nothing else.
    harness.post([&](UvTransport&) { freeze_while([&] { say(peer, "hello"); }); });
  });
  ASSERT_TRUE(harness.wait([](const auto& record) { return record.wakes.size() == 1; }));
  expect_read_before_the_wake(harness.record(), 1, 5);
}

TEST(UvPacing, TalkThatNeverStopsCannotStopTheClock) {
  // Two ends on one loop that answer each other: every poll has something to deliver.
  TransportHarness harness;
  const uint16_t port = harness.listen();
  harness.on_loop([&](UvTransport& transport) { transport.dial(1, {IpAddress::loopback_v4(), port}); });
  const uint64_t accepted = harness.wait_accepted().id;
  harness.set_on_received([&](uint64_t id) { harness.transport().write(id, bytes_of("x")); });
  harness.on_loop([&](UvTransport& transport) { transport.write(1, bytes_of("x")); });
  for (size_t round = 1; round <= 5; ++round) {
    harness.on_loop(
        [](UvTransport& transport) { transport.wake_at(transport.now().mono + Duration::milliseconds(5)); });
    ASSERT_TRUE(harness.wait([&](const auto& record) { return record.wakes.size() == round; }));
  }
  EXPECT_GT(harness.record().received[accepted].size(), 5u) << "they did talk";
}

TEST(UvPacing, AFloodThatTakesTimeToReadCannotStopTheClock) {
  // Eight floods of which each buffer takes 80 ms to read.
  TransportHarness harness;
  const uint16_t port = harness.listen();
  const std::string flood(size_t{1} << 20, 'x');
  harness.set_on_received([](uint64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(80)); });
  std::vector<std::thread> flooders;
  for (int i = 0; i < 8; ++i) {
    flooders.emplace_back([&] { EXPECT_TRUE(RawSocket::connected(port).send(flood)); });
  }
  for (size_t round = 1; round <= 3; ++round) {
    Instant due;
    harness.on_loop([&](UvTransport& transport) {
      due = transport.now().mono + Duration::milliseconds(5);
      transport.wake_at(due);
    });
    ASSERT_TRUE(harness.wait([&](const auto& record) { return record.wakes.size() == round; }));
    // Sixteen polls of one buffer of each would be ten seconds, of all that is there far more.
    EXPECT_LT(harness.record().wakes.back() - due, Duration::seconds(3));
  }
  harness.set_on_received([](uint64_t) {});
  for (std::thread& flooder : flooders) flooder.join();
}

}  // namespace
}  // namespace noex::test
