// How healthy a cluster is, by the rules of the health monitor in noex's guide: the share of known nodes that are
// connected, and how many went down in the last five minutes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "documents.h"

namespace noex_cli {

enum class Health { Healthy, Degraded, Critical };

struct HealthReport {
  Health health = Health::Healthy;
  size_t connected = 0;
  size_t known = 0;
  int64_t availability_percent = 100;
  size_t recent_downs = 0;

  bool operator==(const HealthReport&) const = default;
};

[[nodiscard]] HealthReport assess(const MembersDocument& members, const std::vector<EventDocument>& events,
                                  int64_t now);
[[nodiscard]] const char* name_of(Health health);

}  // namespace noex_cli
