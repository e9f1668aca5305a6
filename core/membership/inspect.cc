// What statistics and the view of an operator show: read only, and never asked for by the protocol itself.
#include <algorithm>
#include <utility>

#include "membership/machine.h"

namespace noex {

std::string_view to_string(UpKind kind) {
  switch (kind) {
    case UpKind::First:
      return "first";
    case UpKind::Reconnect:
      return "reconnect";
    case UpKind::Restart:
    case UpKind::Count:
      break;
  }
  return "restart";
}

std::string_view to_string(SeedView::State state) {
  switch (state) {
    case SeedView::State::Waiting:
      return "waiting";
    case SeedView::State::Dialling:
      return "dialling";
    case SeedView::State::Connected:
      return "connected";
    case SeedView::State::Self:
      break;
  }
  return "self";
}

void BeatLateness::add(Duration lateness) {
  const auto bound = std::find_if(kBoundsMs.begin(), kBoundsMs.end(),
                                  [lateness](int64_t ms) { return lateness <= Duration::milliseconds(ms); });
  ++counts[static_cast<size_t>(bound - kBoundsMs.begin())];
  sum = sum + lateness;
}

MembershipStats Membership::Machine::stats() const {
  MembershipStats stats = stats_;
  stats.paused = paused_;
  stats.connections = connections_.size();
  stats.unidentified = unidentified_count_;
  stats.nodes = members_.size();
  stats.connected = connected_count_;
  stats.dialing = dials_in_progress_;
  return stats;
}

std::vector<PeerConnection> Membership::Machine::connections(Instant now) const {
  std::vector<PeerConnection> list;
  for (const auto& [id, connection] : connections_) {
    if (connection.state == ConnectionState::Dialing) continue;
    PeerConnection& entry = list.emplace_back();
    entry.connection = id;
    entry.node = connection.peer;
    entry.outbound = connection.outbound;
    entry.confirmed = connection.state >= ConnectionState::Confirmed;
    entry.active = connection.member != nullptr && connection.member->active == id;
    entry.remote = connection.remote;
    entry.clock_offset_ms = connection.clock_offset_ms;
    entry.silence = std::max(Duration(), now - paused_ - connection.last_frame_at);
  }
  return list;
}

SeedView::State Membership::Machine::state_of(const Target& seed, NodeId* node) const {
  if (seed.is_self) {
    *node = self_.id;
    return SeedView::State::Self;
  }
  std::vector<NodeId> candidates;
  if (!seed.answered_as.empty()) {
    candidates.push_back(seed.answered_as);
  } else if (seed.expected) {
    candidates.push_back(*seed.expected);
  }
  for (const auto& [endpoint, id] : seed.answers) candidates.push_back(id);
  for (const NodeId& id : candidates) {
    const Member* const member = find_member(id);
    if (member == nullptr || !member->ever_up) continue;
    if (node->empty()) *node = id;
    if (member->status != NodeStatus::Connected) continue;
    *node = id;
    return SeedView::State::Connected;
  }
  return seed.phase == Phase::Idle ? SeedView::State::Waiting : SeedView::State::Dialling;
}

std::vector<SeedView> Membership::Machine::seeds() const {
  std::vector<SeedView> list;
  for (const auto& [id, target] : targets_) {
    if (!target.seed) continue;
    SeedView& view = list.emplace_back();
    view.text = target.text;
    view.state = state_of(target, &view.node);
    if (view.state != SeedView::State::Connected && view.state != SeedView::State::Self) view.failure = target.failure;
  }
  return list;
}

Sightings Membership::Machine::sightings(Instant now) const {
  Sightings sightings;
  if (members_.size() > kSightingsNodesMax) return sightings;
  std::map<MemberSerial, uint32_t> index_of;
  for (const auto& [id, member] : members_) index_of.emplace(member.serial, static_cast<uint32_t>(index_of.size()));
  // A node names each that it is connected to once in so many beats; one beat more, since they need not come on time.
  const auto turns = static_cast<int64_t>(connected_count_ / limits_.gossip_per_beat + 2);
  sightings.rows.resize(members_.size());
  auto row = sightings.rows.begin();
  for (const auto& [id, member] : members_) {
    Sightings::Row& seen = *row++;
    if (member.status != NodeStatus::Connected) continue;
    const Instant since = now - paused_ - turns * (member.timeout / config_.heartbeat_miss_threshold);
    seen.us = !member.named_us_at.is_never() && member.named_us_at >= since;
    for (const Sighting& sighting : member.sightings) {
      const auto other = index_of.find(sighting.of);
      if (other != index_of.end() && sighting.said_at >= since) seen.others.push_back(other->second);
    }
    std::sort(seen.others.begin(), seen.others.end());
  }
  return sightings;
}

}  // namespace noex
