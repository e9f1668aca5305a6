#include "stats.h"

#include <numeric>

#include "error.h"

noex_stats_snapshot::noex_stats_snapshot(const noex::NodeStats& stats) : rejected(stats.driver.membership.rejected) {
  const noex::DriverStats& driver = stats.driver;
  const noex::MembershipStats& membership = driver.membership;
  totals.struct_size = sizeof totals;
  totals.frames_received = driver.totals.frames_in;
  totals.frames_sent = driver.totals.frames_out;
  totals.bytes_received = driver.totals.bytes_in;
  totals.bytes_sent = driver.totals.bytes_out;
  totals.connections_accepted = driver.accepted;
  totals.dials = membership.dials;
  totals.dials_failed = membership.dials_failed;
  totals.rejected = std::accumulate(rejected.begin(), rejected.end(), uint64_t{0});
  totals.node_ups = std::accumulate(membership.ups.begin(), membership.ups.end(), uint64_t{0});
  totals.node_downs = std::accumulate(membership.downs.begin(), membership.downs.end(), uint64_t{0});
  totals.pauses = membership.pauses;
  totals.events_coalesced = stats.events_skipped.folded;
  totals.logs_dropped = stats.events_skipped.dropped;
  totals.connections = membership.connections;
  totals.connections_unidentified = membership.unidentified;
  totals.nodes_known = membership.nodes;
  totals.nodes_connected = membership.connected;
  totals.dials_in_progress = membership.dialing;
  totals.events_queued = stats.events_queued;
  totals.node_reconnects = membership.ups[static_cast<size_t>(noex::UpKind::Reconnect)];
  totals.node_restarts = membership.ups[static_cast<size_t>(noex::UpKind::Restart)];
  totals.paused_ms = static_cast<uint64_t>(membership.paused.ms());

  peers.reserve(driver.peers.size());
  texts.reserve(2 * driver.peers.size());
  for (const noex::PeerStats& source : driver.peers) {
    noex_peer_stats& peer = peers.emplace_back();
    peer.struct_size = sizeof peer;
    peer.id = texts.emplace_back(source.connection.node.text()).c_str();
    peer.address = texts.emplace_back(source.connection.remote.to_string()).c_str();
    peer.outbound = source.connection.outbound;
    peer.confirmed = source.connection.confirmed;
    peer.frames_received = source.traffic.frames_in;
    peer.frames_sent = source.traffic.frames_out;
    peer.bytes_received = source.traffic.bytes_in;
    peer.bytes_sent = source.traffic.bytes_out;
    peer.bytes_queued = source.queued_bytes;
    peer.round_trip_us = source.round_trip ? source.round_trip->ns() / 1000 : -1;
    peer.silence_ms = source.connection.silence.ms();
  }
}

extern "C" {

const noex_stats* noex_stats_totals(const noex_stats_snapshot* stats) {
  return stats == nullptr ? nullptr : &stats->totals;
}

size_t noex_stats_peer_count(const noex_stats_snapshot* stats) { return stats == nullptr ? 0 : stats->peers.size(); }

const noex_peer_stats* noex_stats_peer_at(const noex_stats_snapshot* stats, size_t index) {
  return stats == nullptr || index >= stats->peers.size() ? nullptr : &stats->peers[index];
}

size_t noex_stats_rejected_kind_count(void) { return static_cast<size_t>(noex::RejectKind::Count); }

const char* noex_stats_rejected_kind_name(size_t index) {
  if (index >= noex_stats_rejected_kind_count()) return nullptr;
  return noex::to_string(static_cast<noex::RejectKind>(index)).data();  // a literal: it ends in a NUL
}

uint64_t noex_stats_rejected_at(const noex_stats_snapshot* stats, size_t index) {
  return stats == nullptr || index >= stats->rejected.size() ? 0 : stats->rejected[index];
}

void noex_stats_free(noex_stats_snapshot* stats) { delete stats; }

}  // extern "C"
