// The options object of start() as a noex_config.
#pragma once

#include <napi.h>

#include <deque>
#include <string>
#include <vector>

#include "noex_cluster.h"

namespace noex_js {

// Reads a JavaScript options object and owns the strings that config() points to. Checks what the C API cannot see:
// unknown names and wrong types; values are the library's to judge. A property that is undefined or null counts as
// absent, so that `clusterSecret: process.env.CLUSTER_SECRET` may be written.
class Options {
 public:
  // Throws InvalidClusterConfigError, or what a getter of the object throws.
  Options(Napi::Env env, const Napi::Value& value);
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  [[nodiscard]] const noex_config* config() const { return &config_; }

 private:
  void read_string(const char* name, const Napi::Value& value, const char** out);
  void read_integer(const char* name, const Napi::Value& value, const char* wanted, int64_t* out);
  void read_port(const Napi::Value& value);
  void read_seeds(const Napi::Value& value);
  const char* keep(const std::string& name, const Napi::Value& value);

  Napi::Env env_;
  noex_config config_;
  std::deque<std::string> strings_;  // a deque: what it holds stays where it is
  std::vector<const char*> seeds_;
};

}  // namespace noex_js
