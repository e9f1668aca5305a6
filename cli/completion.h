// `noex-cluster completion`: what bash, zsh and fish need to complete the command's words, made from the very
// description of the options that parses them, so that neither can lack what the other has.
#pragma once

#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class App;
}  // namespace CLI

namespace noex_cli {

// Prints the script for `shell` ("bash", "zsh", "fish"); or, for these scripts, the names of the running nodes
// ("nodes").
[[nodiscard]] int complete(const CLI::App& app, const std::string& shell);

}  // namespace noex_cli
