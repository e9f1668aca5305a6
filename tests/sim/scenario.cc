#include "sim/scenario.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace noex::sim {
namespace {

constexpr Duration kSecond = Duration::seconds(1);
// The documented limits that healing is measured by.
constexpr Duration kLoneSeedRetry = Duration::seconds(5);
constexpr Duration kDialTimeout = Duration::seconds(5);
constexpr Duration kIdentification = Duration::seconds(10);
constexpr Duration kStaleConnection = Duration::seconds(60);
// Who was never up and has no witness: when that is noticed, and how long after that it is forgotten.
constexpr Duration kUnvouched = Duration::seconds(20 + 60);
// A node of the reference re-dials by delays of its own, and what it replaced speaks up 10 s later.
constexpr Duration kReferenceHabits = Duration::seconds(15);
constexpr size_t kFrameSizeMax = 1500;  // a beat: itself, eight ids, a hello, a signature

constexpr std::array<const char*, 7> kTopologyNames = {"first",    "chain", "random", "ring",
                                                       "everyone", "names", "aliases"};

std::string ms(Duration duration) { return std::to_string(duration.ms()) + " ms"; }

}  // namespace

Scenario::Scenario(const ScenarioOptions& options) : options_(options), rng_(options.seed ^ 0x5ce7a710'5ce7a710ULL) {
  build();
}

Scenario::~Scenario() = default;

Duration between(Rng& rng, Duration least, Duration most) {
  return least + Duration::nanoseconds(static_cast<int64_t>(rng.below(static_cast<uint64_t>((most - least).ns()) + 1)));
}

void Scenario::fail(const std::string& what) { simulation_->fail(simulation_->id(0), what); }

// ----------------------------------------------------------------------------------------- the cluster

void Scenario::build() {
  constexpr std::array<int64_t, 5> kDelaysUs = {100, 500, 2'000, 20'000, 50'000};
  NetworkSettings settings;
  settings.link.delay = Duration::microseconds(kDelaysUs[rng_.below(kDelaysUs.size())]);
  settings.link.jitter = rng_.chance(0.3) ? Duration() : settings.link.delay;
  settings.segment_chance = rng_.chance(0.3) ? 0.5 : 0.05;
  settings.wake_late_max = Duration::milliseconds(rng_.chance(0.5) ? 0 : rng_.chance(0.5) ? 2 : 15);
  settings.break_chance = rng_.unit() * 0.5;
  settings.reset_chance = rng_.unit();
  // A frame waits for room more often than not: where an answer does not take as long as a timeout.
  if (rng_.chance(0.3) && settings.link.delay < Duration::milliseconds(20)) settings.window = 512;
  window_ = settings.window;
  latency_max_ = settings.link.delay + settings.link.jitter + settings.wake_late_max;
  simulation_ = std::make_unique<Simulation>(options_.seed, settings);
  simulation_->verbose = options_.verbose;

  reference_count_ = rng_.chance(0.25) ? 1 + rng_.below(2) : 0;
  topology_ = static_cast<Topology>(rng_.below(static_cast<uint64_t>(Topology::Count)));
  // Nodes of the reference know no interval but their own and no resolver, and dial their seeds once, when they start.
  if (reference_count_ > 0 && topology_ == Topology::Names) topology_ = Topology::First;
  unequal_ = reference_count_ == 0 && rng_.chance(0.3);
  const bool plain_seeds = topology_ != Topology::Names && topology_ != Topology::Aliases;
  named_hosts_ = reference_count_ == 0 && plain_seeds && rng_.chance(0.2);
  calm_start_ = reference_count_ > 0 || rng_.chance(0.7);
  looks_again_ = rng_.chance(0.1);
  const size_t count = 3 + rng_.below(10);
  node_count_ = options_.nodes > 0 ? options_.nodes : count;
  const bool forgets = reference_count_ == 0 && rng_.chance(0.25);
  forget_after_ = forgets ? between(rng_, 15 * kSecond, 40 * kSecond) : Duration::seconds(24 * 3600);
  build_nodes();
  choose_seeds();
  summary_ += ", delay " + std::to_string(settings.link.delay.ns() / 1000) + " us" +
              (forgets ? ", forget after " + std::to_string(forget_after_.ms() / 1000) + " s" : "") +
              (reference_count_ > 0 ? ", with " + std::to_string(reference_count_) + " of the reference" : "");
  make_plan();
  simulation_->note("scenario: " + summary_);
}

void Scenario::build_nodes() {
  constexpr std::array<int64_t, 4> kIntervalsMs = {200, 500, 1000, 2000};
  constexpr std::array<int64_t, 4> kReconnectMaxMs = {1000, 2000, 5000, 8000};
  Simulation& sim = *simulation_;
  const bool shared_hosts = topology_ != Topology::Names && !named_hosts_ && rng_.chance(0.25);
  const bool secret = rng_.chance(0.75);
  const Duration interval = Duration::milliseconds(kIntervalsMs[rng_.below(3)]);
  const int64_t threshold = 1 + static_cast<int64_t>(rng_.below(4));
  const Duration reconnect_max = Duration::milliseconds(kReconnectMaxMs[rng_.below(kReconnectMaxMs.size())]);
  for (size_t i = 0; i < node_count_; ++i) {
    NodeSpec spec;
    spec.name = "n" + std::to_string(i);
    spec.host = shared_hosts && i % 2 == 1 ? sim.spec(i - 1).host : sim.add_host();
    spec.ip = Simulation::ip_of(spec.host);
    spec.port = static_cast<uint16_t>(shared_hosts && i % 2 == 1 ? 5001 : 5000);
    if (named_hosts_) {
      spec.advertise = spec.name + ".test";
      sim.network().set_name(spec.advertise, NameAnswer{{spec.ip}, ""});
    }
    if (secret) spec.secret = "between us";
    spec.interval = unequal_ ? Duration::milliseconds(kIntervalsMs[rng_.below(4)]) : interval;
    spec.threshold = unequal_ ? 1 + static_cast<int64_t>(rng_.below(5)) : threshold;
    spec.reconnect_base = std::min(reconnect_max, Duration::milliseconds(100 + static_cast<int64_t>(rng_.below(900))));
    spec.reconnect_max = reconnect_max;
    spec.forget_after = forget_after_;
    if (rng_.chance(0.3)) {
      spec.events_max = 2 + rng_.below(12);
      spec.event_pace = between(rng_, Duration::milliseconds(50), 3 * kSecond);
    }
    // A timeout is no shorter than a hello takes.
    while (spec.interval * spec.threshold < 5 * latency_max_) ++spec.threshold;
    interval_max_ = std::max(interval_max_, spec.interval);
    if (rng_.chance(0.3)) sim.network().set_clock_offset(spec.host, between(rng_, Duration(), 3600 * kSecond));
    sim.add_spec(std::move(spec));
  }
  reconnect_max_ = reconnect_max;
  for (size_t i = 0; i < node_count_; ++i)
    timeout_max_ = std::max(timeout_max_, interval_max_ * sim.spec(i).threshold * 3 / 2);
  summary_ = std::to_string(node_count_) + " nodes, seeds: " + kTopologyNames[static_cast<size_t>(topology_)] +
             (unequal_ ? ", unequal settings" : ", interval " + ms(interval) + " x " + std::to_string(threshold)) +
             ", reconnect up to " + ms(reconnect_max) + (secret ? ", secret" : "") +
             (shared_hosts ? ", two per host" : "") + (named_hosts_ ? ", host names" : "");
}

void Scenario::choose_seeds() {
  Simulation& sim = *simulation_;
  const size_t count = node_count_;
  if (topology_ == Topology::Names) {
    NameAnswer answer;
    answer.reason.clear();
    answer.delay = between(rng_, Duration::milliseconds(1), Duration::milliseconds(50));
    for (size_t i = 0; i < std::min<size_t>(count, 4); ++i) {
      if (!options_.without.contains(i)) answer.addresses.push_back(sim.spec(i).ip);
    }
    sim.network().set_name("cluster.test", std::move(answer));
    for (size_t i = 0; i < count; ++i) sim.spec(i).seeds = {"cluster.test:5000"};
    return;
  }
  std::vector<std::set<size_t>> seeds(count);
  for (size_t i = 0; i < count; ++i) {
    switch (topology_) {
      case Topology::First:
        if (i > 0 || rng_.chance(0.3)) seeds[i].insert(0);
        break;
      case Topology::Chain:
        if (i > 0) seeds[i].insert(i - 1);
        break;
      case Topology::Random:
        if (i > 0) seeds[i].insert(rng_.below(i));
        for (uint64_t extra = rng_.below(3); extra > 0; --extra) seeds[i].insert(rng_.below(count));
        break;
      case Topology::Ring:
        seeds[i].insert((i + 1) % count);
        break;
      case Topology::Everyone:
        for (size_t other = 0; other < count; ++other) seeds[i].insert(other);
        break;
      case Topology::Aliases:
        if (i > 0) seeds[i].insert(rng_.below(std::min<size_t>(i, 2)));
        break;
      case Topology::Names:
      case Topology::Count:
        break;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    for (size_t seed : seeds[i]) {
      if (options_.without.contains(seed)) seed = 0;  // which stands in for those that are left out
      const NodeSpec& target = sim.spec(seed);
      const std::string text = topology_ == Topology::Aliases
                                   ? "seed@" + target.ip.to_string() + ":" + std::to_string(target.port)
                                   : sim.id(seed).text();
      std::vector<std::string>& list = sim.spec(i).seeds;
      if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
    }
  }
}

void Scenario::make_plan() {
  trouble_length_ = between(rng_, 2 * kSecond, 20 * kSecond);
  const uint64_t count = rng_.below(9);
  for (uint64_t number = 0; number < count; ++number) {
    Fault& fault = plan_.emplace_back();
    fault.number = number;
    fault.at = between(rng_, Duration(), trouble_length_);
    fault.kind = static_cast<FaultKind>(rng_.below(static_cast<uint64_t>(FaultKind::Count)));
    fault.seed = rng_.next();
  }
}

void Scenario::start_all() {
  Simulation& sim = *simulation_;
  const uint64_t manner = rng_.below(3);
  for (size_t i = 0; i < sim.size(); ++i) {
    Duration after;
    if (manner == 1) after = between(rng_, Duration(), 3 * kSecond);
    if (manner == 2 && i == 0) after = between(rng_, 5 * kSecond, 12 * kSecond);  // the one that most know comes last
    if (!options_.without.contains(i)) start_later(i, after);
  }
}

// -------------------------------------------------------------------------------------------- its life

void Scenario::later(Duration after, std::function<void()> action) {
  const Instant when = simulation_->now() + after;
  trouble_ends_ = std::max(trouble_ends_, when);
  simulation_->network().at(when, std::move(action));
}

// What is documented, and the way of the frames: a dial, a hello and a list, by way of a third node.
Duration Scenario::heal_time() const {
  return std::max(reconnect_max_, kLoneSeedRetry) + kDialTimeout + 2 * interval_max_ + 20 * latency_max_;
}

// They dial their seeds once, so they come when the seeds are there.
void Scenario::add_references() {
  Simulation& sim = *simulation_;
  while (references_.size() < reference_count_) {
    ReferenceModel::Options options;
    options.name = "r" + std::to_string(references_.size());
    options.host = sim.add_host();
    options.ip = Simulation::ip_of(options.host);
    const size_t seed = pick_node(rng_);
    options.seeds = {sim.id(options_.without.contains(seed) ? 0 : seed)};
    options.secret = sim.spec(0).secret;
    options.interval = sim.spec(0).interval;
    options.threshold = std::max<int64_t>(2, sim.spec(0).threshold);
    options.greets_on_its_own = rng_.chance(0.5);
    references_.push_back(std::make_unique<ReferenceModel>(sim, options, rng_.next()));
    references_.back()->start();
  }
}

bool Scenario::all_met() const {
  if (!simulation_->full_mesh()) return false;
  for (const auto& reference : references_) {
    for (size_t i = 0; i < simulation_->size(); ++i) {
      if (simulation_->is_running(i) && !reference->is_up(simulation_->id(i))) return false;
    }
  }
  return true;
}

std::string Scenario::who_misses_whom() const {
  std::string text = simulation_->missing_links();
  for (const auto& reference : references_) {
    for (size_t i = 0; i < simulation_->size(); ++i) {
      if (!simulation_->is_running(i) || reference->is_up(simulation_->id(i))) continue;
      text += " " + reference->id().text() + " misses " + simulation_->spec(i).name + ";";
    }
  }
  return text;
}

size_t Scenario::downs_said_by_references() const {
  size_t count = 0;
  for (const auto& reference : references_) {
    for (size_t i = 0; i < simulation_->size(); ++i) count += reference->downs_of(simulation_->id(i));
  }
  return count;
}

bool Scenario::play() {
  Simulation& sim = *simulation_;
  start_all();
  if (calm_start_) {
    sim.run_until(trouble_ends_);
    if (!sim.run_until_true(heal_time(), [&] { return sim.full_mesh(); }) && !sim.failed()) {
      fail("the mesh is not full " + seconds(heal_time()) + " s after the last start:" + sim.missing_links());
    }
    if (!sim.failed() && sim.down_count() > 0) fail("someone reported a down before anything happened");
    if (!sim.failed() && reference_count_ > 0) {
      add_references();
      if (!sim.run_until_true(heal_time(), [&] { return all_met(); }) && !sim.failed()) {
        fail("not all have met the nodes of the reference:" + who_misses_whom());
      }
    }
    sim.run_for(between(rng_, Duration(), 3 * interval_max_));
  }
  if (!sim.failed()) trouble();
  if (!sim.failed()) settle();
  if (!sim.failed()) keep_peace();
  if (!sim.failed()) check_errors();
  return !sim.failed();
}

void Scenario::trouble() {
  later(trouble_length_, [] {});
  for (const Fault& fault : plan_) {
    if (options_.only && !options_.only->contains(fault.number)) continue;
    later(fault.at, [this, fault] { happen(fault); });
  }
  // The end moves on while faults bring their own ends.
  while (!simulation_->failed() && simulation_->now() < trouble_ends_) simulation_->run_until(trouble_ends_);
  if (simulation_->failed()) return;
  for (const auto& reference : references_) {
    // It dials its seeds once. One whose seed could not be reached then, and whom nobody knows, stays alone until
    // somebody starts it again.
    if (reference->is_running() && is_lost(*reference)) reference->kill();
    if (!reference->is_running()) reference->start();
  }
}

bool Scenario::is_lost(const ReferenceModel& reference) const {
  for (size_t i = 0; i < simulation_->size(); ++i) {
    if (reference.is_up(simulation_->id(i))) return false;
    if (!simulation_->is_running(i)) continue;
    const auto& table = simulation_->witness(i).table();
    if (table != nullptr && table->find(reference.id().text()) != nullptr) return false;
  }
  return true;
}

void Scenario::settle() {
  Simulation& sim = *simulation_;
  sim.note("the last fault is over");
  // What was stuck in an outage flows again, or its connection breaks: only then it is over for those who are told.
  sim.run_for(sim.network().settings().retransmit_max + 2 * latency_max_);
  Duration limit = heal_time();
  // A connection that fell silent for good is a fault that goes on: it ends when it is noticed, after a timeout, or, if
  // it was in the middle of its hello, after the time for identification.
  if (had_silent_streams_) limit = limit + timeout_max_ + std::max(kIdentification, interval_max_ + 5 * kSecond);
  if (!references_.empty()) limit = limit + kReferenceHabits;
  if (!sim.run_until_true(limit, [&] { return all_met(); }) && !sim.failed()) {
    fail("the mesh is not full " + seconds(limit) + " s after the last fault:" + who_misses_whom());
  }
  if (!sim.failed()) sim.note("the mesh is full");
  // Connections that nobody noticed to be silent so far.
  if (!sim.failed() && had_silent_streams_) {
    sim.run_for(limit);
    if (!sim.failed() && !all_met()) fail("the mesh did not stay full:" + who_misses_whom());
  }
  if (!sim.failed() && !references_.empty()) sim.run_for(kReferenceHabits);
}

void Scenario::keep_peace() {
  Simulation& sim = *simulation_;
  sim.run_for(2 * interval_max_ + kSecond);  // late frames of what just happened
  // A name is looked up again after the longest delay, and then the answers that nobody has been met at are dialled
  // once more; so is a seed of which it is not known yet who answers there.
  const bool odd_seeds = topology_ == Topology::Names || topology_ == Topology::Aliases;
  // Who was only heard of and cannot be met is said to be refused, after a timeout and the next attempt.
  if (someone_dead_for_good_) sim.run_for(timeout_max_ + reconnect_max_ + kDialTimeout);
  if (odd_seeds) sim.run_for(2 * reconnect_max_ + 2 * kDialTimeout);
  const size_t events = sim.event_count();
  const size_t said = downs_said_by_references();
  std::vector<ProcessCounters> before;
  for (size_t i = 0; i < sim.size(); ++i) {
    before.push_back(sim.is_running(i) ? sim.network().counters(sim.run(i).life.process) : ProcessCounters{});
  }
  const Duration window = 4 * interval_max_ + timeout_max_;
  sim.run_for(window);
  if (sim.failed()) return;
  if (sim.event_count() != events) return fail("there was an event in peace");
  if (downs_said_by_references() != said) return fail("a node of the reference reported one of ours down in peace");
  if (!all_met()) return fail("the mesh did not stay full:" + who_misses_whom());
  for (size_t i = 0; i < sim.size(); ++i) {
    if (!sim.is_running(i)) continue;
    const ProcessCounters& after = sim.network().counters(sim.run(i).life.process);
    const NodeSpec& spec = sim.spec(i);
    const Duration beat = spec.threshold == 1 ? spec.interval / 2 : spec.interval;
    const uint64_t frames_max =
        (static_cast<uint64_t>(window.ns() / beat.ns()) + 2) * (sim.size() + references_.size() - 1);
    const uint64_t frames = after.frames_written - before[i].frames_written;
    if (!someone_dead_for_good_ && frames > frames_max) {
      fail("sends more than beats in peace: " + std::to_string(frames) + " frames, at most " +
           std::to_string(frames_max) + " beats");
    }
    if (after.bytes_written - before[i].bytes_written > frames * kFrameSizeMax) fail("sends large frames in peace");
    if (!someone_dead_for_good_ && after.dials != before[i].dials) fail(spec.name + " dials in peace");
  }
  sim.drain_listeners();
  if (!sim.failed() && (looks_again_ || had_silent_streams_)) check_tables();
  if (!sim.failed()) check_forgotten();
}

// Long after, what trouble left behind is gone.
void Scenario::check_tables() {
  Simulation& sim = *simulation_;
  const size_t events = sim.event_count();
  sim.run_for(kStaleConnection + 5 * kSecond);
  if (sim.failed()) return;
  if (sim.event_count() != events) return fail("there was an event long after");
  size_t others = 0;
  for (size_t i = 0; i < sim.size(); ++i) others += sim.is_running(i);
  --others;
  for (size_t i = 0; i < sim.size(); ++i) {
    if (!sim.is_running(i)) continue;
    const MembershipStats stats = sim.run(i).driver->stats().membership;
    const std::string& name = sim.spec(i).name;
    if (references_.empty() && stats.unidentified > 0) fail(name + " keeps unidentified connections");
    if (someone_dead_for_good_) continue;
    if (references_.empty() && stats.connections != others)
      fail(name + " keeps " + std::to_string(stats.connections) + " connections");
    if (references_.empty() && sim.run(i).recorder->open_connections() != others)
      fail(name + " keeps more connections than it speaks of");
    if (stats.dialing > 0) fail(name + " still dials");
    if (stats.nodes != others + references_.size()) fail(name + " keeps " + std::to_string(stats.nodes) + " nodes");
  }
}

// Whoever died for good leaves every list once, and nobody brings him back.
void Scenario::check_forgotten() {
  const bool forgets = forget_after_ < Duration::seconds(3600);
  if (!forgets || !someone_dead_for_good_ || topology_ != Topology::First) return;  // seeds are never forgotten
  Simulation& sim = *simulation_;
  sim.note("waiting until the dead are forgotten");
  sim.run_for(forget_after_ + kUnvouched + kDialTimeout + reconnect_max_);
  for (int looks = 0; looks < 2 && !sim.failed(); ++looks) {
    for (size_t i = 0; i < sim.size(); ++i) {
      if (!sim.is_running(i)) continue;
      for (const NodeEntry& entry : sim.witness(i).table()->nodes) {
        if (entry.status == NodeStatus::Connected) continue;
        if (entry.id() != sim.id(0)) sim.fail(sim.id(i), "still lists " + entry.id().text() + ", long dead");
      }
      const MembershipStats stats = sim.run(i).driver->stats().membership;
      if (stats.dialing > 0) sim.fail(sim.id(i), "dials, long after the last one died");
    }
    sim.run_for(5 * interval_max_ + timeout_max_);
  }
}

void Scenario::check_errors() {
  for (size_t i = 0; i < simulation_->size(); ++i) {
    for (const auto& run : simulation_->runs(i)) {
      for (const ErrorReport& error : run->witness->errors()) {
        // A connection that broke in its first moments may look like a wrong secret; nothing else may go wrong between
        // friends.
        const bool is_called_for = error.kind == ErrorKind::Authentication ||
                                   (error.kind == ErrorKind::DuplicateId && may_seem_twice(error.node_id)) ||
                                   (error.kind == ErrorKind::Overload && had_slow_readers_);
        if (!is_called_for) fail("reported: " + error.message);
      }
    }
  }
}

// The last words of one run may come late, when the next is up.
bool Scenario::may_seem_twice(const std::string& id) const {
  if (someone_twice_) return true;
  for (size_t i = 0; i < simulation_->size(); ++i) {
    if (simulation_->id(i).text() == id) return simulation_->runs(i).size() > 1;
  }
  return false;
}

std::string Scenario::report(size_t lines) const {
  std::string text = "seed " + std::to_string(options_.seed) + ": " + summary_ + "\n";
  for (const std::string& failure : simulation_->failures()) text += "  FAILED " + failure + "\n";
  const auto& timeline = simulation_->timeline();
  text += "  the last lines of the timeline:\n";
  for (size_t i = timeline.size() - std::min(lines, timeline.size()); i < timeline.size(); ++i)
    text += "    " + timeline[i] + "\n";
  text += "  again: ./dev sim --seed " + std::to_string(options_.seed) +
          (options_.nodes > 0 ? " --nodes " + std::to_string(options_.nodes) : std::string()) + " --verbose\n";
  return text;
}

}  // namespace noex::sim
