// What lies between a driver and its transport in the simulator: it passes everything on, and holds both to the
// transport's contract. It also counts whole frames by sender, both as they reach the kernel and as the process reads
// them: that is what a later "no word from b" is judged by.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "transport/memory_transport.h"

namespace noex::sim {

// Counts whole frames in a direction of a stream.
class FrameCounter {
 public:
  // How many frames end in `bytes`.
  size_t feed(std::string_view bytes);
  [[nodiscard]] size_t frames() const { return frames_; }

 private:
  size_t frames_ = 0;
  uint32_t frame_left_ = 0;
  uint32_t length_ = 0;  // of the next frame, as far as it is known
  uint32_t length_bytes_ = 0;
};

// Whether frames on a connection that was dialled (or accepted) say that their sender lives: until a dialler has
// echoed, its words prove nothing.
[[nodiscard]] bool is_proven(bool dialled, const FrameCounter& heard);

class Recorder final : public Transport, public TransportHandler {
 public:
  // `fail` is told of each breach of the contract; `after_callback` comes after each call into `handler`.
  Recorder(MemoryNetwork& network, MemoryTransport& below, std::function<void(std::string)> fail,
           std::function<void()> after_callback);

  void set_handler(TransportHandler* handler) { handler_ = handler; }

  // When the last whole frame that `peer` sent was read here.
  [[nodiscard]] std::optional<Instant> last_frame_from(ProcessId peer) const;
  // When the last one was read, or else reached this machine: it could have been heard. Without first frames on
  // accepted connections: until a dialler has echoed, its words prove nothing.
  [[nodiscard]] std::optional<Instant> last_deliverable_frame_from(ProcessId peer) const;
  [[nodiscard]] std::optional<Instant> first_frame_from(ProcessId peer) const;
  // Whether a dial to `endpoint` began or failed at `since` or later, or is still being asked who it is.
  [[nodiscard]] bool has_dialled(const Endpoint& endpoint, Instant since) const;
  // Whether a connection to `peer` ended at `since` or later, by no doing of this node's.
  [[nodiscard]] bool lost_connection_to(ProcessId peer, Instant since) const;
  // Whether a connection to `peer` is open here, or one that can be read and written, on which it has shown that it is
  // no replay, and has spoken since.
  [[nodiscard]] bool is_connected_to(ProcessId peer) const { return open_to_.contains(peer); }
  [[nodiscard]] bool has_proven_connection_to(ProcessId peer, Instant since) const;
  [[nodiscard]] size_t open_connections() const { return connections_.size() - dialing_.size(); }
  [[nodiscard]] uint64_t connections_ever() const { return used_.size(); }
  // Whether this node closed such a connection to `peer` in the callback that is running.
  [[nodiscard]] bool has_just_closed(ProcessId peer) const { return just_closed_.contains(peer); }
  // When the last one ended, if it was the process at the other end that closed it: it lived then.
  [[nodiscard]] std::optional<Instant> last_close_by(ProcessId peer) const;
  // When the end of a stream from it was read last: a sign of life as good as a frame.
  [[nodiscard]] std::optional<Instant> last_fin_from(ProcessId peer) const;
  void note_stream_end(ProcessId peer, StreamEndCause cause);
  // A whole frame that reached this machine proves that `peer` lives.
  void note_deliverable(ProcessId peer) { heard(peer).last_deliverable = network_.now(); }
  std::function<void(const Endpoint& endpoint)> on_dial;
  // Looks at each frame that the node writes, once however many receivers it has.
  std::function<void(std::string_view frame)> on_frame;

  [[nodiscard]] Now now() const override { return below_.now(); }
  [[nodiscard]] Result<uint16_t> listen(std::string_view host, uint16_t port) override {
    return below_.listen(host, port);
  }
  void stop_listening() override { below_.stop_listening(); }
  void dial(uint64_t connection, const Endpoint& endpoint) override;
  void write(uint64_t connection, const SharedBytes& frame) override;
  void close(uint64_t connection, StreamClose how) override;
  [[nodiscard]] size_t unsent(uint64_t connection) const override { return below_.unsent(connection); }
  void resolve(uint64_t query, std::string_view host) override;
  void wake_at(Instant when) override { below_.wake_at(when); }

  void on_accepted(uint64_t connection, const Endpoint& remote, bool remote_is_local) override;
  void on_connected(uint64_t connection, bool remote_is_local) override;
  void on_dial_failed(uint64_t connection, std::string_view reason) override;
  void on_received(uint64_t connection, ByteView bytes) override;
  void on_closed(uint64_t connection, StreamEnd end) override;
  void on_resolved(uint64_t query, const std::vector<IpAddress>& addresses, std::string_view reason) override;
  void on_wake() override;

  [[nodiscard]] bool waking() const { return waking_; }

 private:
  enum class State { Dialing, Open, HalfClosed };
  struct Connection {
    State state = State::Dialing;
    Endpoint endpoint;  // of a dial
    FrameCounter heard;
    std::optional<ProcessId> peer;  // of an open one
    Instant heard_at;               // the last frame
  };

  void fail(const std::string& what) { fail_(what); }
  void open(uint64_t id, Connection& connection);
  Connection& add(uint64_t id, Connection connection);
  // nullptr: not there, or not any more.
  [[nodiscard]] Connection* find(uint64_t id) const { return id < by_number_.size() ? by_number_[id] : nullptr; }
  void erase(uint64_t id);
  void end_callback();

  MemoryNetwork& network_;
  MemoryTransport& below_;
  std::function<void(std::string)> fail_;
  std::function<void()> after_callback_;
  TransportHandler* handler_ = nullptr;
  std::unordered_map<uint64_t, Connection> connections_;
  std::vector<Connection*> by_number_;  // their numbers are dense, and each frame asks for one
  std::unordered_set<uint64_t> used_;
  std::set<uint64_t> queries_;
  std::multiset<Endpoint> dialing_;
  std::unordered_map<ProcessId, size_t> open_to_;  // how many connections
  struct Heard {
    std::optional<Instant> first;
    std::optional<Instant> last;
    std::optional<Instant> last_deliverable;
  };
  [[nodiscard]] Heard& heard(ProcessId peer);
  [[nodiscard]] Heard heard_of(ProcessId peer) const { return peer < heard_.size() ? heard_[peer] : Heard{}; }
  std::vector<Heard> heard_;  // by process: their numbers are dense
  std::set<ProcessId> just_closed_;
  SharedBytes last_written_;
  std::unordered_map<ProcessId, Instant> last_loss_;
  std::set<ProcessId> closed_by_peer_;
  std::unordered_map<ProcessId, Instant> last_fin_;
  std::map<Endpoint, Instant> last_dial_;
  int64_t wake_second_ = 0;
  int wakes_in_second_ = 0;
  bool waking_ = false;
};

}  // namespace noex::sim
