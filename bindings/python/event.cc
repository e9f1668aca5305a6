#include "event.h"

namespace noex_py {

void Event::define_class(py::module_& module) {
  const auto none_or_node = [](const Event& self) -> py::object {
    if (self.event_->node == nullptr) return py::none();
    return node_to_py(*self.event_->node);
  };
  const auto none_or_error = [](const Event& self) -> py::object {
    if (self.event_->error == nullptr) return py::none();
    return error_to_py(*self.event_->error);
  };
  py::class_<Event>(module, "Event", "One event of a node; which fields are set depends on the kind.",
                    plain_metaclass())
      .def_property_readonly("kind", [](const Event& self) { return self.event_->kind; })
      .def_property_readonly("sequence", [](const Event& self) { return self.event_->sequence; })
      .def_property_readonly("created_at", [](const Event& self) { return self.event_->created_at; })
      .def_property_readonly("node", none_or_node)
      .def_property_readonly("reason", [](const Event& self) { return noex_down_reason_name(self.event_->reason); })
      .def_property_readonly("evidence", [](const Event& self) { return text_to_py(self.event_->evidence); })
      .def_property_readonly("status", [](const Event& self) { return noex_cluster_status_name(self.event_->status); })
      .def_property_readonly("error", none_or_error)
      .def_property_readonly("level", [](const Event& self) { return noex_log_level_name(self.event_->level); })
      .def_property_readonly("message", [](const Event& self) { return text_to_py(self.event_->message); })
      .def_property_readonly("operation", [](const Event& self) { return self.event_->operation; });

  module.attr("EVENT_NODE_UP") = static_cast<int>(NOEX_EVENT_NODE_UP);
  module.attr("EVENT_NODE_DOWN") = static_cast<int>(NOEX_EVENT_NODE_DOWN);
  module.attr("EVENT_STATUS") = static_cast<int>(NOEX_EVENT_STATUS);
  module.attr("EVENT_ERROR") = static_cast<int>(NOEX_EVENT_ERROR);
  module.attr("EVENT_LOG") = static_cast<int>(NOEX_EVENT_LOG);
  module.attr("EVENT_COMPLETION") = static_cast<int>(NOEX_EVENT_COMPLETION);
  module.attr("EVENT_ALL") = static_cast<int>(NOEX_EVENT_ALL);
  module.attr("LOG_DEBUG") = static_cast<int>(NOEX_LOG_DEBUG);
  module.attr("LOG_INFO") = static_cast<int>(NOEX_LOG_INFO);
}

}  // namespace noex_py
