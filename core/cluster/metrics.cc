// metrics_document(): the counters and gauges of a node as OpenMetrics 1.0 text. The families, their units and meanings
// are documented in docs/metrics.md.
#include <array>
#include <cstdio>
#include <numeric>

#include "cluster/documents.h"

namespace noex {
namespace {

constexpr std::string_view kPrefix = "noex_cluster_";

std::string seconds_text(Duration duration) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.9g", static_cast<double>(duration.ns()) / 1e9);
  return text.data();
}

class Text {
 public:
  // Begins a family. A unit is the end of its name, as the format wants it.
  void family(std::string_view name, std::string_view type, std::string_view help, std::string_view unit = {}) {
    name_ = std::string(kPrefix) + std::string(name);
    text_ += "# TYPE " + name_ + " " + std::string(type) + "\n";
    if (!unit.empty()) text_ += "# UNIT " + name_ + " " + std::string(unit) + "\n";
    text_ += "# HELP " + name_ + " " + std::string(help) + "\n";
  }
  void sample(std::string_view suffix, std::string_view labels, std::string_view value) {
    text_ += name_;
    text_ += suffix;
    if (!labels.empty()) (text_ += '{').append(labels) += '}';
    (text_ += ' ').append(value) += '\n';
  }
  void gauge(std::string_view name, std::string_view help, uint64_t value) {
    family(name, "gauge", help);
    sample("", "", std::to_string(value));
  }
  void counter(std::string_view name, std::string_view help, uint64_t value, std::string_view unit = {}) {
    family(name, "counter", help, unit);
    sample("_total", "", std::to_string(value));
  }
  [[nodiscard]] std::string finish() { return std::move(text_) + "# EOF\n"; }

 private:
  std::string text_;
  std::string name_;
};

std::string label(std::string_view name, std::string_view value) {
  std::string out = std::string(name) + "=\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out += '"';
}

void add_members(Text& text, const NodeStats& stats) {
  std::array<size_t, 4> counts{};
  for (const NodeEntry& node : stats.driver.table->nodes) ++counts[static_cast<size_t>(node.status)];
  text.family("members", "gauge", "Other nodes that this node knows, by the state that it sees them in.");
  for (const NodeStatus status : {NodeStatus::Connecting, NodeStatus::Connected, NodeStatus::Disconnected}) {
    text.sample("", label("state", to_string(status)), std::to_string(counts[static_cast<size_t>(status)]));
  }
  const MembershipStats& membership = stats.driver.membership;
  text.family("node_ups", "counter", "Nodes that came up: for the first time, again, or as a new run of the process.");
  for (size_t i = 0; i < membership.ups.size(); ++i) {
    text.sample("_total", label("kind", to_string(static_cast<UpKind>(i))), std::to_string(membership.ups[i]));
  }
  text.family("node_downs", "counter", "Nodes that went down, by what was seen.");
  for (const DownReason reason : {DownReason::HeartbeatTimeout, DownReason::ConnectionClosed,
                                  DownReason::ConnectionRefused, DownReason::GracefulShutdown}) {
    text.sample("_total", label("reason", to_string(reason)),
                std::to_string(membership.downs[static_cast<size_t>(reason)]));
  }
}

void add_connections(Text& text, const NodeStats& stats) {
  const MembershipStats& membership = stats.driver.membership;
  const size_t open = stats.driver.peers.size();
  text.family("connections", "gauge", "Open connections, by whether the peer has said who it is.");
  size_t identified = 0;
  for (const PeerStats& peer : stats.driver.peers) identified += peer.connection.node.empty() ? 0 : 1;
  text.sample("", label("state", "identified"), std::to_string(identified));
  text.sample("", label("state", "unidentified"), std::to_string(open - identified));
  text.counter("connections_accepted", "Connections that others opened.", stats.driver.accepted);
  text.counter("dials", "Connections that this node tried to open.", membership.dials);
  text.counter("dials_failed", "Of these, those that did not come about.", membership.dials_failed);
  text.gauge("dials_in_progress", "Of these, those under way.", membership.dialing);
  const Traffic& totals = stats.driver.totals;
  text.counter("frames_received", "Complete frames received, refused ones too.", totals.frames_in);
  text.counter("frames_sent", "Frames handed to the operating system.", totals.frames_out);
  text.counter("received_bytes", "Bytes received, with the length prefixes.", totals.bytes_in, "bytes");
  text.counter("sent_bytes", "Bytes handed to the operating system, with the length prefixes.", totals.bytes_out,
               "bytes");
  text.family("rejected", "counter", "Frames and connections refused, by kind.");
  for (size_t i = 0; i < membership.rejected.size(); ++i) {
    text.sample("_total", label("kind", to_string(static_cast<RejectKind>(i))), std::to_string(membership.rejected[i]));
  }
}

void add_time(Text& text, const MembershipStats& membership) {
  text.counter("pauses", "Times that this process woke up late: it was stopped, or starved of the processor.",
               membership.pauses);
  text.family("paused_seconds", "counter", "How long these were together.", "seconds");
  text.sample("_total", "", seconds_text(membership.paused));
  text.family("beat_lateness_seconds", "histogram", "How late this node's own heartbeats went out.", "seconds");
  const BeatLateness& lateness = membership.beat_lateness;
  uint64_t count = 0;
  for (size_t i = 0; i < lateness.counts.size(); ++i) {
    count += lateness.counts[i];
    const bool last = i == BeatLateness::kBoundsMs.size();
    text.sample("_bucket",
                label("le", last ? "+Inf" : seconds_text(Duration::milliseconds(BeatLateness::kBoundsMs[i]))),
                std::to_string(count));
  }
  text.sample("_count", "", std::to_string(count));
  text.sample("_sum", "", seconds_text(lateness.sum));
}

// One series for each node that is up, by the connection in use.
void add_peers(Text& text, const NodeStats& stats) {
  const auto each = [&](const auto& value_of) {
    for (const PeerStats& peer : stats.driver.peers) {
      if (!peer.connection.active) continue;
      const std::string value = value_of(peer);
      if (!value.empty()) text.sample("", label("peer", peer.connection.node.text()), value);
    }
  };
  text.family("peer_round_trip_seconds", "gauge", "Smoothed round trip to a node, as the kernel measures it.",
              "seconds");
  each([](const PeerStats& peer) { return peer.round_trip ? seconds_text(*peer.round_trip) : std::string(); });
  text.family("peer_silence_seconds", "gauge", "Time since the last valid frame of a node.", "seconds");
  each([](const PeerStats& peer) { return seconds_text(peer.connection.silence); });
  text.family("peer_send_queue_bytes", "gauge", "Bytes for a node that the kernel has not taken yet.", "bytes");
  each([](const PeerStats& peer) { return std::to_string(peer.queued_bytes); });
}

}  // namespace

std::string metrics_document(const NodeStats& stats) {
  Text text;
  text.family("node", "info", "This node.");
  text.sample("_info",
              label("id", stats.local_id.text()) + "," + label("name", stats.local_id.name()) + "," +
                  label("cluster_name", stats.cluster_name) + "," + label("version", NOEX_CORE_VERSION),
              "1");
  text.family("uptime_seconds", "gauge", "Time since this node was started.", "seconds");
  text.sample("", "", seconds_text(stats.uptime));
  add_members(text, stats);
  add_connections(text, stats);
  add_time(text, stats.driver.membership);
  add_peers(text, stats);
  text.gauge("events_queued", "Events that the application has not fetched yet.", stats.events_queued);
  text.counter("events_folded", "Ups and downs that cancelled each other out before the application fetched them.",
               stats.events_skipped.folded);
  text.counter("log_records_dropped", "Log records and errors dropped because nobody fetched them.",
               stats.events_skipped.dropped);
  return text.finish();
}

}  // namespace noex
