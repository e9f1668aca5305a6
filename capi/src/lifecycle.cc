// A handle's life: create, start, stop, wait, free.

#include <string>

#include "base/checks.h"
#include "config.h"
#include "handle.h"

namespace noex::capi {
namespace {

// For calls that wait for what the calling thread itself would have to do.
Status check_waiting_call(const noex_cluster* cluster, const char* name, const char* advice) {
  if (Status status = check_handle(cluster); !status) return status;
  if (!cluster->dispatcher.on_own_thread()) return {};
  return Error{ErrorCode::WrongThread,
               std::string(name) + " was called inside a callback of the same handle, which it would wait for" + advice,
               {}};
}

}  // namespace
}  // namespace noex::capi

using noex::Result;
using noex::Status;
using noex::capi::check_handle;
using noex::capi::check_waiting_call;
using noex::capi::guard;
using noex::capi::require;

extern "C" {

noex_status noex_cluster_create(noex_cluster** out_cluster) {
  return guard([&]() -> Status {
    if (Status status = require(out_cluster, "out_cluster"); !status) return status;
    *out_cluster = nullptr;
    Result<std::unique_ptr<noex::Node>> node = noex::Node::create();
    if (!node) return node.error();
    *out_cluster = new noex_cluster(*std::move(node));
    return {};
  });
}

noex_status noex_cluster_start(noex_cluster* cluster, const noex_config* config) {
  return guard([&]() -> Status {
    if (Status status = check_waiting_call(cluster, "noex_cluster_start", ": use noex_cluster_start_async there");
        !status) {
      return status;
    }
    if (Status status = require(config, "config"); !status) return status;
    const Result<noex::ClusterConfig> given = noex::capi::read_config(*config);
    if (!given) return given.error();
    Status outcome = cluster->node->start(*given);
    if (Status drained = cluster->dispatcher.drain(std::nullopt); !drained) return drained;
    return outcome;
  });
}

noex_status noex_cluster_start_async(noex_cluster* cluster, const noex_config* config, uint64_t* out_operation) {
  return guard([&]() -> Status {
    if (Status status = check_handle(cluster); !status) return status;
    if (Status status = require(config, "config"); !status) return status;
    const Result<noex::ClusterConfig> given = noex::capi::read_config(*config);
    if (!given) return given.error();
    const Result<uint64_t> operation = cluster->node->start_async(*given);
    if (!operation) return operation.error();
    if (out_operation != nullptr) *out_operation = *operation;
    return {};
  });
}

noex_status noex_cluster_stop(noex_cluster* cluster) {
  return guard([&]() -> Status {
    if (Status status = check_waiting_call(cluster, "noex_cluster_stop", ": use noex_cluster_stop_async there");
        !status) {
      return status;
    }
    if (Status status = cluster->node->stop(); !status) return status;
    return cluster->dispatcher.drain(std::nullopt);
  });
}

noex_status noex_cluster_stop_async(noex_cluster* cluster, uint64_t* out_operation) {
  return guard([&]() -> Status {
    if (Status status = check_handle(cluster); !status) return status;
    const Result<uint64_t> operation = cluster->node->stop_async();
    if (!operation) return operation.error();
    if (out_operation != nullptr) *out_operation = *operation;
    return {};
  });
}

noex_status noex_cluster_wait(noex_cluster* cluster, int32_t timeout_ms) {
  return guard([&]() -> Status {
    if (Status status = check_waiting_call(cluster, "noex_cluster_wait", ""); !status) return status;
    return cluster->node->wait_stopped(noex::capi::limit_of(timeout_ms));
  });
}

void noex_cluster_free(noex_cluster* cluster) {
  if (cluster == nullptr || cluster->forked()) return;
  if (cluster->dispatcher.on_own_thread()) {
    noex::check_failed("noex_cluster_free is not called inside a callback of the same handle", __FILE__, __LINE__);
  }
  // The node first: whatever a running callback still does, the sockets close now.
  cluster->node->abort();
  cluster->dispatcher.end();
  delete cluster;
}

}  // extern "C"
