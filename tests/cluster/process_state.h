// What a test reads about its own process: open descriptors and threads, to see that nothing is left behind.
#pragma once

#include <cstddef>
#include <string>

namespace noex::test {

[[nodiscard]] size_t open_descriptors();
[[nodiscard]] size_t thread_count();
// Waits until there are no more threads than `count`: one that was joined is still listed for a moment.
[[nodiscard]] bool wait_threads_at_most(size_t count);
// The blocked-signals mask of the thread named `name`, as /proc shows it (bit n-1 = signal n); 0 if there is no such
// thread.
[[nodiscard]] unsigned long long blocked_signals_of(const std::string& name);

}  // namespace noex::test
