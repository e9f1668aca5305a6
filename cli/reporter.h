// What the command tells of its node, in one of two shapes: lines for people, or one JSON object a line for programs.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "hooks.h"
#include "noex_cluster.h"

namespace noex_cli {

class Reporter {
 public:
  virtual ~Reporter() = default;

  virtual void up(const noex_event& event) = 0;
  virtual void down(const noex_event& event) = 0;
  // `id` is the local node's, "" while it has none.
  virtual void status(const noex_event& event, std::string_view id) = 0;
  virtual void error(const noex_event& event) = 0;
  virtual void log(const noex_event& event) = 0;
  // start has ended well: the node runs as `id` and every seed has been tried. `control_socket` is "" if it has none.
  virtual void started(std::string_view id, std::string_view control_socket) = 0;
  // The node cannot run.
  virtual void failed(const noex_error& error) = 0;
  // HTTP is served at `url`.
  virtual void http(std::string_view url) = 0;
  // `nodes` is null while the node does not run.
  virtual void view(std::string_view id, std::string_view status, const noex_nodes* nodes) = 0;
  // A word on stdin that is no command.
  virtual void unknown_command(std::string_view command) = 0;
  virtual void hook_failed(const HookProblem& problem) = 0;
  // Something that does not keep the node from running.
  virtual void warning(std::string_view message) = 0;

  // False when standard output cannot be written to any more: nobody listens.
  [[nodiscard]] bool heard() const { return heard_; }

 protected:
  // Writes a line to standard output, at once.
  void say(std::string_view line);

 private:
  bool heard_ = true;
};

// One JSON object a line, all on standard output; or each to `sink`, without the end of the line.
[[nodiscard]] std::unique_ptr<Reporter> make_json_reporter(std::function<void(std::string_view)> sink = {});
// Events on standard output, warnings, errors and logs on standard error; coloured where that is a terminal.
[[nodiscard]] std::unique_ptr<Reporter> make_text_reporter();

}  // namespace noex_cli
