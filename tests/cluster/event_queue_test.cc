// The event queue: order, waiting, the descriptor, and what happens when nobody pulls.
#include "cluster/event_queue.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/thread.h"
#include "cluster/raw_socket.h"

namespace noex::test {
namespace {

NodeId node(int number) { return *NodeId::create("n" + std::to_string(number), "127.0.0.1", 1000 + number); }

NodeUp up(int number, int64_t uptime_ms = 0) {
  NodeUp event;
  event.node.id = node(number);
  event.node.uptime_ms = uptime_ms;
  return event;
}
NodeDown down(int number, DownReason reason = DownReason::ConnectionClosed) { return {node(number), reason, {}}; }
LogRecord log(LogLevel level = LogLevel::Info) { return {level, 0, "a record"}; }

std::unique_ptr<EventQueue> queue_with(const EventQueueLimits& limits = {}) {
  Result<std::unique_ptr<EventQueue>> queue = EventQueue::create(limits);
  NOEX_CHECK(queue.ok());
  return *std::move(queue);
}

bool is_readable(const EventQueue& queue) {
  pollfd entry{queue.fd(), POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

std::string word_of(const QueuedEvent& event) {
  if (const auto* value = std::get_if<NodeUp>(&event.body)) return "up " + std::string(value->node.id.name());
  if (const auto* value = std::get_if<NodeDown>(&event.body)) {
    return (value->reason == DownReason::ConnectionRefused ? "refused " : "down ") + std::string(value->id.name());
  }
  if (const auto* value = std::get_if<StatusChanged>(&event.body)) return std::string(to_string(value->status));
  if (std::holds_alternative<ErrorReport>(event.body)) return "error";
  if (std::holds_alternative<LogRecord>(event.body)) return "log";
  return "completion";
}

std::vector<std::string> drain(EventQueue& queue) {
  std::vector<std::string> words;
  while (const auto event = queue.next(Duration())) words.push_back(word_of(*event));
  return words;
}

using Words = std::vector<std::string>;

TEST(EventQueue, KeepsOrderAndNumbers) {
  const auto queue = queue_with();
  queue->push(StatusChanged{ClusterStatus::Starting});
  queue->push(up(1));
  queue->push(Completion{Operation::Start, 7, {}});
  uint64_t last = 0;
  for (const EventKind kind : {EventKind::Status, EventKind::NodeUp, EventKind::Completion}) {
    const auto event = queue->next(Duration());
    ASSERT_TRUE(event);
    EXPECT_EQ(event->kind(), kind);
    EXPECT_EQ(event->sequence, last + 1);
    last = event->sequence;
  }
  EXPECT_FALSE(queue->next(Duration()));
}

TEST(EventQueue, DescriptorIsReadableWhileEventsAreQueued) {
  const auto queue = queue_with();
  EXPECT_FALSE(is_readable(*queue));
  queue->push(up(1));
  queue->push(up(2));
  EXPECT_TRUE(is_readable(*queue));
  EXPECT_TRUE(queue->next(Duration()));
  EXPECT_TRUE(is_readable(*queue));
  EXPECT_TRUE(queue->next(Duration()));
  EXPECT_FALSE(is_readable(*queue));
  queue->push(up(3));
  EXPECT_TRUE(is_readable(*queue));
  queue->clear();
  EXPECT_FALSE(is_readable(*queue));
}

TEST(EventQueue, WaitsUntilSomethingComes) {
  const auto queue = queue_with();
  Result<Thread> pusher = Thread::start("pusher", [&] { queue->push(up(1)); });
  ASSERT_TRUE(pusher.ok());
  const auto event = queue->next(std::nullopt);
  pusher.value().join();
  ASSERT_TRUE(event);
  EXPECT_EQ(word_of(*event), "up n1");
}

TEST(EventQueue, WaitsNoLongerThanAsked) {
  const auto queue = queue_with();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(queue->next(Duration::milliseconds(30)));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(30));
}

TEST(EventQueue, AnInterruptEndsWaitsButLosesNothing) {
  const auto queue = queue_with();
  Result<Thread> interrupter = Thread::start("interrupter", [&] { queue->interrupt(); });
  ASSERT_TRUE(interrupter.ok());
  EXPECT_FALSE(queue->next(std::nullopt));
  interrupter.value().join();
  queue->push(up(1));
  EXPECT_TRUE(queue->next(std::nullopt));
  EXPECT_FALSE(queue->next(std::nullopt));
  queue->resume();
  EXPECT_FALSE(queue->next(Duration::milliseconds(1)));
}

TEST(EventQueue, UnwantedKindsAreNotQueued) {
  const auto queue = queue_with();
  queue->push(log(LogLevel::Debug));
  EXPECT_EQ(queue->size(), 0u) << "debug records are not wanted unless asked for";
  queue->select(mask_of(EventKind::NodeUp) | mask_of(EventKind::Log), LogLevel::Warning);
  queue->push(log(LogLevel::Info));
  queue->push(down(1));
  queue->push(up(1));
  queue->push(log(LogLevel::Error));
  const auto first = queue->next(Duration());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->sequence, 1u) << "what is not wanted leaves no gap";
  EXPECT_EQ(drain(*queue), Words{"log"});
  EXPECT_EQ(queue->skipped().dropped, 0u);
}

// Above the limit each node's events shrink; `before` are queued when the limit is reached, `after` come on top of it.
Words net_effect(const std::vector<EventBody>& before, const std::vector<EventBody>& after) {
  const auto queue = queue_with({before.size(), 256, 256});
  for (const EventBody& body : before) queue->push(body);
  for (const EventBody& body : after) queue->push(body);
  EXPECT_EQ(is_readable(*queue), queue->size() > 0);
  return drain(*queue);
}

TEST(EventQueue, BelowTheLimitNothingIsLeftOut) {
  const auto queue = queue_with({4, 256, 256});
  for (const EventBody& body : {EventBody(up(1)), EventBody(down(1)), EventBody(up(1)), EventBody(down(1))})
    queue->push(body);
  EXPECT_EQ(drain(*queue), (Words{"up n1", "down n1", "up n1", "down n1"}));
  EXPECT_EQ(queue->skipped().folded, 0u);
}

TEST(EventQueue, AboveTheLimitOnlyTheNetEffectIsLeft) {
  // Whoever saw nothing yet sees nothing of a visitor that is gone.
  EXPECT_EQ(net_effect({up(1)}, {down(1)}), Words{});
  EXPECT_EQ(net_effect({up(1), down(1)}, {up(1)}), Words{"up n1"});
  // A node that was up and is up again has been away: down, up.
  EXPECT_EQ(net_effect({down(1)}, {up(1)}), (Words{"down n1", "up n1"}));
  EXPECT_EQ(net_effect({down(1), up(1), down(1)}, {up(1)}), (Words{"down n1", "up n1"}));
  EXPECT_EQ(net_effect({down(1), up(1)}, {down(1)}), Words{"down n1"});
  EXPECT_EQ(net_effect({down(1, DownReason::ConnectionRefused), up(1)}, {down(1)}), Words{"refused n1"});
  // Nodes do not mix.
  EXPECT_EQ(net_effect({up(1), up(2), down(1)}, {up(3), down(2), up(1)}), (Words{"up n3", "up n1"}));
}

TEST(EventQueue, TheLastUpIsTheOneThatIsLeft) {
  const auto queue = queue_with({3, 256, 256});
  queue->push(up(1, 10));
  queue->push(down(1));
  queue->push(up(1, 20));
  queue->push(StatusChanged{ClusterStatus::Stopping});
  const auto first = queue->next(Duration());
  ASSERT_TRUE(first);
  EXPECT_EQ(std::get<NodeUp>(first->body).node.uptime_ms, 20);
  EXPECT_EQ(first->sequence, 3u);
  EXPECT_EQ(queue->skipped().folded, 2u);
}

TEST(EventQueue, AFlappingNodeNeverGrowsTheQueue) {
  const auto queue = queue_with();
  for (int i = 0; i < 100'000; ++i) {
    queue->push(up(i % 3));
    queue->push(down(i % 3));
  }
  EXPECT_LE(queue->size(), 1024u);
  EXPECT_EQ(queue->skipped().folded, 200'000u - queue->size());
  EXPECT_EQ(queue->size() % 2, 0u) << "ups and downs leave in pairs";
}

TEST(EventQueue, StatusAndCompletionsAreNeverLeftOut) {
  const auto queue = queue_with({4, 2, 2});
  for (int i = 0; i < 500; ++i) {
    queue->push(StatusChanged{ClusterStatus::Running});
    queue->push(Completion{Operation::Stop, static_cast<uint64_t>(i), {}});
    queue->push(up(i));
    queue->push(down(i));
    queue->push(log());
    queue->push(ErrorReport{});
  }
  int statuses = 0;
  int completions = 0;
  for (const std::string& word : drain(*queue)) {
    statuses += word == "running";
    completions += word == "completion";
  }
  EXPECT_EQ(statuses, 500);
  EXPECT_EQ(completions, 500);
}

TEST(EventQueue, LogRecordsAreBoundedAndGoFirst) {
  const auto queue = queue_with({6, 3, 2});
  for (int i = 0; i < 5; ++i) queue->push(log());
  EXPECT_EQ(queue->size(), 3u) << "bounded by their own limit";
  EXPECT_EQ(queue->skipped().dropped, 2u);
  for (int i = 0; i < 4; ++i) queue->push(up(i));
  EXPECT_EQ(drain(*queue), (Words{"up n0", "up n1", "up n2", "up n3"})) << "the limit was reached: records make room";
  EXPECT_EQ(queue->skipped().dropped, 5u);
  queue->push(log());
  EXPECT_EQ(drain(*queue), Words{"log"}) << "there is room again";
  for (int i = 0; i < 5; ++i) queue->push(ErrorReport{});
  EXPECT_EQ(queue->size(), 2u);
}

TEST(EventQueue, ManyPushersAndPullersLoseNothing) {
  constexpr int kEach = 5000;
  const auto queue = queue_with();
  std::atomic<int> pulled{0};
  std::vector<Thread> threads;
  for (int i = 0; i < 2; ++i) {
    Result<Thread> thread = Thread::start("pusher", [&] {
      for (int n = 0; n < kEach; ++n) queue->push(StatusChanged{ClusterStatus::Running});
    });
    ASSERT_TRUE(thread.ok());
    threads.push_back(*std::move(thread));
  }
  for (int i = 0; i < 2; ++i) {
    Result<Thread> thread = Thread::start("puller", [&] {
      while (queue->next(std::nullopt)) pulled += 1;
    });
    ASSERT_TRUE(thread.ok());
    threads.push_back(*std::move(thread));
  }
  threads[0].join();
  threads[1].join();
  queue->interrupt();
  threads[2].join();
  threads[3].join();
  EXPECT_EQ(pulled, 2 * kEach);
}

}  // namespace
}  // namespace noex::test
