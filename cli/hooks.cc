#include "hooks.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

namespace noex_cli {
namespace {

constexpr size_t kRunningMax = 4;
constexpr size_t kWaitingMax = 1024;
constexpr std::chrono::seconds kKillDelay{5};  // from SIGTERM to SIGKILL

// What a hook is told. Of whoever started us, perhaps a hook itself, nothing of it is passed on: of two variables of
// one name a shell may take either.
constexpr const char* kTold[] = {"NOEX_EVENT",     "NOEX_EVENT_AT",      "NOEX_NODE_ID", "NOEX_NODE_NAME",
                                 "NOEX_NODE_HOST", "NOEX_NODE_PORT",     "NOEX_REASON",  "NOEX_EVIDENCE",
                                 "NOEX_LOCAL_ID",  "NOEX_CONTROL_SOCKET"};

std::string name_of(const std::string& variable) { return variable.substr(0, variable.find('=')); }

// Attributes of the new process: a group of its own, so that a Ctrl-C meant for the node does not reach it and all that
// it starts can be ended with it; signals as a program expects them; nothing to read, and our standard error to write
// to, for standard output is ours.
class Spawn {
 public:
  Spawn() {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
  }
  ~Spawn() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;

  // 0 or the error.
  int run(const std::string& command, const std::vector<const std::string*>& variables, pid_t& process) const {
    std::vector<char*> environment;
    environment.reserve(variables.size() + 1);
    for (const std::string* variable : variables) environment.push_back(const_cast<char*>(variable->c_str()));
    environment.push_back(nullptr);
    std::string shell = "sh";
    std::string flag = "-c";
    std::string text = command;
    char* arguments[] = {shell.data(), flag.data(), text.data(), nullptr};
    return posix_spawn(&process, "/bin/sh", &actions_, &attributes_, arguments, environment.data());
  }

 private:
  posix_spawnattr_t attributes_;
  posix_spawn_file_actions_t actions_;
};

}  // namespace

Hooks::Hooks(const HookOptions& options, const std::vector<std::string>& hidden, Report report)
    : options_(options), report_(std::move(report)) {
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string name = name_of(*variable);
    const bool told = std::find(std::begin(kTold), std::end(kTold), name) != std::end(kTold);
    if (!told && std::find(hidden.begin(), hidden.end(), name) == hidden.end()) environment_.emplace_back(*variable);
  }
}

void Hooks::up(const noex_event& event) {
  if (!options_.on_up) return;
  Hook hook;
  hook.name = "on-up";
  hook.command = *options_.on_up;
  add(std::move(hook), event, "up");
}

void Hooks::down(const noex_event& event) {
  if (!options_.on_down) return;
  Hook hook;
  hook.name = "on-down";
  hook.command = *options_.on_down;
  hook.variables.push_back(std::string("NOEX_REASON=") + noex_down_reason_name(event.reason));
  hook.variables.push_back(std::string("NOEX_EVIDENCE=") + (event.evidence == nullptr ? "" : event.evidence));
  add(std::move(hook), event, "down");
}

void Hooks::add(Hook hook, const noex_event& event, const char* word) {
  const noex_node& node = *event.node;
  const std::string_view id = node.id;
  hook.node = id;
  hook.variables.push_back(std::string("NOEX_EVENT=") + word);
  hook.variables.push_back("NOEX_EVENT_AT=" + std::to_string(event.created_at));
  hook.variables.push_back("NOEX_NODE_ID=" + std::string(id));
  hook.variables.push_back("NOEX_NODE_NAME=" + std::string(id.substr(0, id.find('@'))));
  hook.variables.push_back(std::string("NOEX_NODE_HOST=") + node.host);
  hook.variables.push_back("NOEX_NODE_PORT=" + std::to_string(node.port));
  if (queue_.size() >= kWaitingMax) {
    // The oldest goes: what a hook should know at last is how things stand now.
    if (++dropped_ == 1) {
      report(queue_.front(),
             "was dropped: " + std::to_string(kWaitingMax) + " others wait (more are dropped in silence)");
    }
    queue_.pop_front();
  }
  queue_.push_back(std::move(hook));
  start_waiting();
}

void Hooks::start_waiting() {
  for (auto waiting = queue_.begin(); waiting != queue_.end() && running_.size() < kRunningMax;) {
    const bool busy = std::any_of(running_.begin(), running_.end(),
                                  [&waiting](const Hook& hook) { return hook.node == waiting->node; });
    if (busy) {
      ++waiting;
      continue;
    }
    Hook hook = std::move(*waiting);
    waiting = queue_.erase(waiting);
    if (start(hook)) running_.push_back(std::move(hook));
  }
  if (queue_.empty()) dropped_ = 0;
}

bool Hooks::start(Hook& hook) {
  std::vector<const std::string*> variables;
  for (const std::string& variable : hook.variables) variables.push_back(&variable);
  for (const std::string& variable : environment_) variables.push_back(&variable);
  if (const int error = Spawn().run(hook.command, variables, hook.process); error != 0) {
    report(hook, std::string("could not be started: ") + std::strerror(error));
    return false;
  }
  if (options_.timeout_seconds > 0) {
    hook.ends_at = Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(options_.timeout_seconds * 1000));
  }
  return true;
}

void Hooks::step() {
  const Clock::time_point now = Clock::now();
  for (auto hook = running_.begin(); hook != running_.end();) {
    int status = 0;
    const pid_t ended = waitpid(hook->process, &status, WNOHANG);
    if (ended == 0) {
      end_overdue(*hook, now);
      ++hook;
      continue;
    }
    if (ended > 0 && WIFSIGNALED(status) && !hook->told_to_end) {
      report(*hook, std::string("was ended by signal ") + std::to_string(WTERMSIG(status)) + " (" +
                        strsignal(WTERMSIG(status)) + ")");
    } else if (ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) != 0 && !hook->told_to_end) {
      report(*hook, "ended with exit status " + std::to_string(WEXITSTATUS(status)));
    }
    hook = running_.erase(hook);
  }
  start_waiting();
}

void Hooks::end_overdue(Hook& hook, Clock::time_point now) {
  if (now < hook.ends_at) return;
  kill(-hook.process, hook.told_to_end ? SIGKILL : SIGTERM);
  if (!hook.told_to_end) report(hook, "ran for too long and was ended (--hook-timeout)");
  hook.ends_at = hook.told_to_end ? Clock::time_point::max() : now + kKillDelay;
  hook.told_to_end = true;
}

std::optional<Hooks::Clock::time_point> Hooks::deadline() const {
  const auto first = std::min_element(running_.begin(), running_.end(),
                                      [](const Hook& a, const Hook& b) { return a.ends_at < b.ends_at; });
  if (first == running_.end() || first->ends_at == Clock::time_point::max()) return std::nullopt;
  return first->ends_at;
}

void Hooks::report(const Hook& hook, std::string message) const { report_({hook.name, hook.node, std::move(message)}); }

}  // namespace noex_cli
