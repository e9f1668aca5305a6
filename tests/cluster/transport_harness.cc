#include "cluster/transport_harness.h"

#include <utility>

#include "base/checks.h"

namespace noex::test {

TransportHarness::TransportHarness(const UvTransportOptions& options) {
  Result<std::unique_ptr<UvTransport>> transport = UvTransport::create(options);
  NOEX_CHECK(transport.ok());
  transport_ = *std::move(transport);
  transport_->set_on_wakeup([this] {
    std::vector<std::function<void(UvTransport&)>> bodies;
    {
      const std::lock_guard lock(mutex_);
      bodies.swap(posted_);
    }
    for (const auto& body : bodies) body(*transport_);
    const std::lock_guard lock(mutex_);
    done_ += bodies.size();
    changed_.notify_all();
  });
  Result<Thread> thread = Thread::start("test-loop", [this] {
    Status outcome = transport_->run(*this);
    const std::lock_guard lock(mutex_);
    record_.ended = true;
    record_.outcome = std::move(outcome);
    changed_.notify_all();
  });
  NOEX_CHECK(thread.ok());
  thread_ = *std::move(thread);
}

TransportHarness::~TransportHarness() { destroy(); }

void TransportHarness::destroy() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    if (!record_.ended) {
      posted_.push_back([](UvTransport& transport) { transport.abort(); });
      transport_->wakeup();
    }
  }
  thread_.join();
  transport_.reset();
}

void TransportHarness::on_loop(std::function<void(UvTransport&)> body) {
  std::unique_lock lock(mutex_);
  posted_.push_back(std::move(body));
  const uint64_t mine = ++posts_;
  transport_->wakeup();
  NOEX_CHECK(changed_.wait_for(lock, kPatience, [&] { return done_ >= mine; }));
}

void TransportHarness::post(std::function<void(UvTransport&)> body) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(body));
  ++posts_;
  transport_->wakeup();
}

bool TransportHarness::wait(const std::function<bool(const Record&)>& met) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return met(record_); });
}

TransportHarness::Record TransportHarness::record() {
  const std::lock_guard lock(mutex_);
  return record_;
}

void TransportHarness::set_on_received(std::function<void(uint64_t)> hook) {
  on_loop([&](UvTransport&) { received_hook_ = std::move(hook); });
}

uint16_t TransportHarness::listen(std::string_view host) {
  uint16_t port = 0;
  on_loop([&](UvTransport& transport) {
    const Result<uint16_t> bound = transport.listen(host, 0);
    NOEX_CHECK(bound.ok());
    port = *bound;
  });
  return port;
}

TransportHarness::Accepted TransportHarness::wait_accepted(size_t known) {
  NOEX_CHECK(wait([&](const Record& record) { return record.accepted.size() > known; }));
  return record().accepted[known];
}

bool TransportHarness::wait_received(uint64_t id, std::string_view text) {
  return wait([&](const Record& record) {
    const auto found = record.received.find(id);
    return found != record.received.end() && found->second == text;
  });
}

bool TransportHarness::wait_ended() {
  return wait([](const Record& record) { return record.ended; });
}

void TransportHarness::note(std::string what, const std::function<void(Record&)>& change) {
  const std::lock_guard lock(mutex_);
  record_.log.push_back(std::move(what));
  change(record_);
  changed_.notify_all();
}

void TransportHarness::on_accepted(uint64_t connection, const Endpoint& remote, bool remote_is_local) {
  note("accepted " + std::to_string(connection), [&](Record& record) {
    record.accepted.push_back({connection, remote, remote_is_local});
  });
}

void TransportHarness::on_connected(uint64_t connection, bool remote_is_local) {
  note("connected " + std::to_string(connection),
       [&](Record& record) { record.connected[connection] = remote_is_local; });
}

void TransportHarness::on_dial_failed(uint64_t connection, std::string_view reason) {
  note("failed " + std::to_string(connection), [&](Record& record) { record.dial_failed[connection] = reason; });
}

void TransportHarness::on_received(uint64_t connection, ByteView bytes) {
  note("received " + std::to_string(connection),
       [&](Record& record) { record.received[connection] += as_text(bytes); });
  if (received_hook_) received_hook_(connection);
}

void TransportHarness::on_closed(uint64_t connection, StreamEnd end) {
  note("closed " + std::to_string(connection), [&](Record& record) { record.closed[connection].push_back(end); });
}

void TransportHarness::on_resolved(uint64_t query, const std::vector<IpAddress>& addresses, std::string_view reason) {
  note("resolved " + std::to_string(query), [&](Record& record) {
    record.resolved[query] = Lookup{addresses, std::string(reason), {}};
  });
}

void TransportHarness::on_wake() {
  const Instant now = transport_->now().mono;
  note("wake", [&](Record& record) { record.wakes.push_back(now); });
}

}  // namespace noex::test
