#include "sim/witness.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace noex::sim {
namespace {

// Beyond the lateness of timers: how far a clock in milliseconds and one in nanoseconds may be apart.
constexpr Duration kFreshnessSlack = Duration::milliseconds(5);
// An up follows a frame at once, or the end of a challenge, which takes a heartbeat interval.
constexpr Duration kUpSlack = Duration::milliseconds(200);
// Two targets with one address take turns of 100 ms; timers fire a little late.
constexpr Duration kDialSlack = Duration::milliseconds(300);
constexpr size_t kNodesMax = 4096;

}  // namespace

std::string seconds(Instant at) { return seconds(at - Instant()); }

std::string seconds(Duration duration) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", static_cast<double>(duration.ns()) / 1e9);
  return text;
}

void Witness::on_table(const std::shared_ptr<const NodeTable>& table) {
  if (table == nullptr) return fail("published no table");
  if (table_ != nullptr && table->version < table_->version) fail("published an older table");
  table_ = table;
  listed_count_ = table->nodes.size();
  changed_ = true;
  if (table->nodes.size() > kNodesMax) fail("knows more nodes than the limit");
  if (standings_.size() <= 32 || table->nodes.size() < standings_.size()) {
    // Who left the list is forgotten: it is as new when it comes back. (Of many nodes, those that are only heard of may
    // hide one that left.)
    std::erase_if(standings_,
                  [&](const auto& entry) { return !entry.second.up && table->find(entry.first.text()) == nullptr; });
  }
  if (!tables_.due(table->nodes.size())) return;
  size_t connected = 0;
  for (size_t i = 0; i < table->nodes.size(); ++i) {
    const NodeEntry& entry = table->nodes[i];
    if (entry.id() == life_.id) fail("lists itself");
    if (i > 0 && !(table->nodes[i - 1].id() < entry.id())) fail("published an unsorted table");
    if (entry.status == NodeStatus::Connected) ++connected;
  }
  if (connected != table->connected_count) fail("counts its connected nodes wrongly");
  for (const auto& alias : table->aliases) {
    const bool is_listed = std::any_of(table->nodes.begin(), table->nodes.end(),
                                       [&](const NodeEntry& entry) { return entry.id() == alias.first; });
    if (is_listed) fail("lists the alias " + alias.first.text());
    if (ever_up_.contains(alias.first)) fail("takes " + alias.first.text() + " for an alias, which was up itself");
  }
}

void Witness::on_notification(const Notification& notification) {
  if (left_) return fail("speaks after it left");
  if (const auto* const up = std::get_if<NodeUp>(&notification)) return note(*up);
  if (const auto* const down = std::get_if<NodeDown>(&notification)) return note(*down);
  if (const auto* const error = std::get_if<ErrorReport>(&notification)) {
    errors_.push_back(*error);
    return truth_.say(life_.id, "ERROR " + error->message + " [" + error->node_id + " " + error->address + "]");
  }
  if (const auto* const record = std::get_if<LogRecord>(&notification))
    return truth_.say(life_.id, "log: " + record->message);
  if (std::holds_alternative<JoinSettled>(notification)) {
    if (!joined_at_.is_never()) fail("settled its start twice");
    joined_at_ = truth_.now();
    return truth_.say(life_.id, "start settled");
  }
  left_ = true;
  truth_.say(life_.id, "left");
}

void Witness::note(const NodeUp& up) {
  const NodeId& id = up.node.id;
  truth_.say(life_.id, "UP " + id.text());
  events_.push_back({truth_.now(), id, std::nullopt, up.node.incarnation});
  if (id == life_.id) return fail("reports itself up");
  Standing& standing = standings_[id];
  if (standing.up) fail("reports " + id.text() + " up twice");
  const Standing before = std::exchange(
      standing,
      {true, true, up.node.incarnation, truth_.now(), truth_.find_life(id, up.node.incarnation), std::nullopt, {}});
  ever_up_.insert(id);
  ++up_count_;
  changed_ = true;
  if (up.node.status != NodeStatus::Connected) fail("reports an up with a status that is not connected");
  const NodeEntry* const entry = table_ == nullptr ? nullptr : table_->find(id.text());
  if (entry == nullptr || entry->status != NodeStatus::Connected || entry->id() != id) {
    fail("reports " + id.text() + " up before its table shows it");
  }
  const Life* const life = standing.life;
  if (life == nullptr) return fail("reports " + id.text() + " up, which never was");
  const auto last = recorder_->last_frame_from(life->process);
  if (!last || truth_.now() - *last - stood_still(*last) > life_.interval + kUpSlack) {
    fail("reports " + id.text() + " up without a word from that process");
  }
  // What a dead process sent may still arrive, and is believed until its end arrives, too.
  if (!recorder_->is_connected_to(life->process)) fail("reports " + id.text() + " up without a connection to it");
  judge_replacement(id, before, *life);
  if (on_event) on_event(up);
}

// Of two processes under one id the living one stays: it is asked, and has a heartbeat interval to answer.
void Witness::judge_replacement(const NodeId& id, const Standing& before, const Life& life) {
  const Life* const former = before.life;
  if (former == nullptr || former == &life || !former->ended.is_never() || former->incarnation == 0) return;
  if (before.down != DownReason::ConnectionClosed || before.down_at != truth_.now()) return;
  if (recorder_->lost_connection_to(former->process, before.since)) return;
  const auto heard = recorder_->first_frame_from(life.process);
  if (!heard || truth_.now() - *heard < life_.interval) {
    fail("takes another process for " + id.text() + " without having asked the one that is up");
  }
}

void Witness::note(const NodeDown& down) {
  truth_.say(life_.id,
             "DOWN " + down.id.text() + " " + std::string(to_string(down.reason)) + " (" + down.evidence + ")");
  events_.push_back({truth_.now(), down.id, down.reason, 0});
  if (down.id == life_.id) return fail("reports itself down");
  Standing& standing = standings_[down.id];
  if (down.reason == DownReason::ConnectionRefused) {
    if (standing.seen) fail("reports connection_refused for " + down.id.text() + ", of which it had spoken before");
    standing.seen = true;
    if (on_event) on_event(down);
    return;
  }
  if (!standing.up) return fail("reports " + down.id.text() + " down, which was not up");
  judge(down, standing);
  standing.up = false;
  standing.down = down.reason;
  standing.down_at = truth_.now();
  --up_count_;
  changed_ = true;
  if (on_event) on_event(down);
}

// Is the reason true? Only the network and the other process know.
void Witness::judge(const NodeDown& down, const Standing& standing) {
  const Life* const life = standing.life;
  if (life == nullptr) return;  // said at its up
  const Instant now = truth_.now();
  switch (down.reason) {
    case DownReason::HeartbeatTimeout: {
      const auto last = recorder_->last_deliverable_frame_from(life->process);
      timed_out_.push_back(life);
      const Duration timeout = timeout_towards(*life);
      // Whose id is in doubt is refused where its rival was believed; such words are no beats.
      if (truth_.has_rival(life_)) return;
      if (last && now - *last - own_pause(*last) < timeout - Duration::milliseconds(1)) {
        fail("reports heartbeat_timeout for " + down.id.text() + ", whose last frame could be read " +
             seconds(now - *last) + " s ago, its own pause of " + seconds(own_pause(*last)) +
             " s included; the timeout is " + seconds(timeout) + " s");
      }
      return;
    }
    case DownReason::ConnectionClosed:
      if (!life->ended.is_never() || truth_.has_rival(*life)) return;
      if (!recorder_->lost_connection_to(life->process, standing.since)) {
        fail("reports connection_closed for " + down.id.text() + ", with which no connection ended");
      } else if (recorder_->has_proven_connection_to(life->process, standing.since)) {
        fail("reports connection_closed for " + down.id.text() + ", with which another connection is open");
      } else if (const auto closed = recorder_->last_close_by(life->process);
                 closed && standing.since < now && now - *closed < timeout_towards(*life) &&
                 recorder_->is_connected_to(life->process) && truth_.believes_connected(*life, life_.process)) {
        // It had a timeout from then on to speak on the other. (Unless what it said had been stuck together with the
        // end, for so long that the other is gone.)
        fail("reports connection_closed for " + down.id.text() + ", which only closed one of two");
      }
      return;
    case DownReason::GracefulShutdown:
      if (!life->left) fail("reports graceful_shutdown for " + down.id.text() + ", which did not stop");
      return;
    case DownReason::ConnectionRefused:
      return;
  }
}

void Witness::check_frame(std::string_view frame) {
  if (!frames_.due(8 * up_count_)) return;
  constexpr std::string_view kList = "\"knownNodes\":[";
  constexpr std::string_view kGoodbye = "\"type\":\"node_down\",\"nodeId\":\"";
  if (const size_t at = frame.find(kGoodbye); at != std::string_view::npos) {
    const std::string_view rest = frame.substr(at + kGoodbye.size());
    const std::string_view gone = rest.substr(0, rest.find('"'));
    if (gone != life_.id.text()) fail("says goodbye for " + std::string(gone));
    return;
  }
  size_t at = frame.find(kList);
  if (at == std::string_view::npos) return fail("writes a frame that is neither a beat nor a goodbye");
  std::string_view ids = frame.substr(at + kList.size());
  while (!ids.empty() && ids.front() != ']') {
    ids.remove_prefix(ids.find('"') + 1);
    const std::string_view id = ids.substr(0, ids.find('"'));
    ids.remove_prefix(std::min(ids.size(), id.size() + 1));
    const Result<NodeId> named = NodeId::parse(id);
    if (!named.ok() || !is_up(*named)) fail("names " + std::string(id) + ", which is not up, to others");
  }
}

void Witness::check_view() {
  for (const Life* const life : timed_out_) {
    // It may be frozen only. Closing would make it report us, once it thaws. (A new run of it may come at that moment.)
    if (recorder_->has_just_closed(life->process) && !is_up(life->id)) {
      fail("closes a connection to " + life->id.text() + " at its heartbeat timeout");
    }
  }
  timed_out_.clear();
  if (!changed_ || table_ == nullptr || !views_.due(table_->nodes.size() * table_->nodes.size() / 16)) return;
  changed_ = false;
  size_t connected = 0;
  for (const NodeEntry& entry : table_->nodes) {
    if (entry.status != NodeStatus::Connected) continue;
    ++connected;
    const auto standing = standings_.find(entry.id());
    if (standing == standings_.end() || !standing->second.up) {
      fail("shows " + entry.id().text() + " connected, of which its events do not say so");
    } else if (standing->second.incarnation != entry.incarnation) {
      fail("shows another incarnation of " + entry.id().text() + " than its events");
    }
  }
  if (connected != up_count_) fail("shows fewer nodes connected than its events say");
}

bool Witness::has_peer_to_tell() const {
  return std::any_of(standings_.begin(), standings_.end(), [&](const auto& entry) {
    const Standing& standing = entry.second;
    return standing.up && standing.life != nullptr &&
           recorder_->has_proven_connection_to(standing.life->process, standing.since);
  });
}

// Whether another id of the same address is known: who dials there may mean that one.
bool Witness::others_live_at_address_of(const NodeId& id) const {
  const auto is_neighbour = [&id](const NodeId& other) {
    return other != id && other.host() == id.host() && other.port() == id.port();
  };
  return is_neighbour(life_.id) || std::any_of(table_->nodes.begin(), table_->nodes.end(),
                                               [&](const NodeEntry& entry) { return is_neighbour(entry.id()); });
}

void Witness::check_dial(const Endpoint& endpoint) {
  for (const auto& [id, standing] : standings_) {
    if (standing.up || standing.down != DownReason::GracefulShutdown || standing.life == nullptr || is_seed_(id))
      continue;
    if (truth_.now() - standing.down_at >= timeout_towards(*standing.life)) continue;
    if (id.port() != endpoint.port || IpAddress::parse(id.host()) != endpoint.ip) continue;
    // A node of the reference that is back with its clock set back is turned away as a replay, and met on a dial.
    const Life* const latest = truth_.find_life(id, 0);
    if (latest != nullptr && latest != standing.life && recorder_->last_frame_from(latest->process)) continue;
    if (!others_live_at_address_of(id)) fail("dials " + id.text() + ", which has just said goodbye");
  }
}

void Witness::check_dialling(Instant awake_since) {
  if (left_) return;
  for (const auto& [id, standing] : standings_) {
    if (standing.up || !standing.down || *standing.down == DownReason::GracefulShutdown) continue;
    if (standing.life == nullptr || standing.life->left) continue;  // its goodbye may have been read after the down
    const std::optional<IpAddress> ip = IpAddress::parse(id.host());
    const Duration lost_for = truth_.now() - std::max(standing.down_at, awake_since);
    if (!ip || lost_for < reconnect_base_ + kDialSlack) continue;
    // Where another has answered since, or this very node lives, nobody looks for it any more.
    if (others_live_at_address_of(id)) continue;
    if (!recorder_->has_dialled(Endpoint{*ip, id.port()}, standing.down_at)) {
      fail("does not dial " + id.text() + ", which is down for " + seconds(lost_for) + " s");
    }
  }
}

void Witness::check_freshness(Instant awake_since) {
  if (left_) return;
  for (const auto& [id, standing] : standings_) {
    if (!standing.up) continue;
    const Life* const life = standing.life;
    if (life == nullptr) continue;
    const Instant last = std::max({recorder_->last_frame_from(life->process).value_or(Instant()), awake_since,
                                   standing.since, recorder_->last_fin_from(life->process).value_or(Instant())});
    const Duration silence = truth_.now() - last;
    if (silence > timeout_towards(*life) + truth_.lateness_max() + kFreshnessSlack) {
      fail("still says that " + id.text() + " is up, which has been silent for " + seconds(silence) +
           " s; the timeout is " + seconds(timeout_towards(*life)) + " s");
    }
  }
}

Duration Witness::timeout_towards(const Life& other) const {
  // A node of the reference announces no interval.
  const bool is_reference = other.incarnation == 0;
  const Duration interval = is_reference ? life_.interval : std::max(life_.interval, other.interval);
  // With a threshold of 1 a node of ours beats twice an interval. Who does not is judged by one and a half.
  if (life_.threshold == 1 && (is_reference || other.threshold > 1)) return interval * 3 / 2;
  return interval * life_.threshold;
}

// A pause counts from the first deadline that it made the node miss (a beat is due within each interval), if that was
// long enough.
Duration Witness::own_pause(Instant since) const {
  const Duration noticed_min = std::max(Duration::milliseconds(100), life_.interval / 4);
  Duration sum;
  for (const auto& [begin, end] : life_.pauses) {
    if (begin < since || end.is_never()) continue;
    const Duration lateness = end - begin - life_.interval;
    if (lateness > noticed_min) sum = sum + lateness;
  }
  return sum;
}

Duration Witness::stood_still(Instant since) const {
  Duration sum;
  for (const auto& [begin, end] : life_.pauses) {
    if (!end.is_never() && end > since) sum = sum + (end - std::max(begin, since));
  }
  return sum;
}

bool Witness::is_up(const NodeId& id) const {
  const auto standing = standings_.find(id);
  return standing != standings_.end() && standing->second.up;
}

size_t Witness::down_count() const {
  return static_cast<size_t>(std::count_if(events_.begin(), events_.end(), [](const SeenEvent& event) {
    return event.down && *event.down != DownReason::ConnectionRefused;
  }));
}

size_t Witness::count(const NodeId& id, bool ups) const {
  return static_cast<size_t>(std::count_if(events_.begin(), events_.end(), [&](const SeenEvent& event) {
    return event.id == id && event.down.has_value() != ups;
  }));
}

}  // namespace noex::sim
