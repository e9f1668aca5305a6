// The verbs beside `run`.
#include "verbs.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "check.h"
#include "completion.h"
#include "exit_codes.h"
#include "keygen.h"
#include "queries.h"
#include "watch.h"

namespace noex_cli {
namespace {

constexpr const char* kQueryFooter =
    "NODE is the name of a node that runs on this machine, or the path of its control socket; without it the only\n"
    "one is asked. Sockets are looked for in $XDG_RUNTIME_DIR/noex-cluster, /run/noex-cluster and\n"
    "/tmp/noex-cluster-UID, or in NOEX_RUNTIME_DIR alone if that is set. An embedded node has one if it is started\n"
    "with control_socket.";

constexpr const char* kCheckFooter =
    "Steps: resolve, connect, secret, version, cluster name, clock; the first that fails is named, with what to do.\n"
    "The protocol has no probe, so the check joins the cluster for an instant under the name check-RANDOM, and\n"
    "leaves politely: the others report an up and a down of it, with the reason graceful_shutdown.\n\n"
    "Example: noex-cluster check app1@192.168.1.10:4369 --secret-file /etc/noex-cluster/secret";

constexpr const char* kCompletionFooter =
    "An installed package has them where the shells look. Otherwise, for this shell only:\n"
    "  bash   source <(noex-cluster completion bash)\n"
    "  zsh    source <(noex-cluster completion zsh)\n"
    "  fish   noex-cluster completion fish | source";

// A verb whose help is as wide as the others', and whose options do nothing until it is chosen.
template <typename Options>
CLI::App* add_verb(CLI::App& app, Action& action, const char* name, const char* description, Options options,
                   int (*run)(const typename Options::element_type&)) {
  CLI::App* const verb = app.add_subcommand(name, description);
  verb->get_formatter()->column_width(36);
  verb->callback([&action, options, run] { action = [options, run] { return run(*options); }; });
  return verb;
}

void add_control(CLI::App* verb, ControlOptions& options) {
  verb->add_option("node", options.node, "Name of the node to ask; default: the only one that runs here")
      ->type_name("NODE");
  verb->add_option("--control-socket", options.path, "Path of its control socket")
      ->type_name("PATH")
      ->envname("NOEX_CONTROL_SOCKET");
  verb->add_option("--timeout", options.timeout_seconds, "Seconds to wait for an answer; default 5")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.001, 86400.0).description(""))
      ->envname("NOEX_TIMEOUT");
  verb->footer(kQueryFooter);
}

void add_query(CLI::App& app, Action& action, const char* name, const char* description,
               int (*run)(const QueryOptions&)) {
  const auto options = std::make_shared<QueryOptions>();
  CLI::App* const verb = add_verb(app, action, name, description, options, run);
  add_control(verb, options->control);
  verb->add_flag("--json", options->json, "The node's answer as it is: one line of JSON");
}

void add_watch(CLI::App& app, Action& action) {
  const auto options = std::make_shared<WatchOptions>();
  CLI::App* const verb = add_verb(app, action, "watch",
                                  "Show the health of the cluster, as a running node sees it, live", options, &watch);
  add_control(verb, options->control);
}

void add_check(CLI::App& app, Action& action) {
  const auto options = std::make_shared<CheckOptions>();
  CLI::App* const verb =
      add_verb(app, action, "check", "Tell whether a seed can be reached, and would let us in", options, &check);
  verb->footer(kCheckFooter);
  verb->add_option("seed", options->seed, "name@host:port, or host:port with a DNS name")
      ->required()
      ->type_name("SEED");
  CLI::Option* const variable =
      verb->add_option("--secret-env", options->secret.variable, "Environment variable that holds the secret")
          ->type_name("VARIABLE")
          ->envname("NOEX_SECRET_ENV");
  verb->add_option("--secret-file", options->secret.file, "File that holds the secret of the cluster")
      ->type_name("FILE")
      ->envname("NOEX_SECRET_FILE")
      ->excludes(variable);
  verb->add_option("--cluster-name", options->cluster_name, "The name of the cluster, if it has one")
      ->type_name("NAME")
      ->envname("NOEX_CLUSTER_NAME");
  verb->add_option("--timeout", options->timeout_seconds, "Seconds that each step may take; default 10")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.001, 86400.0).description(""))
      ->envname("NOEX_TIMEOUT");
  verb->add_flag("--json", options->json, "One JSON object instead of lines");
}

void add_keygen(CLI::App& app, Action& action) {
  const auto options = std::make_shared<KeygenOptions>();
  CLI::App* const verb =
      add_verb(app, action, "keygen", "Make a secret for a cluster: 256 random bits as base64", options, &keygen);
  verb->add_option("--out", options->out, "File to make, for its owner alone; one that is there is left as it is")
      ->type_name("FILE");
}

void add_completion(CLI::App& app, Action& action) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* const verb = app.add_subcommand("completion", "Print the completions for a shell");
  verb->footer(kCompletionFooter);
  verb->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->type_name("SHELL")
      ->check(CLI::IsMember({"bash", "zsh", "fish", "nodes"}).description("{bash,zsh,fish}"));
  verb->callback([&app, &action, shell] { action = [&app, shell] { return complete(app, *shell); }; });
}

}  // namespace

const char* const kExitCodesText =
    "Exit codes: 0 all is well, or stopped politely; 1 the node could not run (a taken port, say) or was stopped\n"
    "twice, or output could not be written; 2 wrong usage; 3 nobody there, or no answer in time; 4 refused: the\n"
    "secret, the cluster name, or no permission; 5 an answer that is not understood: another version, another program.";

void add_other_verbs(CLI::App& app, Action& action) {
  add_query(app, action, "status", "Ask a running node how it is: its seeds, connections, refusals", &show_status);
  add_query(app, action, "members", "Ask a running node whom it knows, and how they are", &show_members);
  add_query(app, action, "metrics", "Ask a running node for its metrics, as OpenMetrics text", &show_metrics);
  add_watch(app, action);
  add_check(app, action);
  add_keygen(app, action);
  add_completion(app, action);
}

}  // namespace noex_cli
