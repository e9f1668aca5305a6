#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "reporter.h"
#include "style.h"

namespace noex_cli {
namespace {

using Object = nlohmann::ordered_json;

Object begin(const char* event, int64_t at) { return {{"event", event}, {"at", at}}; }

// What the user typed may be no UTF-8, and is mended.
std::string text_of(const Object& object) { return object.dump(-1, ' ', false, Object::error_handler_t::replace); }

std::string_view text_or_empty(const char* text) { return text == nullptr ? "" : text; }

class JsonReporter final : public Reporter {
 public:
  explicit JsonReporter(std::function<void(std::string_view)> sink) : sink_(std::move(sink)) {}

  void up(const noex_event& event) override {
    Object object = begin("up", event.created_at);
    object["node"] = event.node->id;
    tell(object);
  }

  void down(const noex_event& event) override {
    Object object = begin("down", event.created_at);
    object["node"] = event.node->id;
    object["reason"] = noex_down_reason_name(event.reason);
    object["evidence"] = text_or_empty(event.evidence);
    tell(object);
  }

  void status(const noex_event& event, std::string_view id) override {
    Object object = begin("status", event.created_at);
    object["status"] = noex_cluster_status_name(event.status);
    if (!id.empty()) object["node"] = id;
    tell(object);
  }

  void error(const noex_event& event) override {
    Object object = begin("error", event.created_at);
    object["kind"] = noex_error_kind_name(event.error->kind);
    object["message"] = text_or_empty(event.error->message);
    object["node"] = text_or_empty(event.error->node_id);
    object["address"] = text_or_empty(event.error->address);
    tell(object);
  }

  void log(const noex_event& event) override {
    Object object = begin("log", event.created_at);
    object["level"] = noex_log_level_name(event.level);
    object["message"] = text_or_empty(event.message);
    tell(object);
  }

  void started(std::string_view id, std::string_view control_socket) override {
    Object object = begin("started", now_ms());
    object["id"] = id;
    if (!control_socket.empty()) object["control_socket"] = control_socket;
    tell(object);
  }

  void failed(const noex_error& error) override {
    Object object = begin("failed", now_ms());
    object["error"] = noex_status_name(error.status);
    object["message"] = text_or_empty(error.message);
    if (error.status == NOEX_EBIND) {
      object["code"] = text_or_empty(error.code);
      object["syscall"] = text_or_empty(error.syscall);
      object["address"] = text_or_empty(error.address);
      object["port"] = error.port;
    }
    tell(object);
  }

  void http(std::string_view url) override {
    Object object = begin("http", now_ms());
    object["url"] = url;
    tell(object);
  }

  void view(std::string_view id, std::string_view status, const noex_nodes* nodes) override {
    Object object = begin("view", now_ms());
    object["self"] = id;
    object["status"] = status;
    Object& list = object["nodes"] = Object::array();
    for (size_t i = 0; i < noex_nodes_count(nodes); ++i) {
      const noex_node& node = *noex_nodes_at(nodes, i);
      list.push_back({{"id", node.id},
                      {"status", noex_node_status_name(node.status)},
                      {"process_count", node.process_count},
                      {"last_heartbeat_at", node.last_heartbeat_at},
                      {"uptime_ms", node.uptime_ms}});
    }
    tell(object);
  }

  void unknown_command(std::string_view command) override {
    Object object = begin("unknown_command", now_ms());
    object["command"] = command;
    tell(object);
  }

  void hook_failed(const HookProblem& problem) override {
    Object object = begin("hook", now_ms());
    object["hook"] = problem.hook;
    object["node"] = problem.node;
    object["message"] = problem.message;
    tell(object);
  }

  void warning(std::string_view message) override {
    Object object = begin("log", now_ms());
    object["level"] = "warning";
    object["message"] = message;
    tell(object);
  }

 private:
  void tell(const Object& object) {
    if (sink_) {
      sink_(text_of(object));
    } else {
      say(text_of(object));
    }
  }

  const std::function<void(std::string_view)> sink_;
};

}  // namespace

std::unique_ptr<Reporter> make_json_reporter(std::function<void(std::string_view)> sink) {
  return std::make_unique<JsonReporter>(std::move(sink));
}

}  // namespace noex_cli
