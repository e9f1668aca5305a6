// What the user is told beside ups and downs: errors, at most so many a second, and log lines.
#include "membership/machine.h"

namespace noex {

void Membership::Machine::report(ErrorKind kind, std::string message, const NodeId& node, const Endpoint* remote) {
  if (clock_ - error_window_ >= Duration::seconds(1)) {
    error_window_ = clock_;
    errors_in_window_ = 0;
  }
  if (errors_in_window_ >= limits_.errors_per_second_max) {
    ++errors_suppressed_;
    return;
  }
  ++errors_in_window_;
  if (errors_suppressed_ > 0) {
    message += " (" + std::to_string(errors_suppressed_) + " more errors were not reported)";
    errors_suppressed_ = 0;
  }
  log(LogLevel::Warning, message);
  emit(Notify{
      ErrorReport{kind, std::move(message), node.text(), remote == nullptr ? std::string() : remote->to_string()}});
}

void Membership::Machine::log(LogLevel level, std::string message) {
  emit(Notify{LogRecord{level, now_.unix_ms, std::move(message)}});
}

}  // namespace noex
