#include "control_place.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>

namespace noex_cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".sock";
constexpr std::chrono::milliseconds kLockWait{2000};

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct Folder {
  std::string path;
  mode_t mode;  // it is made with
};

std::vector<Folder> folders() {
  if (const std::string own = variable("NOEX_RUNTIME_DIR"); !own.empty()) return {{own, 0700}};
  std::vector<Folder> found;
  if (const std::string session = variable("XDG_RUNTIME_DIR"); !session.empty()) {
    found.push_back({session + "/noex-cluster", 0700});
  }
  found.push_back({"/run/noex-cluster", 0755});
  // For everybody to write to: the folder must be ours alone.
  found.push_back({"/tmp/noex-cluster-" + std::to_string(getuid()), 0700});
  return found;
}

// Whether only this user, or root, decides what is in the folder.
bool is_trusted(const std::string& folder) {
  struct stat found {};
  if (lstat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) return false;
  return (found.st_uid == getuid() || found.st_uid == 0) && (found.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// "" if it is there and may be written to, else why not.
std::string make_ready(const Folder& folder) {
  if (mkdir(folder.path.c_str(), folder.mode) != 0 && errno != EEXIST) return folder.path + ": " + std::strerror(errno);
  if (!is_trusted(folder.path)) return folder.path + ": others may write to it";
  if (access(folder.path.c_str(), W_OK | X_OK) != 0) return folder.path + ": " + std::strerror(errno);
  return {};
}

enum class Listener { None, Live, Forbidden };

Listener listener_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  struct stat found {};
  if (path.size() >= sizeof address.sun_path || stat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) {
    return Listener::None;
  }
  path.copy(address.sun_path, path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Listener::None;
  const int outcome = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  close(fd);
  if (outcome == 0 || error == EAGAIN) return Listener::Live;  // EAGAIN: others wait in line before us
  return error == EACCES || error == EPERM ? Listener::Forbidden : Listener::None;
}

// What a killed node of this name left.
void sweep(const std::string& folder, const std::string& name) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string file = entry.path().filename();
    const bool own = file.starts_with(name + ".") && file.ends_with(kSuffix) && file != name + std::string(kSuffix);
    if (own && entry.is_socket(ignored) && listener_of(entry.path()) == Listener::None) unlink(entry.path().c_str());
  }
}

void collect(const std::string& folder, bool deeper, std::vector<FoundSocket>& found) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    const fs::path& path = entries->path();
    if (deeper && entries->is_directory(ignored)) {
      collect(path, false, found);  // a folder for each instance of the systemd unit
    } else if (path.extension() == kSuffix) {
      const Listener listener = listener_of(path);
      if (listener != Listener::None) found.push_back({path, path.stem(), listener == Listener::Live});
    }
  }
}

}  // namespace

FolderLock::FolderLock(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  const auto deadline = std::chrono::steady_clock::now() + kLockWait;
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if ((errno != EWOULDBLOCK && errno != EINTR) || std::chrono::steady_clock::now() >= deadline) {
      close(fd);
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  fd_ = fd;
}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

void FolderLock::release() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

ControlPlace choose_control_place(const std::string& name) {
  ControlPlace place;
  for (const Folder& folder : folders()) {
    if (const std::string problem = make_ready(folder); !problem.empty()) {
      place.problem += (place.problem.empty() ? "" : "; ") + problem;
      continue;
    }
    const std::string longest = folder.path + "/" + name + "." + std::to_string(getpid()) + std::string(kSuffix);
    if (longest.size() >= sizeof(sockaddr_un::sun_path)) {
      place.problem += (place.problem.empty() ? "" : "; ") + folder.path + ": too long a path for a socket";
      continue;
    }
    place.lock = FolderLock(folder.path);
    sweep(folder.path, name);
    place.path = folder.path + "/" + name + std::string(kSuffix);
    // Where somebody starts for longer than we wait, a name that nobody else takes is the safe one.
    if (!place.lock.held() || listener_of(place.path) != Listener::None) {
      place.path = longest;
    }
    return place;
  }
  return place;
}

std::vector<FoundSocket> find_control_sockets() {
  std::vector<FoundSocket> found;
  for (const Folder& folder : folders()) {
    struct stat info {};
    // What strangers may have put there is not asked anything.
    if (stat(folder.path.c_str(), &info) == 0 && is_trusted(folder.path)) collect(folder.path, true, found);
  }
  std::sort(found.begin(), found.end(), [](const FoundSocket& a, const FoundSocket& b) { return a.path < b.path; });
  return found;
}

std::vector<std::string> control_folders() {
  std::vector<std::string> paths;
  for (const Folder& folder : folders()) paths.push_back(folder.path);
  return paths;
}

}  // namespace noex_cli
