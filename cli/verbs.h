// The command line: the verbs with their options, as CLI11 knows them. Parsing fills in what a verb needs and leaves
// what is to be done in `Action`. Help, completions and the test of the manual page all read this description.
#pragma once

#include <functional>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class App;
}  // namespace CLI

namespace noex_cli {

using Action = std::function<int()>;

// The programs' own footers, which name what an exit code means.
extern const char* const kExitCodesText;

void add_run(CLI::App& app, Action& action);
// status, members, metrics, watch, check, keygen, completion.
void add_other_verbs(CLI::App& app, Action& action);

}  // namespace noex_cli
