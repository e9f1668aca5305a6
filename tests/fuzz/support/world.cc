#include "support/world.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <variant>

#include "base/checks.h"
#include "wire/frame_reader.h"

namespace noex::fuzz {
namespace {

constexpr size_t kOwnFramesKept = 16;
constexpr size_t kWakesAtOneTimeMax = 50;
constexpr size_t kErrorKinds = static_cast<size_t>(ErrorKind::Internal);

// With NOEX_FUZZ_TRACE set, the story of an input: for whoever looks into a find.
template <typename... Parts>
void tell(const Parts&... parts) {
  static const bool traces = std::getenv("NOEX_FUZZ_TRACE") != nullptr;
  if (traces) ((std::cerr << parts), ...) << '\n';
}

std::pair<uint64_t, uint64_t> pair_of(const Nonce& nonce) { return {nonce.high, nonce.low}; }

std::vector<std::string_view> secrets_of(const ClusterConfig& config) {
  if (!config.cluster_secret) return {};
  return {*config.cluster_secret};
}

}  // namespace

void broken(const std::string& what) {
  std::fprintf(stderr, "fuzz: the driver %s\n", what.c_str());
  std::abort();
}

World::World(const WorldSettings& settings)
    : limits_(settings.limits), keys_(secrets_of(settings.config)), own_reader_(&keys_) {
  own_reader_.raise_frame_limit();
  const Result<ValidConfig> config = validate(settings.config, "");
  NOEX_CHECK(config.ok());
  self_ = *NodeId::create(config->node_name, config->advertise_host, config->port);
  interval_ = config->heartbeat_interval;
  threshold_ = config->heartbeat_miss_threshold;
  Self self;
  self.id = self_;
  self.incarnation = incarnation_;
  self.nonce = [rng = std::make_shared<Rng>(1)] { return Nonce{rng->next(), rng->next()}; };
  Transport& below = *this;
  DriverObserver& above = *this;
  driver_ = std::make_unique<Driver>(*config, self, Rng(2), limits_, below, above);
  during([this] { driver_->start(); });
}

// ------------------------------------------------------------------------------------------------ what may happen

void World::accept(const Endpoint& remote, bool remote_is_local) {
  const uint64_t connection = next_accepted_;
  next_accepted_ += 2;
  Stream& stream = streams_.try_emplace(connection, &keys_).first->second;
  stream.open = true;
  stream.accepted = true;
  stream.remote = remote;
  tell(connection, " accepted from ", remote.to_string());
  during([&] { driver_->on_accepted(connection, remote, remote_is_local); });
  if (left_ && streams_.contains(connection)) broken("keeps a connection that came after it left");
}

void World::answer_dial(size_t n, bool remote_is_local) {
  const std::vector<uint64_t> dials = streams(/*open=*/false);
  if (dials.empty()) return;
  const uint64_t connection = dials[n % dials.size()];
  Stream& stream = streams_.at(connection);
  stream.open = true;
  dialing_.erase(dialing_.find(stream.remote));
  tell(connection, " connected to ", stream.remote.to_string());
  during([&] { driver_->on_connected(connection, remote_is_local); });
}

std::optional<size_t> World::answer_dial_and_find(size_t n) {
  const std::vector<uint64_t> dials = streams(/*open=*/false);
  if (dials.empty()) return std::nullopt;
  const uint64_t connection = dials[n % dials.size()];
  answer_dial(n, /*remote_is_local=*/false);
  return place_of(connection);
}

void World::fail_dial(size_t n, std::string_view reason) {
  const std::vector<uint64_t> dials = streams(/*open=*/false);
  if (dials.empty()) return;
  const auto found = streams_.find(dials[n % dials.size()]);
  const uint64_t connection = found->first;
  dialing_.erase(dialing_.find(found->second.remote));
  streams_.erase(found);
  tell(connection, " failed: ", reason);
  during([&] { driver_->on_dial_failed(connection, reason); });
}

void World::deliver(size_t n, std::string_view bytes, size_t piece_max) {
  const std::vector<uint64_t> open = streams(/*open=*/true);
  if (open.empty()) return;
  const uint64_t connection = open[n % open.size()];
  while (!bytes.empty()) {
    const auto found = streams_.find(connection);
    if (found == streams_.end()) return;  // closed at an earlier piece
    const std::string_view piece = bytes.substr(0, piece_max);
    bytes.remove_prefix(piece.size());
    tell(connection, " -> ", printable(piece, 2000));
    during([&] {
      hear(found->second, piece);
      driver_->on_received(connection, as_byte_view(piece));
    });
  }
}

void World::end(size_t n, StreamEnd how) {
  const std::vector<uint64_t> open = streams(/*open=*/true);
  if (open.empty()) return;
  const uint64_t connection = open[n % open.size()];
  tell(connection, " ended");
  during([&] {
    gone_.push_back(std::move(streams_.extract(connection).mapped()));
    driver_->on_closed(connection, how);
  });
}

void World::answer_query(size_t n, const std::vector<IpAddress>& addresses) {
  if (queries_.empty()) return;
  const uint64_t query = *std::next(queries_.begin(), static_cast<std::ptrdiff_t>(n % queries_.size()));
  queries_.erase(query);
  tell("query ", query, " answered with ", addresses.size(), " addresses");
  during([&] { driver_->on_resolved(query, addresses, addresses.empty() ? "unknown host" : ""); });
}

size_t World::live(Duration duration, size_t wakes_max) {
  const Instant until = now_ + duration;
  tell("lives for ", duration.ms(), " ms");
  size_t at_one_time = 0;
  size_t wakes = 0;
  for (; wakes < wakes_max && wake_at_ <= until; ++wakes) {
    at_one_time = wake_at_ > now_ ? 0 : at_one_time + 1;
    if (at_one_time > kWakesAtOneTimeMax) broken("wants to be woken again and again at one time");
    now_ = std::max(now_, wake_at_);
    wake();
    judge_silence();
  }
  now_ = std::max(now_, until);
  return wakes;
}

void World::sleep(Duration duration) {
  tell("is stopped for ", duration.ms(), " ms");
  now_ = now_ + duration;
}

void World::wake() {
  during([this] { driver_->on_wake(); });
  if (!left_ && driver_->membership().deadline() <= now_) broken("does not move its deadline at a Tick");
}

void World::set_process_count(int64_t count) {
  during([&] { driver_->set_process_count(count); });
  const DriverStats stats = driver_->stats();
  for (const PeerStats& peer : stats.peers) {
    if (!streams_.contains(peer.connection.connection)) broken("counts a connection that is gone");
  }
}

void World::leave() {
  const bool first = !left_;
  leaving_ = true;
  during([this] { driver_->leave(); });
  if (!left_) broken("did not leave when it was asked to");
  if (!streams_.empty()) broken("left and keeps a connection");
  if (!first) return;
  std::map<NodeId, size_t> told;
  for (const Stream& stream : gone_) {
    if (stream.goodbyes > 1) broken("says goodbye twice on one connection");
    if (stream.confirmed && stream.writable && stream.open) told[*stream.confirmed] += stream.goodbyes;
  }
  for (const NodeId& id : up_before_) {
    const auto found = told.find(id);
    if (found != told.end() && found->second == 0) broken("left without a goodbye to " + id.text());
  }
}

std::optional<Nonce> World::last_nonce(size_t n) const {
  const std::vector<uint64_t> open = streams(/*open=*/true);
  return open.empty() ? std::nullopt : streams_.at(open[n % open.size()]).last_nonce;
}

std::string World::frame_of_ours(size_t n) const {
  return own_frames_.empty() ? std::string() : own_frames_[n % own_frames_.size()];
}

size_t World::newest() const { return place_of(next_accepted_ - 2).value_or(0); }

std::optional<size_t> World::place_of(uint64_t connection) const {
  const std::vector<uint64_t> open = streams(/*open=*/true);
  const auto found = std::find(open.begin(), open.end(), connection);
  return found == open.end() ? std::nullopt : std::optional(static_cast<size_t>(found - open.begin()));
}

std::vector<uint64_t> World::streams(bool open) const {
  std::vector<uint64_t> found;
  for (const auto& [connection, stream] : streams_) {
    if (stream.open == open) found.push_back(connection);
  }
  return found;
}

// --------------------------------------------------------------------------------------------- before and after

void World::during(const std::function<void()>& callback) {
  if (wake_at_ < now_) lateness_ = lateness_ + (now_ - wake_at_);
  look_before();
  calling_ = true;
  callback();
  calling_ = false;
  judge_after();
}

void World::look_before() {
  gone_.clear();
  closed_.clear();
  goodbyes_.clear();
  up_before_.clear();
  raised_.clear();
  for (const auto& [id, standing] : standings_) {
    if (standing.up) up_before_.insert(id);
  }
  for (auto& [connection, stream] : streams_) stream.confirmed.reset();
  if (driver_ == nullptr || left_) return;
  for (const PeerConnection& peer : driver_->membership().connections(Instant())) {
    if (peer.confirmed) streams_.at(peer.connection).confirmed = peer.node;
  }
}

// Everything that comes in, before the driver sees it.
void World::hear(Stream& stream, std::string_view bytes) {
  std::vector<SessionOutput> outputs;
  stream.reader.receive(as_byte_view(bytes), outputs);
  // After a frame that may have closed the connection the driver reads no further.
  bool reads_on = true;
  for (const SessionOutput& output : outputs) {
    stream.heard = true;
    const auto* const received = std::get_if<SessionMessage>(&output);
    if (received == nullptr) {
      reads_on = false;
      continue;
    }
    const Message& message = received->message;
    const auto* const heartbeat = std::get_if<Heartbeat>(&message.payload);
    const auto* const goodbye = std::get_if<Goodbye>(&message.payload);
    if (goodbye != nullptr && goodbye->node == message.from) goodbyes_.insert(message.from);
    const Hello* const hello = heartbeat != nullptr && heartbeat->hello ? &*heartbeat->hello : nullptr;
    if (hello == nullptr) {
      stream.plain.insert(message.from);
    } else {
      if (hello->nonce) stream.peer_nonces.insert(pair_of(*hello->nonce));
      Standing& standing = standings_[message.from];
      if (hello->echo) {
        stream.echoes[message.from].insert(pair_of(*hello->echo));
        if (stream.nonces.contains(pair_of(*hello->echo))) standing.proved_at = now_;
      }
      Duration& slowest = standing.interval_max;
      slowest = std::max(slowest, Duration::milliseconds(hello->interval_ms.value_or(0)));
    }
    const bool is_beat = heartbeat != nullptr && heartbeat->node.id == message.from;
    if (!is_beat || (hello != nullptr && hello->refused)) reads_on = false;
    if (reads_on && stream.confirmed == message.from) standings_[message.from].alive_at = now_;
  }
}

void World::judge_after() {
  // Which ids lost a connection in this callback, be it that it ended or that the driver closed it.
  std::map<NodeId, uint64_t> lost;
  for (const Stream& stream : gone_) {
    if (stream.confirmed) ++lost[*stream.confirmed];
    for (const auto& [id, echoes] : stream.echoes) ++lost[id];
    for (const NodeId& id : stream.plain) ++lost[id];
  }
  for (const auto& [id, losses_before] : closed_) {
    if (losses_before + lost[id] == 0) {
      broken("reports connection_closed for " + id.text() + ", with which no connection ended");
    }
  }
  for (const auto& [id, losses] : lost) {
    if (!raised_.contains(id)) standings_[id].losses += losses;
  }
  if (left_ || driver_ == nullptr) return;
  const Membership& membership = driver_->membership();
  membership.check_invariants();
  const MembershipStats stats = membership.stats();
  if (stats.nodes > limits_.nodes_max) broken("knows more nodes than its limit");
  if (stats.unidentified > limits_.unidentified_max) broken("keeps more strangers than its limit");
  if (stats.dialing > limits_.dials_max) broken("dials more at once than its limit");
  if (stats.connections != streams_.size()) broken("does not know the connections that it has");
  judge_table();
}

// The replayed events are exactly what the table shows as connected.
void World::judge_table() const {
  if (table_ == nullptr) broken("has published no table");
  size_t up = 0;
  for (const auto& [id, standing] : standings_) up += standing.up ? 1 : 0;
  for (const NodeEntry& entry : table_->nodes) {
    if (entry.status != NodeStatus::Connected) continue;
    const auto found = standings_.find(entry.id());
    if (found == standings_.end() || !found->second.up) {
      broken("shows " + entry.id().text() + " connected, of which its events do not say so");
    }
    // Only a node of the reference is nobody in particular at first, and its start time a matter of milliseconds.
    if (found->second.incarnation != entry.incarnation && !is_reference(entry.id())) {
      broken("shows another incarnation of " + entry.id().text() + " than its events");
    }
  }
  if (up != table_->connected_count) broken("shows fewer nodes connected than its events say");
}

// Nobody who fell silent is up for ever: that may take two timeouts (one more where a lost connection is waited for),
// and as long as this process was late itself.
void World::judge_silence() const {
  if (left_) return;
  for (const auto& [id, standing] : standings_) {
    if (!standing.up) continue;
    const Duration slower = std::max(interval_, standing.interval_max);
    const Duration timeout = threshold_ == 1 ? slower * 3 / 2 : slower * threshold_;
    const Instant last = std::max({standing.alive_at, standing.proved_at, standing.since});
    if (now_ - last > timeout * 2 + lateness_ + Duration::seconds(1)) {
      broken("still says that " + id.text() + " is up, which has been silent for " +
             std::to_string((now_ - last).ms()) + " ms");
    }
  }
}

// ---------------------------------------------------------------------------------------- the transport below it

Result<uint16_t> World::listen(std::string_view, uint16_t) { broken("listens by itself"); }
void World::stop_listening() { broken("stops listening by itself"); }

void World::dial(uint64_t connection, const Endpoint& endpoint) {
  if (!calling_ || leaving_) broken("dials when nothing calls for it");
  if (connection % 2 != 1 || !used_.insert(connection).second) broken("dials under a number that is not a new odd one");
  if (endpoint.port == 0 || endpoint.ip.is_wildcard()) broken("dials " + endpoint.to_string());
  tell("  dials ", endpoint.to_string(), " as ", connection);
  if (dialing_.contains(endpoint)) broken("dials " + endpoint.to_string() + " twice at once");
  dialing_.insert(endpoint);
  streams_.try_emplace(connection, &keys_).first->second.remote = endpoint;
}

World::Stream& World::stream_of(uint64_t connection, const char* what) {
  const auto found = streams_.find(connection);
  if (!calling_ || found == streams_.end()) broken(std::string(what) + " a connection that is gone");
  return found->second;
}

void World::write(uint64_t connection, const SharedBytes& frame) {
  tell("  writes on ", connection, " ", printable(frame->substr(kFrameHeaderSize), 2000));
  Stream& stream = stream_of(connection, "writes on");
  if (!stream.open) broken("writes on a dial that is not connected");
  if (!stream.writable) broken("writes after its FIN");
  if (stream.accepted && !stream.heard) broken("speaks first on a connection that it accepted");
  std::vector<SessionOutput> outputs;
  own_reader_.receive(as_byte_view(*frame), outputs);
  const auto* const sent = outputs.size() == 1 ? std::get_if<SessionMessage>(&outputs.front()) : nullptr;
  if (sent == nullptr || own_reader_.buffered() != 0) broken("writes what is not one frame that it would accept");
  read_own(stream, sent->message);
  own_frames_.push_back(*frame);
  if (own_frames_.size() > kOwnFramesKept) own_frames_.pop_front();
}

void World::read_own(Stream& stream, const Message& message) {
  if (message.from != self_) broken("writes in the name of " + message.from.text());
  if (const auto* const goodbye = std::get_if<Goodbye>(&message.payload)) {
    if (!leaving_) broken("says goodbye and stays");
    if (goodbye->node != self_ || goodbye->reason != DownReason::GracefulShutdown) broken("declares another dead");
    ++stream.goodbyes;
    return;
  }
  const auto& heartbeat = std::get<Heartbeat>(message.payload);
  if (heartbeat.node.id != self_ || heartbeat.node.status != NodeStatus::Connected) broken("misrepresents itself");
  if (!heartbeat.hello) broken("writes a heartbeat without 'ext'");
  for (const NodeId& id : heartbeat.known_nodes) {
    const auto found = standings_.find(id);
    const bool is_up = found != standings_.end() && found->second.up;
    const NodeEntry* const entry = table_->find(id.text());
    const bool is_shown = entry != nullptr && entry->status == NodeStatus::Connected;
    if (!is_up && !is_shown && !up_before_.contains(id)) broken("gossips " + id.text() + ", which is not connected");
  }
  if (heartbeat.hello->nonce) {
    stream.last_nonce = heartbeat.hello->nonce;
    stream.nonces.insert(pair_of(*heartbeat.hello->nonce));
  }
  if (heartbeat.hello->echo && !stream.peer_nonces.contains(pair_of(*heartbeat.hello->echo))) {
    broken("echoes a nonce that nobody sent there");
  }
}

void World::close(uint64_t connection, StreamClose how) {
  tell("  closes ", connection, how == StreamClose::ShutdownWrite ? " for writing" : "");
  Stream& stream = stream_of(connection, "closes");
  if (how == StreamClose::ShutdownWrite) {
    if (!stream.open || !stream.writable) broken("sends a second FIN, or one before TCP is up");
    stream.writable = false;
    return;
  }
  if (!stream.open) {
    if (how == StreamClose::Flush) broken("flushes a dial");
    dialing_.erase(dialing_.find(stream.remote));
  }
  gone_.push_back(std::move(stream));
  streams_.erase(connection);
}

void World::resolve(uint64_t query, std::string_view host) {
  if (!calling_ || leaving_) broken("asks for a name when nothing calls for it");
  if (!used_queries_.insert(query).second) broken("asks twice under one number");
  if (!is_host_name(host) || host == "localhost") broken("asks the resolver for '" + std::string(host) + "'");
  queries_.insert(query);
}

void World::wake_at(Instant when) {
  if (left_ && !when.is_never()) broken("wants to be woken after it left");
  wake_at_ = when;
}

// --------------------------------------------------------------------------------------------- the user above it

void World::on_table(const std::shared_ptr<const NodeTable>& table) {
  if (table == nullptr) broken("publishes no table");
  if (left_) broken("publishes after it left");
  if (table_ != nullptr && table->version < table_->version) broken("publishes an older table");
  table_ = table;
  size_t connected = 0;
  for (size_t i = 0; i < table->nodes.size(); ++i) {
    const NodeEntry& entry = table->nodes[i];
    if (entry.id() == self_) broken("lists itself");
    if (i > 0 && !(table->nodes[i - 1].id() < entry.id())) broken("publishes an unsorted table");
    if (entry.status == NodeStatus::Connected) ++connected;
  }
  if (connected != table->connected_count) broken("counts its connected nodes wrongly");
  for (const auto& [alias, real] : table->aliases) {
    const auto is_alias = [&id = alias](const NodeEntry& entry) { return entry.id() == id; };
    if (std::any_of(table->nodes.begin(), table->nodes.end(), is_alias)) broken("lists the alias " + alias.text());
    if (alias == real) broken("calls " + real.text() + " its own alias");
  }
}

void World::on_notification(const Notification& notification) {
  if (left_) broken("speaks after it left");
  if (const auto* const up = std::get_if<NodeUp>(&notification)) return note(*up);
  if (const auto* const down = std::get_if<NodeDown>(&notification)) return note(*down);
  if (std::holds_alternative<ErrorReport>(notification)) {
    errors_.push_back(now_);
    while (now_ - errors_.front() >= Duration::seconds(1)) errors_.pop_front();
    // The first of each kind is told in any case; and a window of the limiter may begin in the middle of this second.
    if (errors_.size() > 2 * (limits_.errors_per_second_max + kErrorKinds))
      broken("reports more errors a second than its limit");
    return;
  }
  if (std::holds_alternative<JoinSettled>(notification)) {
    if (joined_) broken("settles its start twice");
    joined_ = true;
    return;
  }
  if (std::holds_alternative<Left>(notification)) {
    if (!leaving_) broken("leaves by itself");
    left_ = true;
  }
}

void World::note(const NodeUp& up) {
  const NodeId& id = up.node.id;
  tell("  up ", id.text(), " ", up.node.incarnation);
  if (id == self_) broken("reports itself up");
  Standing& standing = standings_[id];
  if (standing.up) broken("reports " + id.text() + " up twice");
  standing.seen = true;
  standing.up = true;
  standing.since = now_;
  standing.losses = 0;
  standing.incarnation = up.node.incarnation;
  raised_.insert(id);
  if (up.node.status != NodeStatus::Connected) broken("reports an up with a status that is not connected");
  const NodeEntry* const entry = table_ == nullptr ? nullptr : table_->find(id.text());
  if (entry == nullptr || entry->id() != id) broken("reports " + id.text() + " up before its table shows it");
  if (!is_proven(id)) broken("reports " + id.text() + " up, which has proved nothing");
}

void World::note(const NodeDown& down) {
  tell("  down ", down.id.text(), " ", to_string(down.reason), ": ", down.evidence);
  if (down.id == self_) broken("reports itself down");
  Standing& standing = standings_[down.id];
  if (down.reason == DownReason::ConnectionRefused) {
    if (standing.seen) broken("reports connection_refused for " + down.id.text() + ", of which it had spoken before");
    standing.seen = true;
    return;
  }
  if (!standing.up) broken("reports " + down.id.text() + " down, which was not up");
  standing.up = false;
  switch (down.reason) {
    case DownReason::HeartbeatTimeout: {
      const Duration silence = now_ - std::max(standing.alive_at, standing.since);
      if (silence < interval_ * threshold_) {
        broken("reports heartbeat_timeout for " + down.id.text() + " after " + std::to_string(silence.ms()) + " ms");
      }
      return;
    }
    case DownReason::GracefulShutdown:
      if (!goodbyes_.contains(down.id)) broken("reports a goodbye of " + down.id.text() + " that it never said");
      return;
    case DownReason::ConnectionClosed:
      closed_.emplace_back(down.id, standing.losses);
      return;
    case DownReason::ConnectionRefused:
      return;
  }
}

bool World::is_reference(const NodeId& id) const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [&id](const auto& entry) { return entry.second.plain.contains(id); });
}

// Whether a connection that is there has heard from `id` an echo of what we sent on it, or a frame of the reference.
bool World::is_proven(const NodeId& id) const {
  return std::any_of(streams_.begin(), streams_.end(), [&id](const auto& entry) {
    const Stream& stream = entry.second;
    if (stream.plain.contains(id)) return true;
    const auto echoes = stream.echoes.find(id);
    return echoes != stream.echoes.end() &&
           std::any_of(echoes->second.begin(), echoes->second.end(),
                       [&stream](const auto& echo) { return stream.nonces.contains(echo); });
  });
}

}  // namespace noex::fuzz
