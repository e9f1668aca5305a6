// The answers of a node as `status`, `members` and `metrics` show them. A socket may be anybody's: whatever it says,
// nothing in these texts can do more to a terminal than to be read.
#pragma once

#include <string>
#include <string_view>

#include "documents.h"

namespace noex_cli {

[[nodiscard]] std::string status_text(const StatusDocument& status, bool coloured);
[[nodiscard]] std::string members_text(const MembersDocument& document, bool coloured);
[[nodiscard]] std::string metrics_text(std::string_view metrics);

}  // namespace noex_cli
