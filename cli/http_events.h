// The last events of the node as server-sent events. Each has an id, so that a client whose connection broke says which
// it saw last and gets what it missed.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

namespace noex_cli {

class HttpEvents {
 public:
  HttpEvents();

  // `json` is one line. Thread: any.
  void add(std::string_view json);

  // The number of the event that comes next for a client that saw `last_id` last; the oldest kept one for a client
  // that is new, or that saw one of an earlier process. Thread: any.
  [[nodiscard]] uint64_t position_after(std::string_view last_id) const;

  // The events from `position` on as text/event-stream, "" if there are none; moves `position` behind them.
  // Thread: any.
  [[nodiscard]] std::string take(uint64_t& position) const;

 private:
  mutable std::mutex mutex_;
  std::deque<std::string> kept_;
  uint64_t first_ = 1;      // the number of kept_.front()
  const std::string life_;  // the first half of each id: another one after a restart
};

}  // namespace noex_cli
