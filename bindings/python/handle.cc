#include "handle.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "event.h"
#include "options.h"

namespace noex_py {
namespace {

using Nodes = std::unique_ptr<noex_nodes, decltype(&noex_nodes_free)>;

void* free_cluster(void* cluster) {
  noex_cluster_free(static_cast<noex_cluster*>(cluster));
  return nullptr;
}

// noex_cluster_free joins threads. Whoever drops a node (an event loop, the garbage collector, the interpreter at its
// end) must not wait for that, so it is done aside: a thread that runs no Python and takes no signal of the host's.
void free_aside(noex_cluster* cluster) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread{};
  const int failed = pthread_create(&thread, nullptr, &free_cluster, cluster);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed == 0) {
    pthread_detach(thread);
  } else {
    noex_cluster_free(cluster);
  }
}

// The text of a node id that a query asks for; nullopt for a str that cannot be one, since C would see it cut or not at
// all. What is no str is a mistake of the program.
std::optional<std::string> read_id(const py::object& id) {
  if (!py::isinstance<py::str>(id)) {
    const std::string type = py::str(py::type::handle_of(id).attr("__name__"));
    throw py::type_error("the node id must be a str, such as 'app1@192.168.1.10:4369', not " + type);
  }
  Py_ssize_t size = 0;
  const char* const text = PyUnicode_AsUTF8AndSize(id.ptr(), &size);
  if (text == nullptr) {
    PyErr_Clear();
    return std::nullopt;
  }
  if (std::strlen(text) != static_cast<size_t>(size)) return std::nullopt;
  return std::string(text, static_cast<size_t>(size));
}

Nodes snapshot(const noex_cluster* cluster) {
  noex_nodes* nodes = nullptr;
  raise_if_failed(noex_cluster_nodes(cluster, &nodes));
  return {nodes, &noex_nodes_free};
}

}  // namespace

Handle::Handle() : pid_(getpid()) { raise_if_failed(noex_cluster_create(&cluster_)); }

void Handle::close() {
  noex_cluster* const cluster = std::exchange(cluster_, nullptr);
  if (cluster == nullptr || getpid() != pid_) return;  // in the child of a fork everything is the parent's
  int32_t status = NOEX_CLUSTER_STOPPED;
  if (noex_cluster_status(cluster, &status) == NOEX_OK && status == NOEX_CLUSTER_STOPPED) {
    noex_cluster_free(cluster);
  } else {
    free_aside(cluster);
  }
}

noex_cluster* Handle::cluster() const {
  if (cluster_ == nullptr) throw std::runtime_error("the cluster node is closed");
  return cluster_;
}

uint64_t Handle::start(const py::dict& options) {
  const Options read(options);
  noex_cluster* const handle = cluster();
  uint64_t operation = 0;
  // It may join the thread of a former run.
  const noex_status status = without_gil([&] { return noex_cluster_start_async(handle, read.config(), &operation); });
  raise_if_failed(status);
  return operation;
}

uint64_t Handle::stop() {
  noex_cluster* const handle = cluster();
  uint64_t operation = 0;
  const noex_status status = without_gil([&] { return noex_cluster_stop_async(handle, &operation); });
  raise_if_failed(status);
  return operation;
}

bool Handle::wait(int timeout_ms) {
  noex_cluster* const handle = cluster();
  const noex_status status = without_gil([&] { return noex_cluster_wait(handle, timeout_ms); });
  if (status == NOEX_ETIMEOUT) return false;
  raise_if_failed(status);
  return true;
}

const char* Handle::status() const {
  int32_t status = 0;
  raise_if_failed(noex_cluster_status(cluster(), &status));
  return noex_cluster_status_name(status);
}

py::str Handle::local_id() const {
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  raise_if_failed(noex_cluster_local_id(cluster(), id, sizeof id));
  return text_to_py(id);
}

py::tuple Handle::local_node() const {
  noex_nodes* nodes = nullptr;
  raise_if_failed(noex_cluster_local_node(cluster(), &nodes));
  const Nodes owned(nodes, &noex_nodes_free);
  return node_to_py(*noex_nodes_at(nodes, 0));
}

py::list Handle::nodes() const {
  const Nodes nodes = snapshot(cluster());
  const size_t count = noex_nodes_count(nodes.get());
  py::list list(count);
  for (size_t i = 0; i < count; ++i) list[i] = node_to_py(*noex_nodes_at(nodes.get(), i));
  return list;
}

uint64_t Handle::nodes_version() const {
  uint64_t version = 0;
  raise_if_failed(noex_cluster_nodes_version(cluster(), &version));
  return version;
}

py::object Handle::find(const py::object& id) const {
  const Nodes nodes = snapshot(cluster());
  const std::optional<std::string> text = read_id(id);
  if (!text) return py::none();
  const noex_node* const node = noex_nodes_find(nodes.get(), text->c_str());
  if (node == nullptr) return py::none();
  return node_to_py(*node);
}

bool Handle::is_node_connected(const py::object& id) const {
  const std::optional<std::string> text = read_id(id);
  bool connected = false;
  raise_if_failed(noex_cluster_is_node_connected(cluster(), text ? text->c_str() : "", &connected));
  return connected;
}

size_t Handle::connected_count() const {
  size_t count = 0;
  raise_if_failed(noex_cluster_connected_count(cluster(), &count));
  return count;
}

int64_t Handle::uptime_ms() const {
  int64_t uptime_ms = 0;
  raise_if_failed(noex_cluster_uptime_ms(cluster(), &uptime_ms));
  return uptime_ms;
}

py::tuple Handle::stats() const {
  noex_cluster* const handle = cluster();
  noex_stats_snapshot* stats = nullptr;
  const noex_status status = without_gil([&] { return noex_cluster_stats(handle, &stats); });  // asks the I/O thread
  raise_if_failed(status);
  const std::unique_ptr<noex_stats_snapshot, decltype(&noex_stats_free)> owned(stats, &noex_stats_free);
  return stats_to_py(stats);
}

py::str Handle::metrics() const {
  noex_cluster* const handle = cluster();
  char* text = nullptr;
  const noex_status status = without_gil([&] { return noex_cluster_document(handle, NOEX_DOCUMENT_METRICS, &text); });
  raise_if_failed(status);
  const std::unique_ptr<char, decltype(&noex_text_free)> owned(text, &noex_text_free);
  return text_to_py(text);
}

void Handle::set_process_count(const py::object& count) {
  if (py::isinstance<py::bool_>(count) || PyIndex_Check(count.ptr()) == 0) {
    const std::string type = py::str(py::type::handle_of(count).attr("__name__"));
    throw py::type_error("the process count must be an int, not " + type);
  }
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(count.ptr()));
  if (!number) throw py::error_already_set();
  int overflow = 0;
  long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (overflow != 0) value = overflow < 0 ? INT64_MIN : INT64_MAX;  // refused below, as every value out of bounds
  raise_if_failed(noex_cluster_set_process_count(cluster(), value));
}

int Handle::event_fd() {
  int fd = -1;
  raise_if_failed(noex_cluster_event_fd(cluster(), &fd));
  return fd;
}

// Never waits, so the GIL stays: whoever wants to wait polls the descriptor.
py::object Handle::next_event() {
  noex_event* event = nullptr;
  const noex_status status = noex_cluster_next_event(cluster(), 0, &event);
  if (status == NOEX_ETIMEOUT) return py::none();
  raise_if_failed(status);
  return py::cast(std::make_unique<Event>(event));
}

void Handle::select_log_level(int level) {
  raise_if_failed(noex_cluster_select_events(cluster(), NOEX_EVENT_ALL, level));
}

void Handle::define_class(py::module_& module) {
  py::class_<Handle>(module, "Handle", "One node of a cluster, as the C API has it.", plain_metaclass())
      .def(py::init<>())
      .def("start", &Handle::start, py::arg("options"), "Begins to start; returns the number of the operation.")
      .def("stop", &Handle::stop, "Begins to stop; returns the number of the operation.")
      .def("wait", &Handle::wait, py::arg("timeout_ms"), "Waits without the GIL until stopped; False: not in time.")
      .def("close", &Handle::close, "Ends the node without a goodbye. Never waits.")
      .def("status", &Handle::status)
      .def("local_id", &Handle::local_id)
      .def("local_node", &Handle::local_node)
      .def("nodes", &Handle::nodes)
      .def("nodes_version", &Handle::nodes_version)
      .def("find", &Handle::find, py::arg("id"))
      .def("is_node_connected", &Handle::is_node_connected, py::arg("id"))
      .def("connected_count", &Handle::connected_count)
      .def("uptime_ms", &Handle::uptime_ms)
      .def("stats", &Handle::stats)
      .def("metrics", &Handle::metrics)
      .def("set_process_count", &Handle::set_process_count, py::arg("count"))
      .def("event_fd", &Handle::event_fd, "Readable while events are queued; poll it, never read or close it.")
      .def("next_event", &Handle::next_event, "The next event, None if none is queued.")
      .def("select_log_level", &Handle::select_log_level, py::arg("level"));
}

}  // namespace noex_py
