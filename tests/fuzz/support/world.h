// One shipped driver in a world of the fuzzer's: the transport below it, the user above it, and a judge of what it does
// to both. The world knows nothing of how the driver decides. It reads every frame that goes in or out, so it knows who
// has proved what, and aborts the process with one line as soon as the driver breaks its word (docs/design.md,
// docs/protocol.md) or the transport's contract.
#pragma once

#include <cstdint>
#include <deque>
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
#include "crypto/hmac.h"
#include "session/session.h"

namespace noex::fuzz {

struct WorldSettings {
  ClusterConfig config;
  MembershipLimits limits;
};

// Says what is wrong on standard error and aborts: a find of the fuzzer's.
[[noreturn]] void broken(const std::string& what);

class World final : private Transport, private DriverObserver {
 public:
  explicit World(const WorldSettings& settings);

  // --- what may happen to a node. `n` chooses one of those that are there, modulo their number; nothing happens if
  // none is.
  void accept(const Endpoint& remote, bool remote_is_local);
  void answer_dial(size_t n, bool remote_is_local);
  // The same; returns which of the open connections it has become, if it is still there.
  std::optional<size_t> answer_dial_and_find(size_t n);
  void fail_dial(size_t n, std::string_view reason);
  void deliver(size_t n, std::string_view bytes, size_t piece_max);
  void end(size_t n, StreamEnd how);
  void answer_query(size_t n, const std::vector<IpAddress>& addresses);
  // Time goes by, and the driver is woken whenever it wants to be, but at most `wakes_max` times. Returns how often.
  size_t live(Duration duration, size_t wakes_max);
  // Time goes by and nobody runs: the process was stopped.
  void sleep(Duration duration);
  void wake();
  void step_clock(int64_t unix_ms) { unix_offset_ms_ += unix_ms; }
  void set_process_count(int64_t count);
  void leave();

  [[nodiscard]] size_t newest() const;  // the open connection that was accepted last
  // --- what a peer on the n-th open connection can know
  [[nodiscard]] std::optional<Nonce> last_nonce(size_t n) const;  // the newest that the driver sent there
  [[nodiscard]] std::string frame_of_ours(size_t n) const;  // one that the driver wrote, to send back or elsewhere
  [[nodiscard]] int64_t unix_ms() const { return now().unix_ms; }
  [[nodiscard]] const SigningKeys* keys() const { return &keys_; }
  [[nodiscard]] const NodeId& self() const { return self_; }
  [[nodiscard]] Incarnation incarnation() const { return incarnation_; }

 private:
  using Nonces = std::set<std::pair<uint64_t, uint64_t>>;

  struct Stream {
    explicit Stream(const SigningKeys* keys) : reader(keys) { reader.raise_frame_limit(); }
    bool open = false;  // false: a dial in progress
    bool writable = true;
    bool accepted = false;
    bool heard = false;  // a whole frame was delivered, be it good or bad
    Endpoint remote;
    Session reader;      // what the driver's own reads
    Nonces nonces;       // sent here by the driver
    Nonces peer_nonces;  // that came in
    std::optional<Nonce> last_nonce;
    std::map<NodeId, Nonces> echoes;  // by who echoed them here
    std::set<NodeId> plain;           // who spoke here without hello
    std::optional<NodeId> confirmed;  // as the driver's machine had it before this callback
    size_t goodbyes = 0;              // of ours
  };

  // Who is up, by the events alone.
  struct Standing {
    bool seen = false;
    bool up = false;
    Incarnation incarnation = 0;
    Instant since;          // the last up
    Instant alive_at;       // the last frame on a confirmed connection
    Instant proved_at;      // the last echo, on any connection, of what was sent there
    uint64_t losses = 0;    // connections with it that ended since that up
    Duration interval_max;  // that it ever announced
  };

  // Transport
  [[nodiscard]] Now now() const override { return {now_, kEpochMs + now_.ns() / 1'000'000 + unix_offset_ms_}; }
  [[nodiscard]] Result<uint16_t> listen(std::string_view, uint16_t) override;
  void stop_listening() override;
  void dial(uint64_t connection, const Endpoint& endpoint) override;
  void write(uint64_t connection, const SharedBytes& frame) override;
  void close(uint64_t connection, StreamClose how) override;
  void resolve(uint64_t query, std::string_view host) override;
  void wake_at(Instant when) override;

  // DriverObserver
  void on_table(const std::shared_ptr<const NodeTable>& table) override;
  void on_notification(const Notification& notification) override;
  void note(const NodeUp& up);
  void note(const NodeDown& down);

  void during(const std::function<void()>& callback);
  void hear(Stream& stream, std::string_view bytes);
  void look_before();
  void judge_after();
  void judge_table() const;
  void judge_silence() const;
  void read_own(Stream& stream, const Message& message);
  [[nodiscard]] bool is_proven(const NodeId& id) const;
  [[nodiscard]] bool is_reference(const NodeId& id) const;
  [[nodiscard]] std::vector<uint64_t> streams(bool open) const;
  [[nodiscard]] std::optional<size_t> place_of(uint64_t connection) const;
  [[nodiscard]] Stream& stream_of(uint64_t connection, const char* what);

  static constexpr int64_t kEpochMs = 1'700'000'000'000;

  const MembershipLimits limits_;
  NodeId self_;
  Incarnation incarnation_ = 0x0000'018b'cfe5'6800;
  const SigningKeys keys_;
  Session own_reader_;
  Duration interval_;
  int64_t threshold_ = 0;

  Instant now_ = Instant::from_ns(1'000'000'000'000);
  int64_t unix_offset_ms_ = 0;
  Instant wake_at_ = Instant::never();
  Duration lateness_;  // by which callbacks came after the time asked for, all together
  bool calling_ = false;
  bool leaving_ = false;
  bool left_ = false;
  bool joined_ = false;

  std::map<uint64_t, Stream> streams_;
  std::set<uint64_t> queries_;
  std::set<uint64_t> used_;  // connections and queries are never reused
  std::set<uint64_t> used_queries_;
  std::multiset<Endpoint> dialing_;
  std::deque<std::string> own_frames_;
  uint64_t next_accepted_ = 2;

  std::shared_ptr<const NodeTable> table_;
  std::map<NodeId, Standing> standings_;
  std::deque<Instant> errors_;  // of the last second

  // In this callback:
  std::set<NodeId> up_before_;
  std::set<NodeId> raised_;    // reported up
  std::set<NodeId> goodbyes_;  // came in, by their senders
  std::vector<Stream> gone_;
  std::vector<std::pair<NodeId, uint64_t>> closed_;  // reported connection_closed, and their losses before

  std::unique_ptr<Driver> driver_;
};

}  // namespace noex::fuzz
