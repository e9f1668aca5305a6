// Result<T>: a value or an Error. The core throws nowhere; whatever can fail says so in its type. Error codes are the
// library's one list: the C ABI's noex_status numbers are these (capi/ asserts it), and they are never reused.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "base/checks.h"

namespace noex {

enum class ErrorCode : int {
  Ok = 0,
  InvalidArgument = -1,  // a NULL or senseless argument of a call
  InvalidConfig = -2,    // a configuration option; the message names it
  InvalidNodeId = -3,    // text that is not `name@host:port`
  NotStarted = -4,       // needs a running node
  AlreadyRunning = -5,   // start on a node that is not stopped
  State = -6,            // the call does not fit the handle's mode (pulled from or called back)
  WrongThread = -7,      // stop on the handle's own thread
  Bind = -8,             // the listener could not be bound; Error::bind says why
  Timeout = -9,          // nothing came within the time that the caller gave
  Aborted = -10,         // a pending start was ended by a stop
  NoMemory = -11,
  NotFound = -12,
  BufferTooSmall = -13,
  Forked = -14,  // the handle belongs to the parent process
  Internal = -15,
};

// What a failed bind was about, so that bindings can raise an OSError or an Error with code, syscall, address and port.
struct BindFailure {
  int os_error = 0;     // errno value, e.g. EADDRINUSE; 0 when the resolver failed
  std::string syscall;  // "listen", "bind" or "getaddrinfo"
  std::string code;     // "EADDRINUSE", "ENOTFOUND", ...
  std::string address;
  int port = 0;
};

struct Error {
  ErrorCode code = ErrorCode::Internal;
  std::string message;
  BindFailure bind = {};  // only with ErrorCode::Bind
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] const T& value() const& { return checked(); }
  [[nodiscard]] T& value() & { return const_cast<T&>(checked()); }
  [[nodiscard]] T&& value() && { return std::move(const_cast<T&>(checked())); }
  const T* operator->() const { return &checked(); }
  const T& operator*() const& { return checked(); }
  T&& operator*() && { return std::move(const_cast<T&>(checked())); }

  [[nodiscard]] const Error& error() const {
    NOEX_CHECK(!ok());
    return *std::get_if<1>(&state_);
  }

 private:
  const T& checked() const {
    NOEX_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  std::variant<T, Error> state_;
};

// Status: a Result without a value. It costs next to nothing while all is well: even the shortest query returns
// several.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::make_shared<const Error>(std::move(error))) {}  // NOLINT: implicit by design
  [[nodiscard]] bool ok() const { return error_ == nullptr; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const {
    NOEX_CHECK(!ok());
    return *error_;
  }

 private:
  std::shared_ptr<const Error> error_;  // null if all is well; shared, for a Status may be copied
};

}  // namespace noex
