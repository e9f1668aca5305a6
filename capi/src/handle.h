// noex_cluster: one node and the way in which its events are consumed.
#pragma once

#include <memory>
#include <utility>

#include "base/process_id.h"
#include "base/result.h"
#include "cluster/node.h"
#include "dispatcher.h"
#include "error.h"
#include "noex_cluster.h"

struct noex_cluster {
  explicit noex_cluster(std::unique_ptr<noex::Node> own_node) : node(std::move(own_node)), dispatcher(*node) {}

  // In the child of a fork() nothing of the handle may be touched but this: a thread that is not there may hold its
  // locks.
  [[nodiscard]] bool forked() const { return noex::process_id() != pid_; }

  std::unique_ptr<noex::Node> node;
  noex::capi::Dispatcher dispatcher;

 private:
  const pid_t pid_ = noex::process_id();
};

namespace noex::capi {

// Ok if there is a handle and it is this process's. Errors: InvalidArgument, Forked.
[[nodiscard]] inline Status check_handle(const noex_cluster* cluster) {
  if (Status status = require(cluster, "cluster"); !status) return status;
  if (!cluster->forked()) return {};
  return Error{
      ErrorCode::Forked, "this cluster handle belongs to the parent process: create a new one after fork()", {}};
}

// noex_cluster_* times: negative is no limit.
[[nodiscard]] inline std::optional<Duration> limit_of(int32_t timeout_ms) {
  if (timeout_ms < 0) return std::nullopt;
  return Duration::milliseconds(timeout_ms);
}

}  // namespace noex::capi
