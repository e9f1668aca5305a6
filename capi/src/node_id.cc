// Node ids on the caller's buffers.

#include "model/node_id.h"

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include "buffer.h"
#include "error.h"
#include "noex_cluster.h"

namespace noex::capi {
namespace {

// The node id in `text`. A NUL inside is refused as any other strange character is.
Result<NodeId> read(const char* text, size_t text_len) {
  if (Status status = require(text, "text"); !status) return status.error();
  return NodeId::parse(std::string_view(text, text_len));
}

void write(const NodeId& id, noex_node_id_parts* out) {
  out->port = id.port();
  const std::string_view name = id.name();
  std::memcpy(out->name, name.data(), name.size());
  out->name[name.size()] = '\0';
  const std::string_view host = id.host();
  std::memcpy(out->host, host.data(), host.size());
  out->host[host.size()] = '\0';
}

}  // namespace
}  // namespace noex::capi

using noex::NodeId;
using noex::Result;
using noex::Status;
using noex::capi::guard;

extern "C" {

noex_status noex_node_id_parse(const char* text, size_t text_len, noex_node_id_parts* out_parts) {
  return guard([&]() -> Status {
    if (out_parts != nullptr && out_parts->struct_size < sizeof(noex_node_id_parts)) {
      return noex::capi::invalid_argument("out_parts->struct_size must be sizeof(noex_node_id_parts)");
    }
    const Result<NodeId> id = noex::capi::read(text, text_len);
    if (!id) return id.error();
    if (out_parts != nullptr) noex::capi::write(*id, out_parts);
    return {};
  });
}

noex_status noex_node_id_canonical(const char* text, size_t text_len, char* buffer, size_t buffer_size) {
  return guard([&]() -> Status {
    const Result<NodeId> id = noex::capi::read(text, text_len);
    if (!id) return id.error();
    return noex::capi::write_text(id->text(), buffer, buffer_size);
  });
}

noex_status noex_node_id_create(const char* name, const char* host, int64_t port, char* buffer, size_t buffer_size) {
  return guard([&]() -> Status {
    if (Status status = noex::capi::require(name, "name"); !status) return status;
    if (Status status = noex::capi::require(host, "host"); !status) return status;
    const Result<NodeId> id = NodeId::create(name, host, port);
    if (!id) return id.error();
    return noex::capi::write_text(id->text(), buffer, buffer_size);
  });
}

}  // extern "C"
