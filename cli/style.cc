#include "style.h"

#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace noex_cli {
namespace {

// The length of the well-formed UTF-8 sequence that `text` begins with; 0 if it does not (RFC 3629, table 3-7 of
// Unicode).
size_t sequence_size(std::string_view text) {
  const auto byte = [text](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto within = [&byte](size_t i, unsigned low, unsigned high) { return byte(i) >= low && byte(i) <= high; };
  const auto tail = [&within](size_t i) { return within(i, 0x80, 0xBF); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return within(1, low, high) && tail(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return within(1, low, high) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

template <typename... Values>
std::string formatted(const char* format, Values... values) {
  std::array<char, 64> text;
  const int size = std::snprintf(text.data(), text.size(), format, values...);
  return {text.data(), static_cast<size_t>(std::clamp(size, 0, static_cast<int>(text.size()) - 1))};
}

std::string local_time(const char* format, int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm local{};
  std::array<char, 32> text;
  if (localtime_r(&seconds, &local) == nullptr) return "-";
  return {text.data(), std::strftime(text.data(), text.size(), format, &local)};
}

}  // namespace

bool wants_colour(int fd) {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  const bool dumb = terminal != nullptr && std::string_view(terminal) == "dumb";
  return isatty(fd) != 0 && (no_color == nullptr || *no_color == '\0') && !dumb;
}

std::string painted(std::string_view text, const char* colour, bool coloured) {
  return coloured && colour != nullptr ? colour + std::string(text) + kReset : std::string(text);
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t size = sequence_size(text);
    const auto lead = static_cast<unsigned char>(text.front());
    // Both sets of controls: a terminal may take U+009B for the beginning of a command, too.
    const bool control = lead < 0x20 || lead == 0x7F || (lead == 0xC2 && size == 2 && (text[1] & 0xE0) == 0x80);
    if (size == 0) {
      out += "\xEF\xBF\xBD";
    } else if (control) {
      out += '?';
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  return out;
}

size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

std::string fitted(std::string_view text, size_t width) {
  if (width_of(text) <= width) return std::string(text);
  if (width == 0) return {};
  size_t end = 0;
  for (size_t columns = 0; end < text.size(); ++end) {
    if ((text[end] & 0xC0) != 0x80 && columns++ == width - 1) break;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string padded(std::string_view text, size_t width) {
  std::string out = fitted(text, width);
  const size_t taken = width_of(out);
  return taken < width ? out.append(width - taken, ' ') : out;
}

std::string duration_text(int64_t ms) {
  ms = std::max<int64_t>(ms, 0);
  const int64_t seconds = ms / 1000;
  if (ms < 1000) return formatted("%dms", static_cast<int>(ms));
  if (seconds < 10 && ms % 1000 >= 100)
    return formatted("%d.%ds", static_cast<int>(seconds), static_cast<int>(ms % 1000 / 100));
  if (seconds < 60) return formatted("%ds", static_cast<int>(seconds));
  const auto days = static_cast<long long>(seconds / 86400);
  const int hours = static_cast<int>(seconds / 3600 % 24);
  const int minutes = static_cast<int>(seconds / 60 % 60);
  if (days > 0) return formatted("%lldd %dh", days, hours);
  if (hours > 0) return formatted("%dh %dm", hours, minutes);
  return formatted("%dm %ds", minutes, static_cast<int>(seconds % 60));
}

std::string uptime_text(int64_t ms) {
  const int64_t seconds = std::max<int64_t>(ms, 0) / 1000;
  const auto hours = static_cast<long long>(seconds / 3600);
  const int minutes = static_cast<int>(seconds / 60 % 60);
  const int rest = static_cast<int>(seconds % 60);
  if (hours > 0) return formatted("%lldh %dm %ds", hours, minutes, rest);
  if (minutes > 0) return formatted("%dm %ds", minutes, rest);
  return formatted("%ds", rest);
}

std::string round_trip_text(int64_t microseconds) {
  const double ms = static_cast<double>(microseconds) / 1000;
  if (ms < 10) return formatted("%.2f ms", ms);
  if (ms < 1000) return formatted("%.0f ms", ms);
  return formatted("%.1f s", ms / 1000);
}

std::string clock_text(int64_t unix_ms) { return local_time("%H:%M:%S", unix_ms); }
std::string date_text(int64_t unix_ms) { return local_time("%Y-%m-%d %H:%M:%S", unix_ms); }

int64_t now_ms() {
  timeval now{};
  gettimeofday(&now, nullptr);
  return int64_t{now.tv_sec} * 1000 + now.tv_usec / 1000;
}

std::string Table::text(bool coloured) const {
  std::vector<size_t> widths;
  for (const std::string& head : heads_) widths.push_back(width_of(head));
  for (const std::vector<Cell>& line : lines_) {
    for (size_t i = 0; i < line.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(line[i].text));
    }
  }
  std::string out;
  const auto append = [&out, &widths, coloured](size_t column, const std::string& text, const char* colour, bool last) {
    out += painted(text, colour, coloured);
    if (!last) out.append(widths[column] - width_of(text) + 2, ' ');
  };
  for (size_t i = 0; i < heads_.size(); ++i) append(i, heads_[i], kDim, i + 1 == heads_.size());
  if (!heads_.empty()) out += '\n';
  for (const std::vector<Cell>& line : lines_) {
    for (size_t i = 0; i < line.size(); ++i) append(i, line[i].text, line[i].colour, i + 1 == line.size());
    out += '\n';
  }
  return out;
}

}  // namespace noex_cli
