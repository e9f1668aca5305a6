// `noex-cluster check`: can this seed be reached, and does it let us in? Step by step, naming the one that fails.
#pragma once

#include <optional>
#include <string>

#include "secret.h"

namespace noex_cli {

struct CheckOptions {
  std::string seed;
  SecretSource secret;
  std::optional<std::string> cluster_name;
  double timeout_seconds = 10;
  bool json = false;
};

[[nodiscard]] int check(const CheckOptions& options);

}  // namespace noex_cli
