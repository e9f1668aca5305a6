// The command noex-cluster. It is a host like any other: everything it knows of the cluster comes through
// noex_cluster.h.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "handles.h"
#include "run.h"

namespace noex_cli {
namespace {

constexpr const char* kFooter =
    "Every option can also come from the environment, under the name in parentheses; the command line wins.\n"
    "Exit codes: 0 stopped politely; 1 the node could not run (a taken port, say), or was stopped twice; 2 wrong "
    "usage.";

constexpr const char* kRunFooter =
    "Standard output has one line per event: up, down, status. Errors and logs go to standard error. With --json "
    "everything\n"
    "is on standard output, one object a line: "
    "{\"event\":\"up\",\"at\":1700000000000,\"node\":\"app2@10.0.0.2:4369\"}.\n\n"
    "The secret of the cluster comes from a file or from the environment (NOEX_CLUSTER_SECRET), never from an "
    "argument, which\n"
    "everyone on the machine can read. SIGTERM, SIGINT and SIGHUP stop the node politely; a second one ends it at "
    "once.\n\n"
    "Example: noex-cluster run --name app1 --seed app2@192.168.1.2:4369 --seed app3@192.168.1.3:4369";

void add_run(CLI::App& app, RunOptions& options) {
  CLI::App* const run = app.add_subcommand("run", "Run a node of the cluster until it is told to stop");
  run->footer(kRunFooter);
  run->get_formatter()->column_width(36);

  run->add_option("--name", options.name, "Name of this node: letters, digits, '_' and '-'")
      ->required()
      ->envname("NOEX_NAME");
  run->add_option("--host", options.host, "Address to listen on; default 0.0.0.0")->envname("NOEX_HOST");
  run->add_option("--advertise-host", options.advertise_host,
                  "Address under which others reach this node; default: --host, or found if that is a wildcard")
      ->envname("NOEX_ADVERTISE_HOST");
  run->add_option("--port", options.port, "Port to listen on, or 'auto' for any free one; default 4369")
      ->envname("NOEX_PORT");
  run->add_option("--seed", options.seeds,
                  "A node to join through, name@host:port, or host:port with a DNS name; repeatable")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->envname("NOEX_SEEDS");
  CLI::Option* const variable = run->add_option("--secret-env", options.secret_variable,
                                                "Environment variable that holds the secret of the cluster");
  run->add_option("--secret-file", options.secret_file, "File that holds the secret of the cluster")
      ->envname("NOEX_SECRET_FILE")
      ->excludes(variable);
  run->add_option("--cluster-name", options.cluster_name, "Nodes of another cluster name are refused")
      ->envname("NOEX_CLUSTER_NAME");
  run->add_option("--heartbeat-interval-ms,--interval", options.heartbeat_interval_ms,
                  "Between two heartbeats; default 5000")
      ->envname("NOEX_HEARTBEAT_INTERVAL_MS");
  run->add_option("--heartbeat-miss-threshold,--threshold", options.heartbeat_miss_threshold,
                  "Heartbeats that may be missed before a node is down; default 3")
      ->envname("NOEX_HEARTBEAT_MISS_THRESHOLD");
  run->add_option("--reconnect-base-delay-ms", options.reconnect_base_delay_ms,
                  "First delay before dialling again; default 1000")
      ->envname("NOEX_RECONNECT_BASE_DELAY_MS");
  run->add_option("--reconnect-max-delay-ms", options.reconnect_max_delay_ms, "Longest such delay; default 30000")
      ->envname("NOEX_RECONNECT_MAX_DELAY_MS");
  run->add_option("--forget-after-ms", options.forget_after_ms, "A node down for so long leaves the list; default 24 h")
      ->envname("NOEX_FORGET_AFTER_MS");
  run->add_option("--log-level", options.log_level, "debug, info, warning or error; default warning")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->option_text("LEVEL (Env:NOEX_LOG_LEVEL)")
      ->envname("NOEX_LOG_LEVEL");
  run->add_flag("--json", options.json, "One JSON object a line instead of text")->envname("NOEX_JSON");
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

// A connection is a descriptor, and the usual limit of 1,024 is meant for programs that use select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main_guarded(int argc, char** argv) {
  CLI::App app("Nodes of a peer-to-peer cluster: they find each other, notice who dies, and heal what breaks.",
               "noex-cluster");
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("noex-cluster ") + noex_version());
  app.require_subcommand(1);
  RunOptions options;
  add_run(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kSuccess : kUsage;
  }
  raise_descriptor_limit();
  return run(options);
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
