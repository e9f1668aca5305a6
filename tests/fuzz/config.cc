// Configurations of any content: each is either valid, and then canonical and within its bounds, or refused with a
// message that names the option.
#include "model/config.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/checks.h"
#include "base/utf8.h"
#include "model/address.h"
#include "model/option_name.h"
#include "support/input.h"

namespace {

using noex::ClusterConfig;
using noex::Error;
using noex::KeyStyle;
using noex::Option;
using noex::ValidConfig;

// Texts that are nearly right get further than noise does.
std::string text_of(noex::fuzz::Input& in) {
  constexpr std::array<std::string_view, 22> kTexts = {"app1",
                                                       "0.0.0.0",
                                                       "127.0.0.1",
                                                       "::",
                                                       "[::1]",
                                                       "fe80::1%eth0",
                                                       "::ffff:10.0.0.1",
                                                       "localhost",
                                                       "host.example",
                                                       "1.2.3",
                                                       "app1@10.0.0.1:4369",
                                                       "app1@[::1]:4369",
                                                       "app1@::1:4369",
                                                       "app1@10.0.0.1",
                                                       "app1@::1",
                                                       "10.0.0.1:4369",
                                                       "[::1]:4369",
                                                       "host.example:4369",
                                                       "host.example",
                                                       "app1:10.0.0.1:4369",
                                                       "a@h:1,b@h:2",
                                                       " "};
  const uint8_t kind = in.byte();
  if (kind < 2 * kTexts.size()) {
    std::string text(kTexts[kind / 2]);
    if ((kind & 1) != 0) text.insert(in.byte() % (text.size() + 1), in.text());
    return text;
  }
  return std::string(in.text());
}

int64_t number_of(noex::fuzz::Input& in, int64_t usual) {
  constexpr std::array<int64_t, 9> kEdges = {0, 1, 99, 100, 1000, 1001, int64_t{INT32_MAX}, INT32_MIN, 65535};
  const uint8_t kind = in.byte();
  if (kind < 128) return usual;
  if (kind < 192) return kEdges[kind % kEdges.size()] + (kind & 32 ? 1 : 0);
  if (kind == 254) return std::numeric_limits<int64_t>::max();
  if (kind == 255) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(in.u64());
}

ClusterConfig config_of(noex::fuzz::Input& in) {
  ClusterConfig config;
  const uint8_t given = in.byte();
  config.key_style = (given & 1) != 0 ? KeyStyle::Camel : KeyStyle::Snake;
  config.node_name = (given & 2) != 0 ? text_of(in) : "app1";
  if ((given & 4) != 0) config.host = text_of(in);
  if ((given & 8) != 0) config.advertise_host = text_of(in);
  if ((given & 16) != 0) config.cluster_secret = text_of(in);
  if ((given & 32) != 0) config.cluster_name = text_of(in);
  config.port_auto = (given & 64) != 0;
  if ((given & 128) == 0) return config;
  config.port = number_of(in, config.port);
  config.heartbeat_interval_ms = number_of(in, config.heartbeat_interval_ms);
  config.heartbeat_miss_threshold = number_of(in, config.heartbeat_miss_threshold);
  config.reconnect_base_delay_ms = number_of(in, config.reconnect_base_delay_ms);
  config.reconnect_max_delay_ms = number_of(in, config.reconnect_max_delay_ms);
  config.forget_after_ms = number_of(in, config.forget_after_ms);
  return config;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

void check_error(const Error& error, KeyStyle style) {
  NOEX_CHECK(error.code == noex::ErrorCode::InvalidConfig);
  NOEX_CHECK(is_printable(error.message) && error.message.size() < 2000);
  bool names_option = error.message.starts_with("invalid NOEX_ADVERTISE_HOST '");
  names_option |= error.message.starts_with("invalid seed '");
  for (size_t i = 0; i < static_cast<size_t>(Option::Count); ++i) {
    const std::string name(option_name(static_cast<Option>(i), style));
    names_option |= error.message.starts_with("invalid " + name + " '");
    names_option |= error.message.starts_with(name + " is ");  // "... is required", "... is empty"
  }
  NOEX_CHECK(names_option);
}

void check_host(const std::string& host) {
  const auto ip = noex::IpAddress::parse(host);
  NOEX_CHECK(ip ? ip->to_string() == host : noex::is_host_name(host));
}

void check_valid(const ValidConfig& valid, const ClusterConfig& config) {
  NOEX_CHECK(noex::is_node_name(valid.node_name));
  check_host(valid.host);
  if (!valid.advertise_host.empty()) {
    check_host(valid.advertise_host);
    const auto ip = noex::IpAddress::parse(valid.advertise_host);
    NOEX_CHECK(!ip || !ip->is_wildcard());
  }
  NOEX_CHECK((valid.port == 0) == config.port_auto);
  NOEX_CHECK(noex::is_utf8(valid.cluster_name) && valid.cluster_name.size() <= 255);
  NOEX_CHECK(valid.cluster_secret.empty() == !config.cluster_secret.has_value());
  NOEX_CHECK(valid.heartbeat_interval >= noex::Duration::milliseconds(100));
  NOEX_CHECK(valid.heartbeat_miss_threshold >= 1);
  NOEX_CHECK(valid.reconnect_base_delay.ns() > 0 && valid.reconnect_base_delay <= valid.reconnect_max_delay);
  // What the machine computes with them must not overflow.
  const int64_t timeout_ms =
      std::max<int64_t>(valid.heartbeat_interval.ms(), INT32_MAX) * valid.heartbeat_miss_threshold;
  NOEX_CHECK(timeout_ms < std::numeric_limits<int64_t>::max() / 4'000'000);
  NOEX_CHECK(valid.forget_after.ns() > 0 && valid.forget_after.ns() < std::numeric_limits<int64_t>::max() / 2);
  for (size_t i = 0; i < valid.seeds.size(); ++i) {
    const noex::Seed& seed = valid.seeds[i];
    NOEX_CHECK(seed.port != 0 && !seed.host.empty());
    const auto again = noex::parse_seed(seed.text);
    NOEX_CHECK(again.ok() && again->id == seed.id && again->host == seed.host && again->port == seed.port);
    if (seed.id) NOEX_CHECK(seed.id->host() == seed.host && seed.id->port() == seed.port);
    if (!seed.id) NOEX_CHECK(noex::is_host_name(seed.host));
    for (size_t j = 0; j < i; ++j) {
      const noex::Seed& other = valid.seeds[j];
      NOEX_CHECK(other.id != seed.id || (!seed.id && (other.host != seed.host || other.port != seed.port)));
    }
  }
}

// A valid configuration, given again as it was understood, is understood the same.
void check_fixed_point(const ValidConfig& valid, ClusterConfig config) {
  config.node_name = valid.node_name;
  config.host = valid.host;
  config.advertise_host = valid.advertise_host.empty() ? std::nullopt : std::optional(valid.advertise_host);
  config.seeds.clear();
  for (const noex::Seed& seed : valid.seeds) config.seeds.push_back(seed.text);
  const auto again = validate(config, "");
  NOEX_CHECK(again.ok());
  NOEX_CHECK(again->host == valid.host && again->advertise_host == valid.advertise_host);
  NOEX_CHECK(again->seeds.size() == valid.seeds.size() && again->port == valid.port);
  for (size_t i = 0; i < valid.seeds.size(); ++i) NOEX_CHECK(again->seeds[i].id == valid.seeds[i].id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  noex::fuzz::Input in(data, size);
  ClusterConfig config = config_of(in);
  const std::string environment = in.flag() ? text_of(in) : std::string();
  const std::string key = in.flag() ? std::string(in.text()) : std::string();
  while (!in.empty() && config.seeds.size() < 8) config.seeds.push_back(text_of(in));

  const noex::Result<ValidConfig> valid = validate(config, environment);
  if (valid) {
    check_valid(*valid, config);
    check_fixed_point(*valid, config);
  } else {
    check_error(valid.error(), config.key_style);
  }

  bool is_option = false;
  for (size_t i = 0; i < static_cast<size_t>(Option::Count); ++i) {
    is_option |= option_name(static_cast<Option>(i), config.key_style) == key;
  }
  const noex::Status status = check_option_name(key, config.key_style);
  NOEX_CHECK(status.ok() == is_option);
  if (!status.ok()) NOEX_CHECK(is_printable(status.error().message));
  return 0;
}
