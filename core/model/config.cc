#include "model/config.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/utf8.h"
#include "model/address.h"
#include "model/option_name.h"

namespace noex {
namespace {

constexpr int64_t kMillisecondsMax = INT32_MAX;                        // what a timer of the languages above can hold
constexpr int64_t kForgetAfterMsMax = 100LL * 365 * 24 * 3600 * 1000;  // a century: "never"
constexpr int64_t kHeartbeatMissThresholdMax = 1000;
constexpr size_t kClusterNameSizeMax = 255;
constexpr size_t kControlSocketSizeMax = 107;  // sun_path less its NUL
constexpr const char* kAdvertiseHostVariable = "NOEX_ADVERTISE_HOST";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool is_loopback_host(const std::string& host) {
  if (const std::optional<IpAddress> ip = IpAddress::parse(host)) return ip->is_loopback();
  return host == "localhost";
}

// Checks one configuration, option by option; the first thing wrong ends it.
class Validator {
 public:
  Validator(const ClusterConfig& config, std::string_view environment_advertise_host)
      : config_(config), environment_advertise_host_(environment_advertise_host) {}

  [[nodiscard]] Result<ValidConfig> run() {
    check_node_name();
    check_host();
    check_advertise_host();
    check_port();
    check_seeds();
    check_secret();
    check_cluster_name();
    check_numbers();
    check_control_socket();
    if (error_) return *std::move(error_);
    warn_of_open_listener();
    return std::move(valid_);
  }

 private:
  [[nodiscard]] std::string name_of(Option option) const { return std::string(option_name(option, config_.key_style)); }

  // Keeps the first error.
  void fail(std::string message) {
    if (!error_) error_ = Error{ErrorCode::InvalidConfig, std::move(message), {}};
  }
  void invalid(std::string_view option, std::string_view value, const std::string& reason) {
    fail("invalid " + std::string(option) + " '" + printable(value) + "': " + reason);
  }

  void check_node_name() {
    const std::string& name = config_.node_name;
    const std::string option = name_of(Option::NodeName);
    if (name.empty()) return fail(option + " is required: a name for this node, such as 'app1'");
    if (name.find('@') != std::string::npos) {
      return invalid(option, name,
                     "give the name alone, such as 'app1': the host and the port are options of their own");
    }
    if (!is_node_name(name)) {
      return invalid(
          option, name,
          "it must start with a letter and hold only letters, digits, '_' and '-', 64 at most, such as 'app1'");
    }
    valid_.node_name = name;
  }

  // An IP address in its canonical form and without brackets, or a host name as it is; "" if the text is neither.
  static std::string canonical_host(std::string_view text) {
    if (const std::optional<IpAddress> ip = IpAddress::parse(text)) return ip->to_string();
    return is_host_name(text) ? std::string(text) : std::string();
  }

  void check_host() {
    valid_.host = canonical_host(config_.host);
    if (!valid_.host.empty()) return;
    invalid(name_of(Option::Host), config_.host,
            "it must be an IP address or a host name to listen on, without a port, such as '0.0.0.0' or '127.0.0.1'");
  }

  void check_advertise_host() {
    if (config_.advertise_host) return take_advertise_host(name_of(Option::AdvertiseHost), *config_.advertise_host);
    if (!environment_advertise_host_.empty())
      return take_advertise_host(kAdvertiseHostVariable, environment_advertise_host_);
    const std::optional<IpAddress> ip = IpAddress::parse(valid_.host);
    if (!ip || !ip->is_wildcard()) valid_.advertise_host = valid_.host;
  }

  void take_advertise_host(const std::string& option, std::string_view text) {
    valid_.advertise_host = canonical_host(text);
    if (valid_.advertise_host.empty()) {
      return invalid(
          option, text,
          "it must be the IP address or host name under which other nodes reach this one, without a port, such as "
          "'192.168.1.10'");
    }
    const std::optional<IpAddress> ip = IpAddress::parse(text);
    if (ip && ip->is_wildcard())
      invalid(option, text, "other nodes cannot dial a wildcard; give an address of this machine");
  }

  void check_port() {
    if (config_.port_auto) return;
    if (config_.port < 1 || config_.port > 65535) {
      return invalid(name_of(Option::Port), std::to_string(config_.port),
                     "it must be a whole number from 1 to 65535, or 'auto' for any free port");
    }
    valid_.port = static_cast<uint16_t>(config_.port);
  }

  void check_seeds() {
    std::set<std::string> known;
    size_t empty = 0;
    for (const std::string& configured : config_.seeds) {
      const std::string_view text = trimmed(configured);
      if (text.empty()) {
        ++empty;
        continue;
      }
      Result<Seed> seed = parse_seed(text);
      if (!seed) return fail(seed.error().message);
      const std::string key = seed->id ? seed->id->text() : seed->host + ":" + std::to_string(seed->port);
      if (known.insert(key).second) valid_.seeds.push_back(std::move(seed).value());
    }
    if (empty == 0) return;
    valid_.warnings.push_back(name_of(Option::Seeds) + ": " + (empty == 1 ? "an empty entry is" : "empty entries are") +
                              " ignored (is a variable that should hold seeds empty?)");
  }

  void check_secret() {
    if (!config_.cluster_secret) return;
    valid_.cluster_secret = *config_.cluster_secret;
    if (!valid_.cluster_secret.empty()) return;
    fail(name_of(Option::ClusterSecret) +
         " is empty: an unset variable must not switch authentication off; give a secret, or leave the option out to "
         "run without");
  }

  void check_cluster_name() {
    const std::string& name = config_.cluster_name;
    const std::string option = name_of(Option::ClusterName);
    if (name.size() > kClusterNameSizeMax) {
      return invalid(option, name, "it is " + std::to_string(name.size()) + " bytes long; 255 are allowed");
    }
    if (!is_utf8(name)) return invalid(option, name, "it is not UTF-8");
    valid_.cluster_name = name;
  }

  void check_control_socket() {
    if (!config_.control_socket) return;
    const std::string& path = *config_.control_socket;
    const std::string option = name_of(Option::ControlSocket);
    if (path.empty())
      return invalid(option, path, "it must be the path of a Unix socket, such as '/run/app/node.sock'");
    if (path.size() > kControlSocketSizeMax) {
      return invalid(option, path,
                     "it is " + std::to_string(path.size()) + " bytes long; a socket's path has at most " +
                         std::to_string(kControlSocketSizeMax));
    }
    if (!is_utf8(path) || path.find('\0') != std::string::npos) return invalid(option, path, "it is not UTF-8");
    valid_.control_socket = path;
  }

  // `value` if it lies within the bounds, else an error and the lower bound.
  int64_t checked(Option option, int64_t value, int64_t min, int64_t max) {
    if (value >= min && value <= max) return value;
    invalid(name_of(option), std::to_string(value),
            "it must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    return min;
  }
  Duration checked_ms(Option option, int64_t value, int64_t min, int64_t max = kMillisecondsMax) {
    return Duration::milliseconds(checked(option, value, min, max));
  }

  void check_numbers() {
    valid_.heartbeat_interval = checked_ms(Option::HeartbeatIntervalMs, config_.heartbeat_interval_ms, 100);
    valid_.heartbeat_miss_threshold =
        checked(Option::HeartbeatMissThreshold, config_.heartbeat_miss_threshold, 1, kHeartbeatMissThresholdMax);
    valid_.reconnect_base_delay = checked_ms(Option::ReconnectBaseDelayMs, config_.reconnect_base_delay_ms, 1);
    valid_.reconnect_max_delay = checked_ms(Option::ReconnectMaxDelayMs, config_.reconnect_max_delay_ms, 1);
    valid_.forget_after = checked_ms(Option::ForgetAfterMs, config_.forget_after_ms, 1, kForgetAfterMsMax);
    if (valid_.reconnect_base_delay <= valid_.reconnect_max_delay) return;
    invalid(name_of(Option::ReconnectBaseDelayMs), std::to_string(config_.reconnect_base_delay_ms),
            "it must not be above " + name_of(Option::ReconnectMaxDelayMs) + ", which is " +
                std::to_string(config_.reconnect_max_delay_ms));
  }

  void warn_of_open_listener() {
    if (!valid_.cluster_secret.empty() || is_loopback_host(valid_.host)) return;
    valid_.warnings.push_back("listening on " + valid_.host +
                              " without a secret: whoever reaches this port can join the cluster; set " +
                              name_of(Option::ClusterSecret) + ", or " + name_of(Option::Host) + " to '127.0.0.1'");
  }

  const ClusterConfig& config_;
  std::string_view environment_advertise_host_;
  ValidConfig valid_;
  std::optional<Error> error_;
};

}  // namespace

Result<ValidConfig> validate(const ClusterConfig& config, std::string_view environment_advertise_host) {
  return Validator(config, environment_advertise_host).run();
}

}  // namespace noex
