#include "documents.h"

#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace noex_cli {
namespace {

using nlohmann::json;

// What JSON's numbers carry exactly: sums and differences of a few of them do not overflow.
constexpr int64_t kNumberMax = int64_t{1} << 53;

// Null where it is absent, or null itself.
const json* find(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::optional<int64_t> optional_number(const json& object, const char* key, int64_t max = kNumberMax) {
  const json* const found = find(object, key);
  if (found == nullptr) return std::nullopt;
  const bool fits = found->is_number_unsigned() ? found->get<uint64_t>() <= static_cast<uint64_t>(max)
                                                : found->is_number_integer() && found->get<int64_t>() >= -max;
  if (!fits) throw std::range_error(std::string(key) + " is no whole number of up to " + std::to_string(max));
  return found->get<int64_t>();
}

int64_t number(const json& object, const char* key, int64_t max = kNumberMax) {
  return optional_number(object, key, max).value_or(0);
}

// What is of another type throws.
template <typename T>
T field(const json& object, const char* key, T otherwise = {}) {
  const json* const found = find(object, key);
  return found == nullptr ? std::move(otherwise) : found->template get<T>();
}

const json& required(const json& object, const char* key) { return object.at(key); }

// Runs `read` on the object that `text` is.
template <typename Read>
std::string parsed(std::string_view text, Read&& read) {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object()) return "it is no JSON object";
  try {
    if (const auto error = document.find("error"); error != document.end() && !document.contains("event")) {
      return "it says: " + error->get<std::string>();
    }
    read(document);
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

MemberState member_of(const json& object) {
  MemberState member;
  member.id = required(object, "id").get<std::string>();
  member.status = required(object, "status").get<std::string>();
  member.process_count = number(object, "process_count");
  member.last_heartbeat_at = number(object, "last_heartbeat_at");
  member.uptime_ms = number(object, "uptime_ms");
  member.address = field<std::string>(object, "address");
  if (const json* const outbound = find(object, "outbound")) member.outbound = outbound->get<bool>();
  member.rtt_us = optional_number(object, "rtt_us");
  member.clock_offset_ms = optional_number(object, "clock_offset_ms");
  if (const auto sees = object.find("sees"); sees != object.end() && sees->is_array()) member.sees = sees->size();
  return member;
}

SeedState seed_of(const json& object) {
  return {required(object, "seed").get<std::string>(), field<std::string>(object, "node"),
          field<std::string>(object, "state"), field<std::string>(object, "failure")};
}

}  // namespace

std::string read_status(std::string_view text, StatusDocument& out) {
  return parsed(text, [&out](const json& document) {
    out.id = required(document, "id").get<std::string>();
    out.status = required(document, "status").get<std::string>();
    out.name = field<std::string>(document, "name");
    out.cluster_name = field<std::string>(document, "cluster_name");
    out.version = field<std::string>(document, "version");
    out.pid = number(document, "pid");
    out.started_at = number(document, "started_at");
    out.uptime_ms = number(document, "uptime_ms");
    out.process_count = number(document, "process_count");
    out.authenticated = field<bool>(document, "authenticated");
    out.heartbeat_interval_ms = number(document, "heartbeat_interval_ms", INT32_MAX);
    out.heartbeat_miss_threshold = number(document, "heartbeat_miss_threshold", INT32_MAX);
    const json nodes = field<json>(document, "nodes", json::object());
    out.nodes_known = number(nodes, "known");
    out.nodes_connected = number(nodes, "connected");
    out.nodes_connecting = number(nodes, "connecting");
    out.nodes_disconnected = number(nodes, "disconnected");
    out.connections = number(document, "connections");
    out.unidentified = number(document, "unidentified");
    out.dials_in_progress = number(document, "dials_in_progress");
    out.pauses = number(document, "pauses");
    out.rejected = number(document, "rejected");
    out.events_queued = number(document, "events_queued");
    out.seeds.clear();
    for (const json& seed : field<json>(document, "seeds", json::array())) out.seeds.push_back(seed_of(seed));
  });
}

std::string read_members(std::string_view text, MembersDocument& out) {
  return parsed(text, [&out](const json& document) {
    out.at = number(document, "at");
    out.local = member_of(required(document, "local"));
    out.members.clear();
    for (const json& member : required(document, "members")) out.members.push_back(member_of(member));
  });
}

std::string read_metrics(std::string_view text, std::string& out) {
  return parsed(text, [&out](const json& document) { out = required(document, "metrics").get<std::string>(); });
}

std::string read_event(std::string_view text, EventDocument& out) {
  return parsed(text, [&out](const json& document) {
    out.event = required(document, "event").get<std::string>();
    out.at = number(document, "at");
    out.node = field<std::string>(document, "node");
    out.reason = field<std::string>(document, "reason");
    out.evidence = field<std::string>(document, "evidence");
    out.status = field<std::string>(document, "status");
    out.kind = field<std::string>(document, "kind");
    out.message = field<std::string>(document, "message");
  });
}

DocumentKind kind_of(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object()) return DocumentKind::Unknown;
  if (document.contains("members") && document.contains("local")) return DocumentKind::Members;
  return document.contains("id") ? DocumentKind::Status : DocumentKind::Unknown;
}

}  // namespace noex_cli
