// What `watch` shows, as text: a pure function of what is known, the time and the size of the terminal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "documents.h"
#include "health.h"
#include "screen.h"

namespace noex_cli {

struct WatchState {
  bool known = false;  // false: nothing has been answered yet
  StatusDocument status;
  MembersDocument members;
  std::vector<EventDocument> events;  // oldest first, at most kEventsMax
  int64_t answered_at = 0;            // ms since 1970, by the clock of this process
  std::string trouble;                // what keeps us from asking: "" if nothing does
};

inline constexpr size_t kEventsMax = 100;

// At most `size.rows` lines of at most `size.columns`.
[[nodiscard]] std::vector<std::string> view_of(const WatchState& state, ScreenSize size, int64_t now, bool coloured);

// For where there is no screen: one line of an event, and of a state of health.
[[nodiscard]] std::string event_line(const EventDocument& event, bool coloured);
[[nodiscard]] std::string health_line(const HealthReport& report, int64_t at, bool coloured);
[[nodiscard]] std::string trouble_line(std::string_view text, int64_t at, bool coloured);

}  // namespace noex_cli
