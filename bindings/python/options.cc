#include "options.h"

#include <cstring>

namespace noex_py {
namespace {

struct StringOption {
  const char* name;
  const char* noex_config::*field;
};

struct IntegerOption {
  const char* name;
  int64_t noex_config::*field;
};

constexpr StringOption kStringOptions[] = {
    {"node_name", &noex_config::node_name},           {"host", &noex_config::host},
    {"advertise_host", &noex_config::advertise_host}, {"cluster_secret", &noex_config::cluster_secret},
    {"cluster_name", &noex_config::cluster_name},     {"control_socket", &noex_config::control_socket},
};

constexpr IntegerOption kIntegerOptions[] = {
    {"heartbeat_interval_ms", &noex_config::heartbeat_interval_ms},
    {"heartbeat_miss_threshold", &noex_config::heartbeat_miss_threshold},
    {"reconnect_base_delay_ms", &noex_config::reconnect_base_delay_ms},
    {"reconnect_max_delay_ms", &noex_config::reconnect_max_delay_ms},
    {"forget_after_ms", &noex_config::forget_after_ms},
};

constexpr const char* kPort = "a whole number from 1 to 65535, or 'auto' for any free port";

// How a message speaks of a value of the wrong type. Never the text of a string or bytes: it may be a secret.
std::string describe(const py::handle& value) {
  if (py::isinstance<py::bool_>(value)) return value.is(py::handle(Py_True)) ? "True" : "False";
  if (py::isinstance<py::str>(value)) return "a string";
  if (PyLong_CheckExact(value.ptr()) || PyFloat_CheckExact(value.ptr())) {
    std::string number = py::repr(value);
    constexpr size_t kShownMax = 40;
    if (number.size() > kShownMax) number = number.substr(0, kShownMax) + "...";
    return "the number " + number;
  }
  if (PyCoro_CheckExact(value.ptr())) return "a coroutine (is an 'await' missing?)";
  const std::string type = py::str(py::type::handle_of(value).attr("__name__"));
  const bool vowel = !type.empty() && std::strchr("aeiouAEIOU", type.front()) != nullptr;
  return (vowel ? "an " : "a ") + type;
}

[[noreturn]] void raise_wrong_type(const std::string& name, const char* wanted, const py::handle& value) {
  raise_config_error("invalid " + name + ": it must be " + wanted + ", not " + describe(value));
}

// The package has made a tuple of every other iterable.
constexpr const char* kSeeds = "a list of strings such as 'app1@192.168.1.10:4369'";
constexpr const char* kSeed = "a string such as 'app1@192.168.1.10:4369'";

}  // namespace

Options::Options(const py::dict& options) {
  noex_config_init(&config_, sizeof config_);
  config_.key_style = NOEX_KEYS_SNAKE;
  for (const StringOption& option : kStringOptions)
    read_string(option.name, find(options, option.name), &(config_.*option.field));
  for (const IntegerOption& option : kIntegerOptions)
    read_integer(option.name, find(options, option.name), "a whole number", &(config_.*option.field));
  read_port(find(options, "port"));
  read_seeds(find(options, "seeds"));
}

py::object Options::find(const py::dict& options, const char* name) {
  if (!options.contains(name)) return {};
  py::object value = options[name];
  return value.is_none() ? py::object() : value;
}

// A NUL would silently cut the string that the C API sees; a lone surrogate has no UTF-8.
const char* Options::keep(const std::string& name, const py::object& value) {
  Py_ssize_t size = 0;
  const char* const text = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
  if (text == nullptr) {
    PyErr_Clear();
    raise_config_error("invalid " + name + ": it contains a lone surrogate, so it is no Unicode text");
  }
  if (std::strlen(text) != static_cast<size_t>(size))
    raise_config_error("invalid " + name + ": it contains a NUL character");
  kept_.push_back(value);
  return text;
}

void Options::read_string(const char* name, const py::object& value, const char** out) {
  if (!value) return;
  if (!py::isinstance<py::str>(value)) raise_wrong_type(name, "a string", value);
  *out = keep(name, value);
}

void Options::read_integer(const char* name, const py::object& value, const char* wanted, int64_t* out) {
  if (!value) return;
  if (py::isinstance<py::bool_>(value) || PyIndex_Check(value.ptr()) == 0) raise_wrong_type(name, wanted, value);
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (!number) throw py::error_already_set();
  int overflow = 0;
  const long long result = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (overflow != 0) raise_wrong_type(name, wanted, number);  // far beyond every bound
  *out = result;
}

void Options::read_port(const py::object& value) {
  if (value && py::isinstance<py::str>(value) && value.equal(py::str("auto"))) {
    config_.port_auto = true;
  } else {
    read_integer("port", value, kPort, &config_.port);
  }
}

void Options::read_seeds(const py::object& value) {
  if (!value) return;
  if (!py::isinstance<py::tuple>(value)) raise_wrong_type("seeds", kSeeds, value);
  const auto seeds = py::reinterpret_borrow<py::tuple>(value);
  for (size_t i = 0; i < seeds.size(); ++i) {
    const py::object seed = seeds[i];
    const std::string name = "seeds[" + std::to_string(i) + "]";
    if (!py::isinstance<py::str>(seed)) raise_wrong_type(name, kSeed, seed);
    seeds_.push_back(keep(name, seed));
  }
  config_.seeds = seeds_.data();
  config_.seeds_count = seeds_.size();
}

py::dict option_defaults() {
  noex_config config;
  noex_config_init(&config, sizeof config);
  py::dict defaults;
  for (const StringOption& option : kStringOptions)
    if (const char* const text = config.*option.field; text != nullptr) defaults[option.name] = text;
  for (const IntegerOption& option : kIntegerOptions) defaults[option.name] = config.*option.field;
  defaults["port"] = config.port;
  return defaults;
}

}  // namespace noex_py
