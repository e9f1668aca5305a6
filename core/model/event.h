// What a node tells its user: the values behind the C ABI's noex_event.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "model/node_info.h"

namespace noex {

enum class LogLevel : int32_t { Debug = 1, Info = 2, Warning = 3, Error = 4 };

struct NodeUp {
  NodeInfo node;
};

struct NodeDown {
  NodeId id;
  DownReason reason = DownReason::ConnectionClosed;
  std::string evidence;  // for logs: what was seen and which deadline passed
};

enum class ErrorKind : int32_t {
  Protocol = 1,        // a peer sent what the protocol forbids
  Authentication = 2,  // missing or wrong signature; a peer hangs up on our hello
  DuplicateId = 3,     // two processes claim one id
  ClusterMismatch = 4,
  Overload = 5,  // a limit was reached
  Internal = 6,
};

// "authentication", "duplicate_id", ...
[[nodiscard]] std::string_view to_string(ErrorKind kind);

struct ErrorReport {
  ErrorKind kind = ErrorKind::Internal;
  std::string message;  // one sentence: what happened, and what would be right
  std::string node_id;  // the id concerned, "" if unknown
  std::string address;  // ip:port of the peer, "" if none
};

struct LogRecord {
  LogLevel level = LogLevel::Info;
  int64_t unix_ms = 0;
  std::string message;
};

}  // namespace noex
