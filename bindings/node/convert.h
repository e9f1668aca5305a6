// Values of the C API as JavaScript values, and failures as JavaScript errors. Everything here runs on the JavaScript
// thread of `env`.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

#include "noex_cluster.h"

namespace noex_js {

// What belongs to one load of the module in one JavaScript environment: the main thread and every worker has its own,
// and so has a second copy of the package. Nothing is shared between them, hence no globals in this binding.
struct Instance {
  // Set by the package: so errors are of its classes, and objects are made where that is quick.
  Napi::FunctionReference make_error;   // (statusName, details) => Error
  Napi::FunctionReference make_nodes;   // (count, numbers, texts, former) => a frozen array; see node/lib/node-info.cjs
  Napi::FunctionReference renew_nodes;  // the same; what is not given is as in `former`
  Napi::Reference<Napi::Float64Array> numbers;  // what they are given; used again, for making one takes long
};

// A noex_error that outlives its event or the thread's next call.
struct ErrorCopy {
  noex_status status = NOEX_OK;
  int32_t kind = 0;
  std::string message;
  std::string node_id;
  std::string address;
  int32_t port = 0;
  int32_t os_error = 0;
  std::string code;
  std::string syscall;

  explicit ErrorCopy(const noex_error& error);
  ErrorCopy(noex_status error_status, std::string error_message);
};

// A noex_node that outlives its event.
struct NodeCopy {
  std::string id;
  std::string host;
  int32_t port = 0;
  int32_t status = 0;
  int64_t process_count = 0;
  int64_t last_heartbeat_at = 0;
  int64_t uptime_ms = 0;
  uint64_t incarnation = 0;

  explicit NodeCopy(const noex_node& node);
};

// A frozen NodeInfo.
[[nodiscard]] Napi::Object node_to_js(Napi::Env env, const noex_node& node);
[[nodiscard]] Napi::Object node_to_js(Napi::Env env, const NodeCopy& node);

// A frozen array of frozen NodeInfo.
[[nodiscard]] Napi::Array nodes_to_js(Napi::Env env, const noex_nodes* nodes);
// The same, of a later snapshot of the same cluster than `former` is, which `former_list` was made of. Nodes of which
// nothing has changed are the same objects.
[[nodiscard]] Napi::Array nodes_to_js(Napi::Env env, const noex_nodes* nodes, const noex_nodes* former,
                                      const Napi::Array& former_list);

// A plain object with the totals, the refusals by kind, and one entry by connection.
[[nodiscard]] Napi::Object stats_to_js(Napi::Env env, const noex_stats_snapshot* stats);

// The package's error for a failure: ClusterNotStartedError, InvalidClusterConfigError, ...
[[nodiscard]] Napi::Error error_to_js(Napi::Env env, const ErrorCopy& error);

// Throws the package's error for the calling thread's last failure; does nothing for NOEX_OK.
void throw_if_failed(Napi::Env env, noex_status status);

// Throws InvalidClusterConfigError.
[[noreturn]] void throw_config_error(Napi::Env env, const std::string& message);

// Object.freeze.
[[nodiscard]] Napi::Object frozen(Napi::Object object);

}  // namespace noex_js
