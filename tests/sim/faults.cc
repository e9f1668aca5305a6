// What can befall the nodes of a Scenario: each fault chooses its victims by the seed, and brings its own end.
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "sim/scenario.h"

namespace noex::sim {
namespace {

constexpr Duration kSecond = Duration::seconds(1);

}  // namespace

void Scenario::break_stream() {
  const std::vector<StreamView> streams = simulation_->network().streams();
  if (streams.empty()) return;
  const StreamView& view = streams[rng_.below(streams.size())];
  const StreamId target = view.id;
  // A node of the reference never gives up a connection that is only silent, and refuses every other meanwhile: not
  // ours to heal.
  const bool theirs = std::any_of(references_.begin(), references_.end(), [&](const auto& reference) {
    return reference->process() == view.process[0] || reference->process() == view.process[1];
  });
  const int end = static_cast<int>(rng_.below(2));
  switch (theirs ? 0 : rng_.below(3)) {
    case 0:
      return simulation_->network().reset_stream(target);
    case 1:
      return simulation_->network().half_open_stream(target, end);
    default:
      return simulation_->network().silence_stream(target, end);
  }
}

HostId Scenario::pick_host() {
  if (!references_.empty() && rng_.chance(0.3)) {
    return simulation_->network().host_of(references_[rng_.below(references_.size())]->process());
  }
  return simulation_->spec(pick_node()).host;
}

void Scenario::cut_pair() {
  const HostId a = pick_host();
  const HostId b = pick_host();
  if (a == b) return;
  const bool both_ways = rng_.chance(0.5);
  MemoryNetwork& network = simulation_->network();
  network.cut(a, b);
  if (both_ways) network.cut(b, a);
  later(between(Duration::milliseconds(100), 25 * kSecond), [&network, a, b] {
    network.heal(a, b);
    network.heal(b, a);
  });
}

void Scenario::partition() {
  Simulation& sim = *simulation_;
  std::set<HostId> one_side;
  std::set<HostId> hosts;
  for (size_t i = 0; i < sim.size(); ++i) {
    hosts.insert(sim.spec(i).host);
    if (rng_.chance(0.5)) one_side.insert(sim.spec(i).host);
  }
  for (const auto& reference : references_) {
    hosts.insert(sim.network().host_of(reference->process()));
    if (rng_.chance(0.5)) one_side.insert(sim.network().host_of(reference->process()));
  }
  const double share = rng_.chance(0.6) ? 1.0 : 0.6;  // clean, or partial
  const bool one_way = rng_.chance(0.2);
  std::vector<std::pair<HostId, HostId>> cuts;
  for (const HostId a : one_side) {
    for (const HostId b : hosts) {
      if (one_side.contains(b) || !rng_.chance(share)) continue;
      cuts.emplace_back(a, b);
      if (!one_way) cuts.emplace_back(b, a);
    }
  }
  MemoryNetwork& network = sim.network();
  for (const auto& [a, b] : cuts) network.cut(a, b);
  const Duration length = between(Duration::milliseconds(200), 30 * kSecond);
  const bool in_pieces = rng_.chance(0.3);
  for (const auto& [a, b] : cuts) {
    const Duration extra = in_pieces ? between(Duration(), 3 * kSecond) : Duration();
    later(length + extra, [&network, from = a, to = b] { network.heal(from, to); });
  }
}

bool Scenario::may_die_for_good(size_t node) const {
  // A node of the reference names the dead for ever.
  return node > 0 && references_.empty() && (topology_ == Topology::First || topology_ == Topology::Everyone);
}

void Scenario::restart_later(size_t node, Duration after) {
  if (may_die_for_good(node) && rng_.chance(0.2)) {
    someone_dead_for_good_ = true;
    return;
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

void Scenario::crash() {
  const size_t node = pick_node();
  if (!simulation_->is_running(node)) return;
  simulation_->kill(node);
  restart_later(node,
                rng_.chance(0.4) ? between(Duration(), Duration::milliseconds(50)) : between(Duration(), 10 * kSecond));
}

void Scenario::power_cut() {
  Simulation& sim = *simulation_;
  const size_t node = pick_node();
  if (!sim.network().is_host_up(sim.spec(node).host)) return;
  std::vector<size_t> victims;
  for (size_t i = 0; i < sim.size(); ++i) {
    if (sim.spec(i).host == sim.spec(node).host && sim.is_running(i)) victims.push_back(i);
  }
  sim.power_off(node);
  const Duration dark = between(Duration::milliseconds(10), 15 * kSecond);
  later(dark, [this, node] { simulation_->power_on(node); });
  for (const size_t victim : victims) restart_later(victim, dark + between(Duration::milliseconds(1), 3 * kSecond));
}

void Scenario::pause() {
  Simulation& sim = *simulation_;
  const size_t node = pick_node();
  if (!sim.is_running(node) || sim.is_frozen(node)) return;
  sim.freeze(node);
  Run* const frozen = &sim.run(node);
  const Duration length = rng_.chance(0.3) ? between(Duration::milliseconds(1), sim.spec(node).interval)
                                           : between(timeout_max_ / 4, 4 * timeout_max_);
  later(length, [this, node, frozen] {
    if (&simulation_->run(node) == frozen && simulation_->is_running(node)) simulation_->thaw(node);
  });
}

void Scenario::suspend() {
  Simulation& sim = *simulation_;
  const size_t node = pick_node();
  if (!sim.network().is_host_up(sim.spec(node).host)) return;
  sim.suspend(node);
  later(between(Duration::milliseconds(50), 20 * kSecond), [this, node] { simulation_->resume(node); });
}

void Scenario::stop() {
  const size_t node = pick_node();
  if (!simulation_->is_running(node) || simulation_->is_frozen(node)) return;
  simulation_->leave(node);
  restart_later(node, between(Duration::milliseconds(1), 12 * kSecond));
}

// Its process ends, and another begins: under another name at the same address, or under the same name somewhere else.
void Scenario::come_back_as_another() {
  Simulation& sim = *simulation_;
  const size_t node = pick_node();
  if (!may_die_for_good(node) || !sim.is_running(node)) return crash();
  sim.kill(node);
  someone_dead_for_good_ = true;
  NodeSpec spec = sim.spec(node);
  if (rng_.chance(0.5)) {
    spec.name += "x";
  } else {
    spec.host = sim.add_host();
    spec.ip = Simulation::ip_of(spec.host);
  }
  start_later(sim.add_spec(std::move(spec)), between(Duration(), 3 * kSecond));
}

}  // namespace noex::sim
