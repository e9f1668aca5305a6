// Where the control sockets of this machine's nodes are: where `run` puts its own, and where the other verbs look.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace noex_cli {

// A folder that is locked as long as this lives, so that two nodes of one name that start at once do not choose one
// path.
class FolderLock {
 public:
  FolderLock() = default;
  explicit FolderLock(const std::string& folder);
  ~FolderLock() { release(); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  FolderLock(FolderLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FolderLock& operator=(FolderLock&& other) noexcept;

  [[nodiscard]] bool held() const { return fd_ >= 0; }
  void release();

 private:
  int fd_ = -1;
};

struct ControlPlace {
  std::string path;  // "" if there is no folder for it: `problem` says why
  std::string problem;
  FolderLock lock;  // to be held until the node listens
};

// The path for the socket of a node called `name`: in NOEX_RUNTIME_DIR, else $XDG_RUNTIME_DIR/noex-cluster, else
// /run/noex-cluster, else /tmp/noex-cluster-UID, the first that can be written to. `name`.sock, or `name`.PID.sock
// where another node has that.
[[nodiscard]] ControlPlace choose_control_place(const std::string& name);

struct FoundSocket {
  std::string path;
  std::string name;  // the file's, without .sock
  bool permitted = true;
};

// The sockets in those folders that somebody listens on, sorted.
[[nodiscard]] std::vector<FoundSocket> find_control_sockets();

// Those folders, in that order, for messages.
[[nodiscard]] std::vector<std::string> control_folders();

}  // namespace noex_cli
