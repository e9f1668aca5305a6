// What lies between a driver and its transport in the simulator: it passes everything on, and holds both to the
// transport's contract. It also counts whole frames by sender, which is what a later "no word from b" is judged by.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "transport/memory_transport.h"

namespace noex::sim {

class Recorder final : public Transport, public TransportHandler {
 public:
  // `fail` is told of each breach of the contract; `after_callback` comes after each call into `handler`.
  Recorder(MemoryNetwork& network, MemoryTransport& below, std::function<void(std::string)> fail,
           std::function<void()> after_callback);

  void set_handler(TransportHandler* handler) { handler_ = handler; }

  // When the last whole frame that `peer` sent was delivered here.
  [[nodiscard]] std::optional<Instant> last_frame_from(ProcessId peer) const;
  // The same, without first frames on accepted connections: until a dialler has echoed, its words prove nothing.
  [[nodiscard]] std::optional<Instant> last_proven_frame_from(ProcessId peer) const;
  // Whether a connection to `peer` ended at `since` or later, by no doing of this node's.
  [[nodiscard]] bool lost_connection_to(ProcessId peer, Instant since) const;
  void note_stream_end(ProcessId peer);

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
    size_t frame_left = 0;
    size_t frames = 0;
    std::string prefix;  // an incomplete length
  };

  void fail(const std::string& what) { fail_(what); }
  void count_frames(uint64_t id, Connection& connection, ByteView bytes);

  MemoryNetwork& network_;
  MemoryTransport& below_;
  std::function<void(std::string)> fail_;
  std::function<void()> after_callback_;
  TransportHandler* handler_ = nullptr;
  std::unordered_map<uint64_t, Connection> connections_;
  std::unordered_set<uint64_t> used_;
  std::set<uint64_t> queries_;
  std::multiset<Endpoint> dialing_;
  std::unordered_map<ProcessId, Instant> last_frame_;
  std::unordered_map<ProcessId, Instant> last_proven_frame_;
  std::unordered_map<ProcessId, Instant> last_loss_;
  int64_t wake_second_ = 0;
  int wakes_in_second_ = 0;
  bool waking_ = false;
};

}  // namespace noex::sim
