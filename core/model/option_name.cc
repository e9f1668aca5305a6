#include "model/option_name.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace noex {
namespace {

struct Spellings {
  std::string_view snake;
  std::string_view camel;
};

constexpr std::array<Spellings, static_cast<size_t>(Option::Count)> kOptions = {{
    {"node_name", "nodeName"},
    {"host", "host"},
    {"advertise_host", "advertiseHost"},
    {"port", "port"},
    {"seeds", "seeds"},
    {"cluster_secret", "clusterSecret"},
    {"cluster_name", "clusterName"},
    {"heartbeat_interval_ms", "heartbeatIntervalMs"},
    {"heartbeat_miss_threshold", "heartbeatMissThreshold"},
    {"reconnect_base_delay_ms", "reconnectBaseDelayMs"},
    {"reconnect_max_delay_ms", "reconnectMaxDelayMs"},
    {"forget_after_ms", "forgetAfterMs"},
    {"control_socket", "controlSocket"},
}};

constexpr size_t kComparedMax = 64;  // a longer key is no slip of the pen

// What two spellings of one name have in common: the letters and digits, in lower case.
std::string normalised(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, kComparedMax)) {
    if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c - 'A' + 'a');
    } else if (c != '_' && c != '-') {
      out += c;
    }
  }
  return out;
}

// Edits that turn `a` into `b`: insert, delete, replace, swap neighbours (the "optimal string alignment" distance).
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> edits(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        edits[i][j] = i + j;
        continue;
      }
      const size_t replaced = edits[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      edits[i][j] = std::min({edits[i - 1][j] + 1, edits[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        edits[i][j] = std::min(edits[i][j], edits[i - 2][j - 2] + 1);
      }
    }
  }
  return edits[a.size()][b.size()];
}

// Part of a name counts as near: 'secret' means clusterSecret, 'heartbeatInterval' heartbeatIntervalMs.
size_t name_distance(const std::string& given, const std::string& known) {
  const bool is_part = given.size() >= 4 && known.find(given) != std::string::npos;
  return is_part ? 1 : edit_distance(given, known);
}

}  // namespace

std::string_view option_name(Option option, KeyStyle style) {
  const Spellings& spellings = kOptions[static_cast<size_t>(option)];
  return style == KeyStyle::Snake ? spellings.snake : spellings.camel;
}

Status check_option_name(std::string_view key, KeyStyle style) {
  const std::string given = normalised(key);
  std::string_view nearest;
  size_t nearest_distance = SIZE_MAX;
  std::string all;
  for (size_t i = 0; i < kOptions.size(); ++i) {
    const std::string_view name = option_name(static_cast<Option>(i), style);
    if (key == name) return Status();
    if (const size_t distance = name_distance(given, normalised(name)); distance < nearest_distance) {
      nearest_distance = distance;
      nearest = name;
    }
    all += (i == 0 ? "" : ", ") + std::string(name);
  }
  std::string message = "unknown option '" + printable(key) + "': ";
  // Half of the name wrong is no slip any more: then the whole list helps better than a guess.
  if (nearest_distance * 2 <= std::max(given.size(), size_t{2})) {
    message += "did you mean '" + std::string(nearest) + "'?";
  } else {
    message += "the options are " + all;
  }
  return Error{ErrorCode::InvalidConfig, std::move(message), {}};
}

}  // namespace noex
