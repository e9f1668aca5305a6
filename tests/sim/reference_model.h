// A model of a node of the reference implementation, as docs/protocol.md says it behaves: it speaks first only when it
// dials, one interval late on a seed; drops the newer of two connections without a word; dials seeds once; re-dials
// what was once up, and leaves silent connections behind when it was called first; lists every id it ever learnt. It
// shares the codec with ours, not the manners.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "crypto/hmac.h"
#include "session/session.h"
#include "sim/simulation.h"

namespace noex::sim {

class ReferenceModel final : public TransportHandler {
 public:
  struct Options {
    std::string name;
    HostId host = 0;
    IpAddress ip;
    uint16_t port = 5000;
    std::vector<NodeId> seeds;
    std::string secret;
    Duration interval = Duration::seconds(1);
    int64_t threshold = 3;
    // Whether the heartbeat that follows a dial goes out on the new connection itself, or on the one stored under that
    // id by then. With the first, both sockets of a crossed dial carry frames.
    bool greets_on_its_own = true;
  };

  // `simulation` is borrowed; neither runs without the other.
  ReferenceModel(Simulation& simulation, Options options, uint64_t seed);
  ~ReferenceModel() override;

  void start();
  void kill();
  void leave();
  // A node_down frame about somebody else, to everyone: nobody may believe it.
  void slander(const NodeId& node);

  [[nodiscard]] const NodeId& id() const { return id_; }
  [[nodiscard]] ProcessId process() const { return past_.back()->process; }
  [[nodiscard]] bool is_running() const { return transport_ != nullptr; }
  [[nodiscard]] bool is_up(const NodeId& node) const { return up_.contains(node); }
  // Its onNodeDown calls about `node`.
  [[nodiscard]] size_t downs_of(const NodeId& node) const;
  [[nodiscard]] size_t silent_connections() const;

  void on_accepted(uint64_t connection, const Endpoint& remote, bool remote_is_local) override;
  void on_connected(uint64_t connection, bool remote_is_local) override;
  void on_dial_failed(uint64_t connection, std::string_view reason) override;
  void on_received(uint64_t connection, ByteView bytes) override;
  void on_closed(uint64_t connection, StreamEnd end) override;
  void on_resolved(uint64_t query, const std::vector<IpAddress>& addresses, std::string_view reason) override;
  void on_wake() override {}

 private:
  enum class Phase { Dialing, Connected, Waiting };
  // Its RemoteConnection: an object per dial, which goes on dialling even when another has taken its place.
  struct Link {
    NodeId peer;  // empty: accepted, not identified yet
    bool outbound = false;
    bool greet = false;  // a heartbeat at once when connected
    bool was_up = false;
    int attempt = 0;
    Phase phase = Phase::Dialing;
    uint64_t connection = 0;
    std::unique_ptr<Session> session;
  };
  using LinkId = uint64_t;

  void connect(const NodeId& peer, bool greet);
  void dial(LinkId link);
  void redial_later(LinkId link);
  void identify(LinkId link, const Message& message, bool* dropped);
  void handle(const Message& message);
  void lose(const NodeId& peer);
  void mark_down(const NodeId& peer, const std::string& why);
  void beat();
  void send_heartbeat(const Link& link);
  void after(Duration delay, std::function<void()> action);
  [[nodiscard]] Link* stored(const NodeId& peer);

  Simulation& simulation_;
  const Options options_;
  NodeId id_;
  Rng rng_;
  SigningKeys keys_;
  Life life_;
  std::unique_ptr<MemoryTransport> transport_;
  uint64_t generation_ = 0;  // of the process: timers of an earlier one do nothing
  int64_t started_unix_ms_ = 0;
  uint64_t next_connection_ = 1;
  LinkId next_link_ = 1;
  std::map<LinkId, Link> links_;
  std::map<NodeId, LinkId> by_peer_;
  std::map<uint64_t, LinkId> by_connection_;
  std::set<NodeId> known_;
  std::set<NodeId> up_;
  std::map<NodeId, Instant> last_heartbeat_;
  std::map<NodeId, size_t> downs_;
  std::vector<std::unique_ptr<Life>> past_;
};

}  // namespace noex::sim
