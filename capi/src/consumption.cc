// How a handle's events come to the user: the pulling calls, and the registration of callbacks.

#include <memory>
#include <string>
#include <utility>

#include "event.h"
#include "handle.h"

namespace noex::capi {
namespace {

// Registers a callback of any shape; `callback` may hold a null pointer. If it fails, `destroy` is called at once, as
// promised.
noex_status subscribe(noex_cluster* cluster, uint32_t kinds, Callback callback, void* user_data, void (*destroy)(void*),
                      noex_subscription* out_subscription) noexcept {
  const noex_status status = guard([&]() -> Status {
    if (out_subscription != nullptr) *out_subscription = 0;
    if (Status checked = check_handle(cluster); !checked) return checked;
    const bool callable = std::visit([](auto* function) { return function != nullptr; }, callback);
    if (!callable) return invalid_argument("cb must not be NULL");
    if (kinds == 0 || (kinds & ~kAllEventKinds) != 0) {
      return invalid_argument("kinds must be a mask of NOEX_EVENT_*, at least one, not " + std::to_string(kinds));
    }
    const Result<noex_subscription> subscription = cluster->dispatcher.subscribe(kinds, callback, user_data, destroy);
    if (!subscription) return subscription.error();
    if (out_subscription != nullptr) *out_subscription = *subscription;
    return {};
  });
  if (status != NOEX_OK && destroy != nullptr) destroy(user_data);
  return status;
}

}  // namespace
}  // namespace noex::capi

using noex::Result;
using noex::Status;
using noex::capi::check_handle;
using noex::capi::guard;
using noex::capi::require;
using noex::capi::subscribe;

extern "C" {

noex_status noex_cluster_event_fd(noex_cluster* cluster, int* out_fd) {
  return guard([&]() -> Status {
    if (Status status = check_handle(cluster); !status) return status;
    if (Status status = require(out_fd, "out_fd"); !status) return status;
    if (Status status = cluster->dispatcher.use_pull(); !status) return status;
    const Result<int> fd = cluster->node->event_fd();
    if (!fd) return fd.error();
    *out_fd = *fd;
    return {};
  });
}

noex_status noex_cluster_next_event(noex_cluster* cluster, int32_t timeout_ms, noex_event** out_event) {
  return guard([&]() -> Status {
    if (Status status = require(out_event, "out_event"); !status) return status;
    *out_event = nullptr;
    if (Status status = check_handle(cluster); !status) return status;
    if (Status status = cluster->dispatcher.use_pull(); !status) return status;
    Result<noex::QueuedEvent> event = cluster->node->next_event(noex::capi::limit_of(timeout_ms));
    if (!event) return event.error();
    const auto table = cluster->node->table();
    *out_event = new noex::capi::OwnedEvent(*std::move(event), table ? table->get() : nullptr);
    return {};
  });
}

noex_status noex_cluster_select_events(noex_cluster* cluster, uint32_t kinds, int32_t log_level) {
  return guard([&]() -> Status {
    if (Status status = check_handle(cluster); !status) return status;
    if ((kinds & ~noex::kAllEventKinds) != 0) {
      return noex::capi::invalid_argument("kinds must be a mask of NOEX_EVENT_*, not " + std::to_string(kinds));
    }
    if (log_level < NOEX_LOG_DEBUG || log_level > NOEX_LOG_ERROR) {
      return noex::capi::invalid_argument("log_level must be one of NOEX_LOG_*, not " + std::to_string(log_level));
    }
    cluster->dispatcher.select(kinds, static_cast<noex::LogLevel>(log_level));
    return {};
  });
}

noex_status noex_cluster_on_event(noex_cluster* cluster, uint32_t kinds, noex_event_cb cb, void* user_data,
                                  void (*destroy)(void*), noex_subscription* out_subscription) {
  return subscribe(cluster, kinds, cb, user_data, destroy, out_subscription);
}

noex_status noex_cluster_on_node_up(noex_cluster* cluster, noex_node_up_cb cb, void* user_data, void (*destroy)(void*),
                                    noex_subscription* out_subscription) {
  return subscribe(cluster, NOEX_EVENT_NODE_UP, cb, user_data, destroy, out_subscription);
}

noex_status noex_cluster_on_node_down(noex_cluster* cluster, noex_node_down_cb cb, void* user_data,
                                      void (*destroy)(void*), noex_subscription* out_subscription) {
  return subscribe(cluster, NOEX_EVENT_NODE_DOWN, cb, user_data, destroy, out_subscription);
}

noex_status noex_cluster_on_status_change(noex_cluster* cluster, noex_status_change_cb cb, void* user_data,
                                          void (*destroy)(void*), noex_subscription* out_subscription) {
  return subscribe(cluster, NOEX_EVENT_STATUS, cb, user_data, destroy, out_subscription);
}

noex_status noex_cluster_on_error(noex_cluster* cluster, noex_error_cb cb, void* user_data, void (*destroy)(void*),
                                  noex_subscription* out_subscription) {
  return subscribe(cluster, NOEX_EVENT_ERROR, cb, user_data, destroy, out_subscription);
}

noex_status noex_cluster_cancel(noex_cluster* cluster, noex_subscription subscription) {
  return guard([&]() -> Status {
    if (Status status = check_handle(cluster); !status) return status;
    return cluster->dispatcher.cancel(subscription);
  });
}

}  // extern "C"
