// The class Handle of the native module: one noex_cluster, its calls as methods. Its events are pulled, by Python code
// on Python's threads; nothing here ever runs Python on a thread of the library.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "convert.h"
#include "noex_cluster.h"

namespace noex_py {

class Handle {
 public:
  Handle();
  ~Handle() { close(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  static void define_class(py::module_& module);

 private:
  [[nodiscard]] uint64_t start(const py::dict& options);
  [[nodiscard]] uint64_t stop();
  [[nodiscard]] bool wait(int timeout_ms);
  // Ends the node without a goodbye and frees everything, on a thread of its own if that could take time. Idempotent.
  void close();

  [[nodiscard]] const char* status() const;
  [[nodiscard]] py::str local_id() const;
  [[nodiscard]] py::tuple local_node() const;
  [[nodiscard]] py::list nodes() const;
  [[nodiscard]] uint64_t nodes_version() const;
  [[nodiscard]] py::object find(const py::object& id) const;
  [[nodiscard]] bool is_node_connected(const py::object& id) const;
  [[nodiscard]] size_t connected_count() const;
  [[nodiscard]] int64_t uptime_ms() const;
  [[nodiscard]] py::tuple stats() const;
  [[nodiscard]] py::str metrics() const;
  void set_process_count(const py::object& count);

  [[nodiscard]] int event_fd();
  [[nodiscard]] py::object next_event();
  void select_log_level(int level);

  // The C handle; raises once it is closed.
  [[nodiscard]] noex_cluster* cluster() const;

  noex_cluster* cluster_ = nullptr;
  pid_t pid_;
};

}  // namespace noex_py
