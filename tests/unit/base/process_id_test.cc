#include "base/process_id.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace noex {
namespace {

// Ends a child with what it found, or its own child.
[[noreturn]] void answer(int generations) {
  if (process_id() != getpid()) _exit(1);
  if (generations == 0) _exit(process_id() == getpid() ? 0 : 1);
  const pid_t child = fork();
  if (child == 0) answer(generations - 1);
  int status = 1;
  if (waitpid(child, &status, 0) != child) _exit(1);
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

TEST(ProcessId, IsThatOfTheProcessAlsoAfterForks) {
  EXPECT_EQ(process_id(), getpid());
  EXPECT_EQ(process_id(), getpid());  // now the kept one
  const pid_t child = fork();
  if (child == 0) answer(2);
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(process_id(), getpid());
}

TEST(ProcessId, IsTheSameOnEveryThread) {
  pid_t seen = 0;
  std::thread([&seen] { seen = process_id(); }).join();
  EXPECT_EQ(seen, process_id());
}

}  // namespace
}  // namespace noex
