// One handle: its states, its errors, what it leaves behind.
#include "cluster/node.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/checks.h"
#include "base/thread.h"
#include "cluster/hanging_lookup.h"
#include "cluster/node_harness.h"
#include "cluster/process_state.h"
#include "cluster/raw_socket.h"
#include "transport/clock.h"

namespace noex::test {
namespace {

using Words = std::vector<std::string>;

// Gives a variable of the environment a value for the length of a test.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    const char* const before = getenv(name);
    if (before != nullptr) before_ = before;
    setenv(name, value, 1);
  }
  ~ScopedVariable() {
    if (before_) {
      setenv(name_, before_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(Node, StartsAndStops) {
  NodeHarness a;
  EXPECT_EQ(a->status(), ClusterStatus::Stopped);
  a.start(quick_config("a"));
  EXPECT_EQ(a->status(), ClusterStatus::Running);
  EXPECT_EQ(a.id().rfind("a@127.0.0.1:", 0), 0u);
  ASSERT_TRUE(a->stop().ok());
  EXPECT_EQ(a->status(), ClusterStatus::Stopped);
  a.drain();
  EXPECT_EQ(a.seen, (Words{"starting", "running", "stopping", "stopped"}));
}

TEST(Node, CompletionsComeAfterTheEventsThatLedToThem) {
  NodeHarness a;
  const Result<uint64_t> start = a->start_async(quick_config("a"));
  ASSERT_TRUE(start.ok());
  const auto started = a.wait_completion(*start);
  ASSERT_TRUE(started);
  EXPECT_TRUE(started->outcome.ok());
  EXPECT_EQ(a.seen, (Words{"starting", "running", "start 1 ok"}));
  const Result<uint64_t> stop = a->stop_async();
  ASSERT_TRUE(stop.ok());
  ASSERT_TRUE(a.wait_completion(*stop));
  EXPECT_EQ(a.seen, (Words{"starting", "running", "start 1 ok", "stopping", "stopped", "stop 2 ok"}));
}

TEST(Node, AnInvalidConfigLeavesItStopped) {
  NodeHarness a;
  ClusterConfig config = quick_config("a");
  config.heartbeat_interval_ms = 5;
  const Result<uint64_t> start = a->start_async(config);
  ASSERT_FALSE(start.ok());
  EXPECT_EQ(start.error().code, ErrorCode::InvalidConfig);
  EXPECT_EQ(a->status(), ClusterStatus::Stopped);
  a.drain();
  EXPECT_EQ(a.seen, Words{});
  a.start(quick_config("a"));
}

TEST(Node, ASecondStartIsRefused) {
  NodeHarness a;
  a.start(quick_config("a"));
  const Status again = a->start(quick_config("b"));
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::AlreadyRunning);
  EXPECT_EQ(again.error().message, "Cluster is already running");
  EXPECT_EQ(a.id().rfind("a@", 0), 0u);
}

TEST(Node, ATakenPortIsAClearErrorAndStartMayBeCalledAgain) {
  const RawSocket taken = RawSocket::bound(1);
  NodeHarness a;
  ClusterConfig config = quick_config("a");
  config.port_auto = false;
  config.port = taken.port();
  const Status started = a->start(config);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code, ErrorCode::Bind);
  EXPECT_EQ(started.error().bind.code, "EADDRINUSE");
  EXPECT_EQ(started.error().bind.port, taken.port());
  EXPECT_EQ(a->status(), ClusterStatus::Stopped);
  a.drain();
  EXPECT_EQ(a.seen, (Words{"starting", "stopped"})) << "never running";
  a.start(quick_config("a"));
  EXPECT_EQ(a->status(), ClusterStatus::Running);
}

TEST(Node, QueriesAnswerOnlyWhileItRuns) {
  NodeHarness a;
  const auto check_refused = [&] {
    for (const ErrorCode code : {a->local_id().ok() ? ErrorCode::Ok : a->local_id().error().code,
                                 a->local_info().ok() ? ErrorCode::Ok : a->local_info().error().code,
                                 a->uptime().ok() ? ErrorCode::Ok : a->uptime().error().code,
                                 a->table().ok() ? ErrorCode::Ok : a->table().error().code,
                                 a->stats().ok() ? ErrorCode::Ok : a->stats().error().code}) {
      EXPECT_EQ(code, ErrorCode::NotStarted);
    }
  };
  check_refused();
  a.start(quick_config("a"));
  EXPECT_TRUE(a->local_id().ok());
  EXPECT_TRUE(a->uptime().ok());
  EXPECT_TRUE(a->table().ok());
  const Result<NodeStats> stats = a->stats();
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->local_id.text(), a.id());
  const Result<NodeInfo> info = a->local_info();
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->status, NodeStatus::Connected);
  EXPECT_NE(info->incarnation, 0u);
  ASSERT_TRUE(a->stop().ok());
  check_refused();
}

TEST(Node, EachStartIsANewIncarnation) {
  NodeHarness a;
  a.start(quick_config("a"));
  const Incarnation first = a->local_info()->incarnation;
  ASSERT_TRUE(a->stop().ok());
  a.start(quick_config("a"));
  EXPECT_NE(a->local_info()->incarnation, first);
}

TEST(Node, StopIsIdempotentAndShared) {
  NodeHarness a;
  EXPECT_TRUE(a->stop().ok()) << "of a node that never ran";
  a.start(quick_config("a"));
  const Result<uint64_t> first = a->stop_async();
  const Result<uint64_t> second = a->stop_async();
  EXPECT_TRUE(a->stop().ok());
  const Result<uint64_t> late = a->stop_async();
  ASSERT_TRUE(a.wait_completion(*late));
  EXPECT_EQ(std::count(a.seen.begin(), a.seen.end(), "stopping"), 1);
  EXPECT_EQ(std::count(a.seen.begin(), a.seen.end(), "stopped"), 1);
  for (const uint64_t id : {*first, *second, *late}) {
    EXPECT_EQ(std::count(a.seen.begin(), a.seen.end(), "stop " + std::to_string(id) + " ok"), 1);
  }
}

TEST(Node, ManyThreadsMayStopAtOnce) {
  NodeHarness a;
  a.start(quick_config("a"));
  std::vector<Thread> threads;
  std::atomic<int> stopped{0};
  for (int i = 0; i < 8; ++i) {
    Result<Thread> thread = Thread::start("stopper", [&] { stopped += a->stop().ok() ? 1 : 0; });
    ASSERT_TRUE(thread.ok());
    threads.push_back(*std::move(thread));
  }
  for (Thread& thread : threads) thread.join();
  EXPECT_EQ(stopped, 8);
  EXPECT_EQ(a->status(), ClusterStatus::Stopped);
}

// A listener that accepts into its backlog and never says anything: a start that has it as a seed is pending for a
// while.
class SilentSeed {
 public:
  [[nodiscard]] std::string text() const { return "silent@127.0.0.1:" + std::to_string(listener_.port()); }

 private:
  RawSocket listener_ = RawSocket::bound(16);
};

TEST(Node, AStopEndsAPendingStart) {
  const SilentSeed silent;
  NodeHarness a;
  ClusterConfig config = quick_config("a");
  config.seeds = {silent.text()};
  const Result<uint64_t> start = a->start_async(config);
  ASSERT_TRUE(start.ok());
  const Result<uint64_t> stop = a->stop_async();
  ASSERT_TRUE(stop.ok());
  const auto started = a.wait_completion(*start);
  ASSERT_TRUE(started);
  ASSERT_FALSE(started->outcome.ok());
  EXPECT_EQ(started->outcome.error().code, ErrorCode::Aborted);
  const auto stopped = a.wait_completion(*stop);
  ASSERT_TRUE(stopped);
  EXPECT_TRUE(stopped->outcome.ok());
  EXPECT_EQ(a->status(), ClusterStatus::Stopped);
}

// A start whose bind host is being looked up, and will be for ever.
struct HangingStart {
  HangingStart() : node(options()) {
    ClusterConfig config = quick_config("a");
    config.host = "slow.test";
    const Result<uint64_t> start = node->start_async(config);
    NOEX_CHECK(start.ok());
    operation = *start;
    NOEX_CHECK(lookup.wait_running(1));
  }
  [[nodiscard]] NodeOptions options() const {
    NodeOptions options;
    options.transport.lookup = lookup.function();
    return options;
  }

  HangingLookup lookup;
  NodeHarness node;
  uint64_t operation = 0;
};

TEST(Node, AStopEndsAStartWhoseHostIsStillLookedUp) {
  HangingStart hanging;
  NodeHarness& a = hanging.node;
  EXPECT_TRUE(a->stop().ok());
  const auto started = a.wait_completion(hanging.operation);
  ASSERT_TRUE(started);
  EXPECT_EQ(started->outcome.error().code, ErrorCode::Aborted);
  a.drain();
  EXPECT_EQ(a.seen, (Words{"starting", "stopping", "start 1 failed", "stopped"}));
}

TEST(Node, AnAbortDoesNotWaitForALookup) {
  HangingStart hanging;
  hanging.node->abort();
  EXPECT_EQ(hanging.node->status(), ClusterStatus::Stopped);
  const auto started = hanging.node.wait_completion(hanging.operation);
  ASSERT_TRUE(started);
  EXPECT_EQ(started->outcome.error().code, ErrorCode::Aborted);
}

TEST(Node, AStartCompletesThoughASeedIsSilent) {
  const SilentSeed silent;
  NodeHarness a;
  ClusterConfig config = quick_config("a");
  config.seeds = {silent.text()};
  EXPECT_TRUE(a->start(config).ok());
}

TEST(Node, AStartThatReachedNoSeedSaysSo) {
  const RawSocket nobody = RawSocket::bound(-1);
  const std::string address = "127.0.0.1:" + std::to_string(nobody.port());
  NodeHarness a;
  ClusterConfig config = quick_config("a");
  config.seeds = {"gone@" + address};
  config.reconnect_base_delay_ms = config.reconnect_max_delay_ms =
      60'000;  // one attempt, over when the line is written
  a.start(config);
  const auto log = a.wait_event([](const QueuedEvent& event) {
    const auto* const record = std::get_if<LogRecord>(&event.body);
    return record != nullptr && record->level == LogLevel::Warning;
  });
  ASSERT_TRUE(log);
  const std::string message = std::get<LogRecord>(log->body).message;
  EXPECT_NE(message.find("gone@" + address), std::string::npos) << message;
  EXPECT_NE(message.find("connection refused"), std::string::npos) << message;
}

TEST(Node, WarningsOfTheConfigurationAreLogged) {
  NodeHarness a;
  ClusterConfig config = quick_config("a");
  config.seeds = {""};
  a.start(config);
  a.drain();
  ASSERT_GE(a.seen.size(), 3u);
  EXPECT_EQ(a.seen[0], "starting");
  EXPECT_EQ(a.seen[1].rfind("log seeds: ", 0), 0u) << a.seen[1];
}

TEST(Node, TheEnvironmentMayNameTheAdvertisedHost) {
  const ScopedVariable variable("NOEX_ADVERTISE_HOST", "node-a.test");
  NodeHarness a;
  a.start(quick_config("a"));
  EXPECT_EQ(a.id().rfind("a@node-a.test:", 0), 0u) << a.id();
  ASSERT_TRUE(a->stop().ok());
  ClusterConfig config = quick_config("a");
  config.advertise_host = "other.test";
  a.start(config);
  EXPECT_EQ(a.id().rfind("a@other.test:", 0), 0u) << "the option wins: " << a.id();
}

TEST(Node, AWildcardIsNeverAdvertised) {
  NodeHarness a;
  ClusterConfig config = quick_config("a");
  config.host = "0.0.0.0";
  const ScopedVariable variable("NOEX_ADVERTISE_HOST", "");
  a.start(config);
  EXPECT_EQ(a.id().find("0.0.0.0"), std::string::npos) << a.id();
}

TEST(Node, LeavesNoDescriptorAndNoThreadBehind) {
  { NodeHarness().start(quick_config("first")); }  // libuv keeps two descriptors per process from its first loop on
  const size_t descriptors = open_descriptors();
  const size_t threads = thread_count();
  {
    NodeHarness a;
    for (int round = 0; round < 20; ++round) {
      a.start(quick_config("a"));
      ASSERT_TRUE(a->stop().ok());
      EXPECT_EQ(open_descriptors(), descriptors + 1) << "the handle keeps its event descriptor only";
      EXPECT_TRUE(wait_threads_at_most(threads));
    }
    a.start(quick_config("a"));
  }
  EXPECT_EQ(open_descriptors(), descriptors) << "destroyed while it ran";
  EXPECT_TRUE(wait_threads_at_most(threads));
}

TEST(Node, StrangersDoNotUseUpTheDescriptors) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 64;
  NodeHarness node;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  node.start(quick_config("node"));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);  // this side of the connections has some, too

  const auto port = static_cast<uint16_t>(std::stoi(node.id().substr(node.id().rfind(':') + 1)));
  std::vector<RawSocket> strangers;
  for (int i = 0; i < 20; ++i) strangers.push_back(RawSocket::connected(port));
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(strangers[i].at_end()) << i << ", one of the oldest, made room";
  const Result<NodeStats> stats = node->stats();
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->driver.membership.rejected[static_cast<size_t>(RejectKind::TooManyUnidentified)], 4u);
}

TEST(Node, ItsThreadBlocksTheHostsSignals) {
  NodeHarness a;
  a.start(quick_config("a"));
  const unsigned long long blocked = blocked_signals_of("noex-io");
  const auto is_blocked = [&](int signal) { return (blocked >> (signal - 1) & 1) != 0; };
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1, SIGPROF}) {
    EXPECT_TRUE(is_blocked(signal)) << signal;
  }
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) EXPECT_FALSE(is_blocked(signal)) << signal;
}

TEST(Node, AnAbortIsQuickAndEndsAPendingStart) {
  const SilentSeed silent;
  NodeHarness a;
  ClusterConfig config = quick_config("a");
  config.seeds = {silent.text()};
  const Result<uint64_t> start = a->start_async(config);
  ASSERT_TRUE(start.ok());
  ASSERT_TRUE(a.wait_event([](const QueuedEvent& event) {
    const auto* const status = std::get_if<StatusChanged>(&event.body);
    return status != nullptr && status->status == ClusterStatus::Running;
  }));
  a->abort();
  EXPECT_EQ(a->status(), ClusterStatus::Stopped);
  const auto started = a.wait_completion(*start);
  ASSERT_TRUE(started);
  EXPECT_FALSE(started->outcome.ok());
  a->abort();
  a.start(quick_config("a"));
}

// It waits for nothing: what is over 50 ms is the machine's, not ours, and not so every time.
TEST(Node, AnAbortTakesFiftyMillisecondsAtMost) {
  NodeHarness seed;
  seed.start(quick_config("seed"));
  Duration best = Duration::seconds(3600);
  for (int i = 0; i < 20; ++i) {
    NodeHarness node;
    ClusterConfig config = quick_config("a");
    config.seeds = {seed.seed()};
    node.start(config);
    const Instant before = boot_clock_now();
    node->abort();
    best = std::min(best, boot_clock_now() - before);
    EXPECT_EQ(node->status(), ClusterStatus::Stopped);
  }
  EXPECT_LT(best, Duration::milliseconds(50));
}

TEST(Node, WaitStoppedWaits) {
  NodeHarness a;
  EXPECT_TRUE(a->wait_stopped(std::nullopt).ok());
  a.start(quick_config("a"));
  EXPECT_EQ(a->wait_stopped(Duration::milliseconds(20)).error().code, ErrorCode::Timeout);
  Result<Thread> stopper = Thread::start("stopper", [&] { static_cast<void>(a->stop_async()); });
  ASSERT_TRUE(stopper.ok());
  EXPECT_TRUE(a->wait_stopped(std::nullopt).ok());
  stopper.value().join();
}

TEST(Node, AProcessCountIsNotNegative) {
  NodeHarness a;
  EXPECT_EQ(a->set_process_count(-1).error().code, ErrorCode::InvalidArgument);
  EXPECT_TRUE(a->set_process_count(3).ok());
  a.start(quick_config("a"));
  EXPECT_EQ(a->local_info()->process_count, 3);
}

// Runs in a child of the test process; the exit code says what failed first, 0 = nothing.
int check_as_forked_child(Node* node) {
  const auto is_forked = [](const auto& result) { return !result.ok() && result.error().code == ErrorCode::Forked; };
  if (!is_forked(node->local_id())) return 1;
  if (!is_forked(node->table())) return 2;
  if (!is_forked(node->stats())) return 3;
  if (!is_forked(node->start(quick_config("child")))) return 4;
  if (!is_forked(node->stop())) return 5;
  if (!is_forked(node->stop_async())) return 6;
  if (!is_forked(node->next_event(Duration()))) return 7;
  if (!is_forked(node->event_fd())) return 8;
  if (!is_forked(node->set_process_count(1))) return 9;
  if (node->status() != ClusterStatus::Stopped) return 10;
  node->abort();
  delete node;
#if !defined(__SANITIZE_THREAD__)  // which allows no threads after a fork
  // A node of the child's own works.
  Result<std::unique_ptr<Node>> own = Node::create();
  if (!own || !(*own)->start(quick_config("child")).ok()) return 11;
  if (!(*own)->stop().ok()) return 12;
#endif
  return 0;
}

TEST(Node, InAForkedChildItAnswersForkedAndTheParentGoesOn) {
  NodeHarness a;
  Result<std::unique_ptr<Node>> created = Node::create();
  ASSERT_TRUE(created.ok());
  std::unique_ptr<Node> b = *std::move(created);
  a.start(quick_config("a"));
  ClusterConfig config = quick_config("b");
  config.seeds = {a.seed()};
  ASSERT_TRUE(b->start(config).ok());
  const std::string b_id = b->local_id()->text();
  ASSERT_TRUE(a.wait_up(b_id));

  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);  // a deadlock in the child must not outlive the test
    _exit(check_as_forked_child(b.release()));
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);

  // The parent's listener and connections are untouched.
  NodeHarness c;
  config = quick_config("c");
  config.seeds = {b_id};
  c.start(config);
  EXPECT_TRUE(c.wait_up(b_id));
  EXPECT_TRUE(a.wait_up(c.id()));
  a.drain();
  EXPECT_EQ(std::count(a.seen.begin(), a.seen.end(), "down " + b_id), 0);
}

TEST(Node, AForkedChildThatLivesOnHoldsNothingOpen) {
  NodeHarness a;
  NodeHarness b;
  a.start(quick_config("a"));
  ClusterConfig config = quick_config("b");
  config.seeds = {a.seed()};
  b.start(config);
  const std::string b_id = b.id();
  config.port_auto = false;
  config.port = b->local_id()->port();
  ASSERT_TRUE(a.wait_up(b_id));

  const pid_t child = fork();  // inherits copies of every socket
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(60);
    while (true) pause();
  }
  b->abort();
  EXPECT_EQ(a.wait_down(b_id), DownReason::ConnectionClosed);
  EXPECT_TRUE(b->start(config).ok()) << "the port is free again";
  EXPECT_TRUE(a.wait_up(b_id));
  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
}

}  // namespace
}  // namespace noex::test
