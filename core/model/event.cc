#include "model/event.h"

namespace noex {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Protocol:
      return "protocol";
    case ErrorKind::Authentication:
      return "authentication";
    case ErrorKind::DuplicateId:
      return "duplicate_id";
    case ErrorKind::ClusterMismatch:
      return "cluster_mismatch";
    case ErrorKind::Overload:
      return "overload";
    case ErrorKind::Internal:
      return "internal";
  }
  return "unknown";
}

}  // namespace noex
