#include "screen.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace noex_cli {
namespace {

// The other page, cleared; no cursor; lines end where the terminal does.
constexpr std::string_view kEnter = "\033[?1049h\033[2J\033[?25l\033[?7l";
constexpr std::string_view kLeave = "\033[?7h\033[?25h\033[0m\033[?1049l";
// A picture is shown when it is whole, by terminals that know these two.
constexpr std::string_view kBegin = "\033[?2026h\033[H\033[0m";
constexpr std::string_view kEnd = "\033[?2026l";
constexpr int kCrashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

// For the handler of a crash, which has nothing else: plain data, set before it can run.
termios g_before;
volatile sig_atomic_t g_has_modes = 0;
volatile sig_atomic_t g_entered = 0;

bool write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Both calls are allowed in a signal handler.
void give_back() {
  if (g_entered == 0) return;
  g_entered = 0;
  (void)write_all(kLeave);
  if (g_has_modes != 0) tcsetattr(STDIN_FILENO, TCSANOW, &g_before);
}

extern "C" void noex_cli_crashed(int number) {
  give_back();
  raise(number);  // the handler was for once: now as it would have been
}

size_t number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? 0 : std::strtoul(text, nullptr, 10);
}

}  // namespace

Screen::Screen() {
  g_has_modes = tcgetattr(STDIN_FILENO, &g_before) == 0 ? 1 : 0;
  struct sigaction action {};
  action.sa_handler = noex_cli_crashed;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  sigemptyset(&action.sa_mask);
  for (const int number : kCrashes) sigaction(number, &action, nullptr);
  enter();
}

Screen::~Screen() {
  give_back();
  for (const int number : kCrashes) signal(number, SIG_DFL);
}

void Screen::enter() {
  if (g_has_modes != 0) {
    termios modes = g_before;
    modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &modes);
  }
  g_entered = 1;
  (void)write_all(kEnter);
}

void Screen::leave() { give_back(); }

ScreenSize Screen::size() const {
  winsize window{};
  ScreenSize size;
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0;
  const size_t rows = known && window.ws_row > 0 ? window.ws_row : number_in("LINES");
  const size_t columns = known && window.ws_col > 0 ? window.ws_col : number_in("COLUMNS");
  if (rows > 0) size.rows = rows;
  if (columns > 0) size.columns = columns;
  return size;
}

bool Screen::show(const std::vector<std::string>& lines) const {
  std::string text(kBegin);
  for (size_t i = 0; i < lines.size(); ++i) {
    text += "\033[K" + lines[i] + "\033[0m";  // cleared first: at the right edge it would take the last letter
    if (i + 1 < lines.size()) text += "\r\n";
  }
  return write_all(text.append(kEnd));
}

}  // namespace noex_cli
