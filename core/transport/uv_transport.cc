#include "transport/uv_transport.h"

#include <uv.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "base/checks.h"
#include "transport/clock.h"
#include "transport/uv_connection.h"
#include "transport/uv_context.h"
#include "transport/uv_listener.h"
#include "transport/uv_local_server.h"

namespace noex {
namespace {

// libuv's timers run on CLOCK_MONOTONIC, which stands still while the machine is suspended, where Instant goes on: no
// wait is longer than this, so a wake-up that came due during a suspend comes at most so much after it.
constexpr Duration kWaitMax = Duration::seconds(1);
// How many polls in a row may deliver something before the time is declared come: peers that never stop sending cannot
// stop our clock.
constexpr int kExtraPollsMax = 16;
// Nor for how long, where what they send takes time to read. Each poll reads from everybody who has sent something.
constexpr Duration kExtraPollsTimeMax = Duration::milliseconds(200);
constexpr int kExtraPollsMin = 2;  // the first may only bring to light whom to read from
// A poll that ended longer ago than this may have missed something: the process was stopped in between.
constexpr Duration kPollAgeMax = Duration::milliseconds(20);

constexpr Duration kBindLookupMax = Duration::seconds(5);

bool is_localhost(std::string_view host) {
  constexpr std::string_view kName = "localhost";
  return std::equal(host.begin(), host.end(), kName.begin(), kName.end(),
                    [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

// What needs no resolver: literals, and "localhost", which must not depend on a machine's /etc/hosts or name server.
std::optional<Lookup> known_lookup(std::string_view host) {
  if (const auto literal = IpAddress::parse(host)) return Lookup{{*literal}, {}, {}};
  if (is_localhost(host)) return Lookup{{IpAddress::loopback_v4(), *IpAddress::parse("::1")}, {}, {}};
  return std::nullopt;
}

template <typename Handle>
uv_handle_t* as_handle(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace

class UvTransport::Impl {
 public:
  explicit Impl(const UvTransportOptions& options)
      : context(options), resolver(options.lookup, [this] { uv_async_send(&async_); }) {}
  ~Impl();

  [[nodiscard]] Status open();
  [[nodiscard]] Status run(TransportHandler& handler);
  void finish();
  void abort();
  void wakeup() { uv_async_send(&async_); }
  Result<uint16_t> listen(std::string_view host, uint16_t port);
  void resolve(uint64_t query, std::string_view host);

  UvContext context;
  Resolver resolver;
  std::optional<UvListener> listener;
  std::optional<UvLocalServer> local_server;
  std::function<void()> on_wakeup;
  Instant wake_at = Instant::never();

 private:
  static Impl* self_of(const uv_handle_t* handle) { return static_cast<Impl*>(handle->data); }
  void on_prepare();
  void on_check();
  void on_async();
  void run_deferred();
  void resume_resting();
  void deliver_answers();
  void close_base_if_done();
  void drain();

  uv_async_t async_{};
  uv_prepare_t prepare_{};
  uv_check_t check_{};
  uv_timer_t timer_{};
  bool opened_ = false;
  bool base_closed_ = false;
  bool finishing_ = false;
  int extra_polls_ = 0;
  Instant extra_polls_since_;
  Instant poll_began_;
};

Status UvTransport::Impl::open() {
  int error = uv_loop_init(&context.loop);
  if (error == 0) {
    // The first handle with a descriptor of its own; the others cannot fail.
    error = uv_async_init(&context.loop, &async_, [](uv_async_t* async) {
      Impl* const self = self_of(as_handle(async));
      self->context.guarded([self] { self->on_async(); });
    });
    if (error != 0) NOEX_CHECK(uv_loop_close(&context.loop) == 0);
  }
  if (error != 0) {
    resolver.close();
    return Error{ErrorCode::Internal, std::string("cannot create an event loop: ") + uv_strerror(error)};
  }
  NOEX_CHECK(uv_prepare_init(&context.loop, &prepare_) == 0);
  NOEX_CHECK(uv_check_init(&context.loop, &check_) == 0);
  NOEX_CHECK(uv_timer_init(&context.loop, &timer_) == 0);
  for (uv_handle_t* const handle : {as_handle(&async_), as_handle(&prepare_), as_handle(&check_), as_handle(&timer_)}) {
    handle->data = this;
  }
  uv_prepare_start(&prepare_, [](uv_prepare_t* prepare) {
    Impl* const self = self_of(as_handle(prepare));
    self->context.guarded([self] { self->on_prepare(); });
  });
  uv_check_start(&check_, [](uv_check_t* check) {
    Impl* const self = self_of(as_handle(check));
    self->context.guarded([self] { self->on_check(); });
  });
  context.on_connection_gone = [this] { close_base_if_done(); };
  opened_ = true;
  return {};
}

UvTransport::Impl::~Impl() {
  if (!opened_) return;
  drain();
  NOEX_CHECK(uv_loop_close(&context.loop) == 0);
}

Status UvTransport::Impl::run(TransportHandler& handler) {
  context.handler = &handler;
  uv_run(&context.loop, UV_RUN_DEFAULT);
  context.handler = nullptr;
  drain();
  if (context.failed) return Error{ErrorCode::Internal, context.failure};
  return {};
}

// Closes what is still open, and runs the loop until libuv has let go of all of it.
void UvTransport::Impl::drain() {
  context.handler = nullptr;
  abort();
  while (!base_closed_ || uv_loop_alive(&context.loop) != 0) uv_run(&context.loop, UV_RUN_DEFAULT);
}

void UvTransport::Impl::finish() {
  finishing_ = true;
  wake_at = Instant::never();
  resolver.close();
  if (listener) listener->close();
  if (local_server) local_server->close();
  for (const auto& entry : context.all) {
    if (!entry.first->flushing()) entry.first->close_handles();
  }
  context.by_id.clear();
  close_base_if_done();
}

void UvTransport::Impl::abort() {
  finish();
  for (const auto& entry : context.all) entry.first->close_handles();
}

// The loop ends by itself when nothing is open on it any more.
void UvTransport::Impl::close_base_if_done() {
  if (!finishing_ || base_closed_ || !context.all.empty()) return;
  base_closed_ = true;
  for (uv_handle_t* const handle : {as_handle(&async_), as_handle(&prepare_), as_handle(&check_), as_handle(&timer_)}) {
    uv_close(handle, nullptr);
  }
}

// The last thing before a poll: says how long it may take. The timer's callback has nothing to do, it only ends the
// poll.
void UvTransport::Impl::on_prepare() {
  run_deferred();
  resume_resting();
  context.delivered = 0;
  poll_began_ = boot_clock_now();
  if (finishing_) return;
  const bool looking_up = resolver.busy();
  const bool busy = !context.deferred.empty() || !context.resting.empty();
  if (!busy && wake_at.is_never() && !looking_up) {
    uv_timer_stop(&timer_);
    return;
  }
  Duration wait = looking_up ? kWaitMax : wake_at - poll_began_;
  if (looking_up && !wake_at.is_never()) wait = std::min(wait, wake_at - poll_began_);
  if (busy) wait = Duration();
  uv_update_time(&context.loop);
  uv_timer_start(
      &timer_, [](uv_timer_t*) {}, timer_ms(std::min(wait, kWaitMax)), 0);
}

void UvTransport::Impl::on_check() {
  run_deferred();
  if (resolver.busy()) resolver.expire(boot_clock_now());
  // Judged is only after a poll that began when the time had come, that found nothing, and that was just now: whatever
  // a peer had sent until then has been delivered.
  if (wake_at.is_never() || poll_began_ < wake_at || context.handler == nullptr) return;
  const Instant now = boot_clock_now();
  const bool drained = context.delivered == 0 && context.resting.empty() && now - poll_began_ <= kPollAgeMax;
  if (!drained) {
    if (++extra_polls_ == 1) extra_polls_since_ = now;
    const bool long_enough = extra_polls_ >= kExtraPollsMin && now - extra_polls_since_ >= kExtraPollsTimeMax;
    if (extra_polls_ < kExtraPollsMax && !long_enough) return;
  }
  extra_polls_ = 0;
  wake_at = Instant::never();
  context.handler->on_wake();
}

void UvTransport::Impl::on_async() {
  if (on_wakeup) on_wakeup();
  deliver_answers();
}

void UvTransport::Impl::deliver_answers() {
  for (const Resolver::Answer& answer : resolver.take_answers()) {
    if (context.handler == nullptr || finishing_) return;
    context.delivered += 1;
    context.handler->on_resolved(answer.query, answer.lookup.addresses, answer.lookup.reason);
  }
}

void UvTransport::Impl::resume_resting() {
  for (size_t turns = 0; turns < UvContext::kTurnsPerPoll && !context.resting.empty();) {
    UvConnection* const next = context.resting.front();
    context.resting.pop_front();
    if (!context.all.contains(next)) continue;
    next->resume();
    ++turns;
  }
}

void UvTransport::Impl::run_deferred() {
  if (context.deferred.empty()) return;
  // What these defer in turn waits for the next round.
  const std::vector<std::function<void()>> bodies = std::exchange(context.deferred, {});
  for (const auto& body : bodies) {
    if (context.handler != nullptr) body();
  }
}

Result<uint16_t> UvTransport::Impl::listen(std::string_view host, uint16_t port) {
  std::optional<Lookup> lookup = known_lookup(host);
  if (!lookup) lookup = resolver.resolve_now(host, kBindLookupMax);
  if (lookup->addresses.empty()) {
    std::string message = "cannot listen on " + std::string(host) + ":" + std::to_string(port) + ": " + lookup->reason;
    message += " (" + lookup->code + "); `host` is an address or a name of this machine";
    return Error{ErrorCode::Bind, std::move(message), {0, "getaddrinfo", lookup->code, std::string(host), port}};
  }
  if (!listener) listener.emplace(context);
  return listener->listen({lookup->addresses.front(), port}, host);
}

void UvTransport::Impl::resolve(uint64_t query, std::string_view host) {
  if (finishing_) return;
  if (std::optional<Lookup> known = known_lookup(host)) {
    context.defer([this, query, addresses = std::move(known->addresses)] {
      if (!finishing_) context.handler->on_resolved(query, addresses, {});
    });
    return;
  }
  resolver.resolve(query, host, boot_clock_now() + context.options.resolve_timeout);
}

Result<std::unique_ptr<UvTransport>> UvTransport::create(const UvTransportOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  const Status opened = impl->open();
  if (!opened) return opened.error();
  return std::unique_ptr<UvTransport>(new UvTransport(std::move(impl)));
}

UvTransport::UvTransport(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
UvTransport::~UvTransport() = default;

Status UvTransport::run(TransportHandler& handler) { return impl_->run(handler); }
void UvTransport::finish() { impl_->finish(); }
void UvTransport::abort() { impl_->abort(); }
void UvTransport::set_on_wakeup(std::function<void()> on_wakeup) { impl_->on_wakeup = std::move(on_wakeup); }
void UvTransport::wakeup() { impl_->wakeup(); }
void UvTransport::interrupt() { impl_->resolver.interrupt(); }

Status UvTransport::listen_local(const std::string& path, LocalHandler& handler) {
  NOEX_CHECK(!impl_->local_server);
  return impl_->local_server.emplace(impl_->context, handler).listen(path);
}

void UvTransport::send_local(uint64_t client, std::string text) {
  if (impl_->local_server) impl_->local_server->send(client, std::move(text));
}

Lookup UvTransport::resolve_now(std::string_view host, Duration limit) {
  if (std::optional<Lookup> known = known_lookup(host)) return *std::move(known);
  return impl_->resolver.resolve_now(host, limit);
}

Now UvTransport::now() const { return clock_now(); }

Result<uint16_t> UvTransport::listen(std::string_view host, uint16_t port) { return impl_->listen(host, port); }

void UvTransport::stop_listening() {
  if (impl_->listener) impl_->listener->close();
}

void UvTransport::dial(uint64_t connection, const Endpoint& endpoint) {
  impl_->context.add(connection)->dial(endpoint);
}

void UvTransport::write(uint64_t connection, const SharedBytes& frame) {
  if (UvConnection* const found = impl_->context.find(connection)) found->write(frame);
}

void UvTransport::close(uint64_t connection, StreamClose how) {
  if (UvConnection* const found = impl_->context.find(connection)) found->close(how);
}

size_t UvTransport::unsent(uint64_t connection) const {
  const UvConnection* const found = impl_->context.find(connection);
  return found == nullptr ? 0 : found->unsent();
}

std::optional<Duration> UvTransport::round_trip(uint64_t connection) const {
  const UvConnection* const found = impl_->context.find(connection);
  return found == nullptr ? std::nullopt : found->round_trip();
}

void UvTransport::resolve(uint64_t query, std::string_view host) { impl_->resolve(query, host); }
void UvTransport::wake_at(Instant when) { impl_->wake_at = when; }

}  // namespace noex
