#include "config.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "error.h"

namespace noex::capi {
namespace {

// A struct_size beyond this was never written by noex_config_init.
constexpr size_t kStructSizeMax = 4096;
// The first version of the struct had everything up to here; nobody can have a smaller one.
constexpr size_t kStructSizeMin = offsetof(noex_config, node_name) + sizeof(noex_config::node_name);

static_assert(std::is_trivially_copyable_v<noex_config> && std::is_standard_layout_v<noex_config>);
static_assert(sizeof(noex_config) < kStructSizeMax);

noex_config defaults() {
  noex_config config;
  std::memset(&config, 0, sizeof config);
  config.struct_size = sizeof config;
  config.host = kDefaultHost;
  config.port = kDefaultPort;
  config.heartbeat_interval_ms = kDefaultHeartbeatIntervalMs;
  config.heartbeat_miss_threshold = kDefaultHeartbeatMissThreshold;
  config.reconnect_base_delay_ms = kDefaultReconnectBaseDelayMs;
  config.reconnect_max_delay_ms = kDefaultReconnectMaxDelayMs;
  config.forget_after_ms = kDefaultForgetAfterMs;
  config.key_style = NOEX_KEYS_SNAKE;
  return config;
}

// Takes a field over if the caller's struct has the whole of it.
template <typename Field>
void take(const noex_config& source, Field noex_config::*field, noex_config* target) {
  const auto* const begin = reinterpret_cast<const char*>(&source);
  const auto* const end = reinterpret_cast<const char*>(&(source.*field)) + sizeof(Field);
  if (static_cast<size_t>(end - begin) <= source.struct_size) target->*field = source.*field;
}

// The caller's struct in the shape of this library's.
Result<noex_config> adapt(const noex_config& source) {
  const size_t size = source.struct_size;
  if (size < kStructSizeMin || size > kStructSizeMax) {
    return invalid_argument("config->struct_size is " + std::to_string(size) +
                            ": set the config up with noex_config_init");
  }
  const auto* const bytes = reinterpret_cast<const char*>(&source);
  if (size > sizeof source && std::any_of(bytes + sizeof source, bytes + size, [](char byte) { return byte != 0; })) {
    return invalid_argument("the config sets an option that this version of the library (" NOEX_VERSION_STRING
                            ") does not know: the caller was built for a later one");
  }
  noex_config config = defaults();
  take(source, &noex_config::node_name, &config);
  take(source, &noex_config::host, &config);
  take(source, &noex_config::advertise_host, &config);
  take(source, &noex_config::port, &config);
  take(source, &noex_config::port_auto, &config);
  // An array without its length is no array.
  take(source, &noex_config::seeds, &config);
  take(source, &noex_config::seeds_count, &config);
  take(source, &noex_config::cluster_secret, &config);
  take(source, &noex_config::cluster_name, &config);
  take(source, &noex_config::heartbeat_interval_ms, &config);
  take(source, &noex_config::heartbeat_miss_threshold, &config);
  take(source, &noex_config::reconnect_base_delay_ms, &config);
  take(source, &noex_config::reconnect_max_delay_ms, &config);
  take(source, &noex_config::forget_after_ms, &config);
  take(source, &noex_config::key_style, &config);
  take(source, &noex_config::control_socket, &config);
  return config;
}

}  // namespace

Result<ClusterConfig> read_config(const noex_config& source) {
  const Result<noex_config> adapted = adapt(source);
  if (!adapted) return adapted.error();
  const noex_config& given = *adapted;
  if (given.key_style != NOEX_KEYS_SNAKE && given.key_style != NOEX_KEYS_CAMEL) {
    return invalid_argument("config->key_style must be NOEX_KEYS_SNAKE or NOEX_KEYS_CAMEL");
  }
  if (given.seeds == nullptr && given.seeds_count > 0) {
    return invalid_argument("config->seeds is NULL, but config->seeds_count is " + std::to_string(given.seeds_count));
  }
  ClusterConfig config;
  if (given.node_name != nullptr) config.node_name = given.node_name;
  if (given.host != nullptr) config.host = given.host;
  if (given.advertise_host != nullptr) config.advertise_host = given.advertise_host;
  config.port = given.port;
  config.port_auto = given.port_auto;
  config.seeds.reserve(given.seeds_count);
  for (size_t i = 0; i < given.seeds_count; ++i) {
    if (given.seeds[i] == nullptr) return invalid_argument("config->seeds[" + std::to_string(i) + "] is NULL");
    config.seeds.emplace_back(given.seeds[i]);
  }
  if (given.cluster_secret != nullptr) config.cluster_secret = given.cluster_secret;
  if (given.cluster_name != nullptr) config.cluster_name = given.cluster_name;
  config.heartbeat_interval_ms = given.heartbeat_interval_ms;
  config.heartbeat_miss_threshold = given.heartbeat_miss_threshold;
  config.reconnect_base_delay_ms = given.reconnect_base_delay_ms;
  config.reconnect_max_delay_ms = given.reconnect_max_delay_ms;
  config.forget_after_ms = given.forget_after_ms;
  if (given.control_socket != nullptr) config.control_socket = given.control_socket;
  config.key_style = static_cast<KeyStyle>(given.key_style);
  return config;
}

std::string environment_advertise_host() {
  const char* const host = std::getenv("NOEX_ADVERTISE_HOST");
  return host == nullptr ? std::string() : std::string(host);
}

}  // namespace noex::capi

using noex::Result;
using noex::Status;
using noex::capi::guard;

extern "C" {

void noex_config_init(noex_config* config, size_t struct_size) {
  noex::capi::clear_last_error();
  if (config == nullptr || struct_size == 0) return;
  // All of it, the padding and what only the caller knows too: zero is what a later library expects of a field that was
  // not set.
  std::memset(config, 0, struct_size);
  const noex_config defaults = noex::capi::defaults();
  std::memcpy(config, &defaults, std::min(struct_size, sizeof defaults));
  if (struct_size >= sizeof config->struct_size) config->struct_size = struct_size;
}

noex_status noex_config_validate(const noex_config* config) {
  return guard([&]() -> Status {
    if (Status status = noex::capi::require(config, "config"); !status) return status;
    const Result<noex::ClusterConfig> given = noex::capi::read_config(*config);
    if (!given) return given.error();
    const Result<noex::ValidConfig> valid = noex::validate(*given, noex::capi::environment_advertise_host());
    if (!valid) return valid.error();
    return {};
  });
}

noex_status noex_config_check_option(const char* key, int32_t key_style) {
  return guard([&]() -> Status {
    if (Status status = noex::capi::require(key, "key"); !status) return status;
    if (key_style != NOEX_KEYS_SNAKE && key_style != NOEX_KEYS_CAMEL) {
      return noex::capi::invalid_argument("key_style must be NOEX_KEYS_SNAKE or NOEX_KEYS_CAMEL");
    }
    return noex::check_option_name(key, static_cast<noex::KeyStyle>(key_style));
  });
}

}  // extern "C"
