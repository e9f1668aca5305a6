#include "check.h"

#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "check_network.h"
#include "check_report.h"
#include "documents.h"
#include "handles.h"
#include "style.h"

namespace noex_cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Members may differ by so much before their timestamps confuse those who compare logs; noex's own nodes look at
// messages that are older by as much with suspicion.
constexpr int64_t kClockOffsetMax = 10'000;

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

std::string random_name() {
  std::array<unsigned char, 4> bytes{};
  (void)getrandom(bytes.data(), bytes.size(), 0);
  std::string name = "check-";
  for (const unsigned char byte : bytes) {
    std::array<char, 3> text;
    std::snprintf(text.data(), text.size(), "%02x", byte);
    name += text.data();
  }
  return name;
}

std::string advice_for(int error) {
  switch (error) {
    case ECONNREFUSED:
      return "nothing listens there: does the node run, on this port, and on an address that others reach?";
    case ETIMEDOUT:
      return "no answer at all: a firewall that drops packets, a wrong address, or a machine that is down";
    case EHOSTUNREACH:
    case ENETUNREACH:
      return "there is no way to this address from here: look at routes, networks and VPNs";
    default:
      return "see what the error says";
  }
}

class Checker {
 public:
  explicit Checker(const CheckOptions& options)
      : options_(options), timeout_(static_cast<int64_t>(options.timeout_seconds * 1000)), name_(random_name()) {
    report_.seed = options.seed;
  }

  int run();

 private:
  [[nodiscard]] std::string prepare();
  [[nodiscard]] bool resolve_seed();
  [[nodiscard]] bool connect_seed();
  void join();
  void wait_for_answer(noex_cluster* cluster, int events, int signals);
  void take(noex_cluster* cluster, const noex_event& event);
  [[nodiscard]] bool is_seed(std::string_view address) const;
  [[nodiscard]] bool is_connected_to_seed(noex_cluster* cluster);
  void take_error(noex_cluster* cluster, const noex_error& error);
  [[nodiscard]] std::string advice_on_secrets(noex_cluster* cluster) const;
  void let_in(noex_cluster* cluster);
  [[nodiscard]] Step clock_step(noex_cluster* cluster) const;
  void add(Step step);
  void add_secret_and_version(bool known);
  void fail(int exit_code, Step step);
  [[nodiscard]] int end();

  const CheckOptions& options_;
  const milliseconds timeout_;
  const std::string name_;
  const bool coloured_ = wants_colour(STDOUT_FILENO);
  std::optional<std::string> secret_;
  std::string host_;
  int port_ = 0;
  std::vector<Address> addresses_;
  std::string local_ip_;
  bool resolver_hangs_ = false;
  Clock::time_point joined_at_;
  CheckReport report_;
  int exit_code_ = kSuccess;
  bool decided_ = false;
};

int Checker::run() {
  if (const std::string problem = prepare(); !problem.empty()) {
    std::fprintf(stderr, "noex-cluster: %s\n", problem.c_str());
    return kUsage;
  }
  if (!options_.json) {
    std::printf("Checking %s. To learn whether it lets us in, this joins for an instant, as %s.\n",
                printable(options_.seed).c_str(), name_.c_str());
  }
  if (resolve_seed() && connect_seed()) join();
  return end();
}

// The options, as the library reads them; then the parts of the seed.
std::string Checker::prepare() {
  if (std::string problem = read_secret(options_.secret, secret_); !problem.empty()) return problem;
  noex_config config;
  noex_config_init(&config, sizeof config);
  const char* const seed = options_.seed.c_str();
  config.node_name = name_.c_str();
  config.seeds = &seed;
  config.seeds_count = 1;
  if (options_.cluster_name) config.cluster_name = options_.cluster_name->c_str();
  if (noex_config_validate(&config) != NOEX_OK) return noex_last_error();
  std::string_view text = options_.seed;
  text = text.substr(text.find('@') == std::string_view::npos ? 0 : text.find('@') + 1);
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return "invalid seed '" + options_.seed + "'";
  host_ = text.substr(0, colon);
  host_.erase(std::remove_if(host_.begin(), host_.end(), [](char c) { return c == '[' || c == ']' || c == ' '; }),
              host_.end());
  port_ = std::atoi(std::string(text.substr(colon + 1)).c_str());
  return {};
}

bool Checker::resolve_seed() {
  const Clock::time_point begin = Clock::now();
  Resolution found = resolve(host_, port_, timeout_);
  resolver_hangs_ = found.unfinished;
  Step step{"resolve", StepResult::Ok, ms_since(begin), "", ""};
  if (found.addresses.empty()) {
    step.detail = host_ + ": " + found.problem;
    step.advice = "is the name right, and does this machine's DNS know it?";
    fail(kUnreachable, std::move(step));
    return false;
  }
  for (const Address& address : found.addresses) {
    const std::string ip = address.ip();
    step.detail += (step.detail.empty() ? host_ == ip ? "" : host_ + " is " : ", ") + ip;
  }
  add(std::move(step));
  addresses_ = std::move(found.addresses);
  return true;
}

bool Checker::connect_seed() {
  const Clock::time_point begin = Clock::now();
  std::string problems;
  int last_error = 0;
  for (const Address& address : addresses_) {
    const Connection connection = try_connect(address, timeout_);
    if (connection.error == 0) {
      local_ip_ = connection.local_ip;
      std::string detail = address.text() + " accepts, " + local_ip_ + " is this end";
      if (!problems.empty()) detail += " (but " + problems + ")";
      add({"connect", StepResult::Ok, ms_since(begin), std::move(detail), ""});
      return true;
    }
    last_error = connection.error;
    problems += (problems.empty() ? "" : "; ") + address.text() + ": " + std::strerror(last_error);
  }
  fail(kUnreachable, {"connect", StepResult::Failed, ms_since(begin), problems, advice_for(last_error)});
  return false;
}

void Checker::join() {
  noex_cluster* created = nullptr;
  int events = -1;
  noex_config config;
  noex_config_init(&config, sizeof config);
  const char* const seed = options_.seed.c_str();
  config.node_name = name_.c_str();
  // This end of the way to the seed: nobody else needs to find us.
  config.host = local_ip_.c_str();
  config.advertise_host = local_ip_.c_str();
  config.port_auto = true;
  config.seeds = &seed;
  config.seeds_count = 1;
  if (secret_) config.cluster_secret = secret_->c_str();
  if (options_.cluster_name) config.cluster_name = options_.cluster_name->c_str();

  // Asked to end, it says goodbye first. Before the library's threads begin, which inherit the mask.
  sigset_t mask;
  sigemptyset(&mask);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&mask, number);
  pthread_sigmask(SIG_BLOCK, &mask, nullptr);
  signal(SIGPIPE, SIG_IGN);  // nor is a reader who goes away a reason to leave without one
  const int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);

  joined_at_ = Clock::now();
  if (noex_cluster_create(&created) != NOEX_OK) {
    return fail(kFailure, {"join", StepResult::Failed, -1, noex_last_error(), ""});
  }
  const Cluster cluster(created);
  if (noex_cluster_event_fd(created, &events) != NOEX_OK ||
      noex_cluster_start_async(created, &config, nullptr) != NOEX_OK) {
    return fail(kFailure, {"join", StepResult::Failed, -1, noex_last_error(), ""});
  }
  wait_for_answer(created, events, signals);
  if (noex_cluster_stop(created) != NOEX_OK) std::fprintf(stderr, "noex-cluster: %s\n", noex_last_error());
  close(signals);
}

void Checker::wait_for_answer(noex_cluster* cluster, int events, int signals) {
  const Clock::time_point deadline = joined_at_ + timeout_;
  while (!decided_) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) break;
    std::array<pollfd, 2> watched = {{{events, POLLIN, 0}, {signals, POLLIN, 0}}};
    if (poll(watched.data(), watched.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) break;
    if (watched[1].revents != 0) {
      return fail(kFailure, {"join", StepResult::Failed, ms_since(joined_at_), "ended by a signal", ""});
    }
    noex_event* next = nullptr;
    while (!decided_ && noex_cluster_next_event(cluster, 0, &next) == NOEX_OK) {
      const Event event(next);
      take(cluster, *event);
    }
  }
  if (decided_) return;
  add({"secret", StepResult::NotReached, -1, "", ""});
  fail(kUnreachable, {"version", StepResult::Failed, ms_since(joined_at_),
                      "it takes connections, but has not said anything for " + duration_text(timeout_.count()),
                      "is it a noex-cluster node, and not paused? One of noex's own speaks only after a heartbeat "
                      "interval: try a longer --timeout"});
}

void Checker::take(noex_cluster* cluster, const noex_event& event) {
  if (event.kind == NOEX_EVENT_STATUS && event.status == NOEX_CLUSTER_RUNNING) {
    std::array<char, NOEX_NODE_ID_SIZE_MAX + 1> id;
    if (noex_cluster_local_id(cluster, id.data(), id.size()) == NOEX_OK) report_.joined_as = id.data();
  } else if (event.kind == NOEX_EVENT_NODE_UP && is_connected_to_seed(cluster)) {
    let_in(cluster);
  } else if (event.kind == NOEX_EVENT_ERROR && is_seed(event.error->address)) {
    take_error(cluster, *event.error);
  } else if (event.kind == NOEX_EVENT_COMPLETION && event.error != nullptr && event.error->status != NOEX_EABORTED) {
    fail(kFailure, {"join", StepResult::Failed, ms_since(joined_at_), event.error->message, ""});
  }
}

bool Checker::is_seed(std::string_view address) const {
  return std::any_of(addresses_.begin(), addresses_.end(),
                     [address](const Address& own) { return own.text() == address; });
}

// The seed may answer under another name, and others may come up first: the connection says which node is there.
bool Checker::is_connected_to_seed(noex_cluster* cluster) {
  noex_stats_snapshot* taken = nullptr;
  if (noex_cluster_stats(cluster, &taken) != NOEX_OK) return false;
  const Stats stats(taken);
  for (size_t i = 0; i < noex_stats_peer_count(taken); ++i) {
    const noex_peer_stats& peer = *noex_stats_peer_at(taken, i);
    if (peer.outbound && peer.confirmed && is_seed(peer.address)) {
      report_.answered_as = peer.id;
      return true;
    }
  }
  return false;
}

// Which of the two has no secret, the library's counters tell.
std::string Checker::advice_on_secrets(noex_cluster* cluster) const {
  if (!secret_) {
    return "no secret was given, and the seed asks for one: --secret-file, --secret-env or " +
           std::string(kSecretVariable);
  }
  noex_stats_snapshot* taken = nullptr;
  if (noex_cluster_stats(cluster, &taken) == NOEX_OK) {
    const Stats stats(taken);
    for (size_t i = 0; i < noex_stats_rejected_kind_count(); ++i) {
      const bool unsigned_frames = std::string_view(noex_stats_rejected_kind_name(i)) == "missing_signature";
      if (unsigned_frames && noex_stats_rejected_at(taken, i) > 0) {
        return "the seed has no secret, this check was given one: whichever is right, both ends need the same";
      }
    }
  }
  return "both ends need the same secret, to the last byte; of a file, only the end of its last line is left out";
}

void Checker::take_error(noex_cluster* cluster, const noex_error& error) {
  const double ms = ms_since(joined_at_);
  switch (error.kind) {
    case NOEX_ERROR_AUTHENTICATION:
      return fail(kRefused, {"secret", StepResult::Failed, ms, error.message, advice_on_secrets(cluster)});
    case NOEX_ERROR_CLUSTER_MISMATCH:
      add_secret_and_version(true);
      return fail(kRefused, {"cluster name", StepResult::Failed, ms, error.message,
                             "is it the right seed? --cluster-name must be the same as on its nodes"});
    case NOEX_ERROR_PROTOCOL:
      add_secret_and_version(false);
      return fail(kNotUnderstood, {"version", StepResult::Failed, ms, error.message,
                                   "does a noex-cluster node listen on this port, one that speaks version " +
                                       std::to_string(noex_protocol_version()) + " of the protocol?"});
    default:
      add_secret_and_version(true);
      return fail(kRefused, {"join", StepResult::Failed, ms, error.message, ""});
  }
}

// What the seed's answer says of the steps before the one that failed.
void Checker::add_secret_and_version(bool known) {
  if (!known) return add({"secret", StepResult::NotReached, -1, "", ""});
  add({"secret", StepResult::Ok, ms_since(joined_at_),
       secret_ ? "the same on both ends" : "none is set, and none is asked for", ""});
  add({"version", StepResult::Ok, -1, "both speak " + std::to_string(noex_protocol_version()), ""});
}

void Checker::let_in(noex_cluster* cluster) {
  add_secret_and_version(true);
  add({"cluster name", StepResult::Ok, -1,
       options_.cluster_name && !options_.cluster_name->empty() ? "'" + *options_.cluster_name + "' on both ends"
                                                                : "none, on both ends",
       ""});
  add(clock_step(cluster));
  decided_ = true;
}

Step Checker::clock_step(noex_cluster* cluster) const {
  char* text = nullptr;
  MembersDocument members;
  Step step{"clock", StepResult::Ok, -1, "", ""};
  const bool known = noex_cluster_document(cluster, NOEX_DOCUMENT_MEMBERS, &text) == NOEX_OK &&
                     read_members(text == nullptr ? "" : text, members).empty();
  noex_text_free(text);
  const auto seed = std::find_if(members.members.begin(), members.members.end(),
                                 [this](const MemberState& member) { return member.id == report_.answered_as; });
  if (!known || seed == members.members.end() || !seed->clock_offset_ms) {
    step.result = StepResult::Warning;
    step.detail = "the seed's time is not known";
    return step;
  }
  const int64_t offset = *seed->clock_offset_ms;
  const int64_t size = offset < 0 ? -offset : offset;
  step.detail = size < 1000 ? "the same to a second"
                            : "the seed's is " + duration_text(size) + (offset < 0 ? " behind ours" : " ahead of ours");
  if (size <= kClockOffsetMax) return step;
  step.result = StepResult::Warning;
  step.advice = "nodes join all the same; the times in lists, events and logs do not compare: does NTP run on both?";
  return step;
}

void Checker::add(Step step) {
  if (!options_.json) {
    std::fputs(step_text(step, coloured_).c_str(), stdout);
    (void)std::fflush(stdout);
  }
  report_.steps.push_back(std::move(step));
}

void Checker::fail(int exit_code, Step step) {
  step.result = StepResult::Failed;
  exit_code_ = exit_code;
  decided_ = true;
  add(std::move(step));
}

int Checker::end() {
  for (const char* name : {"resolve", "connect", "secret", "version", "cluster name", "clock"}) {
    const auto is_named = [name](const Step& step) { return step.name == name; };
    if (std::none_of(report_.steps.begin(), report_.steps.end(), is_named)) {
      add({name, StepResult::NotReached, -1, "", ""});
    }
  }
  if (options_.json) {
    std::puts(report_json(report_, exit_code_).c_str());
  } else if (exit_code_ == kSuccess) {
    std::printf("%s lets us in; %s has left again.\n", printable(report_.answered_as).c_str(),
                report_.joined_as.c_str());
  }
  if (std::fflush(stdout) != 0) exit_code_ = kFailure;
  if (resolver_hangs_) _exit(exit_code_);  // its thread may use what an orderly end destroys
  return exit_code_;
}

}  // namespace

int check(const CheckOptions& options) { return Checker(options).run(); }

}  // namespace noex_cli
