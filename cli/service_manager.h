// What a service manager is told (sd_notify(3)): that the node runs, how it is, that it stops, and that it is alive.
// The protocol is a datagram of lines; without NOTIFY_SOCKET nothing is sent.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace noex_cli {

class ServiceManager {
 public:
  using Clock = std::chrono::steady_clock;

  ServiceManager();
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  // The variables that are meant for this process alone.
  static constexpr const char* kVariables[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};

  [[nodiscard]] bool listens() const { return fd_ >= 0; }
  // `state` is lines such as "READY=1\nSTATUS=...".
  void tell(std::string_view state) const;
  // When the next sign of life is due, at half the time that we are given; none if nobody waits for one.
  [[nodiscard]] std::optional<Clock::time_point> sign_of_life_due() const { return due_; }
  // `alive`: send it. If not, none is sent until the next is due.
  void give_sign_of_life(bool alive);

 private:
  int fd_ = -1;
  std::string address_;  // as in sockaddr_un::sun_path
  std::optional<std::chrono::microseconds> interval_;
  std::optional<Clock::time_point> due_;
};

}  // namespace noex_cli
