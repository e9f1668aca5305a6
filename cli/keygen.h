// `noex-cluster keygen`: a new secret for a cluster.
#pragma once

#include <optional>
#include <string>

namespace noex_cli {

struct KeygenOptions {
  std::optional<std::string> out;  // the file; standard output without it
};

[[nodiscard]] int keygen(const KeygenOptions& options);

}  // namespace noex_cli
