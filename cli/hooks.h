// What `run --on-up` and `--on-down` do: a shell command for each event, beside the node and never in its way. Hooks of
// one node run one after another, in the order of its events; those of different nodes run at the same time, a few at
// once.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "noex_cluster.h"

namespace noex_cli {

struct HookOptions {
  std::optional<std::string> on_up;
  std::optional<std::string> on_down;
  double timeout_seconds = 60;  // 0: a hook may run for ever
};

// What a hook's user should hear of.
struct HookProblem {
  std::string hook;  // "on-up" or "on-down"
  std::string node;
  std::string message;  // "ended with exit status 3"
};

class Hooks {
 public:
  using Clock = std::chrono::steady_clock;
  using Report = std::function<void(const HookProblem&)>;

  // `hidden` are environment variables that no hook gets to see.
  Hooks(const HookOptions& options, const std::vector<std::string>& hidden, Report report);

  [[nodiscard]] bool wanted() const { return options_.on_up.has_value() || options_.on_down.has_value(); }
  // "NAME=value" for every hook from now on.
  void add_variable(std::string variable) { environment_.push_back(std::move(variable)); }
  void up(const noex_event& event);
  void down(const noex_event& event);
  // Takes the ends of hooks (after a SIGCHLD), ends those whose time is over, starts what waits.
  void step();
  // When step() is due even without a SIGCHLD.
  [[nodiscard]] std::optional<Clock::time_point> deadline() const;
  [[nodiscard]] bool idle() const { return running_.empty() && queue_.empty(); }
  [[nodiscard]] size_t running() const { return running_.size(); }
  [[nodiscard]] size_t waiting() const { return queue_.size(); }

 private:
  struct Hook {
    const char* name = "";
    std::string command;
    std::string node;
    std::vector<std::string> variables;
    pid_t process = 0;
    Clock::time_point ends_at = Clock::time_point::max();
    bool told_to_end = false;
  };

  void add(Hook hook, const noex_event& event, const char* word);
  void start_waiting();
  [[nodiscard]] bool start(Hook& hook);
  void end_overdue(Hook& hook, Clock::time_point now);
  void report(const Hook& hook, std::string message) const;

  const HookOptions options_;
  const Report report_;
  std::vector<std::string> environment_;
  std::deque<Hook> queue_;
  std::vector<Hook> running_;
  size_t dropped_ = 0;
};

}  // namespace noex_cli
