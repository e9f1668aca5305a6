// What can befall the nodes of a Scenario. Each fault chooses its victims by its own seed, says what it does, and
// brings its own end.
#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "base/checks.h"
#include "sim/scenario.h"

namespace noex::sim {
namespace {

constexpr Duration kSecond = Duration::seconds(1);
constexpr Duration kMillisecond = Duration::milliseconds(1);

std::string for_seconds(Duration length) { return " for " + seconds(length) + " s"; }

}  // namespace

void Scenario::tell(const std::string& what) { simulation_->note(what, "FAULT " + std::to_string(happening_)); }

void Scenario::happen(const Fault& fault) {
  using Happening = void (Scenario::*)(Rng&);
  constexpr std::array<Happening, static_cast<size_t>(FaultKind::Count)> kHappenings = {
      &Scenario::break_stream, &Scenario::cut_pair,       &Scenario::flap_pair,
      &Scenario::partition,    &Scenario::slow_link,      &Scenario::crash,
      &Scenario::power_cut,    &Scenario::pause,          &Scenario::stutter,
      &Scenario::suspend,      &Scenario::slow_reader,    &Scenario::step_clock,
      &Scenario::stop,         &Scenario::stop_and_start, &Scenario::come_back_as_another,
      &Scenario::move,         &Scenario::duplicate,      &Scenario::end_reference};
  Rng rng(fault.seed);
  happening_ = fault.number;
  (this->*kHappenings[static_cast<size_t>(fault.kind)])(rng);
}

// --------------------------------------------------------------------------------------------- network

void Scenario::break_stream(Rng& rng) {
  const std::vector<StreamView> streams = simulation_->network().streams();
  if (streams.empty()) return;
  const StreamView& view = streams[rng.below(streams.size())];
  // A node of the reference never gives up a connection that is only silent, and refuses every other meanwhile: not
  // ours to heal.
  const bool theirs = std::any_of(references_.begin(), references_.end(), [&](const auto& reference) {
    return reference->process() == view.process[0] || reference->process() == view.process[1];
  });
  const int end = static_cast<int>(rng.below(2));
  const uint64_t manner = theirs ? 0 : rng.below(3);
  tell(manner == 0 ? "breaks a stream" : manner == 1 ? "leaves a stream half-open" : "silences a stream");
  if (manner == 0) return simulation_->network().reset_stream(view.id);
  had_silent_streams_ = true;
  if (manner == 1) return simulation_->network().half_open_stream(view.id, end);
  simulation_->network().silence_stream(view.id, end);
}

HostId Scenario::pick_host(Rng& rng) const {
  if (!references_.empty() && rng.chance(0.3)) {
    return simulation_->network().host_of(references_[rng.below(references_.size())]->process());
  }
  return simulation_->spec(pick_node(rng)).host;
}

void Scenario::cut_pair(Rng& rng) {
  const HostId a = pick_host(rng);
  const HostId b = pick_host(rng);
  if (a == b) return;
  const bool both_ways = rng.chance(0.5);
  const Duration length = between(rng, 100 * kMillisecond, 25 * kSecond);
  tell((both_ways ? "cuts a pair" : "cuts a pair one way") + for_seconds(length));
  MemoryNetwork& network = simulation_->network();
  network.cut(a, b);
  if (both_ways) network.cut(b, a);
  later(length, [&network, a, b] {
    network.heal(a, b);
    network.heal(b, a);
  });
}

// A loose contact.
void Scenario::flap_pair(Rng& rng) {
  const HostId a = pick_host(rng);
  const HostId b = pick_host(rng);
  if (a == b) return;
  const uint64_t times = 3 + rng.below(8);
  tell("cuts and heals a pair " + std::to_string(times) + " times");
  MemoryNetwork& network = simulation_->network();
  Duration at;
  for (uint64_t i = 0; i < times; ++i) {
    const bool both_ways = rng.chance(0.7);
    later(at, [&network, a, b, both_ways] {
      network.cut(a, b);
      if (both_ways) network.cut(b, a);
    });
    at = at + between(rng, 20 * kMillisecond, timeout_max_);
    later(at, [&network, a, b] {
      network.heal(a, b);
      network.heal(b, a);
    });
    at = at + between(rng, 5 * kMillisecond, kSecond);
  }
}

void Scenario::partition(Rng& rng) {
  Simulation& sim = *simulation_;
  std::set<HostId> one_side;
  std::set<HostId> hosts;
  const bool isolates_one = rng.chance(0.25);
  const HostId alone = pick_host(rng);
  const auto place = [&](HostId host) {
    hosts.insert(host);
    if (isolates_one ? host == alone : rng.chance(0.5)) one_side.insert(host);
  };
  for (size_t i = 0; i < sim.size(); ++i) place(sim.spec(i).host);
  for (const auto& reference : references_) place(sim.network().host_of(reference->process()));
  const double share = rng.chance(0.6) ? 1.0 : 0.6;  // clean, or partial
  const bool one_way = rng.chance(0.2);
  std::vector<std::pair<HostId, HostId>> cuts;
  for (const HostId a : one_side) {
    for (const HostId b : hosts) {
      if (one_side.contains(b) || !rng.chance(share)) continue;
      cuts.emplace_back(a, b);
      if (!one_way) cuts.emplace_back(b, a);
    }
  }
  MemoryNetwork& network = sim.network();
  const Duration length = between(rng, 200 * kMillisecond, 30 * kSecond);
  const bool in_pieces = rng.chance(0.3);
  tell(std::string(isolates_one ? "isolates a host" : "splits the network") + (share < 1 ? " in part" : "") +
       (one_way ? ", one way," : "") + for_seconds(length) + (in_pieces ? ", healing in pieces" : ""));
  for (const auto& [a, b] : cuts) network.cut(a, b);
  for (const auto& [a, b] : cuts) {
    const Duration extra = in_pieces ? between(rng, Duration(), 3 * kSecond) : Duration();
    later(length + extra, [&network, from = a, to = b] { network.heal(from, to); });
  }
}

// Everything takes long on one way, all of a sudden, and then no more.
void Scenario::slow_link(Rng& rng) {
  const HostId a = pick_host(rng);
  const HostId b = pick_host(rng);
  if (a == b) return;
  MemoryNetwork& network = simulation_->network();
  const LinkModel usual = network.settings().link;
  LinkModel slow;
  slow.delay = between(rng, 20 * kMillisecond, 800 * kMillisecond);
  slow.jitter = rng.chance(0.5) ? slow.delay : Duration();
  const Duration length = between(rng, 100 * kMillisecond, 10 * kSecond);
  tell("slows a way down to " + seconds(slow.delay) + " s" + for_seconds(length));
  network.set_link(a, b, slow);
  later(length, [&network, a, b, usual] { network.set_link(a, b, usual); });
  later(length + slow.delay + slow.jitter, [] {});  // what is under way still takes long
}

// ------------------------------------------------------------------------------------- processes that end

bool Scenario::may_die_for_good(size_t node) const {
  // A node of the reference names the dead for ever.
  return node > 0 && reference_count_ == 0 && (topology_ == Topology::First || topology_ == Topology::Everyone);
}

void Scenario::restart_later(size_t node, Duration after, Rng& rng) {
  const bool for_good = rng.chance(0.2);
  if (for_good && may_die_for_good(node)) {
    someone_dead_for_good_ = true;
    return tell(simulation_->spec(node).name + " will not come back");
  }
  start_later(node, after);
}

void Scenario::start_later(size_t node, Duration after) {
  later(after, [this, node] {
    Simulation& sim = *simulation_;
    if (sim.is_running(node)) return;
    if (!sim.network().is_host_up(sim.spec(node).host) || sim.is_stopping(node)) return start_later(node, kSecond);
    sim.start(node);
  });
}

void Scenario::crash(Rng& rng) {
  const size_t node = pick_node(rng);
  if (!simulation_->is_running(node)) return;
  tell("kills " + simulation_->spec(node).name);
  simulation_->kill(node);
  const bool at_once = rng.chance(0.4);
  const Duration after = at_once ? between(rng, Duration(), 50 * kMillisecond) : between(rng, Duration(), 10 * kSecond);
  restart_later(node, after, rng);
}

void Scenario::power_cut(Rng& rng) {
  Simulation& sim = *simulation_;
  const size_t node = pick_node(rng);
  if (!sim.network().is_host_up(sim.spec(node).host)) return;
  std::vector<size_t> victims;
  for (size_t i = 0; i < sim.size(); ++i) {
    if (sim.spec(i).host == sim.spec(node).host && sim.is_running(i)) victims.push_back(i);
  }
  const Duration dark = between(rng, 10 * kMillisecond, 15 * kSecond);
  tell("takes the power from the host of " + sim.spec(node).name + for_seconds(dark));
  sim.power_off(node);
  later(dark, [this, host = sim.spec(node).host] { simulation_->network().restore_host(host); });
  for (const size_t victim : victims) restart_later(victim, dark + between(rng, kMillisecond, 3 * kSecond), rng);
}

void Scenario::stop(Rng& rng) {
  const size_t node = pick_node(rng);
  if (!simulation_->is_running(node) || simulation_->is_frozen(node)) return;
  tell("stops " + simulation_->spec(node).name);
  simulation_->leave(node);
  restart_later(node, between(rng, kMillisecond, 12 * kSecond), rng);
}

// Goodbyes on their way while others come and are told of the leaver: whose word is newer?
void Scenario::stop_and_start(Rng& rng) {
  Simulation& sim = *simulation_;
  const size_t comes = pick_node(rng);
  std::set<size_t> leavers;
  for (uint64_t count = 1 + rng.below(3); count > 0; --count) leavers.insert(pick_node(rng));
  leavers.erase(comes);
  if (!sim.is_running(comes)) return;
  tell("starts " + sim.spec(comes).name + " anew while others stop");
  sim.kill(comes);
  start_later(comes, 100 * kMillisecond);
  for (const size_t node : leavers) {
    // About when the newcomer is told of it.
    const Duration at = 100 * kMillisecond + between(rng, Duration(), 8 * latency_max_ + 100 * kMillisecond);
    const Duration away = between(rng, kMillisecond, 8 * kSecond);
    later(at, [this, node, away] {
      if (!simulation_->is_running(node) || simulation_->is_frozen(node)) return;
      simulation_->leave(node);
      start_later(node, away);
    });
  }
}

// Its process ends, and another begins: under another name at the same address, or under the same name somewhere else.
void Scenario::come_back_as_another(Rng& rng) {
  Simulation& sim = *simulation_;
  const size_t node = pick_node(rng);
  if (!may_die_for_good(node) || !sim.is_running(node)) return crash(rng);
  const bool renamed = rng.chance(0.5);
  tell(sim.spec(node).name + (renamed ? " comes back under another name" : " comes back at another address"));
  sim.kill(node);
  someone_dead_for_good_ = true;
  NodeSpec spec = sim.spec(node);
  if (renamed) {
    spec.name += "x";
  } else {
    spec.host = sim.add_host();
    spec.ip = Simulation::ip_of(spec.host);
    if (!spec.advertise.empty()) {  // its former name leads to its former place
      spec.advertise = "moved-" + spec.advertise;
      sim.network().set_name(spec.advertise, NameAnswer{{spec.ip}, ""});
    }
  }
  start_later(sim.add_spec(std::move(spec)), between(rng, Duration(), 3 * kSecond));
}

// The same id at another address: its host name leads elsewhere from now on.
void Scenario::move(Rng& rng) {
  Simulation& sim = *simulation_;
  const size_t node = pick_node(rng);
  if (!named_hosts_ || !sim.is_running(node)) return crash(rng);
  tell("moves " + sim.spec(node).name + " to another host");
  const bool politely = rng.chance(0.3) && !sim.is_frozen(node);
  if (politely) {
    sim.leave(node);
  } else {
    sim.kill(node);
  }
  later(between(rng, 20 * kMillisecond, 3 * kSecond), [this, node] {
    Simulation& later_sim = *simulation_;
    if (later_sim.is_running(node)) return;
    NodeSpec& spec = later_sim.spec(node);
    spec.host = later_sim.add_host();
    spec.ip = Simulation::ip_of(spec.host);
    later_sim.network().set_name(spec.advertise, NameAnswer{{spec.ip}, ""});
    start_later(node, Duration());
  });
}

// Two live processes with one id: the second says that it is the first, and listens elsewhere.
void Scenario::duplicate(Rng& rng) {
  Simulation& sim = *simulation_;
  const size_t node = pick_node(rng);
  const size_t met = pick_node(rng);
  if (reference_count_ > 0 || node == met || !sim.is_running(node)) return crash(rng);
  NodeSpec spec = sim.spec(node);
  spec.host = sim.add_host();
  spec.seeds.push_back(sim.id(met).text());
  const Duration length = between(rng, 100 * kMillisecond, 15 * kSecond);
  tell("starts a second " + spec.name + for_seconds(length));
  someone_twice_ = true;
  const size_t second = sim.add_spec(std::move(spec));
  sim.start(second);
  const bool without_fin = rng.chance(0.3);
  later(length, [this, second, without_fin] {
    if (!simulation_->is_running(second)) return;
    if (without_fin) return simulation_->power_off(second);
    simulation_->kill(second);
  });
}

void Scenario::end_reference(Rng& rng) {
  if (references_.empty()) return crash(rng);
  ReferenceModel& reference = *references_[rng.below(references_.size())];
  if (!reference.is_running()) return;
  if (rng.chance(0.3)) {
    const NodeId& victim = simulation_->id(pick_node(rng));
    tell(std::string(reference.id().name()) + " says goodbye for " + std::string(victim.name()));
    return reference.slander(victim);
  }
  const bool politely = rng.chance(0.5);
  tell((politely ? "stops " : "kills ") + std::string(reference.id().name()));
  // After its goodbye nobody dials it, and it dials its seeds only once: it starts again when all is over (trouble()).
  if (politely) return reference.leave();
  reference.kill();
  later(between(rng, 200 * kMillisecond, 8 * kSecond), [&reference] {
    if (!reference.is_running()) reference.start();
  });
}

// --------------------------------------------------------------------------------- processes that wait

void Scenario::pause_for(size_t node, Duration length) {
  Simulation& sim = *simulation_;
  if (!sim.is_running(node) || sim.is_frozen(node)) return;
  sim.freeze(node);
  Run* const frozen = &sim.run(node);
  later(length, [this, node, frozen] {
    if (&simulation_->run(node) == frozen && simulation_->is_running(node)) simulation_->thaw(node);
  });
}

void Scenario::pause(Rng& rng) {
  Simulation& sim = *simulation_;
  const size_t node = pick_node(rng);
  const bool is_short = rng.chance(0.3);
  const Duration length =
      is_short ? between(rng, kMillisecond, sim.spec(node).interval) : between(rng, timeout_max_ / 4, 4 * timeout_max_);
  if (!sim.is_running(node)) return;
  tell("freezes " + sim.spec(node).name + for_seconds(length));
  pause_for(node, length);
}

// Hardly ever away for long enough to notice it, over and over.
void Scenario::stutter(Rng& rng) {
  const size_t node = pick_node(rng);
  const uint64_t times = 10 + rng.below(40);
  tell("makes " + simulation_->spec(node).name + " stutter " + std::to_string(times) + " times");
  Duration at;
  for (uint64_t i = 0; i < times; ++i) {
    const Duration length = between(rng, 10 * kMillisecond, 220 * kMillisecond);
    later(at, [this, node, length] { pause_for(node, length); });
    at = at + length + between(rng, kMillisecond, 150 * kMillisecond);
  }
}

void Scenario::suspend(Rng& rng) {
  Simulation& sim = *simulation_;
  const size_t node = pick_node(rng);
  const HostId host = sim.spec(node).host;
  if (!sim.network().is_host_up(host)) return;
  const Duration length = between(rng, 50 * kMillisecond, 20 * kSecond);
  tell("suspends the host of " + sim.spec(node).name + for_seconds(length));
  sim.suspend(host);
  later(length, [this, host] { simulation_->resume(host); });  // the node may have moved elsewhere meanwhile
}

// A node that does not read, where there is room for next to nothing: its peers cut it off instead of waiting.
void Scenario::slow_reader(Rng& rng) {
  const size_t node = pick_node(rng);
  const Duration length = between(rng, timeout_max_ / 2, 3 * timeout_max_);
  if (!simulation_->is_running(node)) return;
  tell(simulation_->spec(node).name + " does not read" + for_seconds(length) + ", and nobody has room");
  MemoryNetwork& network = simulation_->network();
  had_slow_readers_ = true;
  network.set_buffers(700, 1400);
  pause_for(node, length);
  later(length, [&network, window = window_] { network.set_buffers(window, NetworkSettings().send_queue_max); });
}

// The wall clock is set, forward or back; nothing else is.
void Scenario::step_clock(Rng& rng) {
  const HostId host = pick_host(rng);
  const Duration offset = between(rng, Duration() - 3600 * kSecond, 3600 * kSecond);
  tell("sets the clock of host " + std::to_string(host) + " to " + seconds(offset) + " s off");
  simulation_->network().set_clock_offset(host, offset);
}

}  // namespace noex::sim
