#include "convert.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace noex_js {
namespace {

// Counters stay far below 2^53, so a number loses nothing.
Napi::Number number(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

// Nodes as they cross to JavaScript, where the objects are made: the numbers in one array, the texts in one string.
class NodePieces {
 public:
  NodePieces(Napi::Env env, size_t count_max) : env_(env), instance_(*env.GetInstanceData<Instance>()) {
    if (instance_.make_nodes.IsEmpty()) throw Napi::Error::New(env, "the module is loaded without its package");
    const size_t size = count_max * kNumbers;
    if (instance_.numbers.IsEmpty() || instance_.numbers.Value().ElementLength() < size) {
      instance_.numbers = Napi::Persistent(Napi::Float64Array::New(env, std::max(size, kNumbersMin)));
    }
    clear();
  }

  void clear() {
    next_ = instance_.numbers.Value().Data();
    count_ = 0;
    texts_.clear();
  }

  // All of it is new.
  template <typename Node>
  void add_new(const Node& node, size_t place) {
    add_numbers(node, place, kNowhere);
    add_texts(node);
  }

  // Its texts are those of the node at `before` in the former list.
  void add_changed(const noex_node& node, size_t place, size_t before) {
    add_numbers(node, place, static_cast<double>(before));
  }

  // The node at this place of the former list stays there, and only what a beat tells has changed.
  void add_beat(const noex_node& node, size_t place) {
    *next_++ = static_cast<double>(place);
    add_state(node);
    ++count_;
  }

  // It is the node at `before` in the former list.
  void add_same(size_t place, size_t before) {
    next_[0] = static_cast<double>(place);
    next_[1] = static_cast<double>(before);
    next_[3] = kSame;
    next_ += kNumbers;
    ++count_;
  }

  [[nodiscard]] size_t count() const { return count_; }
  // A list of the new, changed and same ones; `former` may be undefined if only new nodes were added.
  [[nodiscard]] Napi::Array make(const Napi::Value& former) const { return call(instance_.make_nodes, former); }
  // The former list with those whose beat was added.
  [[nodiscard]] Napi::Array renew(const Napi::Array& former) const { return call(instance_.renew_nodes, former); }

 private:
  static constexpr size_t kNumbers = 7;
  static constexpr size_t kNumbersMin = 64 * kNumbers;
  static constexpr double kNowhere = -1;  // as the place in the former list
  static constexpr double kSame = -1;     // as the status

  // Counters and times stay far below 2^53, so a number loses nothing.
  template <typename Node>
  void add_numbers(const Node& node, size_t place, double before) {
    *next_++ = static_cast<double>(place);
    *next_++ = before;
    *next_++ = static_cast<double>(node.port);
    add_state(node);
    ++count_;
  }
  template <typename Node>
  void add_state(const Node& node) {
    *next_++ = static_cast<double>(node.status);
    *next_++ = static_cast<double>(node.process_count);
    *next_++ = static_cast<double>(node.last_heartbeat_at);
    *next_++ = static_cast<double>(node.uptime_ms);
  }

  // No id and no host contains the character between them.
  template <typename Node>
  void add_texts(const Node& node) {
    if (!texts_.empty()) texts_ += '\n';
    texts_ += node.id;
    texts_ += '\n';
    texts_ += node.host;
    texts_ += '\n';
    if (node.incarnation == 0) return;
    // It has 64 bits and is only ever compared: 16 hexadecimal digits, nothing while it is not known.
    char digits[16];
    for (size_t i = 0; i < sizeof digits; ++i) {
      digits[i] = "0123456789abcdef"[(node.incarnation >> (60 - 4 * i)) & 0xf];
    }
    texts_.append(digits, sizeof digits);
  }

  [[nodiscard]] Napi::Array call(const Napi::FunctionReference& function, const Napi::Value& former) const {
    return function
        .Call({Napi::Number::New(env_, static_cast<double>(count_)), instance_.numbers.Value(),
               Napi::String::New(env_, texts_), former})
        .As<Napi::Array>();
  }

  Napi::Env env_;
  Instance& instance_;
  double* next_ = nullptr;
  size_t count_ = 0;
  std::string texts_;
};

template <typename Node>
Napi::Object make_node(Napi::Env env, const Node& node) {
  NodePieces pieces(env, 1);
  pieces.add_new(node, 0);
  return pieces.make(env.Undefined()).Get(uint32_t{0}).As<Napi::Object>();
}

// While two snapshots live, their texts do: one address is one id.
bool is_same_run(const noex_node& a, const noex_node& b) {
  return a.incarnation == b.incarnation && (a.id == b.id || std::strcmp(a.id, b.id) == 0);
}

bool is_unchanged(const noex_node& a, const noex_node& b) {
  return a.last_heartbeat_at == b.last_heartbeat_at && a.uptime_ms == b.uptime_ms && a.status == b.status &&
         a.process_count == b.process_count;
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

Napi::Object node_to_js(Napi::Env env, const noex_node& node) { return make_node(env, node); }
Napi::Object node_to_js(Napi::Env env, const NodeCopy& node) { return make_node(env, node); }

Napi::Array nodes_to_js(Napi::Env env, const noex_nodes* nodes) {
  const size_t count = noex_nodes_count(nodes);
  NodePieces pieces(env, count);
  for (size_t i = 0; i < count; ++i) pieces.add_new(*noex_nodes_at(nodes, i), i);
  return pieces.make(env.Undefined());
}

Napi::Array nodes_to_js(Napi::Env env, const noex_nodes* nodes, const noex_nodes* former,
                        const Napi::Array& former_list) {
  const size_t count = noex_nodes_count(nodes);
  const size_t former_count = noex_nodes_count(former);
  NodePieces pieces(env, count);
  // As long as nobody comes, goes or restarts, only what beats have changed crosses.
  bool same_places = count == former_count;
  for (size_t i = 0; same_places && i < count; ++i) {
    const noex_node& now = *noex_nodes_at(nodes, i);
    const noex_node& old = *noex_nodes_at(former, i);
    same_places = is_same_run(old, now);
    if (same_places && !is_unchanged(old, now)) pieces.add_beat(now, i);
  }
  if (same_places) return pieces.count() == 0 ? former_list : pieces.renew(former_list);

  pieces.clear();
  size_t before = 0;
  for (size_t i = 0; i < count; ++i) {
    const noex_node& now = *noex_nodes_at(nodes, i);
    // Both lists are in the order of the ids.
    while (before < former_count && std::strcmp(noex_nodes_at(former, before)->id, now.id) < 0) ++before;
    const noex_node* const old = noex_nodes_at(former, before);
    if (old == nullptr || !is_same_run(*old, now)) {
      pieces.add_new(now, i);
    } else if (!is_unchanged(*old, now)) {
      pieces.add_changed(now, i, before);
    } else {
      pieces.add_same(i, before);
    }
  }
  return pieces.make(former_list);
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
  object.Set("nodeReconnects", number(env, totals.node_reconnects));
  object.Set("nodeRestarts", number(env, totals.node_restarts));
  object.Set("pausedMs", number(env, totals.paused_ms));

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
    const bool timed = peer.round_trip_us >= 0;
    entry.Set("roundTripUs", timed ? number(env, static_cast<uint64_t>(peer.round_trip_us)) : env.Undefined());
    entry.Set("silenceMs", number(env, static_cast<uint64_t>(peer.silence_ms)));
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
