#include "run_config.h"

#include <charconv>
#include <utility>

namespace noex_cli {

RunConfig::RunConfig() : config_{} { noex_config_init(&config_, sizeof config_); }

std::string RunConfig::read(const RunOptions& options) {
  config_.node_name = options.name.c_str();
  if (options.host) config_.host = options.host->c_str();
  if (options.advertise_host) config_.advertise_host = options.advertise_host->c_str();
  if (options.cluster_name) config_.cluster_name = options.cluster_name->c_str();
  if (options.heartbeat_interval_ms) config_.heartbeat_interval_ms = *options.heartbeat_interval_ms;
  if (options.heartbeat_miss_threshold) config_.heartbeat_miss_threshold = *options.heartbeat_miss_threshold;
  if (options.reconnect_base_delay_ms) config_.reconnect_base_delay_ms = *options.reconnect_base_delay_ms;
  if (options.reconnect_max_delay_ms) config_.reconnect_max_delay_ms = *options.reconnect_max_delay_ms;
  if (options.forget_after_ms) config_.forget_after_ms = *options.forget_after_ms;
  for (const std::string& seed : options.seeds) seeds_.push_back(seed.c_str());
  config_.seeds = seeds_.data();
  config_.seeds_count = seeds_.size();
  if (options.port) {
    if (std::string problem = read_port(*options.port); !problem.empty()) return problem;
  }
  std::string problem = read_secret(options.secret, secret_);
  if (secret_) config_.cluster_secret = secret_->c_str();
  return problem;
}

std::string RunConfig::read_port(const std::string& text) {
  if (text == "auto") {
    config_.port_auto = true;
    return {};
  }
  const char* const end = text.data() + text.size();
  const auto [position, error] = std::from_chars(text.data(), end, config_.port);
  if (error != std::errc() || position != end) {
    return "invalid port '" + text + "': it must be a whole number from 1 to 65535, or 'auto' for any free port";
  }
  return {};  // the library knows the range
}

void RunConfig::set_control_socket(std::string path) {
  control_socket_ = std::move(path);
  config_.control_socket = control_socket_.empty() ? nullptr : control_socket_.c_str();
}

}  // namespace noex_cli
