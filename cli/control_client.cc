#include "control_client.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "control_place.h"
#include "exit_codes.h"
#include "style.h"

namespace noex_cli {
namespace {

// A cluster of 4,096 nodes that all see each other is some 10 MiB; what is longer comes from no node.
constexpr size_t kAnswerSizeMax = 64 * 1024 * 1024;

std::string in_quotes(std::string_view text) { return "'" + printable(text) + "'"; }

std::string owner_of(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return {};
  const passwd* const user = getpwuid(found.st_uid);
  return user != nullptr ? user->pw_name : "user " + std::to_string(found.st_uid);
}

Failure forbidden(const std::string& path) {
  const std::string owner = owner_of(path);
  return {kRefused, "the control socket " + in_quotes(path) + " is not open to you" +
                        (owner.empty() ? "" : ": it belongs to " + owner) + "; ask as its owner or as root"};
}

std::string list_of(const std::vector<FoundSocket>& sockets) {
  std::string list;
  for (const FoundSocket& socket : sockets) {
    list += "\n  " + padded(printable(socket.name), 20) + " " + printable(socket.path) +
            (socket.permitted ? "" : "  (not open to you)");
  }
  return list;
}

std::string folders_text() {
  std::string text;
  for (const std::string& folder : control_folders()) text += (text.empty() ? "" : ", ") + folder;
  return text;
}

// A name is that of the file, or its beginning up to the process id; an id is known by its name alone here.
bool is_meant(const FoundSocket& socket, std::string_view wanted) {
  return socket.name == wanted ||
         (socket.name.starts_with(wanted) && socket.name.size() > wanted.size() && socket.name[wanted.size()] == '.');
}

}  // namespace

Failure find_control_socket(const ControlOptions& options, std::string& path) {
  if (options.node && options.node->find('/') != std::string::npos) {
    path = *options.node;
    return {};
  }
  if (!options.node && options.path) {
    path = *options.path;
    return {};
  }
  std::vector<FoundSocket> found = find_control_sockets();
  if (options.node) {
    const std::string_view wanted = std::string_view(*options.node).substr(0, options.node->find('@'));
    std::vector<FoundSocket> meant;
    std::copy_if(found.begin(), found.end(), std::back_inserter(meant),
                 [wanted](const FoundSocket& socket) { return is_meant(socket, wanted); });
    if (meant.empty()) {
      return {kUnreachable,
              "no node " + in_quotes(*options.node) + " runs here" +
                  (found.empty() ? " (looked in " + folders_text() + ")" : "; there are:" + list_of(found))};
    }
    found = std::move(meant);
  }
  if (found.empty()) {
    return {kUnreachable,
            "no node runs here that could be asked (looked in " + folders_text() +
                "); start one with `noex-cluster run`, or name the socket of an embedded one with --control-socket"};
  }
  // Those of others do not make the choice harder.
  const auto forbidden_ones =
      std::stable_partition(found.begin(), found.end(), [](const FoundSocket& socket) { return socket.permitted; });
  if (forbidden_ones != found.begin()) {
    found.erase(forbidden_ones, found.end());
  } else if (found.size() == 1) {
    return forbidden(found.front().path);
  } else {
    return {kRefused, "the nodes that run here are not open to you; ask as their owner or as root:" + list_of(found)};
  }
  if (found.size() > 1) {
    return {kUsage, "several nodes run here: say which, by name or by --control-socket:" + list_of(found)};
  }
  path = found.front().path;
  return {};
}

Failure ControlClient::connect(const std::string& path, std::chrono::milliseconds timeout) {
  close();
  path_ = path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return {kUsage, "invalid control socket " + in_quotes(path) + ": a path of 1 to " +
                        std::to_string(sizeof address.sun_path - 1) + " bytes is needed"};
  }
  path.copy(address.sun_path, path.size());
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) {
    if (errno == EACCES) return forbidden(path);
    if (errno == ENOENT || errno == ENOTDIR) {
      return {kUnreachable,
              "there is no control socket " + in_quotes(path) + ": does the node run, and with this path?"};
    }
    return {kUnreachable, "the control socket " + in_quotes(path) + " cannot be used: " + std::strerror(errno)};
  }
  if (!S_ISSOCK(found.st_mode)) return {kUnreachable, in_quotes(path) + " is no socket"};

  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return {kFailure, std::string("cannot make a socket: ") + std::strerror(errno)};
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timeval limit{seconds.count(), std::chrono::microseconds(timeout - seconds).count()};
  (void)setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);  // holds for connect, too
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    close();
    if (error == EACCES || error == EPERM) return forbidden(path);
    if (error == ECONNREFUSED) {
      return {kUnreachable,
              "nobody listens on the control socket " + in_quotes(path) + ": the node that made it is gone"};
    }
    if (error == EAGAIN || error == EINPROGRESS) {
      return {kUnreachable, "the node at " + in_quotes(path) + " takes no connection: too many ask it at once"};
    }
    return {kUnreachable, "the control socket " + in_quotes(path) + " cannot be used: " + std::strerror(error)};
  }
  return {};
}

bool ControlClient::send(std::string_view word) {
  const std::string line = std::string(word) + "\n";
  return ::send(fd_, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size());
}

bool ControlClient::receive() {
  std::array<char, 65536> bytes;
  while (true) {
    const ssize_t size = recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size > 0) {
      received_.append(bytes.data(), static_cast<size_t>(size));
      if (received_.size() > kAnswerSizeMax) return false;
      continue;
    }
    return size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  }
}

std::optional<std::string> ControlClient::next_line() {
  const size_t end = received_.find('\n', searched_);
  if (end == std::string::npos) {
    searched_ = received_.size();
    return std::nullopt;
  }
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  searched_ = 0;
  return line;
}

Failure ControlClient::ask(std::string_view word, std::chrono::milliseconds timeout, std::string& answer) {
  const Clock::time_point deadline = Clock::now() + timeout;
  bool open = send(word);
  while (true) {
    if (std::optional<std::string> line = next_line()) {
      answer = std::move(*line);
      return {};
    }
    if (!open) {
      return received_.size() > kAnswerSizeMax
                 ? Failure{kNotUnderstood, "the answer of the node at " + in_quotes(path_) + " does not end"}
                 : Failure{kUnreachable, "the node at " + in_quotes(path_) + " went away without an answer"};
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd watched{fd_, POLLIN, 0};
    const int ready = left.count() <= 0 ? 0 : poll(&watched, 1, static_cast<int>(left.count()));
    if (ready == 0) {
      return {kUnreachable,
              "the node at " + in_quotes(path_) + " did not answer within " + duration_text(timeout.count())};
    }
    if (ready > 0) open = receive();
  }
}

void ControlClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  received_.clear();
  searched_ = 0;
}

}  // namespace noex_cli
