#include "cluster/documents.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/process_id.h"
#include "wire/json_writer.h"

namespace noex {
namespace {

// One JSON object, written field by field. All text in here is UTF-8: what comes from outside was checked before.
class Object {
 public:
  Object& add(std::string_view key, std::string_view value) {
    begin(key);
    append_json_string(text_, value);
    return *this;
  }
  Object& add(std::string_view key, const char* value) { return add(key, std::string_view(value)); }
  Object& add(std::string_view key, bool value) { return add_raw(key, value ? "true" : "false"); }
  template <typename Number, std::enable_if_t<std::is_integral_v<Number>, int> = 0>
  Object& add(std::string_view key, Number value) {
    return add_raw(key, std::to_string(value));
  }
  // null where there is none.
  Object& add_text_or_null(std::string_view key, std::string_view value) {
    return value.empty() ? add_raw(key, "null") : add(key, value);
  }
  Object& add_raw(std::string_view key, std::string_view json) {
    begin(key);
    text_ += json;
    return *this;
  }
  [[nodiscard]] std::string text() const { return text_ + "}"; }

 private:
  void begin(std::string_view key) {
    if (text_.size() > 1) text_ += ',';
    append_json_string(text_, key);
    text_ += ':';
  }

  std::string text_ = "{";
};

class Array {
 public:
  void add_raw(std::string_view json) {
    if (text_.size() > 1) text_ += ',';
    text_ += json;
  }
  void add(std::string_view value) {
    if (text_.size() > 1) text_ += ',';
    append_json_string(text_, value);
  }
  [[nodiscard]] std::string text() const { return text_ + "]"; }

 private:
  std::string text_ = "[";
};

// The fields that every member has. An incarnation is text: as a number it is beyond what JavaScript holds exactly.
Object member_object(const NodeInfo& info) {
  Object object;
  object.add("id", info.id.text())
      .add("status", to_string(info.status))
      .add("process_count", info.process_count)
      .add("last_heartbeat_at", info.last_heartbeat_at)
      .add("uptime_ms", info.uptime_ms)
      .add("incarnation", std::to_string(info.incarnation));
  return object;
}

std::string local_member(const NodeStats& stats) {
  NodeInfo info;
  info.id = stats.local_id;
  info.status = NodeStatus::Connected;
  info.process_count = stats.process_count;
  info.last_heartbeat_at = stats.unix_ms;
  info.uptime_ms = stats.uptime.ms();
  info.incarnation = stats.incarnation;
  Array sees;
  for (const NodeEntry& node : stats.driver.table->nodes) {
    if (node.status == NodeStatus::Connected) sees.add(node.id().text());
  }
  return member_object(info)
      .add_raw("address", "null")
      .add_raw("outbound", "null")
      .add_raw("rtt_us", "null")
      .add_raw("clock_offset_ms", "null")
      .add_raw("sees", sees.text())
      .text();
}

// Whom the node at `index` names, with this node at its place among them.
std::string sees_of(const NodeStats& stats, size_t index) {
  const auto& nodes = stats.driver.table->nodes;
  if (index >= stats.driver.sightings.rows.size() || nodes[index].status != NodeStatus::Connected) return "null";
  const Sightings::Row& row = stats.driver.sightings.rows[index];
  std::vector<std::string_view> ids;
  ids.reserve(row.others.size() + 1);
  for (const uint32_t other : row.others) ids.push_back(nodes[other].id().text());
  if (row.us) ids.push_back(stats.local_id.text());
  std::sort(ids.begin(), ids.end());
  Array list;
  for (const std::string_view id : ids) list.add(id);
  return list.text();
}

std::string seed_list(const std::vector<SeedView>& seeds) {
  Array list;
  for (const SeedView& seed : seeds) {
    list.add_raw(Object()
                     .add("seed", seed.text)
                     .add_text_or_null("node", seed.node.text())
                     .add("state", to_string(seed.state))
                     .add_text_or_null("failure", seed.failure)
                     .text());
  }
  return list.text();
}

}  // namespace

std::string status_document(const NodeStats& stats) {
  std::map<NodeStatus, size_t> counts;
  for (const NodeEntry& node : stats.driver.table->nodes) ++counts[node.status];
  const MembershipStats& membership = stats.driver.membership;
  const std::string nodes = Object()
                                .add("known", stats.driver.table->nodes.size())
                                .add("connected", counts[NodeStatus::Connected])
                                .add("connecting", counts[NodeStatus::Connecting])
                                .add("disconnected", counts[NodeStatus::Disconnected])
                                .text();
  return Object()
      .add("id", stats.local_id.text())
      .add("name", stats.local_id.name())
      .add("cluster_name", stats.cluster_name)
      .add("status", to_string(stats.status))
      .add("version", NOEX_CORE_VERSION)
      .add("pid", int64_t{process_id()})
      .add("incarnation", std::to_string(stats.incarnation))
      .add("at", stats.unix_ms)
      .add("started_at", stats.unix_ms - stats.uptime.ms())
      .add("uptime_ms", stats.uptime.ms())
      .add("process_count", stats.process_count)
      .add("authenticated", stats.authenticated)
      .add("heartbeat_interval_ms", stats.heartbeat_interval.ms())
      .add("heartbeat_miss_threshold", stats.heartbeat_miss_threshold)
      .add_raw("nodes", nodes)
      .add("connections", membership.connections)
      .add("unidentified", membership.unidentified)
      .add("dials_in_progress", membership.dialing)
      .add("pauses", membership.pauses)
      .add("rejected", std::accumulate(membership.rejected.begin(), membership.rejected.end(), uint64_t{0}))
      .add("events_queued", stats.events_queued)
      .add_raw("seeds", seed_list(stats.driver.seeds))
      .text();
}

std::string members_document(const NodeStats& stats) {
  std::map<std::string_view, const PeerStats*> peers;  // of the connections in use
  for (const PeerStats& peer : stats.driver.peers) {
    if (peer.connection.active) peers.emplace(peer.connection.node.text(), &peer);
  }
  Array members;
  const auto& nodes = stats.driver.table->nodes;
  for (size_t i = 0; i < nodes.size(); ++i) {
    Object object = member_object(nodes[i].info());
    if (const auto found = peers.find(nodes[i].id().text()); found != peers.end()) {
      const PeerStats& peer = *found->second;
      object.add("address", peer.connection.remote.to_string()).add("outbound", peer.connection.outbound);
      object.add_raw("rtt_us", peer.round_trip ? std::to_string(peer.round_trip->ns() / 1000) : "null");
      const std::optional<int64_t>& offset = peer.connection.clock_offset_ms;
      object.add_raw("clock_offset_ms", offset ? std::to_string(*offset) : "null");
    } else {
      object.add_raw("address", "null").add_raw("outbound", "null").add_raw("rtt_us", "null");
      object.add_raw("clock_offset_ms", "null");
    }
    members.add_raw(object.add_raw("sees", sees_of(stats, i)).text());
  }
  return Object()
      .add("at", stats.unix_ms)
      .add_raw("local", local_member(stats))
      .add_raw("members", members.text())
      .text();
}

std::string event_document(const EventBody& event, int64_t unix_ms, const NodeId& local_id) {
  const auto begin = [unix_ms](const char* what) {
    Object object;
    object.add("event", what).add("at", unix_ms);
    return object;
  };
  if (const auto* const up = std::get_if<NodeUp>(&event)) return begin("up").add("node", up->node.id.text()).text();
  if (const auto* const down = std::get_if<NodeDown>(&event)) {
    return begin("down")
        .add("node", down->id.text())
        .add("reason", to_string(down->reason))
        .add("evidence", down->evidence)
        .text();
  }
  if (const auto* const changed = std::get_if<StatusChanged>(&event)) {
    Object object = begin("status");
    object.add("status", to_string(changed->status));
    if (!local_id.empty()) object.add("node", local_id.text());
    return object.text();
  }
  if (const auto* const error = std::get_if<ErrorReport>(&event)) {
    return begin("error")
        .add("kind", to_string(error->kind))
        .add("message", error->message)
        .add("node", error->node_id)
        .add("address", error->address)
        .text();
  }
  return {};
}

std::string wrapped_document(std::string_view key, std::string_view text) { return Object().add(key, text).text(); }

}  // namespace noex
