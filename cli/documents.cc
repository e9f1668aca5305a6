#include "documents.h"

#include <nlohmann/json.hpp>

namespace noex_cli {
namespace {

using nlohmann::json;

// Absent and null are the default; another type throws.
template <typename T>
T field(const json& object, const char* key, T otherwise = {}) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? std::move(otherwise) : found->template get<T>();
}

template <typename T>
std::optional<T> optional_field(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  return found->template get<T>();
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
  } catch (const json::exception& error) {
    return error.what();
  }
  return {};
}

MemberState member_of(const json& object) {
  MemberState member;
  member.id = required(object, "id").get<std::string>();
  member.status = required(object, "status").get<std::string>();
  member.process_count = field<int64_t>(object, "process_count");
  member.last_heartbeat_at = field<int64_t>(object, "last_heartbeat_at");
  member.uptime_ms = field<int64_t>(object, "uptime_ms");
  member.address = field<std::string>(object, "address");
  member.outbound = optional_field<bool>(object, "outbound");
  member.rtt_us = optional_field<int64_t>(object, "rtt_us");
  member.clock_offset_ms = optional_field<int64_t>(object, "clock_offset_ms");
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
    out.pid = field<int64_t>(document, "pid");
    out.started_at = field<int64_t>(document, "started_at");
    out.uptime_ms = field<int64_t>(document, "uptime_ms");
    out.process_count = field<int64_t>(document, "process_count");
    out.authenticated = field<bool>(document, "authenticated");
    out.heartbeat_interval_ms = field<int64_t>(document, "heartbeat_interval_ms");
    out.heartbeat_miss_threshold = field<int64_t>(document, "heartbeat_miss_threshold");
    const json nodes = field<json>(document, "nodes", json::object());
    out.nodes_known = field<int64_t>(nodes, "known");
    out.nodes_connected = field<int64_t>(nodes, "connected");
    out.nodes_connecting = field<int64_t>(nodes, "connecting");
    out.nodes_disconnected = field<int64_t>(nodes, "disconnected");
    out.connections = field<int64_t>(document, "connections");
    out.unidentified = field<int64_t>(document, "unidentified");
    out.dials_in_progress = field<int64_t>(document, "dials_in_progress");
    out.pauses = field<int64_t>(document, "pauses");
    out.rejected = field<int64_t>(document, "rejected");
    out.events_queued = field<int64_t>(document, "events_queued");
    out.seeds.clear();
    for (const json& seed : field<json>(document, "seeds", json::array())) out.seeds.push_back(seed_of(seed));
  });
}

std::string read_members(std::string_view text, MembersDocument& out) {
  return parsed(text, [&out](const json& document) {
    out.at = field<int64_t>(document, "at");
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
    out.at = field<int64_t>(document, "at");
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
