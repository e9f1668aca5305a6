// The names of statuses, states, reasons, kinds and levels; and the proof that the numbers of the public header are the
// core's.

#include <string_view>

#include "base/result.h"
#include "cluster/event_queue.h"
#include "model/config.h"
#include "model/event.h"
#include "model/node_info.h"
#include "noex_cluster.h"

namespace noex::capi {
namespace {

template <typename Enum>
constexpr bool same(Enum value, int32_t number) {
  return static_cast<int64_t>(value) == number;
}

static_assert(same(ErrorCode::Ok, NOEX_OK));
static_assert(same(ErrorCode::InvalidArgument, NOEX_EINVAL));
static_assert(same(ErrorCode::InvalidConfig, NOEX_ECONFIG));
static_assert(same(ErrorCode::InvalidNodeId, NOEX_ENODEID));
static_assert(same(ErrorCode::NotStarted, NOEX_ENOTSTARTED));
static_assert(same(ErrorCode::AlreadyRunning, NOEX_ERUNNING));
static_assert(same(ErrorCode::State, NOEX_ESTATE));
static_assert(same(ErrorCode::WrongThread, NOEX_EWRONGTHREAD));
static_assert(same(ErrorCode::Bind, NOEX_EBIND));
static_assert(same(ErrorCode::Timeout, NOEX_ETIMEOUT));
static_assert(same(ErrorCode::Aborted, NOEX_EABORTED));
static_assert(same(ErrorCode::NoMemory, NOEX_ENOMEM));
static_assert(same(ErrorCode::NotFound, NOEX_ENOTFOUND));
static_assert(same(ErrorCode::BufferTooSmall, NOEX_EBUFFER));
static_assert(same(ErrorCode::Forked, NOEX_EFORKED));
static_assert(same(ErrorCode::Internal, NOEX_EINTERNAL));

static_assert(same(NodeStatus::Connecting, NOEX_NODE_CONNECTING));
static_assert(same(NodeStatus::Connected, NOEX_NODE_CONNECTED));
static_assert(same(NodeStatus::Disconnected, NOEX_NODE_DISCONNECTED));

static_assert(same(ClusterStatus::Starting, NOEX_CLUSTER_STARTING));
static_assert(same(ClusterStatus::Running, NOEX_CLUSTER_RUNNING));
static_assert(same(ClusterStatus::Stopping, NOEX_CLUSTER_STOPPING));
static_assert(same(ClusterStatus::Stopped, NOEX_CLUSTER_STOPPED));

static_assert(same(DownReason::HeartbeatTimeout, NOEX_DOWN_HEARTBEAT_TIMEOUT));
static_assert(same(DownReason::ConnectionClosed, NOEX_DOWN_CONNECTION_CLOSED));
static_assert(same(DownReason::ConnectionRefused, NOEX_DOWN_CONNECTION_REFUSED));
static_assert(same(DownReason::GracefulShutdown, NOEX_DOWN_GRACEFUL_SHUTDOWN));

static_assert(same(ErrorKind::Protocol, NOEX_ERROR_PROTOCOL));
static_assert(same(ErrorKind::Authentication, NOEX_ERROR_AUTHENTICATION));
static_assert(same(ErrorKind::DuplicateId, NOEX_ERROR_DUPLICATE_ID));
static_assert(same(ErrorKind::ClusterMismatch, NOEX_ERROR_CLUSTER_MISMATCH));
static_assert(same(ErrorKind::Overload, NOEX_ERROR_OVERLOAD));
static_assert(same(ErrorKind::Internal, NOEX_ERROR_INTERNAL));

static_assert(same(LogLevel::Debug, NOEX_LOG_DEBUG));
static_assert(same(LogLevel::Info, NOEX_LOG_INFO));
static_assert(same(LogLevel::Warning, NOEX_LOG_WARNING));
static_assert(same(LogLevel::Error, NOEX_LOG_ERROR));

static_assert(same(EventKind::NodeUp, NOEX_EVENT_NODE_UP));
static_assert(same(EventKind::NodeDown, NOEX_EVENT_NODE_DOWN));
static_assert(same(EventKind::Status, NOEX_EVENT_STATUS));
static_assert(same(EventKind::Error, NOEX_EVENT_ERROR));
static_assert(same(EventKind::Log, NOEX_EVENT_LOG));
static_assert(same(EventKind::Completion, NOEX_EVENT_COMPLETION));
static_assert(kAllEventKinds == NOEX_EVENT_ALL);

static_assert(same(Operation::Start, NOEX_OPERATION_START));
static_assert(same(Operation::Stop, NOEX_OPERATION_STOP));

static_assert(same(KeyStyle::Snake, NOEX_KEYS_SNAKE));
static_assert(same(KeyStyle::Camel, NOEX_KEYS_CAMEL));

static_assert(kProtocolVersion == 1);  // noex_protocol_version

// The core's words are literals, so their views end in a NUL; for other numbers it says "unknown".
const char* literal(std::string_view word) { return word.data(); }

}  // namespace
}  // namespace noex::capi

using noex::capi::literal;

extern "C" {

const char* noex_status_name(noex_status status) {
  switch (status) {
    case NOEX_OK:
      return "NOEX_OK";
#define XX(name, number, text) \
  case NOEX_##name:            \
    return "NOEX_" #name;
      NOEX_STATUS_MAP(XX)
#undef XX
    default:
      return "NOEX_EUNKNOWN";
  }
}

const char* noex_status_message(noex_status status) {
  switch (status) {
    case NOEX_OK:
      return "success";
#define XX(name, number, text) \
  case NOEX_##name:            \
    return text;
      NOEX_STATUS_MAP(XX)
#undef XX
    default:
      return "unknown status";
  }
}

const char* noex_node_status_name(int32_t status) {
  return literal(noex::to_string(static_cast<noex::NodeStatus>(status)));
}

const char* noex_cluster_status_name(int32_t status) {
  return literal(noex::to_string(static_cast<noex::ClusterStatus>(status)));
}

const char* noex_down_reason_name(int32_t reason) {
  return literal(noex::to_string(static_cast<noex::DownReason>(reason)));
}

const char* noex_error_kind_name(int32_t kind) { return literal(noex::to_string(static_cast<noex::ErrorKind>(kind))); }

const char* noex_log_level_name(int32_t level) {
  switch (level) {
    case NOEX_LOG_DEBUG:
      return "debug";
    case NOEX_LOG_INFO:
      return "info";
    case NOEX_LOG_WARNING:
      return "warning";
    case NOEX_LOG_ERROR:
      return "error";
    default:
      return "unknown";
  }
}

}  // extern "C"
