// What the user is told beside ups and downs: errors, at most so many a second, and log lines.
#include "membership/machine.h"

namespace noex {

void Membership::Machine::report(ErrorKind kind, std::string message, const NodeId& node, const Endpoint* remote) {
  if (clock_ - error_window_ >= Duration::seconds(1)) {
    error_window_ = clock_;
    errors_in_window_ = 0;
    kinds_in_window_.reset();
  }
  // One of each kind is told in any case: a flood of one does not hide another.
  const auto kind_index = static_cast<size_t>(kind);
  const bool first_of_kind = !kinds_in_window_.test(kind_index);
  kinds_in_window_.set(kind_index);
  if (!first_of_kind && errors_in_window_ >= limits_.errors_per_second_max) {
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

void Membership::Machine::note(RejectKind kind, const std::string& message) {
  count(kind);
  Quiet& quiet = quiet_[static_cast<size_t>(kind)];
  if (clock_ < quiet.due) {
    ++quiet.unsaid;
    return;
  }
  quiet.due = clock_ + limits_.quiet_log_interval;
  const std::string more =
      quiet.unsaid == 0 ? "" : " (and " + std::to_string(quiet.unsaid) + " more since the last such line)";
  quiet.unsaid = 0;
  log(LogLevel::Warning, message + more);
}

void Membership::Machine::log(LogLevel level, std::string message) {
  emit(Notify{LogRecord{level, now_.unix_ms, std::move(message)}});
}

}  // namespace noex
