// The command noex-cluster. It is a host like any other: everything it knows of the cluster comes through
// noex_cluster.h.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include "handles.h"
#include "run.h"
#include "verbs.h"

namespace noex_cli {
namespace {

constexpr const char* kRunFooter =
    "Standard output has one line per event: up, down, status. Errors and logs go to standard error. With --json "
    "everything\n"
    "is on standard output, one object a line: "
    "{\"event\":\"up\",\"at\":1700000000000,\"node\":\"app2@10.0.0.2:4369\"}.\n\n"
    "The secret of the cluster comes from a file or from the environment (NOEX_CLUSTER_SECRET), never from an "
    "argument, which\n"
    "everyone on the machine can read. SIGTERM, SIGINT and SIGHUP stop the node politely; a second one ends it at "
    "once.\n\n"
    "Hooks are shell commands that run beside the node, those of one member in the order of its events. They know\n"
    "NOEX_EVENT, NOEX_EVENT_AT, NOEX_NODE_ID, NOEX_NODE_NAME, NOEX_NODE_HOST, NOEX_NODE_PORT, NOEX_LOCAL_ID and\n"
    "NOEX_CONTROL_SOCKET, at a down NOEX_REASON and NOEX_EVIDENCE, but not the secret.\n\n"
    "Example: noex-cluster run --name app1 --seed app2@192.168.1.2:4369 --seed app3@192.168.1.3:4369";

// A connection is a descriptor, and the usual limit of 1,024 is meant for programs that use select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  const auto holder = std::make_shared<RunOptions>();
  RunOptions& options = *holder;
  CLI::App* const run = app.add_subcommand("run", "Run a node of the cluster until it is told to stop");
  run->footer(kRunFooter);
  run->get_formatter()->column_width(36);
  run->callback([&action, holder] {
    action = [holder] {
      raise_descriptor_limit();
      return noex_cli::run(*holder);
    };
  });

  run->add_option("--name", options.name, "Name of this node: letters, digits, '_' and '-'")
      ->required()
      ->type_name("NAME")
      ->envname("NOEX_NAME");
  run->add_option("--host", options.host, "Address to listen on; default 0.0.0.0")
      ->type_name("ADDRESS")
      ->envname("NOEX_HOST");
  run->add_option("--advertise-host", options.advertise_host,
                  "Address under which others reach this node; default: --host, or found if that is a wildcard")
      ->type_name("ADDRESS")
      ->envname("NOEX_ADVERTISE_HOST");
  run->add_option("--port", options.port, "Port to listen on, or 'auto' for any free one; default 4369")
      ->type_name("PORT")
      ->envname("NOEX_PORT");
  run->add_option("--seed", options.seeds,
                  "A node to join through, name@host:port, or host:port with a DNS name; repeatable")
      ->type_name("SEED")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->envname("NOEX_SEEDS");
  CLI::Option* const variable = run->add_option("--secret-env", options.secret.variable,
                                                "Environment variable that holds the secret of the cluster")
                                    ->type_name("VARIABLE")
                                    ->envname("NOEX_SECRET_ENV");
  run->add_option("--secret-file", options.secret.file, "File that holds the secret of the cluster")
      ->type_name("FILE")
      ->envname("NOEX_SECRET_FILE")
      ->excludes(variable);
  run->add_option("--cluster-name", options.cluster_name, "Nodes of another cluster name are refused")
      ->type_name("NAME")
      ->envname("NOEX_CLUSTER_NAME");
  run->add_option("--heartbeat-interval-ms,--interval", options.heartbeat_interval_ms,
                  "Between two heartbeats; default 5000")
      ->type_name("MS")
      ->envname("NOEX_HEARTBEAT_INTERVAL_MS");
  run->add_option("--heartbeat-miss-threshold,--threshold", options.heartbeat_miss_threshold,
                  "Heartbeats that may be missed before a node is down; default 3")
      ->type_name("COUNT")
      ->envname("NOEX_HEARTBEAT_MISS_THRESHOLD");
  run->add_option("--reconnect-base-delay-ms", options.reconnect_base_delay_ms,
                  "First delay before dialling again; default 1000")
      ->type_name("MS")
      ->envname("NOEX_RECONNECT_BASE_DELAY_MS");
  run->add_option("--reconnect-max-delay-ms", options.reconnect_max_delay_ms, "Longest such delay; default 30000")
      ->type_name("MS")
      ->envname("NOEX_RECONNECT_MAX_DELAY_MS");
  run->add_option("--forget-after-ms", options.forget_after_ms, "A node down for so long leaves the list; default 24 h")
      ->type_name("MS")
      ->envname("NOEX_FORGET_AFTER_MS");
  run->add_option("--log-level", options.log_level, "debug, info, warning or error; default warning")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->envname("NOEX_LOG_LEVEL");
  run->add_option("--http", options.http,
                  "Serve health, members, metrics, events and a page over HTTP, read only and without a login; port "
                  "'auto': any free one")
      ->type_name("HOST:PORT")
      ->envname("NOEX_HTTP");
  run->add_flag("--json", options.json, "One JSON object a line instead of text")->envname("NOEX_JSON");
  run->add_option("--on-up", options.hooks.on_up, "Shell command to run when a node is up")
      ->type_name("COMMAND")
      ->envname("NOEX_ON_UP");
  run->add_option("--on-down", options.hooks.on_down, "Shell command to run when a node is down")
      ->type_name("COMMAND")
      ->envname("NOEX_ON_DOWN");
  run->add_option("--hook-timeout", options.hooks.timeout_seconds,
                  "Seconds after which a hook is ended, 0 for never; default 60")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6).description(""))
      ->envname("NOEX_HOOK_TIMEOUT");
  CLI::Option* const socket =
      run->add_option("--control-socket", options.control_socket,
                      "Path of the socket that answers status, members and watch; default: in the runtime folder")
          ->type_name("PATH")
          ->envname("NOEX_CONTROL_SOCKET");
  run->add_flag("--no-control-socket", options.no_control_socket, "Have no such socket")
      ->envname("NOEX_NO_CONTROL_SOCKET")
      ->excludes(socket);
  run->add_flag("--control-stdin", options.control_stdin,
                "Take the commands 'view' and 'stop' from standard input; its end is a stop")
      ->envname("NOEX_CONTROL_STDIN");
  // Hidden: it exists to say why it does not.
  run->add_option_function<std::string>("--secret",
                                        [](const std::string&) {
                                          throw CLI::ValidationError(
                                              "--secret",
                                              "everyone on the machine can read the arguments of a process: use "
                                              "--secret-file, --secret-env or NOEX_CLUSTER_SECRET");
                                        })
      ->group("");
}

namespace {

int main_guarded(int argc, char** argv) {
  CLI::App app("Nodes of a peer-to-peer cluster: they find each other, notice who dies, and heal what breaks.",
               "noex-cluster");
  app.footer(kExitCodesText);
  app.set_version_flag("--version", std::string("noex-cluster ") + noex_version(), "Print the version");
  app.require_subcommand(1);
  Action action;
  add_run(app, action);
  add_other_verbs(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kSuccess : kUsage;
  }
  return action();
}

}  // namespace
}  // namespace noex_cli

int main(int argc, char** argv) {
  try {
    return noex_cli::main_guarded(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "noex-cluster: %s\n", error.what());
    return noex_cli::kFailure;
  }
}
