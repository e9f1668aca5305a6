// The options of `noex-cluster run` as the library's configuration.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "noex_cluster.h"
#include "run.h"

namespace noex_cli {

// Owns what its noex_config points to.
class RunConfig {
 public:
  RunConfig();
  RunConfig(const RunConfig&) = delete;
  RunConfig& operator=(const RunConfig&) = delete;

  // Reads the options, and the secret from where they say. Borrows `options`. Returns "" or one sentence on what is
  // wrong.
  [[nodiscard]] std::string read(const RunOptions& options);
  // Where the node listens for questions; "" for nowhere.
  void set_control_socket(std::string path);
  [[nodiscard]] const noex_config& get() const { return config_; }

 private:
  [[nodiscard]] std::string read_port(const std::string& text);

  noex_config config_;
  std::optional<std::string> secret_;
  std::string control_socket_;
  std::vector<const char*> seeds_;
};

}  // namespace noex_cli
