#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

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
  void up(const noex_event& event) override {
    Object object = begin("up", event.created_at);
    object["node"] = event.node->id;
    say(text_of(object));
  }

  void down(const noex_event& event) override {
    Object object = begin("down", event.created_at);
    object["node"] = event.node->id;
    object["reason"] = noex_down_reason_name(event.reason);
    object["evidence"] = text_or_empty(event.evidence);
    say(text_of(object));
  }

  void status(const noex_event& event, std::string_view id) override {
    Object object = begin("status", event.created_at);
    object["status"] = noex_cluster_status_name(event.status);
    if (!id.empty()) object["node"] = id;
    say(text_of(object));
  }

  void error(const noex_event& event) override {
    Object object = begin("error", event.created_at);
    object["kind"] = noex_error_kind_name(event.error->kind);
    object["message"] = text_or_empty(event.error->message);
    object["node"] = text_or_empty(event.error->node_id);
    object["address"] = text_or_empty(event.error->address);
    say(text_of(object));
  }

  void log(const noex_event& event) override {
    Object object = begin("log", event.created_at);
    object["level"] = noex_log_level_name(event.level);
    object["message"] = text_or_empty(event.message);
    say(text_of(object));
  }

  void started(std::string_view id, std::string_view control_socket) override {
    Object object = begin("started", now_ms());
    object["id"] = id;
    if (!control_socket.empty()) object["control_socket"] = control_socket;
    say(text_of(object));
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
    say(text_of(object));
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
    say(text_of(object));
  }

  void unknown_command(std::string_view command) override {
    Object object = begin("unknown_command", now_ms());
    object["command"] = command;
    say(text_of(object));
  }

  void hook_failed(const HookProblem& problem) override {
    Object object = begin("hook", now_ms());
    object["hook"] = problem.hook;
    object["node"] = problem.node;
    object["message"] = problem.message;
    say(text_of(object));
  }

  void warning(std::string_view message) override {
    Object object = begin("log", now_ms());
    object["level"] = "warning";
    object["message"] = message;
    say(text_of(object));
  }
};

}  // namespace

std::unique_ptr<Reporter> make_json_reporter() { return std::make_unique<JsonReporter>(); }

}  // namespace noex_cli
