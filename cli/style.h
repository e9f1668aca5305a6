// How output looks: colours where a person reads them, text that cannot harm a terminal, times and tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace noex_cli {

inline constexpr const char* kRed = "\033[31m";
inline constexpr const char* kGreen = "\033[32m";
inline constexpr const char* kYellow = "\033[33m";
inline constexpr const char* kBold = "\033[1m";
inline constexpr const char* kDim = "\033[2m";
inline constexpr const char* kReset = "\033[0m";

// Colour is for people: on a terminal, unless they said that they want none (no-color.org).
[[nodiscard]] bool wants_colour(int fd);

// `text` in `colour` (one of the above, or null for none).
[[nodiscard]] std::string painted(std::string_view text, const char* colour, bool coloured);

// Text from elsewhere as it may be shown: control characters become '?', bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string printable(std::string_view text);
// How many columns `text` takes: its code points, for ids and words are narrow.
[[nodiscard]] size_t width_of(std::string_view text);
// The beginning of `text` in at most `width` columns, with an ellipsis where something is missing.
[[nodiscard]] std::string fitted(std::string_view text, size_t width);
// `fitted`, and filled up with spaces.
[[nodiscard]] std::string padded(std::string_view text, size_t width);

// "450ms", "2.4s", "15s", "2m 15s", "3h 4m", "2d 3h".
[[nodiscard]] std::string duration_text(int64_t ms);
// "2h 2m 15s": all of it, as an uptime is read.
[[nodiscard]] std::string uptime_text(int64_t ms);
// "0.21 ms", "12 ms", "1.3 s".
[[nodiscard]] std::string round_trip_text(int64_t microseconds);
// Local time of a moment in ms since 1970: "12:02:15", and "2026-01-31 12:02:15".
[[nodiscard]] std::string clock_text(int64_t unix_ms);
[[nodiscard]] std::string date_text(int64_t unix_ms);
[[nodiscard]] int64_t now_ms();

struct Cell {
  std::string text;
  const char* colour = nullptr;
};

// Lines of cells in columns as wide as what stands in them. The last column is as long as it likes.
class Table {
 public:
  explicit Table(std::vector<std::string> heads) : heads_(std::move(heads)) {}
  void add(std::vector<Cell> cells) { lines_.push_back(std::move(cells)); }
  [[nodiscard]] std::string text(bool coloured) const;

 private:
  std::vector<std::string> heads_;
  std::vector<std::vector<Cell>> lines_;
};

}  // namespace noex_cli
