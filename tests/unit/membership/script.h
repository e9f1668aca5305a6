// A membership machine under a hand-written script: events in, effects out, time as a number. Peers are played by the
// test itself.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "membership/membership.h"

namespace noex::script {

inline NodeId id(std::string_view text) { return NodeId::parse(text).value(); }
inline Endpoint at(std::string_view ip, int port) {
  return Endpoint{*IpAddress::parse(ip), static_cast<uint16_t>(port)};
}

struct Options {
  std::vector<std::string> seeds = {};
  int64_t interval_ms = 1000;
  int64_t threshold = 3;
  std::string cluster_name = {};
  std::string self = "m@127.0.0.1:5000";  // between a… and z…: both sides of the tie-break are one letter away
  int64_t forget_after_ms = kDefaultForgetAfterMs;
  MembershipLimits limits = {};
};

class Script {
 public:
  explicit Script(const Options& options = {}) {
    ClusterConfig config;
    config.node_name = "m";
    config.host = "127.0.0.1";
    config.port = 5000;
    config.seeds = options.seeds;
    config.heartbeat_interval_ms = options.interval_ms;
    config.heartbeat_miss_threshold = options.threshold;
    config.cluster_name = options.cluster_name;
    config.forget_after_ms = options.forget_after_ms;
    Self self;
    self.id = id(options.self);
    self.incarnation = kOwnIncarnation;
    self.nonce = [this] { return Nonce{7, ++nonces_}; };
    machine_ = std::make_unique<Membership>(validate(config, "").value(), self, Rng(1), options.limits);
    machine_->start(now(), effects_);
    machine_->check_invariants();
  }

  static constexpr Incarnation kOwnIncarnation = 0x5e1f;

  // Moves time without a step: use tick() to let the machine see it.
  void pass(int64_t ms) { ns_ += ms * 1'000'000; }
  void tick() { step(Tick{}); }
  // Lets `ms` pass the way a live driver does: a Tick at each deadline.
  void run(int64_t ms) {
    const int64_t end = ns_ + ms * 1'000'000;
    while (machine_->deadline() <= Instant::from_ns(end)) {
      ns_ = std::max(ns_, machine_->deadline().ns());
      const Instant before = machine_->deadline();
      tick();
      ASSERT_GT(machine_->deadline(), before) << "a Tick at the deadline must move it";
    }
    ns_ = end;
  }
  void step(const Event& event) {
    machine_->step(event, now(), effects_);
    machine_->check_invariants();
  }

  // What happened since the last take().
  Effects take() { return std::exchange(effects_, {}); }

  template <typename T>
  std::vector<T> effects() const {
    std::vector<T> found;
    for (const Effect& effect : effects_) {
      if (const T* one = std::get_if<T>(&effect)) found.push_back(*one);
    }
    return found;
  }
  template <typename T>
  std::vector<T> told() const {
    std::vector<T> found;
    for (const Notify& notify : effects<Notify>()) {
      if (const T* one = std::get_if<T>(&notify.notification)) found.push_back(*one);
    }
    return found;
  }
  // "up a@…", "down a@… reason", in order.
  std::vector<std::string> events() const {
    std::vector<std::string> lines;
    for (const Notify& notify : effects<Notify>()) {
      if (const auto* up = std::get_if<NodeUp>(&notify.notification)) lines.push_back("up " + up->node.id.text());
      if (const auto* down = std::get_if<NodeDown>(&notify.notification)) {
        lines.push_back("down " + down->id.text() + " " + std::string(to_string(down->reason)));
      }
    }
    return lines;
  }
  std::vector<std::string> dialled() const {
    std::vector<std::string> list;
    for (const Dial& dial : effects<Dial>()) list.push_back(dial.endpoint.to_string());
    return list;
  }
  bool closed(ConnectionId connection) const {
    const auto closes = effects<Close>();
    return std::any_of(closes.begin(), closes.end(), [&](const Close& c) {
      return c.connection == connection && c.mode != CloseMode::ShutdownWrite;
    });
  }
  // Heartbeats sent on `connection`.
  std::vector<Heartbeat> sent(ConnectionId connection) const {
    std::vector<Heartbeat> list;
    for (const Send& send : effects<Send>()) {
      if (std::count(send.to.begin(), send.to.end(), connection) == 0) continue;
      if (const auto* beat = std::get_if<Heartbeat>(&send.payload)) list.push_back(*beat);
    }
    return list;
  }
  uint64_t rejected(RejectKind kind) const { return machine_->stats().rejected[static_cast<size_t>(kind)]; }
  const Membership& machine() const { return *machine_; }
  std::shared_ptr<const NodeTable> table() { return machine_->table(); }
  NodeStatus status(std::string_view node) {
    const NodeEntry* entry = table()->find(node);
    EXPECT_NE(entry, nullptr) << node;
    return entry == nullptr ? NodeStatus::Disconnected : entry->status;
  }
  bool listed(std::string_view node) { return table()->find(node) != nullptr; }

  // ---- what a peer does
  ConnectionId accept(const Endpoint& remote = at("127.0.0.1", 40000), bool local = true) {
    next_accepted_ += 2;
    step(ConnectionAccepted{next_accepted_, remote, local});
    return next_accepted_;
  }
  void beat(ConnectionId connection, std::string_view from, std::optional<Hello> hello = std::nullopt,
            std::vector<NodeId> known = {}, int64_t started_ago_ms = 5000, int64_t clock_offset_ms = 0) {
    Heartbeat heartbeat;
    heartbeat.node.id = id(from);
    heartbeat.node.status = NodeStatus::Connected;
    heartbeat.node.last_heartbeat_at = now().unix_ms + clock_offset_ms;
    heartbeat.node.uptime_ms = started_ago_ms;
    heartbeat.known_nodes = std::move(known);
    heartbeat.hello = std::move(hello);
    step(MessageReceived{connection, Message{id(from), now().unix_ms + clock_offset_ms, heartbeat}, 600});
  }
  void goodbye(ConnectionId connection, std::string_view from, std::string_view about) {
    step(MessageReceived{
        connection, Message{id(from), now().unix_ms, Goodbye{id(about), now().unix_ms, DownReason::GracefulShutdown}},
        200});
  }
  static Hello hello(Incarnation incarnation, uint64_t nonce, std::optional<Nonce> echo = std::nullopt) {
    Hello hello;
    hello.incarnation = incarnation;
    hello.nonce = Nonce{9, nonce};
    hello.echo = echo;
    hello.interval_ms = 1000;
    hello.cluster = "";
    return hello;
  }
  static Hello echo(Nonce nonce) {
    Hello hello;
    hello.echo = nonce;
    return hello;
  }
  // The nonce of the last hello (or challenge) sent on `connection`.
  Nonce nonce_of(ConnectionId connection) const {
    Nonce nonce;
    for (const Heartbeat& beat : sent(connection)) {
      if (beat.hello.has_value() && beat.hello->nonce.has_value()) nonce = *beat.hello->nonce;
    }
    return nonce;
  }
  // A peer of ours dials in and goes through the whole hello. Returns its connection.
  ConnectionId join(std::string_view from, Incarnation incarnation = 1,
                    const Endpoint& remote = at("127.0.0.1", 40000)) {
    const ConnectionId connection = accept(remote);
    beat(connection, from, hello(incarnation, connection));
    beat(connection, from, echo(nonce_of(connection)));
    return connection;
  }
  // The dial to `endpoint` that was asked for last.
  ConnectionId dial_to(const std::string& endpoint) const {
    ConnectionId connection = 0;
    for (const Dial& dial : effects<Dial>()) {
      if (dial.endpoint.to_string() == endpoint) connection = dial.connection;
    }
    EXPECT_NE(connection, 0u) << "no dial to " << endpoint;
    return connection;
  }
  void open(ConnectionId connection) { step(ConnectionOpened{connection, true}); }
  // Opens the dial to `endpoint`, and `who` answers there.
  ConnectionId answer(const std::string& endpoint, std::string_view who, Incarnation incarnation = 1) {
    const ConnectionId connection = dial_to(endpoint);
    open(connection);
    beat(connection, who, hello(incarnation, connection, nonce_of(connection)));
    return connection;
  }

  Now now() const { return Now{Instant::from_ns(ns_), 1'700'000'000'000 + ns_ / 1'000'000}; }

 private:
  int64_t ns_ = 1'000'000'000;
  uint64_t nonces_ = 0;
  ConnectionId next_accepted_ = 0;
  Effects effects_;
  std::unique_ptr<Membership> machine_;
};

using Lines = std::vector<std::string>;

}  // namespace noex::script
