#include "watch.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "documents.h"
#include "exit_codes.h"
#include "screen.h"
#include "style.h"
#include "watch_view.h"

namespace noex_cli {
namespace {

using Clock = ControlClient::Clock;
using std::chrono::milliseconds;

constexpr milliseconds kAskEvery{1000};
// However many events come, we do not ask again sooner; nor do we take more than a tenth of the time of a node whose
// answers are long.
constexpr milliseconds kAskGap{100};
constexpr int kAskShare = 10;
constexpr milliseconds kReconnectTimeout{300};
constexpr size_t kLinesKnownMax = 256;

int fail(const Failure& failure) {
  std::fprintf(stderr, "noex-cluster: %s\n", failure.message.c_str());
  return failure.exit_code;
}

int open_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP}) {
    struct sigaction present {};
    const bool ignored = sigaction(number, nullptr, &present) == 0 && present.sa_handler == SIG_IGN;
    if (number == SIGTERM || !ignored) sigaddset(&signals, number);
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

class Watcher {
 public:
  Watcher(std::string path, milliseconds timeout) : path_(std::move(path)), timeout_(timeout) {}
  ~Watcher() {
    if (signals_ >= 0) ::close(signals_);
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  int run();

 private:
  [[nodiscard]] Failure connect(milliseconds timeout);
  void disconnect(const std::string& why);
  void ask();
  void take_answers();
  void take_answer(const std::string& line);
  void take_events();
  void take_signals();
  void take_keys();
  void do_what_is_due();
  [[nodiscard]] int poll_timeout() const;
  void say(const std::string& line);
  void set_trouble(const std::string& text);
  void tell_health();
  void draw();
  void stop_for_a_while();

  const std::string path_;
  const milliseconds timeout_;
  const bool coloured_ = wants_colour(STDOUT_FILENO);
  int signals_ = -1;
  std::unique_ptr<Screen> screen_;  // none: lines
  ControlClient questions_;
  ControlClient events_;
  bool connected_ = false;
  bool keys_open_ = false;
  bool dirty_ = true;
  std::optional<int> done_;
  std::optional<Clock::time_point> asked_at_;  // not all answers yet
  int answers_due_ = 0;
  milliseconds answered_in_{0};
  Clock::time_point next_ask_ = Clock::now();
  Clock::time_point last_ask_ = Clock::time_point::min();
  Clock::time_point next_draw_ = Clock::now();
  WatchState state_;
  std::optional<HealthReport> told_;
  std::deque<std::string> lines_known_;  // after a reconnection the node tells its recent events again
};

int Watcher::run() {
  if (const Failure failure = connect(timeout_)) return fail(failure);
  signals_ = open_signals();
  const char* const terminal = std::getenv("TERM");
  const bool dumb = terminal != nullptr && std::strcmp(terminal, "dumb") == 0;
  if (isatty(STDOUT_FILENO) != 0 && !dumb) {
    screen_ = std::make_unique<Screen>();
    keys_open_ = isatty(STDIN_FILENO) != 0;
  }
  while (!done_) {
    do_what_is_due();
    if (done_) break;
    std::array<pollfd, 5> watched = {{{signals_, POLLIN, 0},
                                      {connected_ ? questions_.fd() : -1, POLLIN, 0},
                                      {connected_ ? events_.fd() : -1, POLLIN, 0},
                                      {keys_open_ ? STDIN_FILENO : -1, POLLIN, 0},
                                      {STDOUT_FILENO, 0, 0}}};
    if (poll(watched.data(), watched.size(), poll_timeout()) < 0 && errno != EINTR) return kFailure;
    if (watched[0].revents != 0) take_signals();
    if (watched[2].revents != 0 && connected_) take_events();
    if (watched[1].revents != 0 && connected_) take_answers();
    if (watched[3].revents != 0) take_keys();
    // Whoever read has gone, or the terminal has: not only noticed when there is something to say.
    if (watched[4].revents != 0 && !done_) done_ = kFailure;
  }
  return *done_;
}

Failure Watcher::connect(milliseconds timeout) {
  if (Failure failure = questions_.connect(path_, timeout)) return failure;
  if (Failure failure = events_.connect(path_, timeout)) return failure;
  connected_ = events_.send("events");
  asked_at_.reset();
  next_ask_ = Clock::now();
  return connected_ ? Failure{} : Failure{kUnreachable, "the node went away"};
}

void Watcher::disconnect(const std::string& why) {
  questions_.close();
  events_.close();
  connected_ = false;
  asked_at_.reset();
  next_ask_ = Clock::now() + kAskEvery;
  set_trouble(why);
}

void Watcher::ask() {
  if (!questions_.send("status") || !questions_.send("members")) {
    return disconnect("the node is gone; waiting for it to come back");
  }
  answers_due_ = 2;
  last_ask_ = Clock::now();
  asked_at_ = last_ask_;
  next_ask_ = last_ask_ + kAskEvery;
}

void Watcher::take_answers() {
  const bool open = questions_.receive();
  while (const std::optional<std::string> line = questions_.next_line()) take_answer(*line);
  if (!open && connected_) disconnect("the node is gone; waiting for it to come back");
}

void Watcher::take_answer(const std::string& line) {
  std::string problem;
  if (answers_due_ > 0 && --answers_due_ == 0 && asked_at_) {
    answered_in_ = std::chrono::duration_cast<milliseconds>(Clock::now() - *asked_at_);
    asked_at_.reset();
  }
  const DocumentKind kind = kind_of(line);
  if (kind == DocumentKind::Status) {
    problem = read_status(line, state_.status);
  } else if (kind == DocumentKind::Members) {
    problem = read_members(line, state_.members);
    if (problem.empty()) {
      state_.known = true;
      state_.answered_at = now_ms();
      set_trouble("");
      if (!screen_) tell_health();
    }
  } else {
    problem = "neither status nor members";
  }
  if (!problem.empty()) set_trouble("the node's answer is not understood: " + printable(problem));
  dirty_ = true;
}

void Watcher::take_events() {
  const bool open = events_.receive();
  while (const std::optional<std::string> line = events_.next_line()) {
    EventDocument event;
    if (!read_event(*line, event).empty()) continue;  // of a later node
    if (std::find(lines_known_.begin(), lines_known_.end(), *line) != lines_known_.end()) continue;
    lines_known_.push_back(*line);
    if (lines_known_.size() > kLinesKnownMax) lines_known_.pop_front();
    if (!screen_) say(event_line(event, coloured_));
    state_.events.push_back(std::move(event));
    if (state_.events.size() > kEventsMax) state_.events.erase(state_.events.begin());
    dirty_ = true;
    // What it changed is to be seen at once.
    if (!asked_at_)
      next_ask_ = std::min(next_ask_, std::max(Clock::now(), last_ask_ + std::max(kAskGap, kAskShare * answered_in_)));
  }
  if (!open && connected_) disconnect("the node is gone; waiting for it to come back");
}

void Watcher::do_what_is_due() {
  const Clock::time_point now = Clock::now();
  if (asked_at_ && now >= *asked_at_ + timeout_) {
    set_trouble("the node has not answered for " + duration_text((now - *asked_at_) / milliseconds(1)));
    dirty_ = true;
  }
  if (now >= next_ask_) {
    if (!connected_ && connect(kReconnectTimeout)) next_ask_ = Clock::now() + kAskEvery;
    if (connected_ && !asked_at_) ask();
    if (asked_at_ && now >= next_ask_) next_ask_ = now + kAskEvery;
  }
  if (screen_ && (dirty_ || now >= next_draw_)) draw();
}

int Watcher::poll_timeout() const {
  Clock::time_point first = next_ask_;
  if (screen_) first = std::min(first, next_draw_);
  const auto left = std::chrono::ceil<milliseconds>(first - Clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1000));
}

void Watcher::take_signals() {
  signalfd_siginfo signal_info;
  while (read(signals_, &signal_info, sizeof signal_info) == static_cast<ssize_t>(sizeof signal_info)) {
    if (signal_info.ssi_signo == SIGWINCH) {
      dirty_ = true;
    } else if (signal_info.ssi_signo == SIGTSTP) {
      stop_for_a_while();
    } else {
      done_ = kSuccess;
    }
  }
}

void Watcher::stop_for_a_while() {
  if (screen_) screen_->leave();
  kill(getpid(), SIGSTOP);
  if (screen_) screen_->enter();
  asked_at_.reset();
  next_ask_ = Clock::now();
  dirty_ = true;
}

void Watcher::take_keys() {
  std::array<char, 64> keys;
  const ssize_t size = read(STDIN_FILENO, keys.data(), keys.size());
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    keys_open_ = false;
    return;
  }
  const auto quits = [](char key) { return key == 'q' || key == 'Q' || key == '\x03' || key == '\x04'; };
  if (std::any_of(keys.begin(), keys.begin() + size, quits)) done_ = kSuccess;
}

void Watcher::set_trouble(const std::string& text) {
  if (text == state_.trouble) return;
  // Only its beginning and its end are news.
  const bool news = text.empty() != state_.trouble.empty();
  state_.trouble = text;
  dirty_ = true;
  if (screen_ || !news) return;
  say(trouble_line(text.empty() ? "the node answers again" : text, now_ms(), coloured_));
}

void Watcher::tell_health() {
  const HealthReport report = assess(state_.members, state_.events, now_ms());
  const bool same =
      told_ && told_->health == report.health && told_->connected == report.connected && told_->known == report.known;
  if (!same) say(health_line(report, now_ms(), coloured_));
  told_ = report;
}

void Watcher::say(const std::string& line) {
  const std::string text = line + "\n";
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) done_ = kFailure;
}

void Watcher::draw() {
  dirty_ = false;
  next_draw_ = Clock::now() + kAskEvery;
  if (!screen_->show(view_of(state_, screen_->size(), now_ms(), coloured_))) done_ = kFailure;
}

}  // namespace

int watch(const WatchOptions& options) {
  std::string path;
  if (const Failure failure = find_control_socket(options.control, path)) return fail(failure);
  return Watcher(path, milliseconds(static_cast<int64_t>(options.control.timeout_seconds * 1000))).run();
}

}  // namespace noex_cli
