// noex_cluster.hpp: noex-cluster for C++17 and later, header-only, over noex_cluster.h and the library behind it.
//
//     noex::Cluster cluster;
//     cluster.on_node_up([](const noex::Node& node) { std::cout << node.id << "\n"; }).value();
//     noex::Config config;
//     config.node_name = "app1";
//     if (auto started = cluster.start(config); !started) std::cerr << started.error().message << "\n";
//
// What can fail returns a Result: a value or an Error. Nothing throws but Result::value() without a value, and what the
// standard library throws when memory is at an end. Handles and snapshots are owners that move. What holds of threads,
// times and limits is said in noex_cluster.h beside the function of the same name; here stands what differs.
//
// Nothing of this header is in the library's binary interface: a program takes it in whole when it is compiled.
#ifndef NOEX_CLUSTER_HPP
#define NOEX_CLUSTER_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "noex_cluster.h"

namespace noex {
inline namespace cpp_v1 {

// ------------------------------------------------------------------------------------------------ words and enums

// What a call answers: NOEX_STATUS_MAP in noex_cluster.h says what each means. Here and below: expect values that you
// do not know, from a later library.
enum class Status : int32_t {
  Ok = NOEX_OK,
  InvalidArgument = NOEX_EINVAL,
  InvalidConfig = NOEX_ECONFIG,
  InvalidNodeId = NOEX_ENODEID,
  NotStarted = NOEX_ENOTSTARTED,
  Running = NOEX_ERUNNING,
  WrongState = NOEX_ESTATE,
  WrongThread = NOEX_EWRONGTHREAD,
  Bind = NOEX_EBIND,
  Timeout = NOEX_ETIMEOUT,
  Aborted = NOEX_EABORTED,
  OutOfMemory = NOEX_ENOMEM,
  NotFound = NOEX_ENOTFOUND,
  BufferTooSmall = NOEX_EBUFFER,
  Forked = NOEX_EFORKED,
  Internal = NOEX_EINTERNAL,
};

// State of a member, as this node sees it.
enum class NodeStatus : int32_t {
  Connecting = NOEX_NODE_CONNECTING,
  Connected = NOEX_NODE_CONNECTED,
  Disconnected = NOEX_NODE_DISCONNECTED,
};

// State of the local node.
enum class ClusterStatus : int32_t {
  Starting = NOEX_CLUSTER_STARTING,
  Running = NOEX_CLUSTER_RUNNING,
  Stopping = NOEX_CLUSTER_STOPPING,
  Stopped = NOEX_CLUSTER_STOPPED,
};

// Why a node is down.
enum class DownReason : int32_t {
  HeartbeatTimeout = NOEX_DOWN_HEARTBEAT_TIMEOUT,
  ConnectionClosed = NOEX_DOWN_CONNECTION_CLOSED,
  ConnectionRefused = NOEX_DOWN_CONNECTION_REFUSED,
  GracefulShutdown = NOEX_DOWN_GRACEFUL_SHUTDOWN,
};

// What an error event is about; None in the error of a call.
enum class ErrorKind : int32_t {
  None = 0,
  Protocol = NOEX_ERROR_PROTOCOL,
  Authentication = NOEX_ERROR_AUTHENTICATION,
  DuplicateId = NOEX_ERROR_DUPLICATE_ID,
  ClusterMismatch = NOEX_ERROR_CLUSTER_MISMATCH,
  Overload = NOEX_ERROR_OVERLOAD,
  Internal = NOEX_ERROR_INTERNAL,
};

// How much a log record matters.
enum class LogLevel : int32_t {
  Debug = NOEX_LOG_DEBUG,
  Info = NOEX_LOG_INFO,
  Warning = NOEX_LOG_WARNING,
  Error = NOEX_LOG_ERROR,
};

// The words of the documentation: "connected", "heartbeat_timeout", ... Static storage.
inline const char* to_string(Status status) noexcept { return noex_status_name(static_cast<noex_status>(status)); }
inline const char* to_string(NodeStatus status) noexcept { return noex_node_status_name(static_cast<int32_t>(status)); }
inline const char* to_string(ClusterStatus status) noexcept {
  return noex_cluster_status_name(static_cast<int32_t>(status));
}
inline const char* to_string(DownReason reason) noexcept { return noex_down_reason_name(static_cast<int32_t>(reason)); }
inline const char* to_string(ErrorKind kind) noexcept { return noex_error_kind_name(static_cast<int32_t>(kind)); }
inline const char* to_string(LogLevel level) noexcept { return noex_log_level_name(static_cast<int32_t>(level)); }

// The version of the library that is loaded, "major.minor.patch". Static storage.
inline const char* version() noexcept { return noex_version(); }

// ----------------------------------------------------------------------------------------------- errors and results

// Why something failed, or what an error event is about.
struct Error {
  Status status = Status::Ok;        // of the failed call; Ok in an error event
  ErrorKind kind = ErrorKind::None;  // of an error event
  std::string message;               // one sentence
  std::string node_id;               // the node concerned, empty if none
  std::string address;               // Bind: the host that could not be bound; error events: ip:port of the peer
  int port = 0;                      // Bind
  int os_error = 0;                  // Bind: errno
  std::string code;                  // Bind: "EADDRINUSE", ...
  std::string syscall;               // Bind: "bind", "listen" or "getaddrinfo"

  // As the C interface tells it.
  static Error from(const noex_error& error) {
    const auto text = [](const char* some) { return std::string(some == nullptr ? "" : some); };
    return {static_cast<Status>(error.status),
            static_cast<ErrorKind>(error.kind),
            text(error.message),
            text(error.node_id),
            text(error.address),
            error.port,
            error.os_error,
            text(error.code),
            text(error.syscall)};
  }

  // The calling thread's last failure.
  static Error last(noex_status status) {
    Error error = from(*noex_last_error_info());
    error.status = static_cast<Status>(status);
    if (error.message.empty()) error.message = noex_status_message(status);
    return error;
  }
};

// What Result::value() throws where there is none.
class ClusterError : public std::runtime_error {
 public:
  // Its text is the error's message.
  explicit ClusterError(Error error) : std::runtime_error(error.message), error_(std::move(error)) {}
  // What went wrong.
  const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

// A value or an Error, with the names of std::expected. `*` and `->` need a value; value() throws ClusterError without.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;

  // A function that returns a Result returns the one or the other.
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit, as std::expected is
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  // Whether there is a value.
  bool has_value() const noexcept { return content_.index() == 0; }
  // Whether there is a value.
  explicit operator bool() const noexcept { return has_value(); }

  // The value. Throws ClusterError if there is none.
  T& value() & { return checked(), **this; }
  const T& value() const& { return checked(), **this; }
  T value() && { return checked(), std::move(**this); }  // lives on in `for (auto node : cluster.nodes().value())`
  // The value, or `other` if there is none.
  template <typename U>
  T value_or(U&& other) && {
    return has_value() ? std::move(**this) : static_cast<T>(std::forward<U>(other));
  }
  template <typename U>
  T value_or(U&& other) const& {
    return has_value() ? **this : static_cast<T>(std::forward<U>(other));
  }

  // The value, which must be there.
  T& operator*() noexcept { return *std::get_if<0>(&content_); }
  const T& operator*() const noexcept { return *std::get_if<0>(&content_); }
  // A member of the value, which must be there.
  T* operator->() noexcept { return std::get_if<0>(&content_); }
  const T* operator->() const noexcept { return std::get_if<0>(&content_); }

  // Needs an error.
  const Error& error() const noexcept { return *std::get_if<1>(&content_); }

 private:
  void checked() const {
    if (!has_value()) throw ClusterError(error());
  }

  std::variant<T, Error> content_;
};

// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  // Success, or why there is none.
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit

  // Whether it is a success.
  bool has_value() const noexcept { return !error_.has_value(); }
  // Whether it is a success.
  explicit operator bool() const noexcept { return has_value(); }
  // Nothing. Throws ClusterError if it is no success.
  void value() const {
    if (error_) throw ClusterError(*error_);
  }
  // Needs an error.
  const Error& error() const noexcept { return *error_; }

 private:
  std::optional<Error> error_;
};

// --------------------------------------------------------------------------------------------------- configuration

// What a node is started with. The defaults are those of the library that is loaded when it is made.
struct Config {
  std::string node_name;                                          // required
  std::optional<std::string> host;                                // default "0.0.0.0"
  std::optional<std::string> advertise_host;                      // default: found
  std::optional<int> port;                                        // 1 to 65535; default 4369
  bool port_auto = false;                                         // any free port instead; local_id() tells
  std::vector<std::string> seeds;                                 // "name@host:port", or "host:port" with a DNS name
  std::optional<std::string> cluster_secret;                      // not empty
  std::optional<std::string> cluster_name;                        // nodes of another name are refused; default ""
  std::optional<std::chrono::milliseconds> heartbeat_interval;    // >= 100 ms; default 5 s
  std::optional<int> heartbeat_miss_threshold;                    // >= 1; default 3
  std::optional<std::chrono::milliseconds> reconnect_base_delay;  // default 1 s
  std::optional<std::chrono::milliseconds> reconnect_max_delay;   // default 30 s
  std::optional<std::chrono::milliseconds> forget_after;          // default 24 h
  std::optional<std::string> control_socket;                      // path of a Unix socket for operators; default none

  // Calls `action` with the configuration as the C interface takes it, which lives for the call.
  template <typename Action>
  auto with(Action&& action) const {
    noex_config config;
    noex_config_init(&config, sizeof config);
    std::vector<const char*> texts;
    texts.reserve(seeds.size());
    for (const std::string& seed : seeds) texts.push_back(seed.c_str());
    config.node_name = node_name.c_str();
    if (host) config.host = host->c_str();
    if (advertise_host) config.advertise_host = advertise_host->c_str();
    if (port) config.port = *port;
    config.port_auto = port_auto;
    config.seeds = texts.data();
    config.seeds_count = texts.size();
    if (cluster_secret) config.cluster_secret = cluster_secret->c_str();
    if (cluster_name) config.cluster_name = cluster_name->c_str();
    if (heartbeat_interval) config.heartbeat_interval_ms = heartbeat_interval->count();
    if (heartbeat_miss_threshold) config.heartbeat_miss_threshold = *heartbeat_miss_threshold;
    if (reconnect_base_delay) config.reconnect_base_delay_ms = reconnect_base_delay->count();
    if (reconnect_max_delay) config.reconnect_max_delay_ms = reconnect_max_delay->count();
    if (forget_after) config.forget_after_ms = forget_after->count();
    if (control_socket) config.control_socket = control_socket->c_str();
    return std::forward<Action>(action)(static_cast<const noex_config&>(config));
  }

  // Checks as start would. Errors: InvalidConfig.
  Result<void> validate() const {
    const noex_status status = with([](const noex_config& config) { return noex_config_validate(&config); });
    if (status != NOEX_OK) return Error::last(status);
    return {};
  }
};

// --------------------------------------------------------------------------------------------------------- node ids

// A node id, "name@host:port", in canonical form, and its parts; `host` is without the brackets of an IPv6 address.
class NodeId {
 public:
  // Errors: InvalidNodeId, the message says what was wrong.
  static Result<NodeId> parse(std::string_view text) {
    char canonical[NOEX_NODE_ID_SIZE_MAX + 1];
    const noex_status status = noex_node_id_canonical(text.data(), text.size(), canonical, sizeof canonical);
    if (status != NOEX_OK) return Error::last(status);
    return from_canonical(canonical);
  }
  static Result<NodeId> create(const std::string& name, const std::string& host, int port) {
    char canonical[NOEX_NODE_ID_SIZE_MAX + 1];
    const noex_status status = noex_node_id_create(name.c_str(), host.c_str(), port, canonical, sizeof canonical);
    if (status != NOEX_OK) return Error::last(status);
    return from_canonical(canonical);
  }
  static bool is_valid(std::string_view text) {
    return noex_node_id_parse(text.data(), text.size(), nullptr) == NOEX_OK;
  }

  // "name@host:port", in canonical form.
  const std::string& text() const noexcept { return text_; }
  // What stands before the '@'.
  const std::string& name() const noexcept { return name_; }
  // An IP address without brackets, or a host name.
  const std::string& host() const noexcept { return host_; }
  // 1 to 65535.
  int port() const noexcept { return port_; }

  friend bool operator==(const NodeId& a, const NodeId& b) noexcept { return a.text_ == b.text_; }
  friend bool operator!=(const NodeId& a, const NodeId& b) noexcept { return a.text_ != b.text_; }
  friend bool operator<(const NodeId& a, const NodeId& b) noexcept { return a.text_ < b.text_; }

 private:
  NodeId() = default;
  static Result<NodeId> from_canonical(const char* canonical) {
    noex_node_id_parts parts{};
    parts.struct_size = sizeof parts;
    const noex_status status = noex_node_id_parse(canonical, std::string_view(canonical).size(), &parts);
    if (status != NOEX_OK) return Error::last(status);
    NodeId id;
    id.text_ = canonical;
    id.name_ = parts.name;
    id.host_ = parts.host;
    id.port_ = parts.port;
    return id;
  }

  std::string text_;
  std::string name_;
  std::string host_;
  int port_ = 0;
};

// ------------------------------------------------------------------------------------------------------ snapshots

// A member as it was when the snapshot or event was made. The texts belong to that: copy what you keep.
struct Node {
  std::string_view id;                                      // name@host:port; ends with a NUL
  std::string_view host;                                    // of the id, without brackets
  int port = 0;                                             // of the id
  NodeStatus status = NodeStatus::Connecting;               // as this node sees it
  int64_t process_count = 0;                                // what the application there publishes
  std::chrono::system_clock::time_point last_heartbeat_at;  // our receipt time; the epoch: none yet
  std::chrono::milliseconds uptime{};                       // as the node said in its last heartbeat
  uint64_t incarnation = 0;  // one run of a process; compare for equality only; 0: not known yet

  // Whether its heartbeats come.
  bool is_connected() const noexcept { return status == NodeStatus::Connected; }

  // As the C interface tells it; the texts stay those of `node`.
  static Node from(const noex_node& node) {
    Node made;
    made.id = node.id;
    made.host = node.host;
    made.port = node.port;
    made.status = static_cast<NodeStatus>(node.status);
    made.process_count = node.process_count;
    made.last_heartbeat_at = std::chrono::system_clock::time_point(std::chrono::milliseconds(node.last_heartbeat_at));
    made.uptime = std::chrono::milliseconds(node.uptime_ms);
    made.incarnation = node.incarnation;
    return made;
  }
};

// An immutable list of members, sorted by id. Its nodes' texts live as long as it does.
class Nodes {
 public:
  // An input iterator over Node values.
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Node;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = Node;

    // Of no list; for the language's sake.
    iterator() = default;
    Node operator*() const { return Node::from(*noex_nodes_at(nodes_, index_)); }
    // Goes on to the next node.
    iterator& operator++() noexcept { return ++index_, *this; }
    iterator operator++(int) noexcept {
      iterator before = *this;
      ++index_;
      return before;
    }
    friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.index_ == b.index_; }
    friend bool operator!=(const iterator& a, const iterator& b) noexcept { return a.index_ != b.index_; }

   private:
    friend class Nodes;
    iterator(const noex_nodes* nodes, size_t index) : nodes_(nodes), index_(index) {}
    const noex_nodes* nodes_ = nullptr;
    size_t index_ = 0;
  };

  explicit Nodes(noex_nodes* nodes) noexcept : nodes_(nodes) {}  // takes it over
  size_t size() const noexcept { return noex_nodes_count(nodes_.get()); }
  // Whether there is no node in it.
  bool empty() const noexcept { return size() == 0; }
  size_t connected_count() const noexcept { return noex_nodes_connected_count(nodes_.get()); }
  Node operator[](size_t index) const { return Node::from(*noex_nodes_at(nodes_.get(), index)); }  // index < size()
  // The first node.
  iterator begin() const noexcept { return {nodes_.get(), 0}; }
  // Behind the last node.
  iterator end() const noexcept { return {nodes_.get(), size()}; }
  // The node with this id, or configured seed alias, in any spelling.
  std::optional<Node> find(const std::string& id) const {
    const noex_node* found = noex_nodes_find(nodes_.get(), id.c_str());
    if (found == nullptr) return std::nullopt;
    return Node::from(*found);
  }

 private:
  struct Free {
    void operator()(noex_nodes* nodes) const noexcept { noex_nodes_free(nodes); }
  };
  std::unique_ptr<noex_nodes, Free> nodes_;
};

// A snapshot of all statistics; what it gives out lives as long as it does.
class Stats {
 public:
  explicit Stats(noex_stats_snapshot* stats) noexcept : stats_(stats) {}  // takes it over
  const noex_stats& totals() const noexcept { return *noex_stats_totals(stats_.get()); }
  size_t peer_count() const noexcept { return noex_stats_peer_count(stats_.get()); }
  const noex_peer_stats& peer(size_t index) const noexcept { return *noex_stats_peer_at(stats_.get(), index); }
  // How often something of this kind ("bad_signature", ...) was refused; 0 for a kind that the library does not know.
  uint64_t rejected(std::string_view kind) const noexcept {
    for (size_t i = 0; i < noex_stats_rejected_kind_count(); ++i) {
      if (kind == noex_stats_rejected_kind_name(i)) return noex_stats_rejected_at(stats_.get(), i);
    }
    return 0;
  }

 private:
  struct Free {
    void operator()(noex_stats_snapshot* stats) const noexcept { noex_stats_free(stats); }
  };
  std::unique_ptr<noex_stats_snapshot, Free> stats_;
};

// An event that was pulled: `event->kind` says which of its fields are set. May outlive the cluster.
class Event {
 public:
  explicit Event(noex_event* event) noexcept : event_(event) {}  // takes it over
  // The event, which lives as long as this object does.
  const noex_event& operator*() const noexcept { return *event_; }
  // A field of the event.
  const noex_event* operator->() const noexcept { return event_.get(); }

 private:
  struct Free {
    void operator()(noex_event* event) const noexcept { noex_event_free(event); }
  };
  std::unique_ptr<noex_event, Free> event_;
};

// ---------------------------------------------------------------------------------------------------------- cluster

// One node of a cluster; several may live in a process. Handlers may be registered before start() and stay over stop
// and start. They run on the handle's own thread, one at a time, in order: they may block and may query, but not call
// start(), stop() or wait(); an exception that leaves one ends the process, as one that leaves a thread does. Without
// stop() the destructor ends the node without a goodbye, as a crash would.
class Cluster {
 public:
  // A registered handler, for cancel().
  using Subscription = noex_subscription;

  // Throws std::bad_alloc if there is no memory.
  Cluster() {
    noex_cluster* made = nullptr;
    if (noex_cluster_create(&made) != NOEX_OK) throw std::bad_alloc();
    cluster_.reset(made);
  }

  // For what only the C interface has. Stays with this object; never NULL but after a move.
  noex_cluster* handle() const noexcept { return cluster_.get(); }

  // ------------------------------------------------------------------------------------------------------ lifecycle

  Result<void> start(const Config& config) {
    return checked(config.with([this](const noex_config& c) { return noex_cluster_start(handle(), &c); }));
  }
  // The number of the operation, that its completion event carries.
  Result<uint64_t> start_async(const Config& config) {
    uint64_t operation = 0;
    const noex_status status =
        config.with([&](const noex_config& c) { return noex_cluster_start_async(handle(), &c, &operation); });
    return valued(status, operation);
  }
  Result<void> stop() { return checked(noex_cluster_stop(handle())); }
  Result<uint64_t> stop_async() {
    uint64_t operation = 0;
    const noex_status status = noex_cluster_stop_async(handle(), &operation);
    return valued(status, operation);
  }
  // Until the node is stopped.
  Result<void> wait() { return checked(noex_cluster_wait(handle(), -1)); }
  Result<void> wait(std::chrono::milliseconds timeout) {
    return checked(noex_cluster_wait(handle(), clamped(timeout)));
  }

  // -------------------------------------------------------------------------------------------------------- queries

  Result<ClusterStatus> status() const {
    int32_t status = 0;
    const noex_status answer = noex_cluster_status(handle(), &status);
    return valued(answer, static_cast<ClusterStatus>(status));
  }
  Result<std::string> local_id() const {
    char id[NOEX_NODE_ID_SIZE_MAX + 1] = "";
    const noex_status status = noex_cluster_local_id(handle(), id, sizeof id);
    return valued(status, std::string(id));
  }
  // A list of one: the local node.
  Result<Nodes> local_node() const { return listed(&noex_cluster_local_node); }
  // All other known nodes.
  Result<Nodes> nodes() const { return listed(&noex_cluster_nodes); }
  Result<uint64_t> nodes_version() const {
    uint64_t version = 0;
    const noex_status status = noex_cluster_nodes_version(handle(), &version);
    return valued(status, version);
  }
  Result<bool> is_node_connected(const std::string& id) const {
    bool connected = false;
    const noex_status status = noex_cluster_is_node_connected(handle(), id.c_str(), &connected);
    return valued(status, connected);
  }
  Result<size_t> connected_count() const {
    size_t count = 0;
    const noex_status status = noex_cluster_connected_count(handle(), &count);
    return valued(status, count);
  }
  Result<std::chrono::milliseconds> uptime() const {
    int64_t uptime_ms = 0;
    const noex_status status = noex_cluster_uptime_ms(handle(), &uptime_ms);
    return valued(status, std::chrono::milliseconds(uptime_ms));
  }
  Result<Stats> stats() const {
    noex_stats_snapshot* stats = nullptr;
    const noex_status status = noex_cluster_stats(handle(), &stats);
    if (status != NOEX_OK) return Error::last(status);
    return Stats(stats);
  }

  // A text about the node, one of NOEX_DOCUMENT_*: for who shows or collects what goes on. Errors: NotStarted, Timeout.
  Result<std::string> document(std::int32_t document) const {
    char* text = nullptr;
    const noex_status status = noex_cluster_document(handle(), document, &text);
    if (status != NOEX_OK) return Error::last(status);
    const std::unique_ptr<char, void (*)(char*)> owned(text, &noex_text_free);
    return std::string(text);
  }
  // OpenMetrics 1.0 text for the program's own server; content type NOEX_METRICS_CONTENT_TYPE.
  Result<std::string> metrics() const { return document(NOEX_DOCUMENT_METRICS); }
  Result<void> set_process_count(int64_t count) { return checked(noex_cluster_set_process_count(handle(), count)); }

  // -------------------------------------------------------------------------------------------- events, by callback

  // A node joined, or came back; nodes() already shows it.
  Result<Subscription> on_node_up(std::function<void(const Node&)> handler) {
    return on(NOEX_EVENT_NODE_UP,
              [handler = std::move(handler)](const noex_event& event) { handler(Node::from(*event.node)); });
  }
  // The node as it was last seen, and why it is down.
  Result<Subscription> on_node_down(std::function<void(const Node&, DownReason)> handler) {
    return on(NOEX_EVENT_NODE_DOWN, [handler = std::move(handler)](const noex_event& event) {
      handler(Node::from(*event.node), static_cast<DownReason>(event.reason));
    });
  }
  // The local node has another state.
  Result<Subscription> on_status_change(std::function<void(ClusterStatus)> handler) {
    return on(NOEX_EVENT_STATUS, [handler = std::move(handler)](const noex_event& event) {
      handler(static_cast<ClusterStatus>(event.status));
    });
  }
  // Something is wrong with a peer or a connection; the node goes on.
  Result<Subscription> on_error(std::function<void(const Error&)> handler) {
    return on(NOEX_EVENT_ERROR,
              [handler = std::move(handler)](const noex_event& event) { handler(Error::from(*event.error)); });
  }
  // Lines of level `least` and above; the level holds for all log handlers of this cluster.
  Result<Subscription> on_log(std::function<void(LogLevel, std::string_view)> handler,
                              LogLevel least = LogLevel::Info) {
    const noex_status status = noex_cluster_select_events(handle(), NOEX_EVENT_ALL, static_cast<int32_t>(least));
    if (status != NOEX_OK) return Error::last(status);
    return on(NOEX_EVENT_LOG, [handler = std::move(handler)](const noex_event& event) {
      handler(static_cast<LogLevel>(event.level), event.message);
    });
  }
  // Any kinds (a mask of NOEX_EVENT_*), as the C interface tells them.
  Result<Subscription> on(uint32_t kinds, std::function<void(const noex_event&)> handler) {
    using Handler = std::function<void(const noex_event&)>;
    auto kept = std::make_unique<Handler>(std::move(handler));
    Subscription subscription = 0;
    // From here on the library owns it: it is destroyed even if the call fails.
    const noex_status status = noex_cluster_on_event(
        handle(), kinds,
        [](const noex_event* event, void* user_data) noexcept { (*static_cast<Handler*>(user_data))(*event); },
        kept.release(), [](void* user_data) noexcept { delete static_cast<Handler*>(user_data); }, &subscription);
    return valued(status, subscription);
  }
  // After it returns the handler does not run again, unless this is called inside it.
  Result<void> cancel(Subscription subscription) { return checked(noex_cluster_cancel(handle(), subscription)); }

  // ----------------------------------------------------------------------------------------------- events, by pulling

  // Readable while events are queued: poll it, never read or close it.
  Result<int> event_fd() {
    int fd = -1;
    const noex_status status = noex_cluster_event_fd(handle(), &fd);
    return valued(status, fd);
  }
  // Errors: Timeout if none came in time; WrongState if there are handlers.
  Result<Event> next_event(std::chrono::milliseconds timeout) { return pulled(clamped(timeout)); }
  // However long it takes.
  Result<Event> next_event() { return pulled(-1); }
  Result<void> select_events(uint32_t kinds, LogLevel least = LogLevel::Info) {
    return checked(noex_cluster_select_events(handle(), kinds, static_cast<int32_t>(least)));
  }

 private:
  struct Free {
    void operator()(noex_cluster* cluster) const noexcept { noex_cluster_free(cluster); }
  };

  static Result<void> checked(noex_status status) {
    if (status != NOEX_OK) return Error::last(status);
    return {};
  }
  template <typename T>
  static Result<T> valued(noex_status status, T value) {
    if (status != NOEX_OK) return Error::last(status);
    return value;
  }
  // A negative time would mean "without limit" there.
  static int32_t clamped(std::chrono::milliseconds timeout) noexcept {
    const auto count = timeout.count();
    return count < 0 ? 0 : count > INT32_MAX ? INT32_MAX : static_cast<int32_t>(count);
  }
  Result<Nodes> listed(noex_status (*query)(const noex_cluster*, noex_nodes**)) const {
    noex_nodes* nodes = nullptr;
    const noex_status status = query(handle(), &nodes);
    if (status != NOEX_OK) return Error::last(status);
    return Nodes(nodes);
  }
  Result<Event> pulled(int32_t timeout_ms) {
    noex_event* event = nullptr;
    const noex_status status = noex_cluster_next_event(handle(), timeout_ms, &event);
    if (status != NOEX_OK) return Error::last(status);
    return Event(event);
  }

  std::unique_ptr<noex_cluster, Free> cluster_;
};

}  // namespace cpp_v1
}  // namespace noex

#endif  // NOEX_CLUSTER_HPP
