// The configuration of a node: what the user gives (ClusterConfig, plain and unchecked) and what start() works with
// (ValidConfig). Validation looks at the whole before anything starts, and its messages name the option as the caller's
// language spells it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/node_id.h"

namespace noex {

inline constexpr const char* kDefaultHost = "0.0.0.0";
inline constexpr int64_t kDefaultPort = 4369;
inline constexpr int64_t kDefaultHeartbeatIntervalMs = 5000;
inline constexpr int64_t kDefaultHeartbeatMissThreshold = 3;
inline constexpr int64_t kDefaultReconnectBaseDelayMs = 1000;
inline constexpr int64_t kDefaultReconnectMaxDelayMs = 30000;
inline constexpr int64_t kDefaultForgetAfterMs = 24LL * 3600 * 1000;
inline constexpr int kProtocolVersion = 1;

// How messages spell the names of options: node_name (C, Python) or nodeName (JavaScript).
enum class KeyStyle : int32_t { Snake = 0, Camel = 1 };

struct ClusterConfig {
  std::string node_name;
  std::string host = kDefaultHost;
  std::optional<std::string> advertise_host;
  int64_t port = kDefaultPort;
  bool port_auto = false;  // any free port; `port` is then ignored
  std::vector<std::string> seeds;
  std::optional<std::string> cluster_secret;
  std::string cluster_name;
  int64_t heartbeat_interval_ms = kDefaultHeartbeatIntervalMs;
  int64_t heartbeat_miss_threshold = kDefaultHeartbeatMissThreshold;
  int64_t reconnect_base_delay_ms = kDefaultReconnectBaseDelayMs;
  int64_t reconnect_max_delay_ms = kDefaultReconnectMaxDelayMs;
  int64_t forget_after_ms = kDefaultForgetAfterMs;
  std::optional<std::string> control_socket;  // path of a Unix socket for requests from this machine
  KeyStyle key_style = KeyStyle::Snake;
};

// One configured seed: `name@host:port`, or `host:port` with a DNS name (every answer of the resolver is then a seed).
struct Seed {
  std::optional<NodeId> id;  // nullopt: nameless
  std::string host;          // without brackets
  uint16_t port = 0;
  std::string text;  // as configured, trimmed
};

struct ValidConfig {
  std::string node_name;
  std::string host;            // without brackets
  std::string advertise_host;  // as configured, else `host` unless that is a wildcard; "" = to be found
  uint16_t port = 0;           // 0 = any free port
  std::vector<Seed> seeds;     // without doubles
  std::string cluster_secret;  // "" = none
  std::string cluster_name;
  Duration heartbeat_interval;
  int64_t heartbeat_miss_threshold = 0;
  Duration reconnect_base_delay;
  Duration reconnect_max_delay;
  Duration forget_after;
  std::string control_socket;         // "" = none
  std::vector<std::string> warnings;  // to be logged at start
};

// Checks the whole configuration. `environment_advertise_host` is NOEX_ADVERTISE_HOST, or "" (the option wins over it).
// Errors: InvalidConfig; the message says which option, its value and what would be right.
[[nodiscard]] Result<ValidConfig> validate(const ClusterConfig& config, std::string_view environment_advertise_host);

// Reads one seed (already trimmed, not empty). Errors: InvalidConfig.
[[nodiscard]] Result<Seed> parse_seed(std::string_view text);

// Checks the name of an option in the given spelling. Errors: InvalidConfig, "unknown option 'x': did you mean 'y'?".
[[nodiscard]] Status check_option_name(std::string_view key, KeyStyle style);

}  // namespace noex
