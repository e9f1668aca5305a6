// The native module of the package noex_cluster: the C API for Python, marshalled and nothing more. The documented
// interface is made of it in python/src/noex_cluster. It keeps no global state.

#include <pybind11/pybind11.h>

#include <string>

#include "convert.h"
#include "event.h"
#include "handle.h"
#include "noex_cluster.h"
#include "options.h"

namespace noex_py {
namespace {

// The UTF-8 of `text`. A lone surrogate has none; the '?' in its place is refused wherever it stands.
std::string utf8_of(const py::str& text) {
  Py_ssize_t size = 0;
  const char* const data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data != nullptr) return {data, static_cast<size_t>(size)};
  PyErr_Clear();
  return py::bytes(text.attr("encode")("utf-8", "replace"));
}

py::tuple parse_node_id(const py::str& text) {
  const std::string utf8 = utf8_of(text);
  noex_node_id_parts parts{};
  parts.struct_size = sizeof parts;
  raise_if_invalid(noex_node_id_parse(utf8.data(), utf8.size(), &parts), text);
  return py::make_tuple(py::str(parts.name), py::str(parts.host), parts.port);
}

bool is_node_id(const py::str& text) {
  const std::string utf8 = utf8_of(text);
  return noex_node_id_parse(utf8.data(), utf8.size(), nullptr) == NOEX_OK;
}

py::str canonical_node_id(const py::str& text) {
  const std::string utf8 = utf8_of(text);
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  raise_if_invalid(noex_node_id_canonical(utf8.data(), utf8.size(), id, sizeof id), text);
  return text_to_py(id);
}

// The package has checked the types and that no text holds a NUL.
py::str create_node_id(const py::str& name, const py::str& host, const py::int_& port) {
  const py::str value = py::str("{}@{}:{}").format(name, host, port);
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(port.ptr(), &overflow);
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  const noex_status status = noex_node_id_create(utf8_of(name).c_str(), utf8_of(host).c_str(),
                                                 overflow != 0 ? -1 : int64_t{number}, id, sizeof id);
  raise_if_invalid(status, value);
  return text_to_py(id);
}

void validate_config(const py::dict& options) {
  const Options read(options);
  raise_if_failed(noex_config_validate(read.config()));
}

void check_option(const py::str& name, bool camel_case) {
  raise_if_failed(noex_config_check_option(utf8_of(name).c_str(), camel_case ? NOEX_KEYS_CAMEL : NOEX_KEYS_SNAKE));
}

}  // namespace
}  // namespace noex_py

// Under another name, because the module's own entry is below.
PYBIND11_MODULE(_native_in_main_interpreter, module) {
  namespace py = pybind11;
  module.doc() = "The C API of noex-cluster. Private: use noex_cluster.";
  noex_py::Event::define_class(module);
  noex_py::Handle::define_class(module);
  module.def("version", [] { return noex_version(); });
  module.def("protocol_version", [] { return noex_protocol_version(); });
  module.def("metrics_content_type", [] { return NOEX_METRICS_CONTENT_TYPE; });
  module.def("option_defaults", &noex_py::option_defaults);
  module.def("validate_config", &noex_py::validate_config, py::arg("options"));
  module.def("check_option", &noex_py::check_option, py::arg("name"), py::arg("camel_case"));
  module.def("parse_node_id", &noex_py::parse_node_id, py::arg("text"));
  module.def("is_node_id", &noex_py::is_node_id, py::arg("text"));
  module.def("canonical_node_id", &noex_py::canonical_node_id, py::arg("text"));
  module.def("create_node_id", &noex_py::create_node_id, py::arg("name"), py::arg("host"), py::arg("port"));
}

// What Python calls. Neither pybind11 nor the handles are prepared for a second interpreter in the process; asked here,
// because in one pybind11 would wait for a lock for ever.
PyMODINIT_FUNC PyInit__native() {
  if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
    PyErr_SetString(PyExc_ImportError,
                    "noex_cluster does not work in subinterpreters: import it in the main interpreter");
    return nullptr;
  }
  return PyInit__native_in_main_interpreter();
}
