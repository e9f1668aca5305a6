// `noex-cluster run`: a node of the cluster for as long as the process lives.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hooks.h"
#include "noex_cluster.h"
#include "secret.h"

namespace noex_cli {

struct RunOptions {
  std::string name;
  std::optional<std::string> host;
  std::optional<std::string> advertise_host;
  std::optional<std::string> port;  // a number or "auto"
  std::vector<std::string> seeds;
  SecretSource secret;
  std::optional<std::string> cluster_name;
  std::optional<int64_t> heartbeat_interval_ms;
  std::optional<int64_t> heartbeat_miss_threshold;
  std::optional<int64_t> reconnect_base_delay_ms;
  std::optional<int64_t> reconnect_max_delay_ms;
  std::optional<int64_t> forget_after_ms;
  std::string log_level = "warning";  // debug, info, warning or error
  std::optional<std::string> http;    // host:port to serve HTTP on
  bool json = false;
  bool control_stdin = false;
  std::optional<std::string> control_socket;  // its path; default: see control_place.h
  bool no_control_socket = false;
  HookOptions hooks;
};

// Runs a node until it is told to stop; returns the process's exit code.
[[nodiscard]] int run(const RunOptions& options);

}  // namespace noex_cli
