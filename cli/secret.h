// The secret of the cluster: from a file or from the environment, never from an argument.
#pragma once

#include <optional>
#include <string>

namespace noex_cli {

inline constexpr const char* kSecretVariable = "NOEX_CLUSTER_SECRET";

struct SecretSource {
  std::optional<std::string> variable;  // the name of the environment variable that holds it
  std::optional<std::string> file;
};

// Reads the secret from where `source` says, else from NOEX_CLUSTER_SECRET; none if that is not set. Returns "" or one
// sentence on what is wrong.
[[nodiscard]] std::string read_secret(const SecretSource& source, std::optional<std::string>& secret);

}  // namespace noex_cli
