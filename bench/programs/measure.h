// What the benchmark programs share: the clock that all processes of a machine have in common, arguments, and a check.
#pragma once

#include <noex_cluster.h>
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

inline int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Seconds, as the lines of these programs begin.
inline double now_s() { return static_cast<double>(now_ns()) * 1e-9; }

[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

inline void check(noex_status status, const char* what) {
  if (status != NOEX_OK) fail(std::string(what) + ": " + noex_last_error());
}

// `--name value` pairs in any order; a name may come more than once.
class Arguments {
 public:
  Arguments(int argc, char** argv) {
    for (int i = 1; i + 1 < argc; i += 2) words_.emplace_back(argv[i], argv[i + 1]);
    if (argc % 2 == 0) fail("options come in pairs: --name value");
  }
  [[nodiscard]] std::string text(std::string_view name, std::string fallback = "") const {
    for (const auto& [key, value] : words_) {
      if (key == name) return value;
    }
    return fallback;
  }
  [[nodiscard]] int64_t number(std::string_view name, int64_t fallback) const {
    const std::string value = text(name);
    return value.empty() ? fallback : std::stoll(value);
  }
  [[nodiscard]] std::vector<std::string> all(std::string_view name) const {
    std::vector<std::string> found;
    for (const auto& [key, value] : words_) {
      if (key == name) found.push_back(value);
    }
    return found;
  }

 private:
  std::vector<std::pair<std::string, std::string>> words_;
};

// The configuration of a node on 127.0.0.1; the secret comes from NOEX_CLUSTER_SECRET. What it points to lives in it.
class Config {
 public:
  Config(const Arguments& arguments, std::string name, std::vector<std::string> seeds, int64_t port = 0)
      : name_(std::move(name)), seeds_(std::move(seeds)) {
    for (const std::string& seed : seeds_) pointers_.push_back(seed.c_str());
    noex_config_init(&config_, sizeof config_);
    config_.node_name = name_.c_str();
    config_.host = "127.0.0.1";
    config_.port_auto = port == 0;
    if (port != 0) config_.port = port;
    config_.seeds = pointers_.data();
    config_.seeds_count = pointers_.size();
    config_.cluster_secret = std::getenv("NOEX_CLUSTER_SECRET");
    config_.heartbeat_interval_ms = arguments.number("--interval", 1000);
    config_.heartbeat_miss_threshold = arguments.number("--threshold", 3);
    config_.forget_after_ms = arguments.number("--forget", config_.forget_after_ms);
  }
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;
  [[nodiscard]] const noex_config* get() const { return &config_; }

 private:
  std::string name_;
  std::vector<std::string> seeds_;
  std::vector<const char*> pointers_;
  noex_config config_{};
};

inline std::string local_id(const noex_cluster* cluster) {
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  check(noex_cluster_local_id(cluster, id, sizeof id), "local id");
  return id;
}

}  // namespace bench
