// Values of the C API as Python objects, and its failures as the exceptions of the package. Everything here needs the
// GIL.
#pragma once

#include <Python.h>
#include <pybind11/pybind11.h>

#include <utility>

#include "noex_cluster.h"

namespace noex_py {

namespace py = pybind11;

// The metaclass of our classes: Python's own, so that they are what their stubs say. (pybind11's serves static
// properties and classes derived in Python; ours have neither.)
[[nodiscard]] inline py::metaclass plain_metaclass() {
  return py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type));
}

// Text of the library as a str. What is no UTF-8 (it never should be) is replaced rather than refused.
[[nodiscard]] py::str text_to_py(const char* text);

// (id, host, port, status, process_count, last_heartbeat_at, uptime_ms, incarnation or None): the fields of NodeInfo.
[[nodiscard]] py::tuple node_to_py(const noex_node& node);

// Three dicts: the totals, the refusals by kind, and (a list of) one by connection.
[[nodiscard]] py::tuple stats_to_py(const noex_stats_snapshot* stats);

// The package's exception for a failure: ClusterNotStartedError, InvalidClusterConfigError, ...
[[nodiscard]] py::object error_to_py(const noex_error& error);

// Raises the package's exception for the calling thread's last failure; does nothing for NOEX_OK.
void raise_if_failed(noex_status status);
// The same for a failed call about the node id `value`.
void raise_if_invalid(noex_status status, const py::str& value);

// Raises InvalidClusterConfigError.
[[noreturn]] void raise_config_error(const std::string& reason);

// Runs `call` without the GIL. No RAII guard on purpose: at interpreter exit, taking the GIL back ends a daemon thread
// by unwinding it, and unwinding out of a destructor would end the process.
template <typename Call>
auto without_gil(Call&& call) {
  PyThreadState* const state = PyEval_SaveThread();
  auto result = std::forward<Call>(call)();
  PyEval_RestoreThread(state);
  return result;
}

}  // namespace noex_py
