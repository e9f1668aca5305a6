#include "convert.h"

#include <cstdio>
#include <utility>

namespace noex_js {
namespace {

// Counters and times stay far below 2^53, so a number loses nothing.
Napi::Number number(Napi::Env env, int64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }
Napi::Number number(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

// An incarnation has 64 bits and is only ever compared: a string of 16 hexadecimal digits, undefined while it is not
// known.
Napi::Value incarnation_to_js(Napi::Env env, uint64_t incarnation) {
  if (incarnation == 0) return env.Undefined();
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(incarnation));
  return Napi::String::New(env, text, 16);
}

template <typename Node, typename Id, typename Host>
Napi::Object make_node(Napi::Env env, const Node& node, const Id& id, const Host& host) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", Napi::String::New(env, id));
  object.Set("host", Napi::String::New(env, host));
  object.Set("port", Napi::Number::New(env, node.port));
  object.Set("status", Napi::String::New(env, noex_node_status_name(node.status)));
  object.Set("processCount", number(env, node.process_count));
  object.Set("lastHeartbeatAt", number(env, node.last_heartbeat_at));
  object.Set("uptimeMs", number(env, node.uptime_ms));
  object.Set("incarnation", incarnation_to_js(env, node.incarnation));
  return frozen(object);
}

const char* text_or_empty(const char* text) { return text == nullptr ? "" : text; }

}  // namespace

ErrorCopy::ErrorCopy(const noex_error& error)
    : status(error.status),
      kind(error.kind),
      message(text_or_empty(error.message)),
      node_id(text_or_empty(error.node_id)),
      address(text_or_empty(error.address)),
      port(error.port),
      os_error(error.os_error),
      code(text_or_empty(error.code)),
      syscall(text_or_empty(error.syscall)) {}

ErrorCopy::ErrorCopy(noex_status error_status, std::string error_message)
    : status(error_status), message(std::move(error_message)) {}

NodeCopy::NodeCopy(const noex_node& node)
    : id(text_or_empty(node.id)),
      host(text_or_empty(node.host)),
      port(node.port),
      status(node.status),
      process_count(node.process_count),
      last_heartbeat_at(node.last_heartbeat_at),
      uptime_ms(node.uptime_ms),
      incarnation(node.incarnation) {}

Napi::Object node_to_js(Napi::Env env, const noex_node& node) { return make_node(env, node, node.id, node.host); }
Napi::Object node_to_js(Napi::Env env, const NodeCopy& node) { return make_node(env, node, node.id, node.host); }

Napi::Array nodes_to_js(Napi::Env env, const noex_nodes* nodes) {
  const size_t count = noex_nodes_count(nodes);
  Napi::Array array = Napi::Array::New(env, count);
  for (size_t i = 0; i < count; ++i) {
    const Napi::HandleScope scope(env);
    array.Set(static_cast<uint32_t>(i), node_to_js(env, *noex_nodes_at(nodes, i)));
  }
  static_cast<void>(frozen(array));
  return array;
}

Napi::Object stats_to_js(Napi::Env env, const noex_stats_snapshot* stats) {
  const noex_stats& totals = *noex_stats_totals(stats);
  Napi::Object object = Napi::Object::New(env);
  object.Set("framesReceived", number(env, totals.frames_received));
  object.Set("framesSent", number(env, totals.frames_sent));
  object.Set("bytesReceived", number(env, totals.bytes_received));
  object.Set("bytesSent", number(env, totals.bytes_sent));
  object.Set("connectionsAccepted", number(env, totals.connections_accepted));
  object.Set("dials", number(env, totals.dials));
  object.Set("dialsFailed", number(env, totals.dials_failed));
  object.Set("rejected", number(env, totals.rejected));
  object.Set("nodeUps", number(env, totals.node_ups));
  object.Set("nodeDowns", number(env, totals.node_downs));
  object.Set("pauses", number(env, totals.pauses));
  object.Set("eventsCoalesced", number(env, totals.events_coalesced));
  object.Set("logsDropped", number(env, totals.logs_dropped));
  object.Set("connections", number(env, totals.connections));
  object.Set("connectionsUnidentified", number(env, totals.connections_unidentified));
  object.Set("nodesKnown", number(env, totals.nodes_known));
  object.Set("nodesConnected", number(env, totals.nodes_connected));
  object.Set("dialsInProgress", number(env, totals.dials_in_progress));
  object.Set("eventsQueued", number(env, totals.events_queued));

  Napi::Object by_kind = Napi::Object::New(env);
  for (size_t i = 0; i < noex_stats_rejected_kind_count(); ++i) {
    by_kind.Set(noex_stats_rejected_kind_name(i), number(env, noex_stats_rejected_at(stats, i)));
  }
  object.Set("rejectedByKind", by_kind);

  const size_t peer_count = noex_stats_peer_count(stats);
  Napi::Array peers = Napi::Array::New(env, peer_count);
  for (size_t i = 0; i < peer_count; ++i) {
    const Napi::HandleScope scope(env);
    const noex_peer_stats& peer = *noex_stats_peer_at(stats, i);
    Napi::Object entry = Napi::Object::New(env);
    const bool identified = peer.id != nullptr && peer.id[0] != '\0';
    entry.Set("id", identified ? Napi::Value(Napi::String::New(env, peer.id)) : env.Undefined());
    entry.Set("address", Napi::String::New(env, peer.address));
    entry.Set("outbound", Napi::Boolean::New(env, peer.outbound));
    entry.Set("confirmed", Napi::Boolean::New(env, peer.confirmed));
    entry.Set("framesReceived", number(env, peer.frames_received));
    entry.Set("framesSent", number(env, peer.frames_sent));
    entry.Set("bytesReceived", number(env, peer.bytes_received));
    entry.Set("bytesSent", number(env, peer.bytes_sent));
    entry.Set("bytesQueued", number(env, peer.bytes_queued));
    peers.Set(static_cast<uint32_t>(i), entry);
  }
  object.Set("peers", peers);
  return object;
}

Napi::Error error_to_js(Napi::Env env, const ErrorCopy& error) {
  Napi::Object details = Napi::Object::New(env);
  details.Set("message", Napi::String::New(env, error.message));
  details.Set("kind", Napi::String::New(env, noex_error_kind_name(error.kind)));
  details.Set("nodeId", Napi::String::New(env, error.node_id));
  details.Set("address", Napi::String::New(env, error.address));
  details.Set("port", Napi::Number::New(env, error.port));
  details.Set("osError", Napi::Number::New(env, error.os_error));
  details.Set("code", Napi::String::New(env, error.code));
  details.Set("syscall", Napi::String::New(env, error.syscall));
  const auto* instance = env.GetInstanceData<Instance>();
  if (instance->make_error.IsEmpty()) return Napi::Error::New(env, error.message);
  return {env, instance->make_error.Call({Napi::String::New(env, noex_status_name(error.status)), details})};
}

void throw_if_failed(Napi::Env env, noex_status status) {
  if (status == NOEX_OK) return;
  ErrorCopy error(*noex_last_error_info());
  error.status = status;
  throw error_to_js(env, error);
}

void throw_config_error(Napi::Env env, const std::string& message) {
  throw error_to_js(env, ErrorCopy(NOEX_ECONFIG, message));
}

Napi::Object frozen(Napi::Object object) {
  object.Freeze();
  return object;
}

}  // namespace noex_js
