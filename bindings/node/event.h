// An event on its way from the handle's dispatch thread to the JavaScript thread: copied on the one, converted on the
// other.
#pragma once

#include <napi.h>

#include <optional>
#include <string>

#include "convert.h"
#include "noex_cluster.h"

namespace noex_js {

class EventCopy {
 public:
  // Copies all that `event` points to; no JavaScript, so any thread may.
  explicit EventCopy(const noex_event& event);

  // Calls `receive(kind, ...)`: ('nodeUp', NodeInfo), ('nodeDown', id, reason), ('statusChange', status), ('error',
  // Error),
  // ('log', {level, message, at}), ('completion', operation, Error | undefined). JavaScript thread only.
  void deliver(Napi::Env env, Napi::Object self, Napi::Function receive) const;

 private:
  int32_t kind_ = 0;
  int64_t created_at_ = 0;
  std::optional<NodeCopy> node_;
  std::optional<ErrorCopy> error_;
  int32_t reason_ = 0;
  int32_t status_ = 0;
  int32_t level_ = 0;
  std::string message_;
  uint64_t operation_ = 0;
};

}  // namespace noex_js
