#include "watch_view.h"

#include <algorithm>
#include <array>

#include "style.h"

namespace noex_cli {
namespace {

const char* colour_of(Health health) {
  if (health == Health::Healthy) return kGreen;
  return health == Health::Degraded ? kYellow : kRed;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& byte : out) byte = byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte;
  return out;
}

// A line that ends where the terminal does.
class Line {
 public:
  Line(size_t columns, bool coloured) : left_(columns), coloured_(coloured) {}
  Line& add(std::string_view text, const char* colour = nullptr) {
    const std::string shown = fitted(text, left_);
    left_ -= width_of(shown);
    text_ += painted(shown, colour, coloured_);
    return *this;
  }
  // What follows ends at the right edge, if there is room for it.
  Line& right(std::string_view text, const char* colour = nullptr) {
    const size_t width = width_of(text);
    if (left_ <= width) return *this;
    text_.append(left_ - width, ' ');
    left_ = width;
    return add(text, colour);
  }
  [[nodiscard]] size_t left() const { return left_; }
  [[nodiscard]] std::string text() const { return text_; }

 private:
  size_t left_;
  bool coloured_;
  std::string text_;
};

struct Column {
  const char* head;
  size_t width;
  std::string (*text)(const MemberState& member, int64_t now);
};

bool is_connected(const MemberState& member) { return member.status == "connected"; }

// By what one would miss least when there is little room, the last goes first.
const std::array<Column, 5> kColumns = {{
    {"STATUS", 12, [](const MemberState& member, int64_t) { return printable(member.status); }},
    {"LAST BEAT", 10,
     [](const MemberState& member, int64_t now) {
       return member.last_heartbeat_at == 0 ? "-" : duration_text(now - member.last_heartbeat_at) + " ago";
     }},
    {"RTT", 8,
     [](const MemberState& member, int64_t) {
       return member.rtt_us ? round_trip_text(*member.rtt_us) : std::string("-");
     }},
    {"UPTIME", 12,
     [](const MemberState& member, int64_t now) {
       return is_connected(member) ? uptime_text(member.uptime_ms + now - member.last_heartbeat_at) : std::string("-");
     }},
    {"PROCESSES", 9,
     [](const MemberState& member, int64_t) {
       return is_connected(member) ? std::to_string(member.process_count) : std::string("-");
     }},
}};

struct Icon {
  const char* text;
  const char* colour;
};

Icon icon_of(const MemberState& member) {
  if (is_connected(member)) return {"●", kGreen};
  return member.status == "connecting" ? Icon{"◐", kYellow} : Icon{"○", kRed};
}

Icon icon_of(const EventDocument& event) {
  if (event.event == "up") return {"+", kGreen};
  if (event.event == "down") return {"-", kRed};
  return event.event == "error" ? Icon{"!", kRed} : Icon{"·", kDim};
}

class View {
 public:
  View(const WatchState& state, ScreenSize size, int64_t now, bool coloured)
      : state_(state), size_(size), now_(now), coloured_(coloured) {}

  std::vector<std::string> lines() {
    report_ = assess(state_.members, state_.events, now_);
    narrow_ = size_.columns < 70;
    const size_t nodes = std::max<size_t>(state_.members.members.size(), 1);
    const size_t events = std::max<size_t>(state_.events.size(), 1);
    const size_t fixed = narrow_ ? 8 : 7;  // what is no list and no gap
    const bool gaps = size_.rows >= fixed + 4 + 8;
    const size_t taken = fixed + (gaps ? 4 : 0);
    const size_t room = size_.rows > taken ? size_.rows - taken : 0;
    // A third for the events, five at most; what the nodes do not need is theirs, too.
    size_t events_shown = std::min(events, std::clamp<size_t>(room / 3, 1, 5));
    const size_t nodes_shown = std::min(nodes, room - std::min(room, events_shown));
    events_shown = std::min(events, room - std::min(room, nodes_shown));

    title();
    gap(gaps);
    local();
    gap(gaps);
    cluster();
    gap(gaps);
    node_list(nodes_shown);
    gap(gaps);
    event_list(events_shown);
    footer();
    if (lines_.size() > size_.rows) lines_.erase(lines_.begin() + static_cast<ptrdiff_t>(size_.rows), lines_.end());
    return std::move(lines_);
  }

 private:
  [[nodiscard]] Line line() const { return {size_.columns, coloured_}; }
  void put(const Line& line) { lines_.push_back(line.text()); }
  void gap(bool wanted) {
    if (wanted) lines_.emplace_back();
  }

  // What is not answered any more stands still.
  [[nodiscard]] int64_t since_answer() const { return state_.trouble.empty() ? now_ - state_.answered_at : 0; }

  void title() { put(line().add("CLUSTER HEALTH MONITOR", kBold).right(clock_text(now_), kDim)); }

  void local() {
    const StatusDocument& status = state_.status;
    put(line().add("Local node  ", kDim).add(printable(status.id), kBold));
    const int64_t uptime = status.uptime_ms + since_answer();
    Line second = line();
    second.add("Uptime      ", kDim).add(status.status == "running" ? uptime_text(uptime) : printable(status.status));
    second.add("  " + printable(status.version) + ", process " + std::to_string(status.pid), kDim);
    if (!status.cluster_name.empty()) second.add("  cluster " + printable(status.cluster_name), kDim);
    if (!status.authenticated) second.add("  no secret", kYellow);
    put(second);
  }

  void cluster() {
    Line first = line();
    first.add("Health      ", kDim).add(upper(name_of(report_.health)), colour_of(report_.health));
    Line second = line();
    Line& rest = narrow_ ? second : first;
    if (narrow_) {
      first.add("  " + std::to_string(report_.availability_percent) + " % available");
      second.add("Connected   ", kDim);
    } else {
      first.add("  Availability ", kDim).add(std::to_string(report_.availability_percent) + " %");
      first.add("  Connected ", kDim);
    }
    rest.add(std::to_string(report_.connected) + " / " + std::to_string(report_.known) + " nodes");
    if (report_.recent_downs > 0) {
      rest.add(narrow_ ? "  downs " : "  Downs in 5 min ", kDim).add(std::to_string(report_.recent_downs), kYellow);
    }
    put(first);
    if (narrow_) put(second);
  }

  // Trouble first, for the list may be cut.
  [[nodiscard]] std::vector<const MemberState*> ordered() const {
    std::vector<const MemberState*> members;
    for (const MemberState& member : state_.members.members) members.push_back(&member);
    std::stable_partition(members.begin(), members.end(), [](const MemberState* one) { return !is_connected(*one); });
    return members;
  }

  void node_list(size_t room) {
    const std::vector<const MemberState*> members = ordered();
    size_t id_width = 12;
    for (const MemberState* member : members) id_width = std::max(id_width, width_of(printable(member->id)));
    // The id whole if that can be, then as many columns as fit beside it.
    id_width = std::min(id_width, size_.columns > 2 + 24 ? size_.columns - 2 : 24);
    size_t columns = 0;
    size_t used = 2 + id_width;
    while (columns < kColumns.size() && used + 2 + kColumns[columns].width <= size_.columns) {
      used += 2 + kColumns[columns++].width;
    }
    Line head = line();
    head.add(padded("Nodes (" + std::to_string(members.size()) + ")", 2 + id_width), kBold);
    for (size_t i = 0; i < columns; ++i) head.add("  ").add(padded(kColumns[i].head, kColumns[i].width), kDim);
    put(head);
    if (room == 0) return;
    if (members.empty()) return put(line().add("  (none)", kDim));
    const size_t shown = members.size() <= room ? members.size() : room - 1;
    for (size_t i = 0; i < shown; ++i) put(node_line(*members[i], id_width, columns));
    if (shown < members.size()) {
      put(line().add("  … and " + std::to_string(members.size() - shown) + " more", kDim));
    }
  }

  [[nodiscard]] Line node_line(const MemberState& member, size_t id_width, size_t columns) const {
    const Icon icon = icon_of(member);
    Line text = line();
    text.add(icon.text, icon.colour).add(" ").add(padded(printable(member.id), id_width));
    // By the node's clock: it gave the times.
    const int64_t now = state_.members.at + since_answer();
    for (size_t i = 0; i < columns; ++i) {
      text.add("  ").add(padded(kColumns[i].text(member, now), kColumns[i].width), i == 0 ? icon.colour : nullptr);
    }
    return text;
  }

  void event_list(size_t room) {
    put(line().add("Recent events", kBold));
    if (room == 0) return;
    if (state_.events.empty()) return put(line().add("  (no events)", kDim));
    const size_t count = state_.events.size();
    for (size_t i = 0; i < std::min(room, count); ++i) {
      const EventDocument& event = state_.events[count - 1 - i];
      const Icon icon = icon_of(event);
      Line text = line();
      text.add(icon.text, icon.colour).add(" ").add(clock_text(event.at), kDim).add("  ");
      if (event.event == "error") {
        text.add(printable(event.message));
      } else if (event.event == "status") {
        text.add("this node is " + printable(event.status));
      } else {
        text.add(printable(event.node));
        if (!event.reason.empty()) text.add("  " + printable(event.reason), kYellow);
        if (!event.evidence.empty()) text.add("  (" + printable(event.evidence) + ")", kDim);
      }
      put(text);
    }
  }

  // On the last row, wherever the lists end.
  void footer() {
    while (lines_.size() + 1 < size_.rows) lines_.emplace_back();
    if (lines_.size() >= size_.rows && !lines_.empty()) lines_.resize(size_.rows - 1);
    if (!state_.trouble.empty()) {
      return put(line().add(state_.trouble, kRed).right("as of " + clock_text(state_.answered_at), kDim));
    }
    put(line().add("q quits", kDim).right("as of " + clock_text(state_.answered_at), kDim));
  }

  const WatchState& state_;
  const ScreenSize size_;
  const int64_t now_;
  const bool coloured_;
  HealthReport report_;
  bool narrow_ = false;
  std::vector<std::string> lines_;
};

std::string stamped(int64_t at, std::string_view word, const char* colour, const std::string& rest, bool coloured) {
  return painted(date_text(at), kDim, coloured) + "  " + painted(padded(word, 6), colour, coloured) + "  " + rest;
}

}  // namespace

std::vector<std::string> view_of(const WatchState& state, ScreenSize size, int64_t now, bool coloured) {
  if (size.rows == 0) return {};
  if (!state.known) {
    return {fitted(state.trouble.empty() ? "Asking the node …" : state.trouble, size.columns)};
  }
  return View(state, size, now, coloured).lines();
}

std::string event_line(const EventDocument& event, bool coloured) {
  std::string rest = printable(event.node);
  if (event.event == "down") {
    rest += "  " + printable(event.reason);
    if (!event.evidence.empty()) rest += "  (" + printable(event.evidence) + ")";
  } else if (event.event == "status") {
    rest = printable(event.status) + (event.node.empty() ? "" : " as " + rest);
  } else if (event.event == "error") {
    rest = printable(event.message);
  }
  return stamped(event.at, printable(event.event), icon_of(event).colour, rest, coloured);
}

std::string health_line(const HealthReport& report, int64_t at, bool coloured) {
  return stamped(at, "health", kBold,
                 painted(name_of(report.health), colour_of(report.health), coloured) + ", " +
                     std::to_string(report.availability_percent) + " % available, " + std::to_string(report.connected) +
                     " of " + std::to_string(report.known) + " nodes connected",
                 coloured);
}

std::string trouble_line(std::string_view text, int64_t at, bool coloured) {
  return stamped(at, "watch", kYellow, std::string(text), coloured);
}

}  // namespace noex_cli
