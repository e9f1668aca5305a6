// A terminal that shows a screen of ours, and is left as it was found: at the end, when the program is stopped or told
// to end, and when it crashes.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace noex_cli {

struct ScreenSize {
  size_t rows = 24;
  size_t columns = 80;
};

class Screen {
 public:
  // Takes the terminal of standard output: another page, no cursor, keys as they are pressed.
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // What the process is stopped for (Ctrl-Z), and what it comes back to.
  void leave();
  void enter();

  [[nodiscard]] ScreenSize size() const;
  // Shows `lines` from the top. False if the terminal is gone.
  [[nodiscard]] bool show(const std::vector<std::string>& lines) const;
};

}  // namespace noex_cli
