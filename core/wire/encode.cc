// The writing half of the codec. Key orders are the reference's own; our `ext` comes last in the payload.
#include <type_traits>

#include "base/bytes.h"
#include "base/checks.h"
#include "model/config.h"
#include "wire/codec.h"
#include "wire/json_writer.h"

namespace noex {
namespace {

// Writes `"key":` with the comma that it needs. `key` is one of our own words: nothing in it to escape.
void append_key(std::string& out, std::string_view key) {
  if (out.back() != '{') out += ',';
  out += '"';
  out += key;
  out += "\":";
}

void append_field(std::string& out, std::string_view key, std::string_view value) {
  append_key(out, key);
  append_json_string(out, value);
}

void append_field(std::string& out, std::string_view key, int64_t value) {
  append_key(out, key);
  append_json_integer(out, value);
}

void append_field(std::string& out, std::string_view key, const Nonce& nonce) {
  append_key(out, key);
  out += '"';
  append_hex(out, nonce.high, 16);
  append_hex(out, nonce.low, 16);
  out += '"';
}

// Writes a list of the strings that `text_of` finds in `items`.
template <typename Items, typename TextOf>
void append_list(std::string& out, std::string_view key, const Items& items, TextOf text_of) {
  append_key(out, key);
  out += '[';
  for (const auto& item : items) {
    if (out.back() != '[') out += ',';
    append_json_string(out, std::string_view(text_of(item)));
  }
  out += ']';
}

void append_hello(std::string& out, const Hello& hello) {
  append_key(out, "ext");
  out += '{';
  if (hello.incarnation) {
    NOEX_CHECK(*hello.incarnation != 0);
    append_field(out, "inc", to_hex(*hello.incarnation, 16));
  }
  if (hello.nonce) append_field(out, "nonce", *hello.nonce);
  if (hello.echo) append_field(out, "echo", *hello.echo);
  if (hello.interval_ms) append_field(out, "interval", int64_t{*hello.interval_ms});
  if (hello.cluster) append_field(out, "cluster", std::string_view(*hello.cluster));
  if (hello.incarnation) {
    append_list(out, "caps", hello.capabilities,
                [](const std::string& capability) -> const std::string& { return capability; });
  }
  if (hello.refused) append_field(out, "refused", to_string(*hello.refused));
  out += '}';
}

void append_payload(std::string& out, const Heartbeat& heartbeat) {
  const NodeInfo& node = heartbeat.node;
  append_field(out, "type", std::string_view("heartbeat"));
  append_key(out, "nodeInfo");
  out += '{';
  append_field(out, "id", std::string_view(node.id.text()));
  append_field(out, "host", node.id.host());
  append_field(out, "port", int64_t{node.id.port()});
  append_field(out, "status", to_string(node.status));
  append_field(out, "processCount", node.process_count);
  append_field(out, "lastHeartbeatAt", node.last_heartbeat_at);
  append_field(out, "uptimeMs", node.uptime_ms);
  out += '}';
  append_list(out, "knownNodes", heartbeat.known_nodes,
              [](const NodeId& id) -> const std::string& { return id.text(); });
  if (heartbeat.hello) append_hello(out, *heartbeat.hello);
}

void append_payload(std::string& out, const Goodbye& goodbye) {
  append_field(out, "type", std::string_view("node_down"));
  append_field(out, "nodeId", std::string_view(goodbye.node.text()));
  append_field(out, "detectedAt", goodbye.detected_at);
  append_field(out, "reason", to_string(goodbye.reason));
}

// All of an envelope and a heartbeat but the sender's id, which it names three times, the list and the hello's fields.
constexpr size_t kFixedSize = 320;
constexpr size_t kFullHelloSize = 256;

}  // namespace

size_t message_size_hint(const NodeId& from, const Payload& payload) {
  size_t size = kFixedSize + 3 * from.text().size();
  if (const auto* const heartbeat = std::get_if<Heartbeat>(&payload)) {
    for (const NodeId& id : heartbeat->known_nodes) size += id.text().size() + 3;
    if (heartbeat->hello && *heartbeat->hello != Hello{}) size += kFullHelloSize;
  }
  return size;
}

void append_message(std::string& out, const NodeId& from, int64_t timestamp, const Payload& payload) {
  out += '{';
  append_field(out, "version", int64_t{kProtocolVersion});
  append_field(out, "from", std::string_view(from.text()));
  append_field(out, "timestamp", timestamp);
  append_key(out, "payload");
  out += '{';
  std::visit(
      [&out](const auto& value) {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, OtherMessage>) {
          NOEX_CHECK(false && "a message of a foreign type has no text of ours");
        } else {
          append_payload(out, value);
        }
      },
      payload);
  out += "}}";
}

}  // namespace noex
