#include "queries.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "documents.h"
#include "exit_codes.h"
#include "query_text.h"
#include "style.h"

namespace noex_cli {
namespace {

int fail(const Failure& failure) {
  std::fprintf(stderr, "noex-cluster: %s\n", failure.message.c_str());
  return failure.exit_code;
}

// The answer of the node that is meant.
Failure ask(const ControlOptions& options, std::string_view word, std::string& answer) {
  const auto timeout = std::chrono::milliseconds(static_cast<int64_t>(options.timeout_seconds * 1000));
  std::string path;
  ControlClient client;
  if (Failure failure = find_control_socket(options, path)) return failure;
  if (Failure failure = client.connect(path, timeout)) return failure;
  return client.ask(word, timeout, answer);
}

int print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return kSuccess;
  std::perror("noex-cluster: standard output");
  return kFailure;
}

int not_understood(const std::string& problem) {
  return fail({kNotUnderstood, "the node's answer is not understood: " + printable(problem)});
}

// Asks, and prints the answer: as it is, or what `render` makes of it. `render` returns what is wrong with it, or "".
template <typename Render>
int query(const QueryOptions& options, std::string_view word, Render&& render) {
  std::string answer;
  if (const Failure failure = ask(options.control, word, answer)) return fail(failure);
  std::string text;
  if (const std::string problem = render(answer, text); !problem.empty()) return not_understood(problem);
  return print(options.json ? answer + "\n" : text);
}

}  // namespace

int show_status(const QueryOptions& options) {
  return query(options, "status", [](const std::string& answer, std::string& text) {
    StatusDocument status;
    std::string problem = read_status(answer, status);
    if (problem.empty()) text = status_text(status, wants_colour(STDOUT_FILENO));
    return problem;
  });
}

int show_members(const QueryOptions& options) {
  return query(options, "members", [](const std::string& answer, std::string& text) {
    MembersDocument members;
    std::string problem = read_members(answer, members);
    if (problem.empty()) text = members_text(members, wants_colour(STDOUT_FILENO));
    return problem;
  });
}

int show_metrics(const QueryOptions& options) {
  return query(options, "metrics", [](const std::string& answer, std::string& text) {
    std::string metrics;
    std::string problem = read_metrics(answer, metrics);
    if (problem.empty()) text = metrics_text(metrics);
    return problem;
  });
}

}  // namespace noex_cli
