// The options of a node, given as a Python dict, as a noex_config.
#pragma once

#include <string>
#include <vector>

#include "convert.h"
#include "noex_cluster.h"

namespace noex_py {

// Reads a dict of options by their snake_case names. Checks what the C API cannot see, which is wrong types; names are
// the package's to check, values the library's. An option that is absent or None keeps its default.
//
// The texts are borrowed from the Python strings, which are kept alive as long as this object: no copy of the secret is
// made. Construct and destroy it with the GIL held; config() may be used without.
class Options {
 public:
  // Throws InvalidClusterConfigError.
  explicit Options(const py::dict& options);
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  [[nodiscard]] const noex_config* config() const { return &config_; }

 private:
  // The value of an option, null if it is absent.
  [[nodiscard]] static py::object find(const py::dict& options, const char* name);
  void read_string(const char* name, const py::object& value, const char** out);
  static void read_integer(const char* name, const py::object& value, const char* wanted, int64_t* out);
  void read_port(const py::object& value);
  void read_seeds(const py::object& value);
  const char* keep(const std::string& name, const py::object& value);

  noex_config config_;
  std::vector<py::object> kept_;
  std::vector<const char*> seeds_;
};

// The options that have a default, by name: what noex_config_init says.
[[nodiscard]] py::dict option_defaults();

}  // namespace noex_py
