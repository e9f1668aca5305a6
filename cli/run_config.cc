#include "run_config.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace noex_cli {
namespace {

constexpr const char* kSecretVariable = "NOEX_CLUSTER_SECRET";
constexpr size_t kSecretFileSizeMax = 64 * 1024;

}  // namespace

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
  return read_secret(options);
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

std::string RunConfig::read_secret(const RunOptions& options) {
  if (options.secret_file) return read_secret_file(*options.secret_file);
  const char* const name = options.secret_variable ? options.secret_variable->c_str() : kSecretVariable;
  const char* const value = std::getenv(name);
  if (value == nullptr) {
    // Whoever names a variable wants a secret: a misspelt name must not switch authentication off.
    return options.secret_variable ? "the environment variable '" + *options.secret_variable + "' is not set"
                                   : std::string();
  }
  secret_ = value;
  if (secret_.empty())
    return "the environment variable '" + std::string(name) + "' is empty: set it to the secret, or unset it";
  config_.cluster_secret = secret_.c_str();
  return {};
}

std::string RunConfig::read_secret_file(const std::string& path) {
  const std::string what = "the secret file '" + path + "' ";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (file == nullptr) return what + "cannot be opened: " + std::strerror(errno);
  secret_.resize(kSecretFileSizeMax + 1);
  secret_.resize(std::fread(secret_.data(), 1, secret_.size(), file.get()));
  if (std::ferror(file.get()) != 0) return what + "cannot be read: " + std::strerror(errno);
  if (secret_.size() > kSecretFileSizeMax) return what + "is larger than 64 KiB";
  // The newline that editors and `echo` leave at the end is not part of it.
  if (!secret_.empty() && secret_.back() == '\n') secret_.pop_back();
  if (!secret_.empty() && secret_.back() == '\r') secret_.pop_back();
  if (secret_.empty()) return what + "is empty";
  if (secret_.find('\0') != std::string::npos) return what + "holds a NUL byte";
  config_.cluster_secret = secret_.c_str();
  return {};
}

}  // namespace noex_cli
