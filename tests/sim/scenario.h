// A random life of a cluster, made from one seed: how many nodes, which settings and seeds, when they start, and what
// then happens to them. After the last fault all must heal by itself within the documented time, and then only beats
// may be sent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/reference_model.h"
#include "sim/simulation.h"

namespace noex::sim {

struct ScenarioOptions {
  uint64_t seed = 1;
  size_t nodes = 0;  // 0: 3 to 8, by the seed
  bool verbose = false;
};

class Scenario {
 public:
  explicit Scenario(const ScenarioOptions& options);
  ~Scenario();

  // The whole life; true if every check held.
  bool play();

  [[nodiscard]] Simulation& simulation() { return *simulation_; }
  // Failures, settings, the timeline, and the command that plays it again.
  [[nodiscard]] std::string report(size_t lines = 120) const;
  [[nodiscard]] const std::string& summary() const { return summary_; }

 private:
  void build();
  void choose_seeds();
  void start_all();
  void add_references();
  [[nodiscard]] bool all_met() const;
  [[nodiscard]] std::string who_misses_whom() const;
  [[nodiscard]] size_t downs_said_by_references() const;
  void trouble();
  void settle();
  void keep_peace();
  void check_tables();
  void check_errors();
  void fail(const std::string& what);

  [[nodiscard]] size_t pick_node() { return rng_.below(simulation_->size()); }
  [[nodiscard]] Duration between(Duration least, Duration most);
  // Does something later, within the time of trouble or at its end.
  void later(Duration after, std::function<void()> action);

  [[nodiscard]] Duration heal_time() const;
  [[nodiscard]] bool may_die_for_good(size_t node) const;

  void break_stream();
  void cut_pair();
  void partition();
  void crash();
  void power_cut();
  void pause();
  void suspend();
  void stop();
  void come_back_as_another();
  [[nodiscard]] HostId pick_host();
  void restart_later(size_t node, Duration after);  // or never, where the others can do without
  void start_later(size_t node, Duration after);

  const ScenarioOptions options_;
  Rng rng_;
  std::unique_ptr<Simulation> simulation_;
  std::vector<std::unique_ptr<ReferenceModel>> references_;  // in one life of four
  std::string summary_;
  Instant trouble_ends_;
  Duration interval_max_;
  Duration timeout_max_;
  Duration reconnect_max_;
  Duration latency_max_;
  bool unequal_ = false;
  enum class Topology { First, Chain, Random, Ring, Everyone, Names, Aliases, Count };
  Topology topology_ = Topology::First;
  bool someone_dead_for_good_ = false;
};

}  // namespace noex::sim
