#include "cluster/process_state.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "cluster/raw_socket.h"

namespace noex::test {
namespace {

size_t entries_of(const char* directory) {
  size_t count = 0;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(directory, error);
       entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    ++count;
  }
  return count;
}

}  // namespace

size_t open_descriptors() { return entries_of("/proc/self/fd"); }
size_t thread_count() { return entries_of("/proc/self/task"); }

bool wait_threads_at_most(size_t count) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (thread_count() > count) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

unsigned long long blocked_signals_of(const std::string& name) {
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream status(task.path() / "status");
    std::string line;
    bool named = false;
    while (std::getline(status, line)) {
      if (line == "Name:\t" + name) named = true;
      if (named && line.rfind("SigBlk:\t", 0) == 0) return std::stoull(line.substr(8), nullptr, 16);
    }
  }
  return 0;
}

}  // namespace noex::test
