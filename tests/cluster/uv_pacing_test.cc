// When on_wake() comes: never early, and after a pause of this process only when everything that had arrived was
// delivered.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
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

TEST(UvPacing, AfterAPauseEverythingIsReadBeforeTheWakeUp) {
  constexpr int kPeers = 20;
  TransportHarness harness;
  const uint16_t port = harness.listen();
  std::vector<RawSocket> peers;
  for (int i = 0; i < kPeers; ++i) peers.push_back(RawSocket::connected(port));
  static_cast<void>(harness.wait_accepted(kPeers - 1));

  harness.on_loop([&](UvTransport& transport) {
    transport.wake_at(transport.now().mono + Duration::milliseconds(1));
    // The loop stands still here, as in a frozen process: the time comes, and goes by, while the peers go on talking.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    for (RawSocket& peer : peers) ASSERT_TRUE(peer.send(std::string(100'000, 'x')));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  ASSERT_TRUE(harness.wait([](const auto& record) { return record.wakes.size() == 1; }));
  const auto record = harness.record();
  const auto wake = std::find(record.log.begin(), record.log.end(), "wake");
  for (const auto& accepted : record.accepted) {
    const auto last = std::find(wake, record.log.end(), "received " + std::to_string(accepted.id));
    EXPECT_EQ(last, record.log.end()) << "read after the wake-up, though it was there before";
    EXPECT_EQ(record.received.at(accepted.id).size(), 100'000u);
  }
}

TEST(UvPacing, PeersThatNeverStopTalkingCannotStopTheClock) {
  TransportHarness harness;
  const uint16_t port = harness.listen();
  RawSocket peer = RawSocket::connected(port);
  static_cast<void>(harness.wait_accepted());
  std::thread talker([&] {
    const std::string chunk(64 * 1024, 'x');
    while (peer.send(chunk)) {
    }
  });
  for (size_t round = 1; round <= 5; ++round) {
    harness.on_loop(
        [](UvTransport& transport) { transport.wake_at(transport.now().mono + Duration::milliseconds(5)); });
    EXPECT_TRUE(harness.wait([&](const auto& record) { return record.wakes.size() == round; }));
  }
  harness.destroy();
  talker.join();
}

}  // namespace
}  // namespace noex::test
