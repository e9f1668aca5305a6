#include "service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace noex_cli {
namespace {

std::optional<int64_t> number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const std::string_view digits = text;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number <= 0) return std::nullopt;
  return number;
}

}  // namespace

ServiceManager::ServiceManager() {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (*path != '/' && *path != '@') ||
      std::string_view(path).size() >= sizeof(sockaddr_un::sun_path)) {
    return;
  }
  address_ = path;
  if (address_.front() == '@') address_.front() = '\0';  // an abstract name: no file
  fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const std::optional<int64_t> limit = number_in("WATCHDOG_USEC");
  // Another process's watchdog, inherited, is none of ours.
  if (!limit || number_in("WATCHDOG_PID").value_or(getpid()) != getpid()) return;
  interval_ = std::chrono::microseconds(*limit / 2);
  due_ = Clock::now();
}

ServiceManager::~ServiceManager() {
  if (fd_ >= 0) close(fd_);
}

void ServiceManager::tell(std::string_view state) const {
  if (fd_ < 0) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  address_.copy(to.sun_path, address_.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  // A manager that does not read is no reason to wait.
  (void)sendto(fd_, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to),
               size);
}

void ServiceManager::give_sign_of_life(bool alive) {
  if (!interval_) return;
  if (alive) tell("WATCHDOG=1");
  due_ = Clock::now() + *interval_;
}

}  // namespace noex_cli
