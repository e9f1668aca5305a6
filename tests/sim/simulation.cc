#include "sim/simulation.h"

#include <algorithm>
#include <cstdio>

#include "base/checks.h"

namespace noex::sim {
namespace {

constexpr Duration kAuditInterval = Duration::milliseconds(250);
constexpr Duration kFlushMax = Duration::milliseconds(1000);
constexpr size_t kFailuresMax = 20;
// Each beat is verified and read once, not by each of its receivers: more than are under way at a time.
constexpr size_t kFramesRemembered = 4096;

}  // namespace

Simulation::Simulation(uint64_t seed, const NetworkSettings& settings)
    : rng_(seed), network_(rng_.next(), settings), buffers_(kFramesRemembered) {
  network_.on_log = [this](const std::string& line) {
    if (keep_timeline) note(with_names(line), "network");
  };
  network_.on_arrival = [this](ProcessId to, ProcessId from, StreamId stream, int end, std::string_view bytes) {
    const size_t place = 2 * stream + static_cast<size_t>(end);
    if (place >= arriving_.size()) arriving_.resize(2 * place);
    FrameCounter& counter = arriving_[place];
    if (counter.feed(bytes) == 0 || !is_proven(end == 0, counter)) return;
    if (Recorder* const receiver = recorder_of(to)) receiver->note_deliverable(from);
  };
  network_.on_stream_end = [this](ProcessId process, uint64_t, ProcessId peer, StreamEndCause cause) {
    if (Recorder* const told = recorder_of(process)) told->note_stream_end(peer, cause);
  };
  network_.at(Instant() + kAuditInterval, [this] { audit(); });
}

Simulation::~Simulation() {
  network_.on_log = nullptr;  // what ends with us is not part of the story
  nodes_.clear();
}

HostId Simulation::add_host() {
  const HostId host = network_.add_host({});
  network_.add_address(host, ip_of(host));
  return host;
}

IpAddress Simulation::ip_of(HostId host) { return IpAddress::v4(0x0a000001u + host); }

size_t Simulation::add_spec(NodeSpec spec) {
  Node& node = nodes_.emplace_back();
  node.id = *NodeId::create(spec.name, spec.advertise.empty() ? spec.ip.to_string() : spec.advertise, spec.port);
  node.spec = std::move(spec);
  nodes_by_id_.emplace(node.id, nodes_.size() - 1);
  return nodes_.size() - 1;
}

size_t Simulation::add_node(std::vector<std::string> seeds, const std::function<void(NodeSpec&)>& change) {
  NodeSpec spec;
  spec.name = "n" + std::to_string(nodes_.size());
  spec.host = add_host();
  spec.ip = ip_of(spec.host);
  spec.seeds = std::move(seeds);
  if (change) change(spec);
  return add_spec(std::move(spec));
}

// ------------------------------------------------------------------------------------------- lifecycle

void Simulation::start(size_t index) {
  Node& node = nodes_[index];
  NOEX_CHECK(!is_running(index) && !node.stopping);
  const NodeSpec& spec = node.spec;
  ClusterConfig plain;
  plain.node_name = spec.name;
  plain.host = "0.0.0.0";
  plain.advertise_host = std::string(node.id.host());
  plain.port = spec.port;
  plain.seeds = spec.seeds;
  if (!spec.secret.empty()) plain.cluster_secret = spec.secret;
  plain.cluster_name = spec.cluster_name;
  plain.heartbeat_interval_ms = spec.interval.ms();
  plain.heartbeat_miss_threshold = spec.threshold;
  plain.reconnect_base_delay_ms = spec.reconnect_base.ms();
  plain.reconnect_max_delay_ms = spec.reconnect_max.ms();
  plain.forget_after_ms = spec.forget_after.ms();
  const Result<ValidConfig> config = validate(plain, "");
  if (!config.ok()) return fail(node.id, "has a bad configuration: " + config.error().message);

  node.runs.push_back(std::make_unique<Run>());
  Run& run = *node.runs.back();
  run.transport = network_.start_process(spec.host);
  const Now now = run.transport->now();
  run.life.id = node.id;
  run.life.incarnation = rng_.next() | 1;
  run.life.process = run.transport->process();
  run.life.started = now.mono;
  run.life.interval = spec.interval;
  run.life.threshold = spec.threshold;
  run.awake_since = now.mono;
  run.witness = std::make_unique<Witness>(run.life, *this, spec.reconnect_base, [seeds = spec.seeds](const NodeId& id) {
    // Also under another name at its address, or by a name that may lead to anybody.
    const std::string address = id.text().substr(id.text().find('@'));
    return std::any_of(seeds.begin(), seeds.end(), [&](const std::string& seed) {
      return seed.find('@') == std::string::npos || seed.ends_with(address);
    });
  });
  Run* const self = &run;
  run.recorder = std::make_unique<Recorder>(
      network_, *run.transport, [this, self](const std::string& what) { fail(self->life.id, what); },
      [this, self] {
        self->witness->check_view();
        const size_t known = self->witness->listed_count();
        if (self->invariants.due(known * known / 4)) self->driver->membership().check_invariants();
        const Instant deadline = self->driver->membership().deadline();
        if (self->recorder->waking() && !self->driver->has_left() && deadline <= network_.now()) {
          fail(self->life.id, "a Tick at its deadline did not move the deadline");
        }
        if (self->driver->misdirected() > 0) fail(self->life.id, "sends on or closes a connection that is not there");
      });
  run.listener = std::make_unique<Listener>(node.id, spec.events_max,
                                            [this, self](const std::string& what) { fail(self->life.id, what); });
  run.witness->on_event = [self](const Notification& event) { self->listener->push(event); };
  run.recorder->on_frame = [self](std::string_view frame) { self->witness->check_frame(frame); };
  run.recorder->on_dial = [self](const Endpoint& endpoint) { self->witness->check_dial(endpoint); };
  run.traffic_since = now.mono;
  take_event(self, spec.event_pace);
  run.witness->set_recorder(run.recorder.get());
  if (run.life.process >= recorders_.size()) recorders_.resize(run.life.process + 1);
  recorders_[run.life.process] = run.recorder.get();
  note("starts", node.id.text());
  const Result<uint16_t> port = run.recorder->listen(plain.host, spec.port);
  if (!port.ok()) return fail(node.id, port.error().message);

  Self about;
  about.id = node.id;
  about.incarnation = run.life.incarnation;
  about.nonce = [rng = std::make_shared<Rng>(rng_.next())] { return Nonce{rng->next(), rng->next()}; };
  run.driver = std::make_unique<Driver>(*config, about, Rng(rng_.next()), MembershipLimits{}, *run.recorder,
                                        *run.witness, &buffers_);
  run.recorder->set_handler(run.driver.get());
  run.driver->start();
  run.witness->check_view();
}

void Simulation::take_event(Run* run, Duration pace) {
  if (!run->life.ended.is_never()) return;
  if (pace == Duration()) return run->listener->take_at_once();
  run->listener->take(1);
  network_.at(network_.now() + pace, [this, run, pace] { take_event(run, pace); });
}

void Simulation::drain_listeners() {
  for (size_t index = 0; index < nodes_.size(); ++index) {
    if (!is_running(index)) continue;
    run(index).listener->take_all();
    run(index).listener->check(*run(index).witness->table());
  }
}

bool Simulation::is_running(size_t index) const {
  const Node& node = nodes_[index];
  return !node.runs.empty() && node.runs.back()->life.ended.is_never() && !node.stopping;
}

bool Simulation::is_frozen(size_t index) const { return network_.is_frozen(nodes_[index].runs.back()->life.process); }

void Simulation::end_run(size_t index) {
  Node& node = nodes_[index];
  Run& run = *node.runs.back();
  if (!run.life.ended.is_never()) return;
  run.life.ended = network_.now();
  recorders_[run.life.process] = nullptr;
  run.driver.reset();
  run.transport.reset();
  node.stopping = false;
}

void Simulation::leave(size_t index) {
  Node& node = nodes_[index];
  NOEX_CHECK(is_running(index));
  Run& run = *node.runs.back();
  note("stops", node.id.text());
  node.stopping = true;
  run.life.left = true;
  run.recorder->stop_listening();
  const uint64_t before = network_.counters(run.life.process).frames_written;
  const bool has_peers = run.witness->has_peer_to_tell();
  run.driver->leave();
  if (has_peers && network_.counters(run.life.process).frames_written == before) fail(node.id, "left without a word");
  if (!run.witness->has_left()) fail(node.id, "did not leave at once");
  await_flush(index, &run, network_.now() + kFlushMax);
}

void Simulation::await_flush(size_t index, Run* ending, Instant limit) {
  if (nodes_[index].runs.back().get() != ending || !ending->life.ended.is_never()) return;  // killed meanwhile
  if (!network_.has_unsent(ending->life.process) || network_.now() >= limit) return end_run(index);
  network_.at(network_.now() + Duration::milliseconds(1),
              [this, index, ending, limit] { await_flush(index, ending, limit); });
}

void Simulation::kill(size_t index) {
  note("is killed", nodes_[index].id.text());
  end_run(index);
}

void Simulation::power_off(size_t index) {
  const HostId host = nodes_[index].spec.host;
  network_.crash_host(host);
  for (size_t other = 0; other < nodes_.size(); ++other) {
    if (nodes_[other].spec.host == host && !nodes_[other].runs.empty()) end_run(other);
  }
}

void Simulation::power_on(size_t index) { network_.restore_host(nodes_[index].spec.host); }

void Simulation::begin_pause(Run& paused) {
  auto& pauses = paused.life.pauses;
  if (pauses.empty() || !pauses.back().second.is_never()) pauses.emplace_back(network_.now(), Instant::never());
}

// Called before the process goes on: what it then says is judged by it. `other_holds`: it is still stopped in another
// way.
void Simulation::end_pause(Run& paused, bool other_holds) {
  auto& pauses = paused.life.pauses;
  if (other_holds || pauses.empty() || !pauses.back().second.is_never()) return;
  pauses.back().second = network_.now();
  paused.awake_since = network_.now();
}

void Simulation::freeze(size_t index) {
  begin_pause(run(index));
  network_.freeze(run(index).life.process);
}

void Simulation::thaw(size_t index) {
  end_pause(run(index), !network_.is_host_up(nodes_[index].spec.host));
  network_.thaw(run(index).life.process);
}

void Simulation::suspend(HostId host) {
  for (const Node& node : nodes_) {
    if (node.spec.host == host && !node.runs.empty()) begin_pause(*node.runs.back());
  }
  network_.suspend_host(host);
}

void Simulation::resume(HostId host) {
  for (const Node& node : nodes_) {
    if (node.spec.host != host || node.runs.empty()) continue;
    end_pause(*node.runs.back(), network_.is_stopped(node.runs.back()->life.process));
  }
  network_.resume_host(host);
}

// --------------------------------------------------------------------------------------------- running

void Simulation::run_until(Instant limit) {
  while (!failed() && network_.run_next(limit)) {
  }
}

bool Simulation::run_until_true(Duration limit, const std::function<bool()>& done, Duration step) {
  const Instant end = now() + limit;
  while (!done()) {
    if (now() >= end || failed()) return false;
    run_until(std::min(end, now() + step));
  }
  return true;
}

// Everyone each time, or, of many, as many as make a thousand pairs.
void Simulation::audit() {
  for (size_t left = std::min(nodes_.size(), 1 + 1024 / std::max<size_t>(nodes_.size(), 1)); left > 0; --left) {
    const size_t index = audited_++ % nodes_.size();
    if (!is_running(index) || is_frozen(index)) continue;
    run(index).witness->check_freshness(run(index).awake_since);
    run(index).witness->check_dialling(run(index).awake_since);
    check_traffic(run(index));
  }
  network_.at(network_.now() + kAuditInterval, [this] { audit(); });
}

// What a node writes is bounded by what it has to say: beats, and something more for each connection and each change.
void Simulation::check_traffic(Run& run) {
  constexpr uint64_t kFrame = 1300;  // a beat: itself, eight ids, a hello, a signature
  const Duration window = network_.now() - run.traffic_since;
  if (window < Duration::seconds(1)) return;
  const uint64_t bytes = network_.counters(run.life.process).bytes_written;
  const uint64_t connections = run.recorder->connections_ever();
  const size_t events = run.witness->events().size();
  const Duration beat = run.life.threshold == 1 ? run.life.interval / 2 : run.life.interval;
  const auto beats = static_cast<uint64_t>(window.ns() / beat.ns()) + 2;
  const uint64_t peers = nodes_.size() + foreign_lives_.size();
  const uint64_t news = events - run.events_before;  // each is told to all, and may come with a challenge
  // A new connection costs a hello, its answers and the list of all.
  const uint64_t bytes_max =
      kFrame * peers * (beats + news) + (connections - run.connections_before) * (4 * kFrame + 40 * peers);
  if (bytes - run.bytes_before > bytes_max) {
    fail(run.life.id, "wrote " + std::to_string(bytes - run.bytes_before) + " bytes in " + seconds(window) +
                          " s, at most " + std::to_string(bytes_max) + " were called for");
  }
  run.traffic_since = network_.now();
  run.bytes_before = bytes;
  run.connections_before = connections;
  run.events_before = events;
}

bool Simulation::full_mesh() const {
  size_t expected = 0;
  for (size_t index = 0; index < nodes_.size(); ++index) expected += is_running(index);
  for (const Life* foreign : foreign_lives_) expected += foreign->ended.is_never();
  for (size_t index = 0; index < nodes_.size(); ++index) {
    if (!is_running(index)) continue;
    const Witness& view = witness(index);
    if (view.up_count() != expected - 1) return false;
    for (size_t other = 0; other < nodes_.size(); ++other) {
      if (other != index && is_running(other) && !view.is_up(nodes_[other].id)) return false;
    }
    for (const Life* foreign : foreign_lives_) {
      if (foreign->ended.is_never() && !view.is_up(foreign->id)) return false;
    }
  }
  return true;
}

std::string Simulation::missing_links() const {
  std::string text;
  for (size_t index = 0; index < nodes_.size(); ++index) {
    if (!is_running(index)) continue;
    for (size_t other = 0; other < nodes_.size(); ++other) {
      if (other == index) continue;
      const bool up = witness(index).is_up(nodes_[other].id);
      if (up == is_running(other)) continue;
      text += " " + nodes_[index].spec.name + (up ? " still has " : " misses ") + nodes_[other].spec.name + ";";
    }
    for (const Life* foreign : foreign_lives_) {
      if (foreign->ended.is_never() == witness(index).is_up(foreign->id)) continue;
      text += " " + nodes_[index].spec.name + (foreign->ended.is_never() ? " misses " : " still has ") +
              foreign->id.text() + ";";
    }
  }
  return text;
}

size_t Simulation::down_count() const {
  size_t count = 0;
  for (const Node& node : nodes_) {
    for (const auto& run : node.runs) count += run->witness->down_count();
  }
  return count;
}

size_t Simulation::event_count() const {
  size_t count = 0;
  for (const Node& node : nodes_) {
    for (const auto& run : node.runs) count += run->witness->events().size();
  }
  return count;
}

// ----------------------------------------------------------------------------------------------- truth

const Life* Simulation::find_life(const NodeId& id, Incarnation incarnation) const {
  const auto [begin, end] = nodes_by_id_.equal_range(id);
  for (auto position = begin; position != end; ++position) {
    for (const auto& run : nodes_[position->second].runs) {
      if (run->life.incarnation == incarnation) return &run->life;
    }
  }
  constexpr int64_t kTolerance = 50;  // its two readings of the clock
  const auto foreign = std::find_if(foreign_lives_.rbegin(), foreign_lives_.rend(), [&](const Life* life) {
    const int64_t apart = static_cast<int64_t>(life->says_it_began) - static_cast<int64_t>(incarnation);
    return life->id == id && (incarnation == 0 || (-kTolerance <= apart && apart <= kTolerance));
  });
  return foreign == foreign_lives_.rend() ? nullptr : *foreign;
}

bool Simulation::believes_connected(const Life& peer, ProcessId process) const {
  const Recorder* const its = recorder_of(peer.process);
  return its != nullptr && its->has_proven_connection_to(process, Instant());
}

bool Simulation::has_rival(const Life& life) const {
  const auto [begin, end] = nodes_by_id_.equal_range(life.id);
  for (auto position = begin; position != end; ++position) {
    for (const auto& run : nodes_[position->second].runs) {
      const Life& other = run->life;
      if (other.process != life.process && other.started < life.ended && life.started < other.ended) return true;
    }
  }
  return false;
}

void Simulation::note(const std::string& what, const std::string& who) {
  char head[64];
  std::snprintf(head, sizeof head, "%10.4f  %-16s  ", static_cast<double>(now().ns()) / 1e9, who.c_str());
  std::string line = head + what;
  for (const char byte : line) events_hash_ = (events_hash_ ^ static_cast<uint8_t>(byte)) * 0x100000001b3ULL;
  if (verbose) std::printf("%s\n", line.c_str());
  timeline_.push_back(std::move(line));
}

// The network speaks of processes and hosts by number; people know the nodes.
std::string Simulation::with_names(const std::string& line) const {
  std::string text = line;
  const auto name = [&text](const std::string& number, const std::string& as) {
    for (size_t at = text.find(number); at != std::string::npos; at = text.find(number, at + as.size())) {
      const size_t end = at + number.size();
      if (end < text.size() && text[end] >= '0' && text[end] <= '9') {
        at = end - as.size();
        continue;
      }
      text.replace(at, number.size(), as);
    }
  };
  std::map<HostId, std::string> hosts;
  for (const Node& node : nodes_) {
    std::string& names = hosts[node.spec.host];
    names += (names.empty() ? "" : "+") + node.spec.name;
    if (!node.runs.empty()) name("process " + std::to_string(node.runs.back()->life.process), node.spec.name);
  }
  for (const Life* const life : foreign_lives_) {
    name("process " + std::to_string(life->process), std::string(life->id.name()));
    hosts[network_.host_of(life->process)] = std::string(life->id.name());
  }
  for (const auto& [host, names] : hosts) name("host " + std::to_string(host), "the host of " + names);
  return text;
}

void Simulation::say(const NodeId& who, const std::string& what) {
  if (keep_timeline) note(what, who.text());
}

void Simulation::fail(const NodeId& who, const std::string& what) {
  note("FAILED: " + what, who.text());
  if (failures_.size() < kFailuresMax) failures_.push_back("at " + seconds(now()) + " s: " + who.text() + " " + what);
}

uint64_t Simulation::hash() const { return network_.trace_hash() * 31 + events_hash_; }

}  // namespace noex::sim
