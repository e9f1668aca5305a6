#include "sim/reference_model.h"

#include <algorithm>
#include <utility>

#include "base/checks.h"

namespace noex::sim {
namespace {

constexpr Duration kIdentification = Duration::seconds(10);
constexpr int64_t kReconnectBaseMs = 1000;
constexpr int64_t kReconnectMaxMs = 30'000;

std::vector<std::string_view> secrets_of(const std::string& secret) {
  if (secret.empty()) return {};
  return {secret};
}

}  // namespace

ReferenceModel::ReferenceModel(Simulation& simulation, Options options, uint64_t seed)
    : simulation_(simulation), options_(std::move(options)), rng_(seed), keys_(secrets_of(options_.secret)) {
  id_ = *NodeId::create(options_.name, options_.ip.to_string(), options_.port);
}

ReferenceModel::~ReferenceModel() {
  kill();
  for (const auto& life : past_) std::erase(simulation_.foreign_lives_, life.get());
}

void ReferenceModel::start() {
  NOEX_CHECK(transport_ == nullptr);
  transport_ = simulation_.network().start_process(options_.host);
  transport_->set_handler(this);
  ++generation_;
  Life& life = *past_.emplace_back(std::make_unique<Life>());
  life.id = id_;
  life.process = transport_->process();
  life.started = simulation_.now();
  life.interval = options_.interval;
  life.threshold = options_.threshold;
  simulation_.foreign_lives_.push_back(past_.back().get());
  started_unix_ms_ = transport_->now().unix_ms;
  past_.back()->says_it_began = static_cast<Incarnation>(started_unix_ms_);
  simulation_.say(id_, "starts (reference)");
  NOEX_CHECK(transport_->listen("0.0.0.0", options_.port).ok());
  // Its first heartbeat to a seed cannot be built while it is still starting.
  for (const NodeId& seed : options_.seeds) connect(seed, /*greet=*/false);
  after(options_.interval, [this] { beat(); });
}

void ReferenceModel::kill() {
  if (transport_ == nullptr) return;
  past_.back()->ended = simulation_.now();
  transport_.reset();
  links_.clear();
  by_peer_.clear();
  by_connection_.clear();
  known_.clear();
  up_.clear();
  last_heartbeat_.clear();
}

void ReferenceModel::leave() {
  past_.back()->left = true;
  slander(id_);
  kill();
}

void ReferenceModel::slander(const NodeId& node) {
  const int64_t now = transport_->now().unix_ms;
  const SharedBytes frame = encode_frame(id_, now, Goodbye{node, now, DownReason::GracefulShutdown}, &keys_);
  for (const auto& [peer, link] : by_peer_) {
    if (links_.at(link).phase == Phase::Connected) transport_->write(links_.at(link).connection, frame);
  }
}

size_t ReferenceModel::downs_of(const NodeId& node) const {
  const auto found = downs_.find(node);
  return found == downs_.end() ? 0 : found->second;
}

size_t ReferenceModel::silent_connections() const {
  return static_cast<size_t>(std::count_if(links_.begin(), links_.end(), [&](const auto& entry) {
    const auto current = by_peer_.find(entry.second.peer);
    return entry.second.phase == Phase::Connected && (current == by_peer_.end() || current->second != entry.first);
  }));
}

void ReferenceModel::after(Duration delay, std::function<void()> action) {
  simulation_.network().at(simulation_.now() + delay, [this, generation = generation_, action = std::move(action)] {
    if (transport_ != nullptr && generation == generation_) action();
  });
}

ReferenceModel::Link* ReferenceModel::stored(const NodeId& peer) {
  const auto found = by_peer_.find(peer);
  return found == by_peer_.end() ? nullptr : &links_.at(found->second);
}

// ----------------------------------------------------------------------------------------- connections

void ReferenceModel::connect(const NodeId& peer, bool greet) {
  known_.insert(peer);
  const LinkId id = next_link_++;
  Link& link = links_[id];
  link.peer = peer;
  link.outbound = true;
  link.greet = greet;
  by_peer_[peer] = id;
  dial(id);
}

void ReferenceModel::dial(LinkId id) {
  Link& link = links_.at(id);
  link.phase = Phase::Dialing;
  link.connection = next_connection_;
  next_connection_ += 2;
  by_connection_[link.connection] = id;
  transport_->dial(link.connection, Endpoint{*IpAddress::parse(link.peer.host()), link.peer.port()});
}

void ReferenceModel::on_connected(uint64_t connection, bool) {
  const LinkId id = by_connection_.at(connection);
  Link& link = links_.at(id);
  link.phase = Phase::Connected;
  link.was_up = true;
  link.attempt = 0;
  link.session = std::make_unique<Session>(&keys_);
  link.session->raise_frame_limit();
  if (!std::exchange(link.greet, false)) return;
  if (options_.greets_on_its_own) return send_heartbeat(link);
  const Link* const current = stored(link.peer);
  if (current != nullptr && current->phase == Phase::Connected) send_heartbeat(*current);
}

void ReferenceModel::on_dial_failed(uint64_t connection, std::string_view) {
  const LinkId id = by_connection_.at(connection);
  by_connection_.erase(connection);
  if (links_.at(id).was_up) return redial_later(id);
  // A first dial that failed is not repeated.
  const NodeId peer = links_.at(id).peer;
  if (const auto current = by_peer_.find(peer); current != by_peer_.end() && current->second == id)
    by_peer_.erase(current);
  links_.erase(id);
}

void ReferenceModel::redial_later(LinkId id) {
  Link& link = links_.at(id);
  link.phase = Phase::Waiting;
  const int64_t delay = std::min(kReconnectBaseMs << std::min(link.attempt, 10), kReconnectMaxMs);
  ++link.attempt;
  const auto scaled = static_cast<int64_t>(static_cast<double>(delay) * (0.5 + rng_.unit()));
  after(Duration::milliseconds(scaled), [this, id] {
    if (links_.contains(id)) dial(id);
  });
}

void ReferenceModel::on_accepted(uint64_t connection, const Endpoint&, bool) {
  const LinkId id = next_link_++;
  Link& link = links_[id];
  link.phase = Phase::Connected;
  link.connection = connection;
  link.session = std::make_unique<Session>(&keys_);
  by_connection_[connection] = id;
  after(kIdentification, [this, id] {
    const auto found = links_.find(id);
    if (found == links_.end() || !found->second.peer.empty()) return;
    transport_->close(found->second.connection, StreamClose::Abort);
    by_connection_.erase(found->second.connection);
    links_.erase(found);
  });
}

void ReferenceModel::on_received(uint64_t connection, ByteView bytes) {
  const auto found = by_connection_.find(connection);
  if (found == by_connection_.end()) return;
  const LinkId id = found->second;
  std::vector<SessionOutput> outputs;
  links_.at(id).session->receive(bytes, outputs);
  for (const SessionOutput& output : outputs) {
    const auto* const message = std::get_if<SessionMessage>(&output);
    bool dropped = false;
    if (links_.at(id).peer.empty()) {
      if (message != nullptr) {
        identify(id, message->message, &dropped);
      } else {
        dropped = true;
      }
    }
    if (dropped) {
      transport_->close(connection, StreamClose::Abort);
      by_connection_.erase(connection);
      links_.erase(id);
      return;
    }
    if (message == nullptr) continue;
    handle(message->message);
    if (!links_.contains(id)) return;
  }
}

// The first frame on an accepted connection.
void ReferenceModel::identify(LinkId id, const Message& message, bool* dropped) {
  const Link* const current = stored(message.from);
  if (current != nullptr && current->phase == Phase::Connected) {
    *dropped = true;  // it has one: the newer goes without a word, the frame with it
    return;
  }
  links_.at(id).peer = message.from;
  links_.at(id).session->raise_frame_limit();
  known_.insert(message.from);
  by_peer_[message.from] = id;  // what was stored goes on dialling by itself
}

void ReferenceModel::on_closed(uint64_t connection, StreamEnd) {
  const auto found = by_connection_.find(connection);
  if (found == by_connection_.end()) return;
  const LinkId id = found->second;
  by_connection_.erase(found);
  Link& link = links_.at(id);
  const NodeId peer = link.peer;
  if (link.outbound) {
    redial_later(id);
  } else {
    if (const auto current = by_peer_.find(peer); current != by_peer_.end() && current->second == id)
      by_peer_.erase(current);
    links_.erase(id);
  }
  if (!peer.empty()) lose(peer);
}

// Any connection of that id will do, also one that another has replaced.
void ReferenceModel::lose(const NodeId& peer) { mark_down(peer, "connection_closed"); }

void ReferenceModel::on_resolved(uint64_t, const std::vector<IpAddress>&, std::string_view) {}

// --------------------------------------------------------------------------------------------- cluster

void ReferenceModel::handle(const Message& message) {
  if (const auto* const heartbeat = std::get_if<Heartbeat>(&message.payload)) {
    const NodeId& node = heartbeat->node.id;
    if (node == id_) return;
    known_.insert(node);
    last_heartbeat_[node] = simulation_.now();
    if (up_.insert(node).second) simulation_.say(id_, "(reference) UP " + node.text());
    for (const NodeId& other : heartbeat->known_nodes) {
      if (other == id_ || known_.contains(other)) continue;
      connect(other, /*greet=*/true);
    }
  } else if (const auto* const goodbye = std::get_if<Goodbye>(&message.payload)) {
    mark_down(goodbye->node, "node_down");  // whoever says so
  }
}

void ReferenceModel::mark_down(const NodeId& peer, const std::string& why) {
  if (up_.erase(peer) == 0) return;
  ++downs_[peer];
  simulation_.say(id_, "(reference) DOWN " + peer.text() + " " + why);
}

void ReferenceModel::beat() {
  after(options_.interval, [this] { beat(); });
  for (const auto& [peer, id] : by_peer_) {
    if (links_.at(id).phase == Phase::Connected) send_heartbeat(links_.at(id));
  }
  std::vector<NodeId> silent;
  for (const NodeId& peer : up_) {
    if (simulation_.now() - last_heartbeat_[peer] > options_.interval * options_.threshold) silent.push_back(peer);
  }
  for (const NodeId& peer : silent) mark_down(peer, "heartbeat_timeout");
}

void ReferenceModel::send_heartbeat(const Link& link) {
  const int64_t now = transport_->now().unix_ms;
  Heartbeat heartbeat;
  heartbeat.node.id = id_;
  heartbeat.node.status = NodeStatus::Connected;
  heartbeat.node.last_heartbeat_at = now;
  heartbeat.node.uptime_ms = now - started_unix_ms_;
  heartbeat.known_nodes.assign(known_.begin(), known_.end());
  transport_->write(link.connection, encode_frame(id_, now, heartbeat, &keys_));
}

}  // namespace noex::sim
