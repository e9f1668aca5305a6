// A whole cluster in one process: N shipped drivers, each with its own host or process on the virtual network, and a
// witness beside each. The same seed and the same calls give the same run. A check that does not hold is written down
// with its virtual time, and the timeline tells how it came to that.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/listener.h"
#include "sim/recorder.h"
#include "sim/witness.h"

namespace noex::sim {

struct NodeSpec {
  std::string name;
  HostId host = 0;
  IpAddress ip;
  std::string advertise;  // what it advertises, if not `ip`: a name that leads there
  uint16_t port = 5000;
  std::vector<std::string> seeds;
  std::string secret;
  std::string cluster_name;
  Duration interval = Duration::seconds(1);
  int64_t threshold = 3;
  Duration reconnect_base = Duration::seconds(1);
  Duration reconnect_max = Duration::seconds(30);
  Duration forget_after = Duration::seconds(24 * 3600);
  // Its user takes events from a queue that begins to shrink at `events_max`, one of them each so often (zero: at
  // once).
  size_t events_max = 1024;
  Duration event_pace;
};

// One process of a node, from its start to its end.
struct Run {
  Life life;
  Instant awake_since;
  std::unique_ptr<MemoryTransport> transport;
  std::unique_ptr<Recorder> recorder;
  std::unique_ptr<Witness> witness;  // outlives the process: its events are the run's
  std::unique_ptr<Driver> driver;
  std::unique_ptr<Listener> listener;
  Sampler invariants;
  // Since the last look at its traffic:
  Instant traffic_since;
  uint64_t bytes_before = 0;
  uint64_t connections_before = 0;
  size_t events_before = 0;
};

class Simulation final : public Truth {
 public:
  explicit Simulation(uint64_t seed, const NetworkSettings& settings = {});
  ~Simulation() override;

  [[nodiscard]] MemoryNetwork& network() { return network_; }
  // 10.0.0.1, 10.0.0.2, ... by host.
  HostId add_host();
  [[nodiscard]] static IpAddress ip_of(HostId host);

  // Declares a node; it is not started.
  size_t add_spec(NodeSpec spec);
  // A node of its own host with port 5000 and the name n<index>.
  size_t add_node(std::vector<std::string> seeds = {}, const std::function<void(NodeSpec&)>& change = {});
  [[nodiscard]] size_t size() const { return nodes_.size(); }
  [[nodiscard]] const NodeSpec& spec(size_t node) const { return nodes_[node].spec; }
  [[nodiscard]] NodeSpec& spec(size_t node) { return nodes_[node].spec; }
  [[nodiscard]] const NodeId& id(size_t node) const { return nodes_[node].id; }

  void start(size_t node);
  void leave(size_t node);      // stop(): goodbye, flush, end
  void kill(size_t node);       // SIGKILL
  void power_off(size_t node);  // its host; power_on brings back the host, not the node
  void power_on(size_t node);
  void freeze(size_t node);
  void thaw(size_t node);
  void suspend(HostId host);
  void resume(HostId host);
  [[nodiscard]] bool is_running(size_t node) const;  // alive, and not stopping
  [[nodiscard]] bool is_stopping(size_t node) const { return nodes_[node].stopping; }
  [[nodiscard]] bool is_frozen(size_t node) const;

  void run_for(Duration duration) { run_until(now() + duration); }
  // Also ends at the first failure.
  void run_until(Instant limit);
  // Runs until `done` holds, looked at each `step`; false when `limit` has passed first.
  bool run_until_true(Duration limit, const std::function<bool()>& done, Duration step = Duration::milliseconds(10));

  [[nodiscard]] Run& run(size_t node) { return *nodes_[node].runs.back(); }
  [[nodiscard]] const Witness& witness(size_t node) const { return *nodes_[node].runs.back()->witness; }
  [[nodiscard]] const std::vector<std::unique_ptr<Run>>& runs(size_t node) const { return nodes_[node].runs; }
  // Whether each running node says that exactly the running ones are up, models of the reference included.
  [[nodiscard]] bool full_mesh() const;
  // For messages: who misses whom.
  [[nodiscard]] std::string missing_links() const;
  [[nodiscard]] size_t down_count() const;  // of all witnesses, connection_refused not counted
  [[nodiscard]] size_t event_count() const;

  [[nodiscard]] bool failed() const { return !failures_.empty(); }
  [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }
  [[nodiscard]] const std::vector<std::string>& timeline() const { return timeline_; }
  [[nodiscard]] uint64_t hash() const;
  // Prints each line of the timeline as it comes.
  bool verbose = false;
  // Off, only failures are kept: for clusters whose ups would fill the memory.
  bool keep_timeline = true;
  // Who did what, as a line of the timeline.
  void note(const std::string& what, const std::string& who = "");
  // Every user has taken all its events: what they say together is whom its node is connected to.
  void drain_listeners();

  [[nodiscard]] Instant now() const override { return network_.now(); }
  [[nodiscard]] const Life* find_life(const NodeId& id, Incarnation incarnation) const override;
  [[nodiscard]] bool has_rival(const Life& life) const override;
  [[nodiscard]] bool believes_connected(const Life& peer, ProcessId process) const override;
  [[nodiscard]] Duration lateness_max() const override { return network_.settings().wake_late_max; }
  void say(const NodeId& who, const std::string& what) override;
  void fail(const NodeId& who, const std::string& what) override;

 private:
  friend class ReferenceModel;
  struct Node {
    NodeSpec spec;
    NodeId id;
    std::vector<std::unique_ptr<Run>> runs;
    bool stopping = false;
  };

  void end_run(size_t node);
  void begin_pause(Run& paused);
  void end_pause(Run& paused, bool other_holds);
  void await_flush(size_t node, Run* ending, Instant limit);
  void audit();
  void check_traffic(Run& run);
  void take_event(Run* run, Duration pace);
  [[nodiscard]] std::string with_names(const std::string& line) const;

  Rng rng_;
  MemoryNetwork network_;
  DriverBuffers buffers_;  // of all nodes
  std::vector<Node> nodes_;
  std::unordered_multimap<NodeId, size_t> nodes_by_id_;
  size_t audited_ = 0;  // whose turn it is
  // nullptr: not a node of ours, or not any more.
  [[nodiscard]] Recorder* recorder_of(ProcessId process) const {
    return process < recorders_.size() ? recorders_[process] : nullptr;
  }
  std::vector<Recorder*> recorders_;        // by process
  std::vector<FrameCounter> arriving_;      // by stream and end
  std::vector<const Life*> foreign_lives_;  // models of the reference
  std::vector<std::string> failures_;
  std::vector<std::string> timeline_;
  uint64_t events_hash_ = 0xcbf29ce484222325ULL;
};

}  // namespace noex::sim
