#include "run.h"

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
#include <memory>
#include <string>
#include <string_view>

#include "control_place.h"
#include "handles.h"
#include "hooks.h"
#include "http_listener.h"
#include "http_server.h"
#include "reporter.h"
#include "run_config.h"
#include "service_manager.h"

namespace noex_cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kCommandSizeMax = 4096;
constexpr std::chrono::seconds kLastHooksWait{5};  // for those that run or wait when the node has stopped

// The signals that end the node politely, and that of a hook's end, as a descriptor to poll. One that the parent had
// ignored (nohup, a background job of a script) stays ignored. Before any thread is started, so that all inherit the
// mask.
int open_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    struct sigaction present {};
    if (number != SIGTERM && sigaction(number, nullptr, &present) == 0 && present.sa_handler == SIG_IGN) continue;
    sigaddset(&signals, number);
  }
  signal(SIGCHLD, SIG_DFL);  // ignored by the parent, it would take the ends of hooks away
  sigaddset(&signals, SIGCHLD);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // Whoever reads our output may go away: that is a failed write, not an end without a goodbye.
  signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

int32_t level_of(std::string_view name) {
  for (const int32_t level : {NOEX_LOG_DEBUG, NOEX_LOG_INFO, NOEX_LOG_ERROR}) {
    if (name == noex_log_level_name(level)) return level;
  }
  return NOEX_LOG_WARNING;
}

std::vector<std::string> hidden_from_hooks(const SecretSource& secret) {
  std::vector<std::string> names = {kSecretVariable};
  if (secret.variable) names.push_back(*secret.variable);
  names.insert(names.end(), std::begin(ServiceManager::kVariables), std::end(ServiceManager::kVariables));
  return names;
}

class Runner {
 public:
  Runner(const RunOptions& options, Cluster cluster, int signals)
      : options_(options),
        reporter_(options.json ? make_json_reporter() : make_text_reporter()),
        cluster_(std::move(cluster)),
        signals_(signals),
        hooks_(options.hooks, hidden_from_hooks(options.secret),
               [this](const HookProblem& problem) { reporter_->hook_failed(problem); }) {}

  int run();

 private:
  [[nodiscard]] int fail();
  [[nodiscard]] int loop();
  [[nodiscard]] int serve_http();
  void open_control_socket();
  [[nodiscard]] bool start_without_control_socket(const noex_error& error);
  [[nodiscard]] int poll_timeout() const;
  void do_what_is_due();
  void tell_service_manager();
  void finish_hooks();
  void take_events();
  void take(const noex_event& event);
  void publish(const noex_event& event) const;
  void take_status(const noex_event& event);
  void take_completion(const noex_event& event);
  void take_signals();
  void take_input();
  void command(std::string_view line);
  void show_view();
  void stop();
  [[nodiscard]] std::string local_id() const;

  const RunOptions& options_;
  const std::unique_ptr<Reporter> reporter_;
  const Cluster cluster_;
  const int signals_;
  Hooks hooks_;
  ServiceManager service_manager_;
  RunConfig config_;
  std::string control_socket_;
  FolderLock control_lock_;
  HttpListener http_listener_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<Reporter> http_reporter_;  // to its event streams
  int events_ = -1;
  bool running_ = false;
  bool input_open_ = false;
  std::string input_;
  bool stopping_ = false;
  bool done_ = false;
  int exit_code_ = kSuccess;
};

int Runner::run() {
  if (const std::string problem = config_.read(options_); !problem.empty()) {
    std::fprintf(stderr, "noex-cluster: %s\n", problem.c_str());
    return kUsage;
  }
  // Before the node joins: a port that is taken is no reason for others to see it come and go.
  if (const int problem = serve_http(); problem != kSuccess) return problem;
  open_control_socket();
  input_open_ = options_.control_stdin;
  if (noex_cluster_select_events(cluster_.get(), NOEX_EVENT_ALL, level_of(options_.log_level)) != NOEX_OK ||
      noex_cluster_event_fd(cluster_.get(), &events_) != NOEX_OK ||
      noex_cluster_start_async(cluster_.get(), &config_.get(), nullptr) != NOEX_OK) {
    return fail();
  }
  return loop();
}

int Runner::serve_http() {
  if (!options_.http) return kSuccess;
  std::string problem;
  int exit_code = kSuccess;
  if (!http_listener_.open(*options_.http, problem, exit_code)) {
    std::fprintf(stderr, "noex-cluster: %s\n", problem.c_str());
    return exit_code;
  }
  if (!http_listener_.is_loopback()) {
    reporter_->warning("whoever reaches " + http_listener_.url() +
                       " can read the members and metrics of the cluster: there is no login");
  }
  http_ = std::make_unique<HttpServer>(http_listener_, cluster_.get());
  http_reporter_ = make_json_reporter([this](std::string_view line) { http_->publish(line); });
  reporter_->http(http_listener_.url());
  return kSuccess;
}

void Runner::open_control_socket() {
  if (options_.no_control_socket) return;
  if (options_.control_socket) {
    control_socket_ = *options_.control_socket;
  } else {
    // Not for a name that start() refuses.
    if (noex_config_validate(&config_.get()) != NOEX_OK) return;
    ControlPlace place = choose_control_place(options_.name);
    if (place.path.empty()) {
      reporter_->warning("no control socket, for there is no folder for it (" + place.problem +
                         "): --control-socket names a path, --no-control-socket does without");
    }
    control_socket_ = std::move(place.path);
    control_lock_ = std::move(place.lock);
  }
  config_.set_control_socket(control_socket_);
}

// A place that nobody asked for is no reason not to run.
bool Runner::start_without_control_socket(const noex_error& error) {
  const bool ours = error.status == NOEX_EBIND && !control_socket_.empty() && error.address == control_socket_;
  if (!ours || options_.control_socket || stopping_) return false;
  reporter_->warning(std::string("no control socket: ") + error.message);
  control_socket_.clear();
  config_.set_control_socket(control_socket_);
  return noex_cluster_start_async(cluster_.get(), &config_.get(), nullptr) == NOEX_OK;
}

// The library refused: a configuration that cannot work is a matter of usage.
int Runner::fail() {
  const noex_error& error = *noex_last_error_info();
  const int code = error.status == NOEX_ECONFIG || error.status == NOEX_EINVAL ? kUsage : kFailure;
  reporter_->failed(error);
  return code;
}

int Runner::loop() {
  while (!done_) {
    std::array<pollfd, 3> watched = {
        {{signals_, POLLIN, 0}, {events_, POLLIN, 0}, {input_open_ ? STDIN_FILENO : -1, POLLIN, 0}}};
    if (poll(watched.data(), watched.size(), poll_timeout()) < 0 && errno != EINTR) {
      std::fprintf(stderr, "noex-cluster: cannot wait for events: %s\n", std::strerror(errno));
      return kFailure;
    }
    if (watched[0].revents != 0) take_signals();
    if (watched[1].revents != 0) take_events();
    if (watched[2].revents != 0) take_input();
    do_what_is_due();
    if (!reporter_->heard() && !stopping_) {
      std::fprintf(stderr, "noex-cluster: standard output is closed: stopping\n");
      exit_code_ = kFailure;
      stop();
    }
  }
  finish_hooks();
  return exit_code_;
}

int Runner::poll_timeout() const {
  const std::optional<Clock::time_point> hooks = hooks_.deadline();
  const std::optional<Clock::time_point> sign_of_life = running_ ? service_manager_.sign_of_life_due() : std::nullopt;
  if (!hooks && !sign_of_life) return -1;
  const Clock::time_point first =
      std::min(hooks.value_or(Clock::time_point::max()), sign_of_life.value_or(Clock::time_point::max()));
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - Clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 60'000));
}

void Runner::do_what_is_due() {
  const Clock::time_point now = Clock::now();
  if (const auto due = hooks_.deadline(); due && *due <= now) hooks_.step();
  if (const auto due = service_manager_.sign_of_life_due(); running_ && due && *due <= now) {
    // The I/O thread answers this itself: what speaks for the node is what keeps it in the cluster.
    noex_stats_snapshot* taken = nullptr;
    const bool alive = noex_cluster_stats(cluster_.get(), &taken) == NOEX_OK;
    const Stats stats(taken);
    service_manager_.give_sign_of_life(alive || stopping_);
  }
}

void Runner::tell_service_manager() {
  size_t connected = 0;
  if (!service_manager_.listens() || !running_ || stopping_) return;
  if (noex_cluster_connected_count(cluster_.get(), &connected) != NOEX_OK) return;
  service_manager_.tell("STATUS=" + local_id() + ": connected to " + std::to_string(connected) +
                        (connected == 1 ? " node" : " nodes"));
}

// The node is gone; what it had to say goes on for a moment.
void Runner::finish_hooks() {
  const Clock::time_point deadline = Clock::now() + kLastHooksWait;
  bool hurried = exit_code_ != kSuccess;
  hooks_.step();
  while (!hurried && !hooks_.idle()) {
    const Clock::time_point first = std::min(deadline, hooks_.deadline().value_or(deadline));
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - Clock::now());
    pollfd watched{signals_, POLLIN, 0};
    (void)poll(&watched, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    signalfd_siginfo signal_info;
    while (read(signals_, &signal_info, sizeof signal_info) == static_cast<ssize_t>(sizeof signal_info)) {
      hurried = hurried || signal_info.ssi_signo != SIGCHLD;
    }
    hooks_.step();
    hurried = hurried || Clock::now() >= deadline;
  }
  if (hooks_.running() > 0) {
    reporter_->warning(std::to_string(hooks_.running()) + " hooks still run, and are left to themselves");
  }
  if (hooks_.waiting() > 0) reporter_->warning(std::to_string(hooks_.waiting()) + " hooks were not run any more");
}

void Runner::take_events() {
  noex_event* next = nullptr;
  while (!done_ && noex_cluster_next_event(cluster_.get(), 0, &next) == NOEX_OK) {
    const Event event(next);
    take(*event);
  }
  tell_service_manager();
}

void Runner::take(const noex_event& event) {
  if (http_reporter_) publish(event);
  switch (event.kind) {
    case NOEX_EVENT_NODE_UP:
      reporter_->up(event);
      return hooks_.up(event);
    case NOEX_EVENT_NODE_DOWN:
      reporter_->down(event);
      return hooks_.down(event);
    case NOEX_EVENT_STATUS:
      return take_status(event);
    case NOEX_EVENT_ERROR:
      return reporter_->error(event);
    case NOEX_EVENT_LOG:
      return reporter_->log(event);
    case NOEX_EVENT_COMPLETION:
      return take_completion(event);
    default:  // a kind of a later library
      return;
  }
}

void Runner::publish(const noex_event& event) const {
  switch (event.kind) {
    case NOEX_EVENT_NODE_UP:
      return http_reporter_->up(event);
    case NOEX_EVENT_NODE_DOWN:
      return http_reporter_->down(event);
    case NOEX_EVENT_STATUS:
      return http_reporter_->status(event, event.status == NOEX_CLUSTER_RUNNING ? local_id() : std::string());
    case NOEX_EVENT_ERROR:
      return http_reporter_->error(event);
    default:
      return;
  }
}

void Runner::take_status(const noex_event& event) {
  running_ = event.status == NOEX_CLUSTER_RUNNING;
  if (event.status != NOEX_CLUSTER_STARTING) control_lock_.release();
  reporter_->status(event, running_ ? local_id() : std::string());
  if (!running_) return;
  hooks_.add_variable("NOEX_LOCAL_ID=" + local_id());
  if (!control_socket_.empty()) hooks_.add_variable("NOEX_CONTROL_SOCKET=" + control_socket_);
  service_manager_.tell("READY=1");
}

void Runner::take_completion(const noex_event& event) {
  if (event.operation_kind == NOEX_OPERATION_STOP) {
    done_ = true;
  } else if (event.error == nullptr) {
    reporter_->started(local_id(), control_socket_);
    if (http_) http_->set_ready(!stopping_);
  } else if (event.error->status != NOEX_EABORTED && !start_without_control_socket(*event.error)) {
    // EABORTED is a stop of ours.
    reporter_->failed(*event.error);
    exit_code_ = kFailure;
    done_ = true;
  }
}

void Runner::take_signals() {
  signalfd_siginfo signal_info;
  while (read(signals_, &signal_info, sizeof signal_info) == static_cast<ssize_t>(sizeof signal_info)) {
    if (signal_info.ssi_signo == SIGCHLD) {
      hooks_.step();
      continue;
    }
    if (stopping_) {  // asked twice: no more waiting for anyone
      exit_code_ = kFailure;
      done_ = true;
    }
    stop();
  }
}

// Commands come as lines. The end of the input is a stop: a node does not outlive the program that controls it.
void Runner::take_input() {
  std::array<char, 512> bytes;
  const ssize_t size = read(STDIN_FILENO, bytes.data(), bytes.size());
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    input_open_ = false;
    return stop();
  }
  input_.append(bytes.data(), static_cast<size_t>(size));
  size_t end = 0;
  while ((end = input_.find('\n')) != std::string::npos) {
    command(std::string_view(input_).substr(0, end));
    input_.erase(0, end + 1);
  }
  if (input_.size() > kCommandSizeMax) input_.clear();
}

void Runner::command(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  const size_t begin = line.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return;
  line = line.substr(begin, line.find_last_not_of(kSpace) - begin + 1);
  if (line == "view") {
    show_view();
  } else if (line == "stop") {
    stop();
  } else {
    reporter_->unknown_command(line);
  }
}

void Runner::show_view() {
  int32_t status = 0;
  noex_nodes* taken = nullptr;
  const bool known = noex_cluster_status(cluster_.get(), &status) == NOEX_OK;
  const noex_status outcome = noex_cluster_nodes(cluster_.get(), &taken);
  const Nodes nodes(taken);
  if (outcome != NOEX_OK && outcome != NOEX_ENOTSTARTED) {
    std::fprintf(stderr, "noex-cluster: %s\n", noex_last_error());
  }
  reporter_->view(local_id(), known ? noex_cluster_status_name(status) : "unknown", nodes.get());
}

void Runner::stop() {
  if (stopping_) return;
  stopping_ = true;
  if (http_) http_->set_ready(false);  // before the node begins to leave: no new work for it
  service_manager_.tell("STOPPING=1\nSTATUS=leaving the cluster");
  if (noex_cluster_stop_async(cluster_.get(), nullptr) == NOEX_OK) return;
  std::fprintf(stderr, "noex-cluster: %s\n", noex_last_error());
  exit_code_ = kFailure;
  done_ = true;
}

std::string Runner::local_id() const {
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  return noex_cluster_local_id(cluster_.get(), id, sizeof id) == NOEX_OK ? id : "";
}

}  // namespace

int run(const RunOptions& options) {
  const int signals = open_signals();
  noex_cluster* cluster = nullptr;
  if (signals < 0) {
    std::fprintf(stderr, "noex-cluster: cannot watch for signals: %s\n", std::strerror(errno));
    return kFailure;
  }
  if (noex_cluster_create(&cluster) != NOEX_OK) {
    std::fprintf(stderr, "noex-cluster: %s\n", noex_last_error());
    return kFailure;
  }
  return Runner(options, Cluster(cluster), signals).run();
}

}  // namespace noex_cli
