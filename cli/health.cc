#include "health.h"

#include <algorithm>
#include <cmath>

namespace noex_cli {
namespace {

constexpr int64_t kRecentMs = 5 * 60 * 1000;

}  // namespace

HealthReport assess(const MembersDocument& members, const std::vector<EventDocument>& events, int64_t now) {
  HealthReport report;
  const auto count = [](const auto& list, auto&& is) {
    return static_cast<size_t>(std::count_if(list.begin(), list.end(), is));
  };
  report.known = members.members.size();
  report.connected = count(members.members, [](const MemberState& member) { return member.status == "connected"; });
  report.recent_downs =
      count(events, [now](const EventDocument& event) { return event.event == "down" && event.at > now - kRecentMs; });
  if (report.known > 0) {
    const double share = static_cast<double>(report.connected) / static_cast<double>(report.known);
    report.availability_percent = std::lround(share * 100);
  }
  if (report.availability_percent >= 80 && report.recent_downs <= 1) {
    report.health = Health::Healthy;
  } else if (report.availability_percent >= 50 && report.recent_downs <= 3) {
    report.health = Health::Degraded;
  } else {
    report.health = Health::Critical;
  }
  return report;
}

const char* name_of(Health health) {
  if (health == Health::Healthy) return "healthy";
  return health == Health::Degraded ? "degraded" : "critical";
}

}  // namespace noex_cli
