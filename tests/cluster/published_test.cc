#include "cluster/published.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace noex {
namespace {

TEST(Published, IsNullUntilItIsSetAndThenTheLast) {
  Published<int> published;
  EXPECT_EQ(published.get(), nullptr);
  for (int value = 0; value < 100; ++value) {
    published.set(std::make_shared<const int>(value));
    ASSERT_NE(published.get(), nullptr);
    EXPECT_EQ(*published.get(), value);
  }
  published.set(nullptr);
  EXPECT_EQ(published.get(), nullptr);
}

TEST(Published, LetsGoOfWhatWasReplaced) {
  Published<int> published;
  auto first = std::make_shared<const int>(1);
  const std::weak_ptr<const int> watch = first;
  published.set(std::move(first));
  std::shared_ptr<const int> read = published.get();
  published.set(std::make_shared<const int>(2));
  EXPECT_FALSE(watch.expired()) << "a reader has it still";
  read.reset();
  EXPECT_TRUE(watch.expired());
}

// Under the thread sanitizer this also shows that what a reader sees was written before.
TEST(Published, ReadersSeeValuesInOrderWhileItIsSet) {
  struct Value {
    int number = 0;
    int again = 0;
  };
  constexpr int kLast = 20'000;
  Published<Value> published;
  published.set(std::make_shared<const Value>());
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 8; ++i) {
    readers.emplace_back([&] {
      for (int last = 0; last < kLast;) {
        const std::shared_ptr<const Value> value = published.get();
        if (value == nullptr || value->number < last || value->again != value->number) {
          ++wrong;
          return;
        }
        last = value->number;
      }
    });
  }
  for (int number = 1; number <= kLast; ++number) published.set(std::make_shared<const Value>(Value{number, number}));
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace noex
