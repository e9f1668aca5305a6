// The class Event of the native module: a pulled event, read field by field.
#pragma once

#include <memory>

#include "convert.h"
#include "noex_cluster.h"

namespace noex_py {

class Event {
 public:
  // Takes ownership of `event`.
  explicit Event(noex_event* event) : event_(event, &noex_event_free) {}

  static void define_class(py::module_& module);

 private:
  std::unique_ptr<noex_event, decltype(&noex_event_free)> event_;
};

}  // namespace noex_py
