// Time, hosts, processes and faults of the virtual network. What a stream does is in memory_stream.cc.
#include "transport/memory_network.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checks.h"
#include "transport/memory_transport.h"

namespace noex {
namespace {

constexpr int64_t kEpochMs = 1'700'000'000'000;  // the network's wall clock at its start
constexpr int kTimerRank = 1;

}  // namespace

MemoryNetwork::MemoryNetwork(uint64_t seed, const NetworkSettings& settings) : settings_(settings), rng_(seed) {}

MemoryNetwork::~MemoryNetwork() = default;

// ------------------------------------------------------------------------------------------------ time

void MemoryNetwork::enqueue(Instant when, int rank, uint64_t what) {
  constexpr int kRankShift = 62;
  const uint64_t order = static_cast<uint64_t>(rank) << kRankShift | next_sequence_++;
  queue_.push_back(Item{std::max(when, now_), order, what});
  std::push_heap(queue_.begin(), queue_.end());
}

void MemoryNetwork::schedule(Instant when, std::function<void()> action, int rank) {
  if (free_actions_.empty()) {
    free_actions_.push_back(actions_.size());
    actions_.emplace_back();
  }
  const size_t place = free_actions_.back();
  free_actions_.pop_back();
  actions_[place] = std::move(action);
  enqueue(when, rank, 2 * place);
}

void MemoryNetwork::schedule_flow(Instant when, StreamId id, int end) {
  enqueue(when, 0, 4 * id + 2 * static_cast<uint64_t>(end) + 1);
}

void MemoryNetwork::at(Instant when, std::function<void()> action) { schedule(when, std::move(action)); }

bool MemoryNetwork::run_next(Instant limit) {
  if (queue_.empty() || queue_.front().at > limit) {
    now_ = std::max(now_, limit);
    return false;
  }
  std::pop_heap(queue_.begin(), queue_.end());
  const Item item = queue_.back();
  queue_.pop_back();
  now_ = item.at;
  ++handled_;
  if (item.what % 2 == 1) {
    // The streams of what comes next are fetched meanwhile: of very many none is in a cache.
    for (size_t i = 0; i < std::min<size_t>(queue_.size(), 3); ++i) {
      if (queue_[i].what % 2 == 1) __builtin_prefetch(stream(queue_[i].what / 4));
    }
    flow_due(item.what / 4, static_cast<int>(item.what / 2 % 2));
    return true;
  }
  const std::function<void()> action = std::exchange(actions_[item.what / 2], nullptr);
  free_actions_.push_back(item.what / 2);
  action();
  return true;
}

void MemoryNetwork::run_until(Instant limit) {
  while (run_next(limit)) {
  }
}

// -------------------------------------------------------------------------------------------- topology

HostId MemoryNetwork::add_host(const std::vector<IpAddress>& addresses) {
  hosts_.emplace_back();
  const auto host = static_cast<HostId>(hosts_.size() - 1);
  for (const IpAddress& address : addresses) add_address(host, address);
  return host;
}

void MemoryNetwork::add_address(HostId host, const IpAddress& address) {
  hosts_.at(host).addresses.push_back(address);
  host_of_address_.try_emplace(address, host);
}

void MemoryNetwork::set_name(const std::string& host, NameAnswer answer) { names_[host] = std::move(answer); }

void MemoryNetwork::set_link(HostId from, HostId to, const LinkModel& link) { links_[{from, to}] = link; }

void MemoryNetwork::set_clock_offset(HostId host, Duration offset) { hosts_[host].clock_offset = offset; }

Duration MemoryNetwork::latency(HostId from, HostId to) {
  const auto special = links_.find({from, to});
  const LinkModel& link = from == to ? settings_.loopback : special != links_.end() ? special->second : settings_.link;
  const int64_t jitter = link.jitter.ns();
  return link.delay +
         Duration::nanoseconds(jitter > 0 ? static_cast<int64_t>(rng_.below(static_cast<uint64_t>(jitter))) : 0);
}

bool MemoryNetwork::path_open(HostId from, HostId to) const {
  const Host& source = hosts_[from];
  const Host& target = hosts_[to];
  return source.up && target.up && !source.asleep && !target.asleep && !cuts_.contains({from, to});
}

std::optional<HostId> MemoryNetwork::route(HostId from, const IpAddress& ip) const {
  if (ip.is_loopback() || ip.is_wildcard()) return from;
  const auto found = host_of_address_.find(ip);
  if (found == host_of_address_.end()) return std::nullopt;
  return found->second;
}

// ------------------------------------------------------------------------------------------- processes

std::unique_ptr<MemoryTransport> MemoryNetwork::start_process(HostId host) {
  NOEX_CHECK(hosts_.at(host).up);
  auto created = std::make_unique<Process>();
  created->id = static_cast<ProcessId>(processes_.size());
  created->host = host;
  processes_.push_back(std::move(created));
  return std::unique_ptr<MemoryTransport>(new MemoryTransport(*this, processes_.back()->id));
}

MemoryNetwork::Process& MemoryNetwork::process(ProcessId id) { return *processes_.at(id); }

bool MemoryNetwork::is_alive(ProcessId id) const { return processes_.at(id)->alive; }

bool MemoryNetwork::is_frozen(ProcessId id) const { return processes_.at(id)->frozen || processes_.at(id)->asleep; }

bool MemoryNetwork::is_stopped(ProcessId id) const { return processes_.at(id)->frozen; }

const ProcessCounters& MemoryNetwork::counters(ProcessId id) const { return processes_.at(id)->counters; }

HostId MemoryNetwork::host_of(ProcessId id) const { return processes_.at(id)->host; }

std::optional<ProcessId> MemoryNetwork::peer_of(ProcessId id, uint64_t connection) const {
  const auto& peers = processes_.at(id)->peers;
  const auto found = peers.find(connection);
  if (found == peers.end()) return std::nullopt;
  return found->second;
}

void MemoryNetwork::set_handler(ProcessId id, TransportHandler* handler) { process(id).handler = handler; }

Now MemoryNetwork::process_now(ProcessId id) const {
  const Duration ahead = hosts_[processes_.at(id)->host].clock_offset;
  return Now{now_, kEpochMs + (Duration::nanoseconds(now_.ns()) + ahead).ms()};
}

Result<uint16_t> MemoryNetwork::listen(ProcessId id, std::string_view host, uint16_t port) {
  Process& self = process(id);
  NOEX_CHECK(!self.listener && self.alive);
  const auto fail = [&](int os_error, const char* syscall, const char* code) -> Error {
    const std::string address(host);
    return Error{ErrorCode::Bind,
                 std::string("cannot listen on ") + address + " port " + std::to_string(port) + ": " + code,
                 BindFailure{os_error, syscall, code, address, port}};
  };
  std::optional<IpAddress> ip = IpAddress::parse(host == "localhost" ? "127.0.0.1" : host);
  if (!ip) {
    const auto named = names_.find(host);
    if (named == names_.end() || named->second.addresses.empty()) return fail(0, "getaddrinfo", "ENOTFOUND");
    ip = named->second.addresses.front();
  }
  if (route(self.host, *ip) != self.host) return fail(99, "bind", "EADDRNOTAVAIL");
  const auto taken = [&](uint16_t candidate) {
    const auto& listening = hosts_[self.host].listening;
    return std::any_of(listening.begin(), listening.end(), [&](ProcessId other) {
      const Listener& listener = *process(other).listener;
      return listener.port == candidate && (listener.ip == *ip || listener.ip.is_wildcard() || ip->is_wildcard());
    });
  };
  if (port == 0) {
    port = 49152;
    while (taken(port)) ++port;
  } else if (taken(port)) {
    return fail(98, "listen", "EADDRINUSE");
  }
  self.listener = Listener{*ip, port};
  hosts_[self.host].listening.push_back(id);
  return port;
}

void MemoryNetwork::stop_listening(ProcessId id) {
  Process& self = process(id);
  self.listener.reset();
  std::erase(hosts_[self.host].listening, id);
}

MemoryNetwork::Process* MemoryNetwork::listener_at(HostId host, const Endpoint& endpoint) {
  for (const ProcessId id : hosts_[host].listening) {
    Process& candidate = process(id);
    const Listener& listener = *candidate.listener;
    if (listener.port == endpoint.port && (listener.ip.is_wildcard() || listener.ip == endpoint.ip)) return &candidate;
  }
  return nullptr;
}

void MemoryNetwork::resolve(ProcessId id, uint64_t query, std::string_view host) {
  const auto named = names_.find(host);
  NameAnswer answer = named == names_.end() ? NameAnswer{} : named->second;
  Notice notice;
  notice.kind = NoticeKind::Resolved;
  notice.query = query;
  if (answer.addresses.empty()) notice.reason = answer.reason;
  notice.addresses = std::move(answer.addresses);
  schedule(now_ + answer.delay, [this, id, notice] { notify(id, notice); });
}

void MemoryNetwork::wake_at(ProcessId id, Instant when) {
  Process& self = process(id);
  self.wake_at = when;
  self.wake_overdue = false;
  arm_wake(self);
}

// One look per process is in the queue; a wish for a later time leaves it where it is, and it is asked for again then.
void MemoryNetwork::arm_wake(Process& self) {
  if (self.wake_at.is_never() || self.wake_scheduled <= self.wake_at) return;
  const Instant when = std::max(self.wake_at, now_);
  self.wake_scheduled = when;
  Duration late;
  if (settings_.wake_late_max > Duration() && self.wake_at > now_) {
    late = Duration::nanoseconds(static_cast<int64_t>(rng_.below(static_cast<uint64_t>(settings_.wake_late_max.ns()))));
  }
  const ProcessId id = self.id;
  schedule(
      when + late, [this, id, when] { wake_due(id, when); }, kTimerRank);
}

void MemoryNetwork::wake_due(ProcessId id, Instant scheduled) {
  Process& self = process(id);
  if (!self.alive || self.wake_scheduled != scheduled) return;  // an earlier look replaced this one
  self.wake_scheduled = Instant::never();
  if (self.wake_at > now_) return arm_wake(self);
  if (self.frozen || self.asleep) {
    self.wake_overdue = true;
    return;
  }
  wake_up(self);
}

void MemoryNetwork::wake_up(Process& self) {
  self.wake_at = Instant::never();
  self.wake_overdue = false;
  ++self.counters.wakes;
  trace(1, self.id, 0);
  self.handler->on_wake();
}

void MemoryNetwork::notify(ProcessId to, Notice notice) {
  Process& target = process(to);
  if (!target.alive) return;
  if (target.frozen || target.asleep) {
    target.inbox.push_back(std::move(notice));
  } else {
    dispatch(target, notice);
  }
}

void MemoryNetwork::freeze(ProcessId id) {
  if (!process(id).alive || process(id).frozen) return;
  log([&] { return "process " + std::to_string(id) + " is stopped (SIGSTOP)"; });
  process(id).frozen = true;
}

void MemoryNetwork::thaw(ProcessId id) {
  Process& self = process(id);
  if (!self.alive || !self.frozen) return;
  log([&] { return "process " + std::to_string(id) + " goes on (SIGCONT)"; });
  self.frozen = false;
  if (self.asleep) return;
  // A poll returns ready sockets in no order that anyone may rely on, but each socket's bytes in theirs.
  std::vector<std::pair<std::pair<StreamId, uint64_t>, uint64_t>> order;
  for (const Notice& notice : self.inbox) {
    const std::pair<StreamId, uint64_t> source{notice.stream, notice.query};
    if (std::none_of(order.begin(), order.end(), [&](const auto& known) { return known.first == source; })) {
      order.push_back({source, rng_.next()});
    }
  }
  const auto rank = [&](const Notice& notice) {
    const std::pair<StreamId, uint64_t> source{notice.stream, notice.query};
    return std::find_if(order.begin(), order.end(), [&](const auto& known) { return known.first == source; })->second;
  };
  std::stable_sort(self.inbox.begin(), self.inbox.end(),
                   [&](const Notice& a, const Notice& b) { return rank(a) < rank(b); });
  while (!self.inbox.empty() && self.alive) {
    Notice notice = std::move(self.inbox.front());
    self.inbox.pop_front();
    dispatch(self, notice);
  }
  if (self.alive && !self.wake_at.is_never() && self.wake_at <= now_) wake_up(self);
}

void MemoryNetwork::kill(ProcessId id) {
  if (!process(id).alive) return;
  log([&] { return "process " + std::to_string(id) + " ends"; });
  end_process(process(id), false);
}

void MemoryNetwork::end_process(Process& self, bool silently) {
  self.alive = false;
  stop_listening(self.id);
  const bool unread = !self.inbox.empty();
  self.inbox.clear();
  // Also connections whose end the process does not know yet, and those that it closed but whose flush goes on.
  for (const auto& current : streams_) {
    if (current == nullptr) continue;
    for (int end = 0; end < 2; ++end) {
      if (current->ends[end].process != self.id) continue;
      if (end == 1 && current->state == StreamState::Dialing) continue;  // nobody accepted yet
      End& mine = current->ends[end];
      mine.open = false;
      mine.refuses_data = true;
      if (silently) {
        mine.out.pending.clear();
        mine.out.pending_bytes = 0;
        // What the network itself says of a stream that it broke does not depend on this host.
        mine.out.wire.remove_if([](const Segment& segment) {
          return segment.kind != SegmentKind::Reset || segment.cause != StreamEndCause::NetworkBroke;
        });
        mine.out.ended = true;
      } else {
        const bool reset = unread || rng_.chance(settings_.reset_chance);
        end_flow(*current, end, reset ? SegmentKind::Reset : SegmentKind::Fin, StreamEndCause::PeerDied);
      }
    }
  }
  self.connections.clear();
}

// ---------------------------------------------------------------------------------------------- faults

void MemoryNetwork::cut(HostId from, HostId to) {
  NOEX_CHECK(from != to);
  if (cuts_.insert({from, to}).second) {
    log([&] { return "cut: host " + std::to_string(from) + " -> host " + std::to_string(to); });
  }
}

void MemoryNetwork::heal(HostId from, HostId to) {
  if (cuts_.erase({from, to}) == 0) return;
  log([&] { return "healed: host " + std::to_string(from) + " -> host " + std::to_string(to); });
  kick_flows();
}

void MemoryNetwork::heal_all() {
  if (!cuts_.empty()) log([] { return std::string("all cuts healed"); });
  cuts_.clear();
  kick_flows();
}

void MemoryNetwork::crash_host(HostId id) {
  Host& host = hosts_.at(id);
  if (!host.up) return;
  log([&] { return "host " + std::to_string(id) + " loses power"; });
  for (const auto& candidate : processes_) {
    if (candidate->alive && candidate->host == id) end_process(*candidate, true);
  }
  host.up = false;
}

void MemoryNetwork::restore_host(HostId id) {
  Host& host = hosts_.at(id);
  if (host.up) return;
  log([&] { return "host " + std::to_string(id) + " is back"; });
  host.up = true;
  probe_windows(id);
  kick_flows();
}

void MemoryNetwork::suspend_host(HostId id) {
  log([&] { return "host " + std::to_string(id) + " is suspended"; });
  hosts_.at(id).asleep = true;
  for (const auto& candidate : processes_) {
    if (candidate->host == id) candidate->asleep = true;
  }
}

void MemoryNetwork::resume_host(HostId id) {
  if (!hosts_.at(id).asleep) return;
  log([&] { return "host " + std::to_string(id) + " resumes"; });
  hosts_.at(id).asleep = false;
  for (const auto& candidate : processes_) {
    if (candidate->host != id || !candidate->asleep) continue;
    candidate->asleep = false;
    if (!candidate->alive || candidate->frozen) continue;
    // As thaw, but what peers sent meanwhile is still on its way: the overdue timer comes first.
    candidate->frozen = true;
    thaw(candidate->id);
  }
  kick_flows();
}

std::vector<StreamView> MemoryNetwork::streams() const {
  std::vector<StreamView> views;
  for (const auto& current : streams_) {
    if (current == nullptr || current->state != StreamState::Established || !current->ends[0].open ||
        !current->ends[1].open)
      continue;
    views.push_back({current->id, {current->ends[0].process, current->ends[1].process}});
  }
  return views;
}

void MemoryNetwork::reset_stream(StreamId id) {
  Stream* const target = stream(id);
  if (target == nullptr) return;
  log([&] { return "reset: " + name_of(*target); });
  for (int end = 0; end < 2; ++end) {
    Flow& flow = target->ends[end].out;
    flow.wire.clear();
    flow.ended = false;
    end_flow(*target, end, SegmentKind::Reset, StreamEndCause::NetworkBroke);
  }
}

void MemoryNetwork::half_open_stream(StreamId id, int told) {
  Stream* const target = stream(id);
  if (target == nullptr) return;
  log([&] { return "half-open: " + name_of(*target) + ", told: end " + std::to_string(told); });
  Flow& towards_told = target->ends[1 - told].out;
  towards_told.wire.clear();
  towards_told.ended = false;
  end_flow(*target, 1 - told, SegmentKind::Reset, StreamEndCause::NetworkBroke);
  target->ends[told].out.silenced = true;
}

void MemoryNetwork::silence_stream(StreamId id, int from) {
  Stream* const target = stream(id);
  if (target == nullptr) return;
  log([&] { return "silenced: " + name_of(*target) + ", from end " + std::to_string(from); });
  target->ends[from].out.silenced = true;
}

void MemoryNetwork::set_buffers(size_t window, size_t send_queue_max) {
  log([&] { return "buffers: " + std::to_string(window) + " and " + std::to_string(send_queue_max) + " bytes"; });
  settings_.window = window;
  settings_.send_queue_max = send_queue_max;
}

// -------------------------------------------------------------------------------------------- accounts

void MemoryNetwork::trace(uint64_t kind, uint64_t a, uint64_t b, std::string_view bytes) {
  // FNV-1a on words of eight bytes; the last is padded with zeros, and the size is part of it.
  const auto mix = [this](uint64_t value) {
    trace_hash_ = (trace_hash_ ^ value) * 0x100000001b3ULL;
    trace_hash_ ^= trace_hash_ >> 32;  // a multiplication carries nothing downwards
  };
  mix(static_cast<uint64_t>(now_.ns()));
  mix(kind);
  mix(a);
  mix(b);
  mix(bytes.size());
  for (size_t at = 0; at < bytes.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min(sizeof word, bytes.size() - at));
    mix(word);
  }
}

void MemoryNetwork::log(const std::function<std::string()>& line) const {
  if (on_log) on_log(line());
}

}  // namespace noex
