// A random life of a cluster, made from one seed: how many nodes, which settings and seeds, when they start, and a plan
// of the faults that then befall them. Each fault has a number, a time and a seed of its own, so that it stays what it
// is when others are left out: a failing life is made smaller that way. After the last fault all must heal by itself
// within the documented time, and then only beats may be sent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/reference_model.h"
#include "sim/simulation.h"

namespace noex::sim {

struct ScenarioOptions {
  uint64_t seed = 1;
  size_t nodes = 0;  // 0: 3 to 12, by the seed
  bool verbose = false;
  std::optional<std::set<size_t>> only = std::nullopt;  // faults that happen; nullopt: all
  std::set<size_t> without = {};                        // nodes that are never started; not the first
};

enum class FaultKind : uint8_t {
  BreakStream,
  CutPair,
  FlapPair,
  Partition,
  SlowLink,
  Crash,
  PowerCut,
  Pause,
  Stutter,
  Suspend,
  SlowReader,
  StepClock,
  Stop,
  StopAndStart,
  ComeBackAsAnother,
  Move,
  Duplicate,
  EndReference,
  Count
};

struct Fault {
  size_t number = 0;
  Duration at;  // from the beginning of trouble
  FaultKind kind = FaultKind::BreakStream;
  uint64_t seed = 0;
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
  [[nodiscard]] size_t node_count() const { return node_count_; }
  [[nodiscard]] size_t reference_count() const { return reference_count_; }
  // The faults of the plan, those included that are left out.
  [[nodiscard]] const std::vector<Fault>& plan() const { return plan_; }

 private:
  enum class Topology { First, Chain, Random, Ring, Everyone, Names, Aliases, Count };

  void build();
  void build_nodes();
  void choose_seeds();
  void make_plan();
  void start_all();
  void add_references();
  [[nodiscard]] bool is_lost(const ReferenceModel& reference) const;
  [[nodiscard]] bool all_met() const;
  [[nodiscard]] std::string who_misses_whom() const;
  [[nodiscard]] size_t downs_said_by_references() const;
  void trouble();
  void settle();
  void keep_peace();
  void check_tables();
  void check_forgotten();
  void check_errors();
  [[nodiscard]] bool may_seem_twice(const std::string& id) const;
  void fail(const std::string& what);

  // Does something later, within the time of trouble or at its end.
  void later(Duration after, std::function<void()> action);
  [[nodiscard]] Duration heal_time() const;
  [[nodiscard]] bool may_die_for_good(size_t node) const;

  void happen(const Fault& fault);
  void tell(const std::string& what);  // what the fault that happens now does
  [[nodiscard]] size_t pick_node(Rng& rng) const { return rng.below(node_count_); }
  [[nodiscard]] HostId pick_host(Rng& rng) const;
  void break_stream(Rng& rng);
  void cut_pair(Rng& rng);
  void flap_pair(Rng& rng);
  void partition(Rng& rng);
  void slow_link(Rng& rng);
  void crash(Rng& rng);
  void power_cut(Rng& rng);
  void pause(Rng& rng);
  void stutter(Rng& rng);
  void suspend(Rng& rng);
  void slow_reader(Rng& rng);
  void step_clock(Rng& rng);
  void stop(Rng& rng);
  void stop_and_start(Rng& rng);
  void come_back_as_another(Rng& rng);
  void move(Rng& rng);
  void duplicate(Rng& rng);
  void end_reference(Rng& rng);
  void pause_for(size_t node, Duration length);
  void restart_later(size_t node, Duration after, Rng& rng);  // or never, where the others can do without
  void start_later(size_t node, Duration after);

  const ScenarioOptions options_;
  Rng rng_;  // of what is built and planned; what happens has the seeds of the faults
  std::unique_ptr<Simulation> simulation_;
  std::vector<std::unique_ptr<ReferenceModel>> references_;  // in one life of four
  std::vector<Fault> plan_;
  size_t happening_ = 0;  // the number of the fault
  size_t node_count_ = 0;
  size_t reference_count_ = 0;
  std::string summary_;
  Instant trouble_ends_;
  Duration trouble_length_;
  Duration interval_max_;
  Duration timeout_max_;
  Duration reconnect_max_;
  Duration latency_max_;
  Duration forget_after_;
  size_t window_ = 0;
  Topology topology_ = Topology::First;
  bool unequal_ = false;
  bool named_hosts_ = false;  // ids with host names, which may lead elsewhere another time
  bool calm_start_ = false;
  bool looks_again_ = false;  // much later, at the tables
  bool someone_dead_for_good_ = false;
  bool someone_twice_ = false;
  bool had_silent_streams_ = false;
  bool had_slow_readers_ = false;
};

[[nodiscard]] Duration between(Rng& rng, Duration least, Duration most);

}  // namespace noex::sim
