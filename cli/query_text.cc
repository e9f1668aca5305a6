#include "query_text.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "style.h"

namespace noex_cli {
namespace {

const char* colour_of(std::string_view status) {
  if (status == "connected" || status == "running") return kGreen;
  return status == "connecting" || status == "dialling" || status == "self" ? kYellow : kRed;
}

std::string count_of(int64_t count, const char* one, const char* more) {
  return std::to_string(count) + " " + (count == 1 ? one : more);
}

std::string seed_text(const SeedState& seed, bool coloured) {
  std::string text = painted(printable(seed.state), colour_of(seed.state), coloured);
  if (!seed.node.empty() && seed.node != seed.seed) text += " as " + printable(seed.node);
  if (!seed.failure.empty()) text += ": " + printable(seed.failure);
  return text;
}

std::vector<Cell> member_cells(const MemberState& member, int64_t now, bool local) {
  const bool connected = member.status == "connected";
  const auto unless = [](bool missing, std::string text) { return Cell{missing ? "-" : std::move(text)}; };
  std::vector<Cell> cells;
  cells.push_back({printable(member.id), local ? kBold : nullptr});
  cells.push_back({printable(member.status), colour_of(member.status)});
  // It told its uptime with its last beat.
  const int64_t since =
      local || member.last_heartbeat_at == 0 ? 0 : std::max<int64_t>(now - member.last_heartbeat_at, 0);
  cells.push_back(unless(!connected, uptime_text(member.uptime_ms + since)));
  cells.push_back(unless(local || member.last_heartbeat_at == 0, duration_text(since) + " ago"));
  cells.push_back(unless(!member.rtt_us, round_trip_text(member.rtt_us.value_or(0))));
  cells.push_back(unless(!connected, std::to_string(member.process_count)));
  cells.push_back(unless(!member.sees, std::to_string(member.sees.value_or(0))));
  std::string address = printable(member.address);
  if (member.outbound && !address.empty()) address = (*member.outbound ? "to " : "from ") + address;
  cells.push_back(local ? Cell{"this node", kDim} : unless(address.empty(), address));
  return cells;
}

}  // namespace

std::string status_text(const StatusDocument& status, bool coloured) {
  std::string text = painted(printable(status.id), kBold, coloured) + "  " +
                     painted(printable(status.status), colour_of(status.status), coloured) + "\n";
  const auto line = [&text, coloured](const char* name, const std::string& value) {
    text += "  " + painted(padded(name, 14), kDim, coloured) + " " + value + "\n";
  };
  line("version", printable(status.version) + ", process " + std::to_string(status.pid));
  line("up", uptime_text(status.uptime_ms) + ", since " + date_text(status.started_at));
  line("cluster name", status.cluster_name.empty() ? "(none)" : printable(status.cluster_name));
  line("secret", status.authenticated ? "set: every message is signed"
                                      : painted("none: whoever can connect is a member", kYellow, coloured));
  line("heartbeats", "every " + duration_text(status.heartbeat_interval_ms) + ", down after " +
                         duration_text(status.heartbeat_interval_ms * status.heartbeat_miss_threshold) +
                         " without a sign of life");
  line("nodes", std::to_string(status.nodes_known) + " known: " + std::to_string(status.nodes_connected) +
                    " connected, " + std::to_string(status.nodes_connecting) + " connecting, " +
                    std::to_string(status.nodes_disconnected) + " disconnected");
  line("connections", std::to_string(status.connections) + ", of which " + std::to_string(status.unidentified) +
                          " unidentified; " + count_of(status.dials_in_progress, "dial", "dials") + " under way");
  line("processes", std::to_string(status.process_count));
  line("own pauses", std::to_string(status.pauses));
  line("rejected", count_of(status.rejected, "frame or connection", "frames and connections"));
  line("events waiting", std::to_string(status.events_queued));
  size_t width = 0;
  for (const SeedState& seed : status.seeds) width = std::max(width, width_of(seed.seed));
  const char* name = status.seeds.size() == 1 ? "seed" : "seeds";
  for (const SeedState& seed : status.seeds) {
    line(name, padded(printable(seed.seed), width) + "  " + seed_text(seed, coloured));
    name = "";
  }
  if (status.seeds.empty()) line("seeds", "(none)");
  return text;
}

std::string members_text(const MembersDocument& document, bool coloured) {
  Table table({"MEMBER", "STATUS", "UPTIME", "LAST BEAT", "RTT", "PROCESSES", "SEES", "CONNECTION"});
  table.add(member_cells(document.local, document.at, true));
  for (const MemberState& member : document.members) table.add(member_cells(member, document.at, false));
  return table.text(coloured);
}

std::string metrics_text(std::string_view metrics) {
  std::string text;
  while (!metrics.empty()) {
    const std::string_view line = metrics.substr(0, metrics.find('\n'));
    text += printable(line) + "\n";
    metrics.remove_prefix(std::min(line.size() + 1, metrics.size()));
  }
  return text;
}

}  // namespace noex_cli
