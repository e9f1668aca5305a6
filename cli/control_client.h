// Asking a running node over its control socket: a line with a word, and a line of JSON as the answer.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace noex_cli {

// What went wrong, in one sentence, and what the command ends with for it.
struct Failure {
  int exit_code = 0;  // 0: nothing
  std::string message;
  explicit operator bool() const { return exit_code != 0; }
};

// Which node is asked.
struct ControlOptions {
  std::optional<std::string> path;  // of its socket
  std::optional<std::string> node;  // its name, its id, or a path
  double timeout_seconds = 5;
};

// The socket that the options mean: the one that is named, or that of the only node that runs here.
[[nodiscard]] Failure find_control_socket(const ControlOptions& options, std::string& path);

class ControlClient {
 public:
  using Clock = std::chrono::steady_clock;

  ControlClient() = default;
  ~ControlClient() { close(); }
  ControlClient(const ControlClient&) = delete;
  ControlClient& operator=(const ControlClient&) = delete;

  // Connects within `timeout`; says why not in words that help.
  [[nodiscard]] Failure connect(const std::string& path, std::chrono::milliseconds timeout);
  // Sends `word` and waits for the line that answers it, `timeout` at most.
  [[nodiscard]] Failure ask(std::string_view word, std::chrono::milliseconds timeout, std::string& answer);

  // For those who poll. Sends a word without waiting: false if the node is gone.
  [[nodiscard]] bool send(std::string_view word);
  // Takes what has come: false if the node is gone.
  [[nodiscard]] bool receive();
  // The next whole line of what was received.
  [[nodiscard]] std::optional<std::string> next_line();

  [[nodiscard]] int fd() const { return fd_; }
  void close();

 private:
  int fd_ = -1;
  std::string path_;
  std::string received_;
  size_t searched_ = 0;  // no end of a line before
};

}  // namespace noex_cli
