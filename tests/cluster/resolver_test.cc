// Name look-ups: what needs no resolver, what is bounded, and that a look-up which hangs holds nobody up.
#include "transport/resolver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "cluster/hanging_lookup.h"
#include "cluster/process_state.h"
#include "cluster/transport_harness.h"
#include "transport/local_address.h"

namespace noex::test {
namespace {

TEST(Resolver, LocalhostAndLiteralsNeedNoResolver) {
  std::atomic<int> asked{0};
  UvTransportOptions options;
  options.lookup = [&](const std::string&) {
    asked += 1;
    return Lookup{};
  };
  TransportHarness harness(options);
  bool told_inside = false;
  harness.on_loop([&](UvTransport& transport) {
    transport.resolve(1, "localhost");
    transport.resolve(2, "LocalHost");
    transport.resolve(3, "::1");
    told_inside = !harness.record().resolved.empty();
  });
  EXPECT_FALSE(told_inside);
  ASSERT_TRUE(harness.wait([](const auto& record) { return record.resolved.size() == 3; }));
  const std::vector<IpAddress> both = {IpAddress::loopback_v4(), *IpAddress::parse("::1")};
  EXPECT_EQ(harness.record().resolved[1].addresses, both);
  EXPECT_EQ(harness.record().resolved[2].addresses, both);
  EXPECT_EQ(harness.record().resolved[3].addresses, std::vector<IpAddress>{*IpAddress::parse("::1")});
  EXPECT_EQ(asked, 0);
}

TEST(Resolver, AnswersWithAllAddressesOrTheReason) {
  UvTransportOptions options;
  options.lookup = [](const std::string& host) {
    if (host == "two.test") return Lookup{{*IpAddress::parse("192.0.2.1"), *IpAddress::parse("192.0.2.2")}, {}, {}};
    return Lookup{{}, "unknown host", "ENOTFOUND"};
  };
  TransportHarness harness(options);
  harness.on_loop([](UvTransport& transport) {
    transport.resolve(1, "two.test");
    transport.resolve(2, "none.test");
  });
  ASSERT_TRUE(harness.wait([](const auto& record) { return record.resolved.size() == 2; }));
  EXPECT_EQ(harness.record().resolved[1].addresses.size(), 2u);
  EXPECT_EQ(harness.record().resolved[2].reason, "unknown host");
}

TEST(Resolver, AskedOfTheSystemAnUnknownNameHasAReason) {
  // RFC 6761: names below "invalid" never exist. Without a name server the reason differs, but there is one.
  const Lookup lookup = system_lookup("no-such-host.invalid");
  EXPECT_TRUE(lookup.addresses.empty());
  EXPECT_FALSE(lookup.reason.empty());
  EXPECT_FALSE(lookup.code.empty());
}

TEST(Resolver, UsesFourThreadsAtMostAndAnswersAll) {
  const size_t threads = thread_count();
  {
    HangingLookup hanging;
    UvTransportOptions options;
    options.lookup = hanging.function();
    TransportHarness harness(options);
    harness.on_loop([](UvTransport& transport) {
      for (uint64_t query = 1; query <= 10; ++query) transport.resolve(query, "slow.test");
    });
    ASSERT_TRUE(hanging.wait_running(4));
    hanging.release();
    ASSERT_TRUE(harness.wait([](const auto& record) { return record.resolved.size() == 10; }));
    EXPECT_EQ(hanging.most(), 4);
  }
  EXPECT_TRUE(wait_threads_at_most(threads)) << "threads without work end";
}

TEST(Resolver, ALookupThatHangsIsAnsweredInTime) {
  HangingLookup hanging;
  UvTransportOptions options;
  options.lookup = hanging.function();
  options.resolve_timeout = Duration::milliseconds(200);
  TransportHarness harness(options);
  harness.on_loop([](UvTransport& transport) { transport.resolve(1, "slow.test"); });
  ASSERT_TRUE(harness.wait([](const auto& record) { return record.resolved.size() == 1; }));
  EXPECT_EQ(harness.record().resolved[1].reason, "the name look-up timed out");
  // What comes in late is nobody's.
  hanging.release();
  ASSERT_TRUE(hanging.wait_running(0));
  harness.on_loop([](UvTransport&) {});
  EXPECT_EQ(harness.record().log.size(), 1u);
}

TEST(Resolver, ATransportCanBeDestroyedWhileALookupHangs) {
  const size_t threads = thread_count();
  HangingLookup hanging;
  {
    UvTransportOptions options;
    options.lookup = hanging.function();
    TransportHarness harness(options);
    harness.on_loop([](UvTransport& transport) { transport.resolve(1, "slow.test"); });
    ASSERT_TRUE(hanging.wait_running(1));
    harness.destroy();  // would wait for ever if it waited for the look-up
  }
  EXPECT_TRUE(hanging.wait_running(1)) << "it is still hanging, and harms nobody";
  hanging.release();
  EXPECT_TRUE(wait_threads_at_most(threads));
}

TEST(Resolver, AnInterruptEndsAWait) {
  HangingLookup hanging;
  Resolver resolver(hanging.function(), [] {});
  Result<Thread> interrupter = Thread::start("interrupter", [&] {
    static_cast<void>(hanging.wait_running(1));
    resolver.interrupt();
  });
  ASSERT_TRUE(interrupter.ok());
  const Lookup lookup = resolver.resolve_now("slow.test", Duration::seconds(60));
  interrupter.value().join();
  EXPECT_TRUE(lookup.addresses.empty());
  EXPECT_EQ(lookup.code, "ECANCELED");
  EXPECT_EQ(resolver.resolve_now("slow.test", Duration::seconds(60)).code, "ECANCELED");
}

TEST(Resolver, AWaitIsBounded) {
  HangingLookup hanging;
  Resolver resolver(hanging.function(), [] {});
  EXPECT_EQ(resolver.resolve_now("slow.test", Duration::milliseconds(50)).code, "ETIMEDOUT");
}

TEST(Resolver, AnUnresolvableBindHostIsAClearError) {
  UvTransportOptions options;
  options.lookup = [](const std::string&) { return Lookup{{}, "unknown host", "ENOTFOUND"}; };
  TransportHarness harness(options);
  harness.on_loop([](UvTransport& transport) {
    const Result<uint16_t> bound = transport.listen("nowhere.test", 4369);
    ASSERT_FALSE(bound.ok());
    EXPECT_EQ(bound.error().code, ErrorCode::Bind);
    EXPECT_EQ(bound.error().bind.syscall, "getaddrinfo");
    EXPECT_EQ(bound.error().bind.code, "ENOTFOUND");
    EXPECT_EQ(
        bound.error().message,
        "cannot listen on nowhere.test:4369: unknown host (ENOTFOUND); `host` is an address or a name of this machine");
  });
}

TEST(LocalAddress, TowardsLoopbackItIsLoopback) {
  EXPECT_EQ(source_address_towards(IpAddress::loopback_v4()), IpAddress::loopback_v4());
}

TEST(LocalAddress, AnInterfaceAddressIsUsableByOthers) {
  const auto found = interface_address(false);
  if (!found) GTEST_SKIP() << "this machine has only a loopback interface";
  EXPECT_FALSE(found->is_loopback());
  EXPECT_FALSE(found->is_link_local());
  EXPECT_FALSE(found->is_v6());
  const std::vector<IpAddress> all = local_addresses();
  EXPECT_NE(std::find(all.begin(), all.end(), *found), all.end());
}

}  // namespace
}  // namespace noex::test
