// What a running node tells of itself over its control socket, read from JSON. What an older or newer node leaves out
// keeps its default here; what it adds is ignored; what is of another type is not understood.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace noex_cli {

struct SeedState {
  std::string seed;
  std::string node;     // "" while nobody answers
  std::string state;    // connected, dialling, waiting, self
  std::string failure;  // of the last attempt
};

struct StatusDocument {
  std::string id;
  std::string name;
  std::string cluster_name;
  std::string status;
  std::string version;
  int64_t pid = 0;
  int64_t started_at = 0;
  int64_t uptime_ms = 0;
  int64_t process_count = 0;
  bool authenticated = false;
  int64_t heartbeat_interval_ms = 0;
  int64_t heartbeat_miss_threshold = 0;
  int64_t nodes_known = 0;
  int64_t nodes_connected = 0;
  int64_t nodes_connecting = 0;
  int64_t nodes_disconnected = 0;
  int64_t connections = 0;
  int64_t unidentified = 0;
  int64_t dials_in_progress = 0;
  int64_t pauses = 0;
  int64_t rejected = 0;
  int64_t events_queued = 0;
  std::vector<SeedState> seeds;
};

struct MemberState {
  std::string id;
  std::string status;  // connected, connecting, disconnected
  int64_t process_count = 0;
  int64_t last_heartbeat_at = 0;
  int64_t uptime_ms = 0;
  std::string address;
  std::optional<bool> outbound;
  std::optional<int64_t> rtt_us;
  std::optional<int64_t> clock_offset_ms;
  std::optional<size_t> sees;  // so many members is it connected to
};

struct MembersDocument {
  int64_t at = 0;
  MemberState local;
  std::vector<MemberState> members;
};

struct EventDocument {
  std::string event;  // up, down, status, error
  int64_t at = 0;
  std::string node;
  std::string reason;
  std::string evidence;
  std::string status;
  std::string kind;
  std::string message;
};

// Each returns "" or what is wrong with `text`.
[[nodiscard]] std::string read_status(std::string_view text, StatusDocument& out);
[[nodiscard]] std::string read_members(std::string_view text, MembersDocument& out);
[[nodiscard]] std::string read_metrics(std::string_view text, std::string& out);
[[nodiscard]] std::string read_event(std::string_view text, EventDocument& out);
// What kind of answer a line is, where several words were asked.
enum class DocumentKind { Unknown, Status, Members };
[[nodiscard]] DocumentKind kind_of(std::string_view text);

}  // namespace noex_cli
