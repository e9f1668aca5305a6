// The one who listens to a node in the simulator, and believes nothing: each notification must fit the grammar, the
// published table, and what really happened according to the network.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/driver.h"
#include "sim/recorder.h"

namespace noex::sim {

// One process that was ever a node, ours or a model of the reference: what is true about it.
struct Life {
  NodeId id;
  Incarnation incarnation = 0;  // 0: a model of the reference
  ProcessId process = 0;
  Instant started;
  Instant ended = Instant::never();
  bool left = false;  // stopped politely
  Duration interval;
  int64_t threshold = 0;
  std::vector<std::pair<Instant, Instant>> pauses;  // frozen or asleep; `never` while it lasts
  Incarnation says_it_began = 0;                    // a model of the reference: by its clock, in milliseconds
};

// What the witness asks the simulation.
class Truth {
 public:
  virtual ~Truth() = default;
  [[nodiscard]] virtual Instant now() const = 0;
  // The life that this id and incarnation are; for a model of the reference the latest of that id that says it began
  // about then. nullptr: nobody ever.
  [[nodiscard]] virtual const Life* find_life(const NodeId& id, Incarnation incarnation) const = 0;
  // Whether another process under the same id lived beside it: who is meant by that id was in doubt.
  [[nodiscard]] virtual bool has_rival(const Life& life) const = 0;
  // Whether `peer` lives and holds a connection to `process` that it takes for a good one.
  [[nodiscard]] virtual bool believes_connected(const Life& peer, ProcessId process) const = 0;
  // How much later than it was due anything may happen: timers fire late.
  [[nodiscard]] virtual Duration lateness_max() const = 0;
  virtual void say(const NodeId& who, const std::string& what) = 0;
  virtual void fail(const NodeId& who, const std::string& what) = 0;
};

// Says when a check that costs O(size) is due, so that looking costs O(1) a time in large clusters: always with up to
// 32 nodes, else every so many times.
class Sampler {
 public:
  [[nodiscard]] bool due(size_t size) {
    if (++skipped_ * 32 < size) return false;
    skipped_ = 0;
    return true;
  }

 private:
  size_t skipped_ = 0;
};

struct SeenEvent {
  Instant at;
  NodeId id;
  std::optional<DownReason> down;  // nullopt: up
  Incarnation incarnation = 0;
};

class Witness final : public DriverObserver {
 public:
  // `reconnect_base`: when the node is to dial somebody again whom it lost. `is_seed`: whom it dials in any case.
  Witness(const Life& life, Truth& truth, Duration reconnect_base, std::function<bool(const NodeId&)> is_seed)
      : life_(life), truth_(truth), reconnect_base_(reconnect_base), is_seed_(std::move(is_seed)) {}
  void set_recorder(const Recorder* recorder) { recorder_ = recorder; }
  // Told of each up and down of another node, after it was judged.
  std::function<void(const Notification& notification)> on_event;

  void on_table(const std::shared_ptr<const NodeTable>& table) override;
  void on_notification(const Notification& notification) override;

  // After each callback into the driver: the replayed events are exactly what the table shows as connected.
  void check_view();
  // Each frame that the node writes: it names those who are up now, and speaks of no end but its own.
  void check_frame(std::string_view frame);
  // Whether anybody is up to whom a goodbye can be sent.
  [[nodiscard]] bool has_peer_to_tell() const;
  // Each address that the node dials: nobody runs after those who have just said goodbye.
  void check_dial(const Endpoint& endpoint);
  // At any moment: whoever is down without a goodbye is being dialled.
  void check_dialling(Instant awake_since);
  // At any moment: whoever is still said to be up has spoken lately. `awake_since`: when this process last went on
  // after a stop.
  void check_freshness(Instant awake_since);

  [[nodiscard]] const std::vector<SeenEvent>& events() const { return events_; }
  [[nodiscard]] const std::vector<ErrorReport>& errors() const { return errors_; }
  [[nodiscard]] const std::shared_ptr<const NodeTable>& table() const { return table_; }
  [[nodiscard]] bool is_up(const NodeId& id) const;
  [[nodiscard]] size_t up_count() const { return up_count_; }
  [[nodiscard]] size_t listed_count() const { return listed_count_; }  // in the table
  [[nodiscard]] size_t count(const NodeId& id, bool ups) const;
  [[nodiscard]] size_t down_count() const;  // connection_refused not counted
  [[nodiscard]] bool has_left() const { return left_; }
  [[nodiscard]] Instant joined_at() const { return joined_at_; }

 private:
  struct Standing {
    bool seen = false;  // any event at all
    bool up = false;
    Incarnation incarnation = 0;
    Instant since;
    const Life* life = nullptr;  // who it was at the last up
    std::optional<DownReason> down;
    Instant down_at;
  };

  void note(const NodeUp& up);
  void note(const NodeDown& down);
  void judge(const NodeDown& down, const Standing& standing);
  void judge_replacement(const NodeId& id, const Standing& before, const Life& life);
  [[nodiscard]] bool others_live_at_address_of(const NodeId& id) const;
  [[nodiscard]] Duration timeout_towards(const Life& other) const;
  // At least so much of the time since `since` this node must have noticed as its own pause.
  [[nodiscard]] Duration own_pause(Instant since) const;
  // How much of the time since `since` it could not run, noticed or not.
  [[nodiscard]] Duration stood_still(Instant since) const;
  void fail(const std::string& what) { truth_.fail(life_.id, what); }

  const Life& life_;
  Truth& truth_;
  const Duration reconnect_base_;
  const std::function<bool(const NodeId&)> is_seed_;
  std::set<NodeId> ever_up_;
  const Recorder* recorder_ = nullptr;
  std::shared_ptr<const NodeTable> table_;
  std::map<NodeId, Standing> standings_;
  std::vector<SeenEvent> events_;
  std::vector<ErrorReport> errors_;
  size_t up_count_ = 0;
  size_t listed_count_ = 0;
  bool changed_ = false;
  std::vector<const Life*> timed_out_;  // in the callback that is running
  Sampler frames_;
  Sampler tables_;
  Sampler views_;
  bool left_ = false;
  Instant joined_at_ = Instant::never();
};

[[nodiscard]] std::string seconds(Instant at);
[[nodiscard]] std::string seconds(Duration duration);

}  // namespace noex::sim
