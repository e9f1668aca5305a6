// What a node says of itself over its control socket, which may be anybody's: read, judged for health and shown as
// `status`, `members`, `metrics` and `watch` show it. It is understood or refused; what is shown fits its screen, and
// nothing in it is a command to the terminal but our own colours.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/checks.h"
#include "base/utf8.h"
#include "documents.h"
#include "query_text.h"
#include "style.h"
#include "support/input.h"
#include "watch_view.h"

namespace {

constexpr std::array<std::string_view, 6> kColours = {noex_cli::kRed,  noex_cli::kGreen, noex_cli::kYellow,
                                                      noex_cli::kBold, noex_cli::kDim,   noex_cli::kReset};

// `text` without our own colours. Each that begins ends again before the line does.
std::string without_colours(std::string_view text) {
  std::string plain;
  bool painting = false;
  while (!text.empty()) {
    bool found = false;
    for (const std::string_view colour : kColours) {
      if (!text.starts_with(colour)) continue;
      NOEX_CHECK((colour == noex_cli::kReset) == painting);
      painting = !painting;
      text.remove_prefix(colour.size());
      found = true;
      break;
    }
    if (found) continue;
    NOEX_CHECK(!painting || text.front() != '\n');
    plain += text.front();
    text.remove_prefix(1);
  }
  NOEX_CHECK(!painting);
  return plain;
}

// Of several lines if `lines`.
void check_shown(std::string_view text, bool lines) {
  const std::string plain = without_colours(text);
  NOEX_CHECK(noex::is_utf8(plain));
  for (size_t i = 0; i < plain.size(); ++i) {
    const auto byte = static_cast<unsigned char>(plain[i]);
    if (byte == '\n' && lines) continue;
    NOEX_CHECK(byte >= 0x20 && byte != 0x7f);
    // U+0080 to U+009F: some terminals take them for the beginning of a command.
    NOEX_CHECK(byte != 0xC2 || static_cast<unsigned char>(plain[i + 1]) >= 0xA0);
  }
}

void check_refused(const std::string& problem) { check_shown(noex_cli::printable(problem), false); }

void check_view(const noex_cli::WatchState& state, noex_cli::ScreenSize size, int64_t now, bool coloured) {
  const std::vector<std::string> view = noex_cli::view_of(state, size, now, coloured);
  NOEX_CHECK(view.size() <= size.rows);
  for (const std::string& line : view) {
    check_shown(line, false);
    NOEX_CHECK(noex_cli::width_of(without_colours(line)) <= size.columns);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  noex::fuzz::Input in(data, size);
  const uint8_t given = in.byte();
  const bool coloured = (given & 1) != 0;
  const int64_t now = (given & 2) != 0 ? 1700000000000 : static_cast<int64_t>(in.u64() >> 12);
  noex_cli::WatchState state;
  state.known = (given & 4) == 0;
  if ((given & 8) != 0) state.trouble = "the node went away";
  state.answered_at = now - in.byte();
  noex_cli::ScreenSize screen;
  screen.rows = in.byte();
  screen.columns = in.byte();

  // A document a line, of whatever kind it can be read as.
  std::string_view rest = in.rest();
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() < rest.size() ? line.size() + 1 : line.size());
    (void)noex_cli::kind_of(line);

    noex_cli::StatusDocument status;
    if (const std::string problem = read_status(line, status); problem.empty()) {
      check_shown(status_text(status, coloured), true);
      state.status = status;
    } else {
      check_refused(problem);
    }
    noex_cli::MembersDocument members;
    if (const std::string problem = read_members(line, members); problem.empty()) {
      check_shown(members_text(members, coloured), true);
      state.members = members;
    } else {
      check_refused(problem);
    }
    std::string metrics;
    if (const std::string problem = noex_cli::read_metrics(line, metrics); problem.empty()) {
      check_shown(noex_cli::metrics_text(metrics), true);
    } else {
      check_refused(problem);
    }
    noex_cli::EventDocument event;
    if (const std::string problem = read_event(line, event); problem.empty()) {
      check_shown(event_line(event, coloured), false);
      if (state.events.size() < noex_cli::kEventsMax) state.events.push_back(event);
    } else {
      check_refused(problem);
    }
  }
  check_view(state, screen, now, coloured);
  check_shown(health_line(noex_cli::assess(state.members, state.events, now), now, coloured), false);
  return 0;
}
