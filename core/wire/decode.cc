// The reading half of the codec, over simdjson's On-Demand. The text has passed check_json(), so a failure here is
// about shapes only. Every string is unescaped at most once: the parser's string buffer holds exactly that much.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "base/bytes.h"
#include "model/config.h"
#include "wire/codec.h"
#include "wire/json_check.h"

namespace noex {
namespace {

namespace ondemand = simdjson::ondemand;

// Beyond these, ECMAScript's numbers leave whole numbers out.
constexpr int64_t kIntegerMax = int64_t{1} << 53;
constexpr int64_t kIntervalMax = INT32_MAX;
constexpr size_t kClusterNameSizeMax = 255;
// A parser that once read a large text is given back, so that an idle connection stays small.
constexpr size_t kRetainedTextMax = 64 * 1024;
constexpr size_t kQuotedMax = 64;
// Twice as many as a node may know, and more than any list of ours holds.
constexpr size_t kKnownNodesMax = 8192;
// How many ids of a list that was read stay for the next one.
constexpr size_t kRetainedIdsMax = 1024;

template <size_t N>
using Names = std::array<std::string_view, N>;

// What the reference sends beside heartbeat and node_down.
constexpr Names<16> kOtherTypes = {
    "call",         "call_reply",  "call_error",      "cast",        "registry_sync",     "spawn_request",
    "spawn_reply",  "spawn_error", "monitor_request", "monitor_ack", "demonitor_request", "process_down",
    "link_request", "link_ack",    "unlink_request",  "exit_signal"};

constexpr Names<5> kEnvelopeKeys = {"version", "from", "timestamp", "payload", "signature"};
constexpr Names<4> kHeartbeatKeys = {"nodeInfo", "knownNodes", "type", "ext"};
constexpr Names<4> kGoodbyeKeys = {"nodeId", "detectedAt", "reason", "type"};
constexpr Names<1> kOtherKeys = {"type"};
constexpr Names<5> kNodeInfoKeys = {"id", "status", "processCount", "lastHeartbeatAt", "uptimeMs"};
constexpr Names<7> kHelloKeys = {"inc", "nonce", "echo", "interval", "cluster", "caps", "refused"};

template <size_t N>
bool contains(const Names<N>& names, std::string_view word) {
  return std::find(names.begin(), names.end(), word) != names.end();
}

// A key without escapes is taken as it stands. One that cannot be unescaped (a lone surrogate) is none of ours: ""
// matches no name.
std::string_view key_of(ondemand::field& field) {
  const char* const begin = field.key().raw();
  const char* end = begin;
  while (*end != '"' && *end != '\\') ++end;
  if (*end == '"') return {begin, static_cast<size_t>(end - begin)};
  std::string_view key;
  return field.unescaped_key().get(key) == simdjson::SUCCESS ? key : std::string_view();
}

// Any spelling of a whole number will do: 1, 1.0, 1e3.
bool as_integer(ondemand::value& value, int64_t* out) {
  if (value.get_int64().get(*out) == simdjson::SUCCESS) return *out >= -kIntegerMax && *out <= kIntegerMax;
  double number = 0;
  if (value.get_double().get(number) != simdjson::SUCCESS) return false;
  if (number != std::trunc(number) || std::fabs(number) > static_cast<double>(kIntegerMax)) return false;
  *out = static_cast<int64_t>(number);
  return true;
}

// Ids that a list no longer needs, for the memory of their texts: a node that beats with its peers reads a few ids
// again and again.
class SpareIds {
 public:
  // Another place at the end of the list.
  NodeId& extend(std::vector<NodeId>& list) {
    if (spare_.empty()) return list.emplace_back();
    list.push_back(std::move(spare_.back()));
    spare_.pop_back();
    return list.back();
  }
  // Cuts the list.
  void shorten(std::vector<NodeId>& list, size_t size) {
    while (list.size() > size && spare_.size() < kRetainedIdsMax) {
      spare_.push_back(std::move(list.back()));
      list.pop_back();
    }
    list.resize(size);
    if (list.capacity() > kRetainedIdsMax + size) list.shrink_to_fit();
  }

 private:
  std::vector<NodeId> spare_;
};

// The payload as a T, with what it holds if it is one.
template <typename T>
T& reuse(Payload& payload) {
  T* const present = std::get_if<T>(&payload);
  return present != nullptr ? *present : payload.emplace<T>();
}

// Reads one message; after a false, take_failure() says why.
class Reader {
 public:
  explicit Reader(SpareIds& spare_ids) : spare_ids_(spare_ids) {}
  [[nodiscard]] bool read_envelope(ondemand::object& object, Message* out);
  [[nodiscard]] DecodeFailure take_failure() { return std::move(failure_); }

 private:
  bool fail(RejectKind kind, std::string detail) {
    failure_ = {kind, std::move(detail)};
    return false;
  }
  bool invalid(std::string_view where, std::string_view what) {
    return fail(RejectKind::InvalidMessage, std::string(where) + " " + std::string(what));
  }
  bool broken(simdjson::error_code error) {
    return fail(RejectKind::Malformed, std::string("not JSON: ") + simdjson::error_message(error));
  }

  // Calls `visit(i, value)` for each field named `names[i]`; a name that occurs twice fails. Other fields are passed
  // over. `required`: the first so many names must occur, or this fails.
  template <size_t N, typename Visit>
  bool read_fields(ondemand::object& object, std::string_view where, const Names<N>& names, size_t required,
                   Visit visit);

  bool read_version(ondemand::value& value);
  bool read_from(ondemand::value& value, NodeId* out);
  bool read_payload(ondemand::value& value, Payload* out);
  bool read_type(ondemand::object& payload, std::string_view* out);
  bool read_heartbeat(ondemand::object& payload, Heartbeat* out);
  bool read_node_info(ondemand::value& value, NodeInfo* out);
  bool read_known_nodes(ondemand::value& value, Heartbeat* out);
  bool read_hello(ondemand::value& value, Hello* out);
  bool read_hello_field(size_t key, ondemand::value& value, Hello* out);
  bool read_capabilities(ondemand::value& value, std::vector<std::string>* out);
  bool read_goodbye(ondemand::object& payload, Goodbye* out);

  bool read_object(ondemand::value& value, std::string_view where, ondemand::object* out);
  bool read_integer(ondemand::value& value, std::string_view where, int64_t* out);
  bool read_string(ondemand::value value, std::string_view where, std::string_view* out);
  bool read_node_id(ondemand::value& value, std::string_view where, NodeId* out);
  bool read_nonce(ondemand::value& value, std::string_view where, std::optional<Nonce>* out);

  SpareIds& spare_ids_;
  DecodeFailure failure_;
  std::optional<std::string> unknown_type_;  // printable
};

template <size_t N, typename Visit>
bool Reader::read_fields(ondemand::object& object, std::string_view where, const Names<N>& names, size_t required,
                         Visit visit) {
  std::array<bool, N> seen{};
  for (auto result : object) {
    if (result.error() != simdjson::SUCCESS) return broken(result.error());
    ondemand::field field = result.value_unsafe();
    const std::string_view key = key_of(field);
    const auto i = static_cast<size_t>(std::find(names.begin(), names.end(), key) - names.begin());
    if (i == N) continue;
    if (std::exchange(seen[i], true)) {
      return fail(RejectKind::Malformed, "the key '" + std::string(key) + "' occurs twice in " + std::string(where));
    }
    if (!visit(i, field.value())) return false;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!seen[i]) return invalid(where, "lacks the key '" + std::string(names[i]) + "'");
  }
  return true;
}

bool Reader::read_envelope(ondemand::object& object, Message* out) {
  bool has_version = false;
  bool has_from = false;
  bool has_timestamp = false;
  bool has_payload = false;
  const auto read_field = [&](size_t key, ondemand::value value) {
    switch (key) {
      case 0:
        has_version = true;
        return read_version(value);
      case 1:
        has_from = true;
        return read_from(value, &out->from);
      case 2:
        has_timestamp = true;
        return read_integer(value, "timestamp", &out->timestamp);
      case 3:
        has_payload = true;
        return read_payload(value, &out->payload);
      default:
        return true;  // the signature: judged before, or of no interest
    }
  };
  if (!read_fields(object, "the message", kEnvelopeKeys, 0, read_field)) return false;
  if (!has_version) return fail(RejectKind::Version, "the message has no version");
  if (!has_from) return fail(RejectKind::InvalidSender, "the message has no 'from'");
  if (!has_timestamp) return invalid("the message", "has no timestamp");
  if (!has_payload) return invalid("the message", "has no payload");
  if (unknown_type_) return fail(RejectKind::UnknownType, "the type '" + *unknown_type_ + "' is not known");
  return true;
}

bool Reader::read_version(ondemand::value& value) {
  int64_t version = 0;
  if (!as_integer(value, &version)) return fail(RejectKind::Version, "the version is no whole number");
  if (version == kProtocolVersion) return true;
  return fail(RejectKind::Version, "the version is " + std::to_string(version) + ", not 1");
}

bool Reader::read_from(ondemand::value& value, NodeId* out) {
  if (read_node_id(value, "from", out)) return true;
  failure_.kind = RejectKind::InvalidSender;
  return false;
}

bool Reader::read_payload(ondemand::value& value, Payload* out) {
  ondemand::object payload;
  std::string_view type;
  if (!read_object(value, "payload", &payload) || !read_type(payload, &type)) return false;
  if (const simdjson::error_code error = payload.reset().error()) return broken(error);
  if (type == "heartbeat") return read_heartbeat(payload, &reuse<Heartbeat>(*out));
  if (type == "node_down") return read_goodbye(payload, &reuse<Goodbye>(*out));
  if (!contains(kOtherTypes, type)) unknown_type_ = printable(type, kQuotedMax);
  reuse<OtherMessage>(*out).type = type;
  return read_fields(payload, "payload", kOtherKeys, 0, [](size_t, ondemand::value) { return true; });
}

// Finds the type before anything else of the payload is read, wherever it stands. A type whose key is spelt with
// escapes is not found: nobody writes that.
bool Reader::read_type(ondemand::object& payload, std::string_view* out) {
  for (auto result : payload) {
    if (result.error() != simdjson::SUCCESS) return broken(result.error());
    ondemand::field field = result.value_unsafe();
    if (!field.key().unsafe_is_equal("type")) continue;
    return read_string(field.value(), "payload.type", out);
  }
  return invalid("payload", "has no type");
}

bool Reader::read_heartbeat(ondemand::object& payload, Heartbeat* out) {
  // What is not always there must not be that of the message before.
  out->invalid_ids = 0;
  out->hello.reset();
  out->node.incarnation = 0;
  return read_fields(payload, "payload", kHeartbeatKeys, 2, [&](size_t key, ondemand::value value) {
    switch (key) {
      case 0:
        return read_node_info(value, &out->node);
      case 1:
        return read_known_nodes(value, out);
      case 3:
        return read_hello(value, &out->hello.emplace());
      default:
        return true;
    }
  });
}

bool Reader::read_node_info(ondemand::value& value, NodeInfo* out) {
  ondemand::object object;
  if (!read_object(value, "nodeInfo", &object)) return false;
  return read_fields(object, "nodeInfo", kNodeInfoKeys, kNodeInfoKeys.size(), [&](size_t key, ondemand::value field) {
    std::string_view status;
    switch (key) {
      case 0:
        return read_node_id(field, "nodeInfo.id", &out->id);
      case 1:
        if (!read_string(field, "nodeInfo.status", &status)) return false;
        return parse_node_status(status, &out->status) || invalid("nodeInfo.status", "is no status");
      case 2:
        return read_integer(field, "nodeInfo.processCount", &out->process_count);
      case 3:
        return read_integer(field, "nodeInfo.lastHeartbeatAt", &out->last_heartbeat_at);
      default:
        return read_integer(field, "nodeInfo.uptimeMs", &out->uptime_ms);
    }
  });
}

bool Reader::read_known_nodes(ondemand::value& value, Heartbeat* out) {
  ondemand::array list;
  if (value.get_array().get(list) != simdjson::SUCCESS) return invalid("knownNodes", "is no list");
  size_t count = 0;  // each id is read into the place of one that was there before
  for (auto result : list) {
    if (result.error() != simdjson::SUCCESS) return broken(result.error());
    if (count + out->invalid_ids == kKnownNodesMax) continue;  // to the end of the list
    ondemand::value item = result.value_unsafe();
    std::string_view text;
    const simdjson::error_code error = item.get_string().get(text);
    if (error == simdjson::INCORRECT_TYPE) return invalid("knownNodes", "holds something that is no string");
    NodeId& place = count < out->known_nodes.size() ? out->known_nodes[count] : spare_ids_.extend(out->known_nodes);
    if (error == simdjson::SUCCESS && place.assign(text)) {
      ++count;
    } else {
      ++out->invalid_ids;
    }
  }
  spare_ids_.shorten(out->known_nodes, count);
  return true;
}

bool Reader::read_hello(ondemand::value& value, Hello* out) {
  ondemand::object object;
  if (!read_object(value, "ext", &object)) return false;
  return read_fields(object, "ext", kHelloKeys, 0,
                     [&](size_t key, ondemand::value field) { return read_hello_field(key, field, out); });
}

bool Reader::read_hello_field(size_t key, ondemand::value& value, Hello* out) {
  std::string_view text;
  int64_t interval = 0;
  Refusal refusal{};
  switch (key) {
    case 0:
      if (!read_string(value, "ext.inc", &text)) return false;
      // 0 stands for "unknown" in this program; no node draws it.
      if (text.size() != 16 || !from_hex(text, &out->incarnation.emplace()) || *out->incarnation == 0) {
        return invalid("ext.inc", "is not 16 lower-case hex digits");
      }
      return true;
    case 1:
      return read_nonce(value, "ext.nonce", &out->nonce);
    case 2:
      return read_nonce(value, "ext.echo", &out->echo);
    case 3:
      if (!read_integer(value, "ext.interval", &interval)) return false;
      if (interval < 1 || interval > kIntervalMax) return invalid("ext.interval", "is out of range");
      out->interval_ms = static_cast<uint32_t>(interval);
      return true;
    case 4:
      if (!read_string(value, "ext.cluster", &text)) return false;
      if (text.size() > kClusterNameSizeMax) return invalid("ext.cluster", "is longer than 255 bytes");
      out->cluster = text;
      return true;
    case 5:
      return read_capabilities(value, &out->capabilities);
    default:
      if (!read_string(value, "ext.refused", &text)) return false;
      if (!parse_refusal(text, &refusal)) return invalid("ext.refused", "is no known reason");
      out->refused = refusal;
      return true;
  }
}

bool Reader::read_capabilities(ondemand::value& value, std::vector<std::string>* out) {
  ondemand::array list;
  if (value.get_array().get(list) != simdjson::SUCCESS) return invalid("ext.caps", "is no list");
  for (auto result : list) {
    if (result.error() != simdjson::SUCCESS) return broken(result.error());
    ondemand::value item = result.value_unsafe();
    std::string_view text;
    if (!read_string(item, "ext.caps", &text)) return false;
    out->emplace_back(text);
  }
  return true;
}

bool Reader::read_goodbye(ondemand::object& payload, Goodbye* out) {
  return read_fields(payload, "payload", kGoodbyeKeys, 3, [&](size_t key, ondemand::value value) {
    std::string_view reason;
    switch (key) {
      case 0:
        return read_node_id(value, "nodeId", &out->node);
      case 1:
        return read_integer(value, "detectedAt", &out->detected_at);
      case 2:
        if (!read_string(value, "reason", &reason)) return false;
        return parse_down_reason(reason, &out->reason) || invalid("reason", "is no reason of node_down");
      default:
        return true;
    }
  });
}

bool Reader::read_object(ondemand::value& value, std::string_view where, ondemand::object* out) {
  return value.get_object().get(*out) == simdjson::SUCCESS || invalid(where, "is no object");
}

bool Reader::read_integer(ondemand::value& value, std::string_view where, int64_t* out) {
  return as_integer(value, out) || invalid(where, "is no whole number within 2^53");
}

bool Reader::read_string(ondemand::value value, std::string_view where, std::string_view* out) {
  const simdjson::error_code error = value.get_string().get(*out);
  if (error == simdjson::INCORRECT_TYPE) return invalid(where, "is no string");
  return error == simdjson::SUCCESS || invalid(where, "holds a lone surrogate");
}

bool Reader::read_node_id(ondemand::value& value, std::string_view where, NodeId* out) {
  std::string_view text;
  if (!read_string(value, where, &text)) return false;
  if (out->assign(text)) return true;
  return fail(RejectKind::InvalidMessage, std::string(where) + ": " + NodeId::parse(text).error().message);
}

bool Reader::read_nonce(ondemand::value& value, std::string_view where, std::optional<Nonce>* out) {
  std::string_view text;
  if (!read_string(value, where, &text)) return false;
  Nonce& nonce = out->emplace();
  if (text.size() == 32 && from_hex(text.substr(0, 16), &nonce.high) && from_hex(text.substr(16), &nonce.low))
    return true;
  return invalid(where, "is not 32 lower-case hex digits");
}

}  // namespace

struct Decoder::State {
  ondemand::parser parser;
  std::string padded;  // simdjson reads up to SIMDJSON_PADDING bytes past the text
  SpareIds spare_ids;

  std::optional<DecodeFailure> decode(std::string_view text, Message* out);
};

Decoder::Decoder() : state_(std::make_unique<State>()) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

std::optional<DecodeFailure> Decoder::decode(std::string_view text, Message* out) {
  std::optional<DecodeFailure> failure = state_->decode(text, out);
  if (text.size() > kRetainedTextMax) state_ = std::make_unique<State>();
  return failure;
}

std::optional<DecodeFailure> Decoder::State::decode(std::string_view text, Message* out) {
  if (text.empty()) return DecodeFailure{RejectKind::Malformed, "the body is empty"};
  if (const JsonFlaw flaw = check_json(text); flaw.what != nullptr) {
    return DecodeFailure{RejectKind::Malformed,
                         "not JSON: " + std::string(flaw.what) + " (byte " + std::to_string(flaw.at) + ")"};
  }
  padded.assign(text);
  padded.append(simdjson::SIMDJSON_PADDING, '\0');
  // Powers of two, so that slowly growing frames do not allocate each time.
  if (parser.capacity() < text.size() && parser.allocate(std::bit_ceil(text.size())) != simdjson::SUCCESS) {
    return DecodeFailure{RejectKind::Malformed, "no memory left to read it"};
  }
  ondemand::document document;
  const auto view = simdjson::padded_string_view(padded.data(), text.size(), padded.size());
  if (const simdjson::error_code error = parser.iterate(view).get(document)) {
    return DecodeFailure{RejectKind::Malformed,
                         error == simdjson::UTF8_ERROR ? "not UTF-8" : simdjson::error_message(error)};
  }
  ondemand::object object;
  if (document.get_object().get(object) != simdjson::SUCCESS) {
    return DecodeFailure{RejectKind::Malformed, "the body is no JSON object"};
  }
  Reader reader(spare_ids);
  if (reader.read_envelope(object, out)) return std::nullopt;
  return reader.take_failure();
}

}  // namespace noex
