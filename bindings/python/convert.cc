#include "convert.h"

#include <cstdint>
#include <cstring>
#include <string>

namespace noex_py {
namespace {

const char* text_or_empty(const char* text) { return text == nullptr ? "" : text; }

// The package's function that picks the class. Looked up each time: a failure is rare, and a reference kept here would
// outlive the interpreter.
[[nodiscard]] py::object make_error(noex_status status, const char* message, const py::dict& details) {
  return py::module_::import("noex_cluster._failures")
      .attr("make_error")(noex_status_name(status), text_to_py(message), details);
}

[[noreturn]] void raise(const py::object& exception) {
  PyErr_SetObject(py::type::handle_of(exception).ptr(), exception.ptr());
  throw py::error_already_set();
}

[[nodiscard]] const char* message_of(const noex_error& error) {
  const char* const message = text_or_empty(error.message);
  return *message == '\0' && error.status != NOEX_OK ? noex_status_message(error.status) : message;
}

}  // namespace

py::str text_to_py(const char* text) {
  const char* const given = text_or_empty(text);
  PyObject* const decoded = PyUnicode_DecodeUTF8(given, static_cast<Py_ssize_t>(std::strlen(given)), "replace");
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

py::tuple node_to_py(const noex_node& node) {
  return py::make_tuple(text_to_py(node.id), text_to_py(node.host), node.port, noex_node_status_name(node.status),
                        node.process_count, node.last_heartbeat_at, node.uptime_ms,
                        node.incarnation == 0 ? py::object(py::none()) : py::object(py::int_(node.incarnation)));
}

py::tuple stats_to_py(const noex_stats_snapshot* stats) {
  const noex_stats& totals = *noex_stats_totals(stats);
  py::dict by_name;
  by_name["frames_received"] = totals.frames_received;
  by_name["frames_sent"] = totals.frames_sent;
  by_name["bytes_received"] = totals.bytes_received;
  by_name["bytes_sent"] = totals.bytes_sent;
  by_name["connections_accepted"] = totals.connections_accepted;
  by_name["dials"] = totals.dials;
  by_name["dials_failed"] = totals.dials_failed;
  by_name["rejected"] = totals.rejected;
  by_name["node_ups"] = totals.node_ups;
  by_name["node_downs"] = totals.node_downs;
  by_name["pauses"] = totals.pauses;
  by_name["events_coalesced"] = totals.events_coalesced;
  by_name["logs_dropped"] = totals.logs_dropped;
  by_name["connections"] = totals.connections;
  by_name["connections_unidentified"] = totals.connections_unidentified;
  by_name["nodes_known"] = totals.nodes_known;
  by_name["nodes_connected"] = totals.nodes_connected;
  by_name["dials_in_progress"] = totals.dials_in_progress;
  by_name["events_queued"] = totals.events_queued;
  by_name["node_reconnects"] = totals.node_reconnects;
  by_name["node_restarts"] = totals.node_restarts;
  by_name["paused_ms"] = totals.paused_ms;

  py::dict by_kind;
  for (size_t i = 0; i < noex_stats_rejected_kind_count(); ++i)
    by_kind[noex_stats_rejected_kind_name(i)] = noex_stats_rejected_at(stats, i);

  py::list peers;
  for (size_t i = 0; i < noex_stats_peer_count(stats); ++i) {
    const noex_peer_stats& peer = *noex_stats_peer_at(stats, i);
    py::dict entry;
    entry["id"] = text_to_py(peer.id);
    entry["address"] = text_to_py(peer.address);
    entry["outbound"] = peer.outbound;
    entry["confirmed"] = peer.confirmed;
    entry["frames_received"] = peer.frames_received;
    entry["frames_sent"] = peer.frames_sent;
    entry["bytes_received"] = peer.bytes_received;
    entry["bytes_sent"] = peer.bytes_sent;
    entry["bytes_queued"] = peer.bytes_queued;
    entry["round_trip_us"] = peer.round_trip_us < 0 ? py::object(py::none()) : py::object(py::int_(peer.round_trip_us));
    entry["silence_ms"] = peer.silence_ms;
    peers.append(entry);
  }
  return py::make_tuple(by_name, by_kind, peers);
}

py::object error_to_py(const noex_error& error) {
  py::dict details;
  if (error.status == NOEX_OK) {
    details["kind"] = noex_error_kind_name(error.kind);
    details["node_id"] = text_to_py(error.node_id);
    details["address"] = text_to_py(error.address);
  } else if (error.status == NOEX_EBIND) {
    details["address"] = text_to_py(error.address);
    details["port"] = error.port;
    details["os_error"] = error.os_error;
    details["code"] = text_to_py(error.code);
    details["syscall"] = text_to_py(error.syscall);
  }
  return make_error(error.status, message_of(error), details);
}

void raise_if_failed(noex_status status) {
  if (status == NOEX_OK) return;
  raise(error_to_py(*noex_last_error_info()));
}

void raise_if_invalid(noex_status status, const py::str& value) {
  if (status == NOEX_OK) return;
  py::dict details;
  details["value"] = value;
  raise(make_error(status, message_of(*noex_last_error_info()), details));
}

void raise_config_error(const std::string& reason) { raise(make_error(NOEX_ECONFIG, reason.c_str(), py::dict())); }

}  // namespace noex_py
