#include "run.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "handles.h"
#include "reporter.h"
#include "run_config.h"

namespace noex_cli {
namespace {

constexpr size_t kCommandSizeMax = 4096;

// The signals that end the node politely, as a descriptor to poll. One that the parent had ignored (nohup, a background
// job of a script) stays ignored. Before any thread is started, so that all inherit the mask.
int open_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    struct sigaction present {};
    if (number != SIGTERM && sigaction(number, nullptr, &present) == 0 && present.sa_handler == SIG_IGN) continue;
    sigaddset(&signals, number);
  }
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

class Runner {
 public:
  Runner(const RunOptions& options, Cluster cluster, int signals)
      : options_(options),
        reporter_(options.json ? make_json_reporter() : make_text_reporter()),
        cluster_(std::move(cluster)),
        signals_(signals) {}

  int run();

 private:
  [[nodiscard]] int fail();
  [[nodiscard]] int loop();
  void take_events();
  void take(const noex_event& event);
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
  int events_ = -1;
  bool input_open_ = false;
  std::string input_;
  bool stopping_ = false;
  bool done_ = false;
  int exit_code_ = kSuccess;
};

int Runner::run() {
  RunConfig config;
  if (const std::string problem = config.read(options_); !problem.empty()) {
    std::fprintf(stderr, "noex-cluster: %s\n", problem.c_str());
    return kUsage;
  }
  input_open_ = options_.control_stdin;
  if (noex_cluster_select_events(cluster_.get(), NOEX_EVENT_ALL, level_of(options_.log_level)) != NOEX_OK ||
      noex_cluster_event_fd(cluster_.get(), &events_) != NOEX_OK ||
      noex_cluster_start_async(cluster_.get(), &config.get(), nullptr) != NOEX_OK) {
    return fail();
  }
  return loop();
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
    if (poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) {
      std::fprintf(stderr, "noex-cluster: cannot wait for events: %s\n", std::strerror(errno));
      return kFailure;
    }
    if (watched[0].revents != 0) take_signals();
    if (watched[1].revents != 0) take_events();
    if (watched[2].revents != 0) take_input();
    if (!reporter_->heard() && !stopping_) {
      std::fprintf(stderr, "noex-cluster: standard output is closed: stopping\n");
      exit_code_ = kFailure;
      stop();
    }
  }
  return exit_code_;
}

void Runner::take_events() {
  noex_event* next = nullptr;
  while (!done_ && noex_cluster_next_event(cluster_.get(), 0, &next) == NOEX_OK) {
    const Event event(next);
    take(*event);
  }
}

void Runner::take(const noex_event& event) {
  switch (event.kind) {
    case NOEX_EVENT_NODE_UP:
      return reporter_->up(event);
    case NOEX_EVENT_NODE_DOWN:
      return reporter_->down(event);
    case NOEX_EVENT_STATUS:
      return reporter_->status(event, event.status == NOEX_CLUSTER_RUNNING ? local_id() : std::string());
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

void Runner::take_completion(const noex_event& event) {
  if (event.operation_kind == NOEX_OPERATION_STOP) {
    done_ = true;
  } else if (event.error == nullptr) {
    reporter_->started(local_id());
  } else if (event.error->status != NOEX_EABORTED) {  // that one is a stop of ours
    reporter_->failed(*event.error);
    exit_code_ = kFailure;
    done_ = true;
  }
}

void Runner::take_signals() {
  signalfd_siginfo signal_info;
  while (read(signals_, &signal_info, sizeof signal_info) == static_cast<ssize_t>(sizeof signal_info)) {
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
