#include "http_events.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace noex_cli {
namespace {

constexpr size_t kKeptMax = 256;

std::string new_life() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()) + "." +
         std::to_string(getpid()) + "-";
}

}  // namespace

HttpEvents::HttpEvents() : life_(new_life()) {}

void HttpEvents::add(std::string_view json) {
  const std::scoped_lock lock(mutex_);
  kept_.emplace_back(json);
  if (kept_.size() <= kKeptMax) return;
  kept_.pop_front();
  ++first_;
}

uint64_t HttpEvents::position_after(std::string_view last_id) const {
  const std::scoped_lock lock(mutex_);
  if (last_id.substr(0, life_.size()) != life_) return first_;
  const std::string_view number = last_id.substr(life_.size());
  uint64_t seen = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), seen);
  if (error != std::errc() || end != number.data() + number.size() || seen >= first_ + kept_.size()) return first_;
  return std::max(first_, seen + 1);
}

std::string HttpEvents::take(uint64_t& position) const {
  const std::scoped_lock lock(mutex_);
  std::string text;
  position = std::max(position, first_);  // what a slow reader has missed for good
  for (; position < first_ + kept_.size(); ++position) {
    text += "id: " + life_ + std::to_string(position) + "\ndata: " + kept_[position - first_] + "\n\n";
  }
  return text;
}

}  // namespace noex_cli
