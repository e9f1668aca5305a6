#include "cluster/node_run.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "cluster/incarnation.h"
#include "transport/clock.h"
#include "transport/local_address.h"

namespace noex {
namespace {

// Names among the seeds are looked up for the advertised address; a dead name server must not hold up start for longer.
constexpr Duration kAdvertiseLookupMax = Duration::seconds(1);

// Strangers together take at most three of four descriptors that this process may have: the application and the
// members of the mesh need some, too.
MembershipLimits within_descriptors(MembershipLimits limits) {
  rlimit descriptors{};
  if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return limits;
  const auto some = static_cast<size_t>(descriptors.rlim_cur / 4);
  limits.unidentified_max = std::clamp<size_t>(some, 1, limits.unidentified_max);
  limits.unproven_max = std::clamp<size_t>(2 * some, 1, limits.unproven_max);
  return limits;
}

Error aborted() { return {ErrorCode::Aborted, "the start was ended by a stop", {}}; }

}  // namespace

// While it lives, other threads reach the transport.
class NodeRun::Attachment {
 public:
  Attachment(NodeRun& run, UvTransport& transport) : run_(run) {
    const std::lock_guard lock(run_.mutex_);
    run_.transport_ = &transport;
  }
  ~Attachment() {
    const std::lock_guard lock(run_.mutex_);
    run_.transport_ = nullptr;
    run_.stats_requests_.clear();
    run_.answered_.notify_all();
  }
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

 private:
  NodeRun& run_;
};

NodeRun::NodeRun(ValidConfig config, NodeOptions options, int64_t process_count, Host& host)
    : config_(std::move(config)), options_(std::move(options)), host_(host), process_count_(process_count) {}

Status NodeRun::execute() {
  for (const std::string& warning : config_.warnings) log(LogLevel::Warning, warning);
  if (!crypto_ready()) return Error{ErrorCode::Internal, "this system has no source of random numbers", {}};
  Result<std::unique_ptr<UvTransport>> transport = UvTransport::create(options_.transport);
  if (!transport) return transport.error();
  const Attachment attachment(*this, **transport);
  if (ending()) return aborted();
  const Result<uint16_t> port = (*transport)->listen(config_.host, config_.port);
  if (ending()) return aborted();
  if (!port) return port.error();
  if (!config_.control_socket.empty()) {
    control_ = std::make_unique<Control>(**transport);
    if (Status opened = (*transport)->listen_local(config_.control_socket, *control_); !opened) return opened;
  }

  const Now now = clock_now();
  const Result<NodeId> id = NodeId::create(config_.node_name, advertised_host(**transport), *port);
  if (ending()) return aborted();
  if (!id) return id.error();
  return run_driver(**transport, {*id, new_incarnation(now.unix_ms, random_u64()), now.mono});
}

Status NodeRun::run_driver(UvTransport& transport, const Identity& identity) {
  Self self;
  self.id = identity.id;
  self.incarnation = identity.incarnation;
  self.nonce = [] { return Nonce{random_u64(), random_u64()}; };
  Driver driver(config_, std::move(self), Rng(random_u64()), within_descriptors(options_.membership), transport, *this);
  if (!host_.on_running(identity)) return aborted();
  if (control_ != nullptr) {
    control_->begin(identity.id, [this, &driver, &identity] { return gather(driver, identity); });
    control_->on_event(StatusChanged{ClusterStatus::Running});
  }
  driver.start();
  transport.set_on_wakeup([this, &driver, &identity, &transport] { serve(driver, identity, transport); });
  transport.wakeup();  // for what was asked before
  return transport.run(driver);
}

// What other threads have asked for; on the loop.
void NodeRun::serve(Driver& driver, const Identity& identity, UvTransport& transport) {
  if (abort_asked_) return transport.abort();
  const int64_t process_count = process_count_;
  if (process_count != announced_process_count_ && !driver.has_left()) {
    announced_process_count_ = process_count;
    driver.set_process_count(process_count);
  }
  std::vector<std::shared_ptr<StatsRequest>> requests;
  {
    const std::lock_guard lock(mutex_);
    requests.swap(stats_requests_);
  }
  if (!requests.empty()) {
    const NodeStats stats = gather(driver, identity);
    const std::lock_guard lock(mutex_);
    for (const auto& request : requests) request->answer = stats;
    answered_.notify_all();
  }
  if (stop_asked_ && !driver.has_left()) {
    if (control_ != nullptr) control_->on_event(StatusChanged{ClusterStatus::Stopping});
    transport.stop_listening();
    driver.leave();
    transport.finish();
  }
}

void NodeRun::stop() {
  stop_asked_ = true;
  wake();
}

void NodeRun::abort() {
  abort_asked_ = true;
  wake();
}

void NodeRun::set_process_count(int64_t count) {
  process_count_ = count;
  wake();
}

void NodeRun::wake() {
  const std::lock_guard lock(mutex_);
  if (transport_ == nullptr) return;
  if (ending()) transport_->interrupt();
  transport_->wakeup();
}

Result<NodeStats> NodeRun::stats(Duration limit) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(limit.ns());
  const auto request = std::make_shared<StatsRequest>();
  std::unique_lock lock(mutex_);
  if (transport_ != nullptr) {
    stats_requests_.push_back(request);
    transport_->wakeup();
  }
  while (transport_ != nullptr && !request->answer) {
    if (std::chrono::steady_clock::now() >= until) {
      return Error{ErrorCode::Timeout, "the node's I/O thread does not answer: is the machine overloaded?", {}};
    }
    answered_.wait_until(lock, until);
  }
  if (!request->answer) return Error{ErrorCode::NotStarted, "the node is not running", {}};
  return *std::move(request->answer);
}

void NodeRun::on_notification(const Notification& notification) {
  std::visit(
      [this](const auto& value) {
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, JoinSettled>) {
          host_.on_joined();
        } else if constexpr (!std::is_same_v<Value, Left>) {  // serve() goes on after leave() by itself
          tell(value);
        }
      },
      notification);
}

void NodeRun::tell(EventBody body) {
  if (control_ != nullptr) control_->on_event(body);
  host_.on_event(std::move(body));
}

NodeStats NodeRun::gather(Driver& driver, const Identity& identity) {
  const Now now = clock_now();
  NodeStats stats;
  stats.unix_ms = now.unix_ms;
  stats.local_id = identity.id;
  stats.incarnation = identity.incarnation;
  stats.status = driver.has_left() || stop_asked_ ? ClusterStatus::Stopping : ClusterStatus::Running;
  stats.uptime = now.mono - identity.started;
  stats.process_count = process_count_;
  stats.cluster_name = config_.cluster_name;
  stats.authenticated = !config_.cluster_secret.empty();
  stats.heartbeat_interval = config_.heartbeat_interval;
  stats.heartbeat_miss_threshold = config_.heartbeat_miss_threshold;
  stats.driver = driver.stats();
  host_.count_events(stats);
  return stats;
}

// Under which host the others are to reach this node.
std::string NodeRun::advertised_host(UvTransport& transport) {
  if (!config_.advertise_host.empty()) return config_.advertise_host;
  const auto bound = IpAddress::parse(config_.host);
  if (!bound || !bound->is_wildcard()) return config_.host;
  const bool allow_v6 = bound->is_v6();  // 0.0.0.0 listens on IPv4 only
  const auto usable = [allow_v6](const IpAddress& ip) {
    return !ip.is_loopback() && !ip.is_wildcard() && (allow_v6 || !ip.is_v6());
  };
  const Instant until = boot_clock_now() + kAdvertiseLookupMax;
  for (const Seed& seed : config_.seeds) {
    const Lookup lookup = transport.resolve_now(seed.host, until - boot_clock_now());
    for (const IpAddress& address : lookup.addresses) {
      if (!usable(address)) continue;
      const auto source = source_address_towards(address);
      if (source && usable(*source)) return source->to_string();
    }
  }
  if (const auto found = interface_address(allow_v6)) return found->to_string();
  if (const auto unused = interface_address(true)) {
    log(LogLevel::Warning, "this machine has no IPv4 address that others could reach, and " + config_.host +
                               " listens on IPv4 only: set `host` to '::' to be reached under " + unused->to_string());
  }
  return IpAddress::loopback_v4().to_string();
}

void NodeRun::log(LogLevel level, std::string message) {
  tell(LogRecord{level, unix_clock_now_ms(), std::move(message)});
}

}  // namespace noex
