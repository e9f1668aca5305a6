#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <string>

#include "reporter.h"
#include "style.h"

namespace noex_cli {
namespace {

class TextReporter final : public Reporter {
 public:
  void up(const noex_event& event) override { say(time_of(event) + word("up", kGreen) + event.node->id); }

  void down(const noex_event& event) override {
    std::string line =
        time_of(event) + word("down", kRed) + event.node->id + "  " + noex_down_reason_name(event.reason);
    if (event.evidence != nullptr && *event.evidence != '\0')
      line += paint("  (" + std::string(event.evidence) + ")", kDim);
    say(line);
  }

  void status(const noex_event& event, std::string_view id) override {
    std::string line = time_of(event) + word("status", kDim) + noex_cluster_status_name(event.status);
    if (!id.empty()) line += " as " + std::string(id);
    say(line);
  }

  // Most errors are logged as well, one line before: once is enough for a reader.
  void error(const noex_event& event) override {
    if (last_logged_ != event.error->message) complain("error", kRed, event.error->message);
    last_logged_.clear();
  }

  void log(const noex_event& event) override {
    const char* const colour = event.level >= NOEX_LOG_ERROR ? kRed : event.level == NOEX_LOG_WARNING ? kYellow : kDim;
    complain(noex_log_level_name(event.level), colour, event.message);
    last_logged_ = event.message;
  }

  // The status line has said it.
  void started(std::string_view, std::string_view) override {}

  void failed(const noex_error& failure) override { complain("noex-cluster", kRed, failure.message); }

  void http(std::string_view url) override { say(word("http", kDim) + std::string(url)); }

  void view(std::string_view id, std::string_view status, const noex_nodes* nodes) override {
    const size_t count = noex_nodes_count(nodes);
    say(word("view", kDim) + std::string(id.empty() ? "(no id)" : id) + "  " + std::string(status) + ", " +
        std::to_string(noex_nodes_connected_count(nodes)) + " of " + std::to_string(count) + " connected");
    for (size_t i = 0; i < count; ++i) {
      const noex_node& node = *noex_nodes_at(nodes, i);
      say("        " + std::string(node.id) + "  " +
          paint(noex_node_status_name(node.status), node.status == NOEX_NODE_CONNECTED ? kGreen : kYellow));
    }
  }

  void unknown_command(std::string_view command) override {
    complain("warning", kYellow,
             "unknown command '" + std::string(command) + "' on standard input: it takes 'view' and 'stop'");
  }

  void hook_failed(const HookProblem& problem) override {
    complain("warning", kYellow, "the --" + problem.hook + " hook for " + problem.node + " " + problem.message);
  }

  void warning(std::string_view message) override { complain("warning", kYellow, std::string(message)); }

 private:
  [[nodiscard]] std::string paint(std::string_view text, const char* colour) const {
    return painted(text, colour, out_coloured_);
  }

  // The first word of a line, in a column of its own.
  [[nodiscard]] std::string word(std::string_view text, const char* colour) const {
    constexpr size_t kWidth = 7;
    return paint(text, colour) + std::string(kWidth > text.size() ? kWidth - text.size() : 1, ' ');
  }

  // For people who watch; what goes into a file or a journal gets its times there.
  [[nodiscard]] std::string time_of(const noex_event& event) const {
    if (!out_is_terminal_) return {};
    const std::time_t seconds = event.created_at / 1000;
    std::tm local{};
    char text[16];
    localtime_r(&seconds, &local);
    return paint({text, std::strftime(text, sizeof text, "%H:%M:%S  ", &local)}, kDim);
  }

  void complain(const char* kind, const char* colour, const std::string& message) const {
    std::fprintf(stderr, "%s: %s\n", painted(kind, colour, error_coloured_).c_str(), message.c_str());
  }

  const bool out_is_terminal_ = isatty(STDOUT_FILENO) != 0;
  const bool out_coloured_ = wants_colour(STDOUT_FILENO);
  const bool error_coloured_ = wants_colour(STDERR_FILENO);
  std::string last_logged_;
};

}  // namespace

std::unique_ptr<Reporter> make_text_reporter() { return std::make_unique<TextReporter>(); }

}  // namespace noex_cli
