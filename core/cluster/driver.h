// The driver joins the three sans-I/O parts of a node: bytes from the transport go through the session of their
// connection into the membership machine, and the machine's effects go back out as frames, dials and closes. It is
// single-threaded, owns no thread and reads no clock but the transport's, so the one that ships (over libuv) is also
// the one that the simulator drives (over memory).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/rng.h"
#include "base/time.h"
#include "membership/id_index.h"
#include "membership/membership.h"
#include "membership/types.h"
#include "model/config.h"
#include "model/node_table.h"
#include "session/session.h"
#include "transport/transport.h"

namespace noex {

// Told what happens, on the thread that runs the transport. Must not call the driver back.
class DriverObserver {
 public:
  virtual ~DriverObserver() = default;
  // A new view of the cluster. Comes before the notifications that it explains: inside "node up" the table already
  // shows the node.
  virtual void on_table(const std::shared_ptr<const NodeTable>& table) = 0;
  virtual void on_notification(const Notification& notification) = 0;
};

struct Traffic {
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;  // handed to the transport
  uint64_t frames_in = 0;  // complete frames, refused ones too
  uint64_t frames_out = 0;
};

// One connection of an identified peer.
struct PeerStats {
  PeerConnection connection;
  Traffic traffic;
  size_t queued_bytes = 0;             // handed to the transport, not yet taken by the operating system
  std::optional<Duration> round_trip;  // as the operating system measures it
};

struct DriverStats {
  MembershipStats membership;
  Traffic totals;         // of all connections since start, also of those that are gone
  uint64_t accepted = 0;  // connections that others opened
  std::vector<PeerStats> peers;
  std::vector<SeedView> seeds;
  std::shared_ptr<const NodeTable> table;
  Sightings sightings;  // of the nodes of `table`
};

// What reading a frame needs and a node between two frames does not. Nodes that share a thread may share one.
struct DriverBuffers {
  explicit DriverBuffers(size_t remembered_frames = 0) : sessions(remembered_frames) {}
  SessionBuffers sessions;
  Event received = MessageReceived{};  // always one: each message is read into the memory of the last
};

class Driver final : public TransportHandler {
 public:
  // `transport` and `observer` are borrowed and outlive the driver; `buffers` likewise, null = the driver has its own.
  Driver(const ValidConfig& config, Self self, Rng rng, const MembershipLimits& limits, Transport& transport,
         DriverObserver& observer, DriverBuffers* buffers = nullptr);
  ~Driver() override;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Publishes the first table and begins to dial. Once, when the transport listens.
  void start();
  // Says goodbye to every peer; the notification Left follows at once. After it the driver does nothing more: the
  // caller lets the transport flush and ends it. Idempotent.
  void leave();
  // What getNodes() of the other nodes shows as our process count.
  void set_process_count(int64_t count);
  [[nodiscard]] DriverStats stats();
  [[nodiscard]] bool has_left() const { return left_; }
  // For the simulator's checkers. Nothing comes between a step and its effects, so one for a connection that is not
  // there, or not open, is a mistake of the step: it is dropped, and counted.
  [[nodiscard]] const Membership& membership() const { return membership_; }
  [[nodiscard]] uint64_t misdirected() const { return misdirected_; }

  void on_accepted(uint64_t connection, const Endpoint& remote, bool remote_is_local) override;
  void on_connected(uint64_t connection, bool remote_is_local) override;
  void on_dial_failed(uint64_t connection, std::string_view reason) override;
  void on_received(uint64_t connection, ByteView bytes) override;
  void on_closed(uint64_t connection, StreamEnd end) override;
  void on_resolved(uint64_t query, const std::vector<IpAddress>& addresses, std::string_view reason) override;
  void on_wake() override;

 private:
  struct Connection {
    Connection(ConnectionId number, const SigningKeys* keys, SessionBuffers* buffers)
        : id(number), session(keys, buffers) {}
    const ConnectionId id;
    Session session;
    Traffic traffic;
    bool open = false;     // false: a dial in progress
    bool writable = true;  // false after ShutdownWrite
  };

  Connection& add(ConnectionId id);
  bool erase(ConnectionId id);  // false: there is none
  [[nodiscard]] Connection* find(ConnectionId id) { return connection_by_id_.find(id); }
  void step(const Event& event, Now now);
  void execute(Effects& effects, Now now);
  void apply(Dial& dial);
  void apply(Resolve& resolve);
  void apply(Send& send, Now now);
  void apply(Close& close);
  void apply(RaiseFrameLimit& raise);
  void apply(Notify& notify);
  void publish();
  void arm(Now now);

  Transport& transport_;
  DriverObserver& observer_;
  const NodeId self_id_;
  const SigningKeys keys_;
  const std::unique_ptr<DriverBuffers> own_buffers_;
  DriverBuffers& buffers_;
  Membership membership_;
  std::unordered_map<ConnectionId, Connection> connections_;
  IdIndex<Connection> connection_by_id_;  // what each frame asks for
  Traffic totals_;
  uint64_t accepted_ = 0;
  uint64_t misdirected_ = 0;
  Effects effects_;  // reused by every step
  bool stepping_ = false;
  bool left_ = false;
};

}  // namespace noex
