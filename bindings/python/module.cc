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

struct Utf8 {
  const char* data;
  size_t size;
};

// Borrowed from `text`. A lone surrogate has no UTF-8: the id is then read with a character that no id may have.
Utf8 utf8_of(const py::str& text) {
  Py_ssize_t size = 0;
  const char* const data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data != nullptr) return {data, static_cast<size_t>(size)};
  PyErr_Clear();
  return {"\xef\xbf\xbd", 3};
}

py::tuple parse_node_id(const py::str& text) {
  const auto [data, size] = utf8_of(text);
  noex_node_id_parts parts{};
  parts.struct_size = sizeof parts;
  raise_if_invalid(noex_node_id_parse(data, size, &parts), text);
  return py::make_tuple(py::str(parts.name), py::str(parts.host), parts.port);
}

bool is_node_id(const py::str& text) {
  const auto [data, size] = utf8_of(text);
  return noex_node_id_parse(data, size, nullptr) == NOEX_OK;
}

py::str canonical_node_id(const py::str& text) {
  const auto [data, size] = utf8_of(text);
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  raise_if_invalid(noex_node_id_canonical(data, size, id, sizeof id), text);
  return text_to_py(id);
}

// The package has checked the types and that no text holds a NUL.
py::str create_node_id(const py::str& name, const py::str& host, const py::int_& port) {
  const py::str value = py::str("{}@{}:{}").format(name, host, port);
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(port.ptr(), &overflow);
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  const noex_status status =
      noex_node_id_create(utf8_of(name).data, utf8_of(host).data, overflow != 0 ? -1 : int64_t{number}, id, sizeof id);
  raise_if_invalid(status, value);
  return text_to_py(id);
}

void validate_config(const py::dict& options) {
  const Options read(options);
  raise_if_failed(noex_config_validate(read.config()));
}

void check_option(const py::str& name, bool camel_case) {
  raise_if_failed(noex_config_check_option(utf8_of(name).data, camel_case ? NOEX_KEYS_CAMEL : NOEX_KEYS_SNAKE));
}

// Handles of two interpreters would share one set of threads and this module's types; neither is prepared for it.
void require_main_interpreter() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return;
  throw py::import_error("noex_cluster does not work in subinterpreters: import it in the main interpreter");
}

}  // namespace
}  // namespace noex_py

PYBIND11_MODULE(_native, module) {
  namespace py = pybind11;
  noex_py::require_main_interpreter();
  module.doc() = "The C API of noex-cluster. Private: use noex_cluster.";
  noex_py::Event::define_class(module);
  noex_py::Handle::define_class(module);
  module.def("version", [] { return noex_version(); });
  module.def("protocol_version", [] { return noex_protocol_version(); });
  module.def("option_defaults", &noex_py::option_defaults);
  module.def("validate_config", &noex_py::validate_config, py::arg("options"));
  module.def("check_option", &noex_py::check_option, py::arg("name"), py::arg("camel_case"));
  module.def("parse_node_id", &noex_py::parse_node_id, py::arg("text"));
  module.def("is_node_id", &noex_py::is_node_id, py::arg("text"));
  module.def("canonical_node_id", &noex_py::canonical_node_id, py::arg("text"));
  module.def("create_node_id", &noex_py::create_node_id, py::arg("name"), py::arg("host"), py::arg("port"));
}
