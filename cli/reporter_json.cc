#include <sys/time.h>

#include <string>

#include "json.h"
#include "reporter.h"

namespace noex_cli {
namespace {

int64_t now_ms() {
  timeval now{};
  gettimeofday(&now, nullptr);
  return int64_t{now.tv_sec} * 1000 + now.tv_usec / 1000;
}

class JsonReporter final : public Reporter {
 public:
  void up(const noex_event& event) override { say(begin("up", event.created_at).add("node", event.node->id).text()); }

  void down(const noex_event& event) override {
    JsonObject object = begin("down", event.created_at);
    object.add("node", event.node->id)
        .add("reason", noex_down_reason_name(event.reason))
        .add("evidence", event.evidence);
    say(object.text());
  }

  void status(const noex_event& event, std::string_view id) override {
    JsonObject object = begin("status", event.created_at);
    object.add("status", noex_cluster_status_name(event.status));
    if (!id.empty()) object.add("node", id);
    say(object.text());
  }

  void error(const noex_event& event) override {
    JsonObject object = begin("error", event.created_at);
    object.add("kind", noex_error_kind_name(event.error->kind)).add("message", event.error->message);
    object.add("node", event.error->node_id).add("address", event.error->address);
    say(object.text());
  }

  void log(const noex_event& event) override {
    JsonObject object = begin("log", event.created_at);
    say(object.add("level", noex_log_level_name(event.level)).add("message", event.message).text());
  }

  void started(std::string_view id) override { say(begin("started", now_ms()).add("id", id).text()); }

  void failed(const noex_error& error) override {
    JsonObject object = begin("failed", now_ms());
    object.add("error", noex_status_name(error.status)).add("message", error.message);
    if (error.status == NOEX_EBIND) {
      object.add("code", error.code)
          .add("syscall", error.syscall)
          .add("address", error.address)
          .add("port", int64_t{error.port});
    }
    say(object.text());
  }

  void view(std::string_view id, std::string_view status, const noex_nodes* nodes) override {
    std::string list;
    for (size_t i = 0; i < noex_nodes_count(nodes); ++i) {
      const noex_node& node = *noex_nodes_at(nodes, i);
      JsonObject entry;
      entry.add("id", node.id)
          .add("status", noex_node_status_name(node.status))
          .add("process_count", node.process_count);
      entry.add("last_heartbeat_at", node.last_heartbeat_at).add("uptime_ms", node.uptime_ms);
      if (i > 0) list += ',';
      list += entry.text();
    }
    JsonObject object = begin("view", now_ms());
    say(object.add("self", id).add("status", status).add_raw("nodes", "[" + list + "]").text());
  }

  void unknown_command(std::string_view command) override {
    say(begin("unknown_command", now_ms()).add("command", command).text());
  }

 private:
  static JsonObject begin(const char* event, int64_t at) {
    JsonObject object;
    object.add("event", event).add("at", at);
    return object;
  }
};

}  // namespace

std::unique_ptr<Reporter> make_json_reporter() { return std::make_unique<JsonReporter>(); }

}  // namespace noex_cli
