#include <gtest/gtest.h>

#include <array>
#include <string>

#include "base/bytes.h"
#include "base/checks.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "base/utf8.h"

namespace noex {
namespace {

TEST(Bytes, HexRoundTrip) {
  EXPECT_EQ(to_hex(0, 1), "0");
  EXPECT_EQ(to_hex(0xabc, 3), "abc");
  EXPECT_EQ(to_hex(0xabc, 6), "000abc");
  EXPECT_EQ(to_hex(UINT64_MAX, 16), "ffffffffffffffff");
  for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{0x0123456789abcdef}, UINT64_MAX}) {
    uint64_t read = 7;
    EXPECT_TRUE(from_hex(to_hex(value, 16), &read));
    EXPECT_EQ(read, value);
  }
}

TEST(Bytes, HexRefusesAllElse) {
  for (const char* text : {"", "g", "A", " 1", "1 ", "0x1", "-1", "00000000000000000"}) {
    uint64_t value = 7;
    EXPECT_FALSE(from_hex(text, &value)) << text;
    EXPECT_EQ(value, 7u);
  }
}

TEST(Utf8, WellFormed) {
  for (const std::string_view text :
       {std::string_view(""), std::string_view("a\0b", 3), std::string_view("\x7f"), std::string_view("\xc2\x80"),
        std::string_view("\xdf\xbf"), std::string_view("\xe0\xa0\x80"), std::string_view("\xed\x9f\xbf"),
        std::string_view("\xee\x80\x80"), std::string_view("\xef\xbf\xbf"), std::string_view("\xf0\x90\x80\x80"),
        std::string_view("\xf4\x8f\xbf\xbf"), std::string_view("x\xc3\xa9y")}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
}

TEST(Utf8, IllFormed) {
  for (const char* text : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2x", "\xe0\x9f\xbf", "\xe0\xa0",
                           "\xed\xa0\x80", "\xed\xbf\xbf", "\xe1\x80\x41", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff", "a\xff"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

// The same seed gives the same run, on every machine: these numbers are xoshiro256**'s, seeded by splitmix64.
TEST(Rng, IsDeterministic) {
  Rng a(0);
  EXPECT_EQ(a.next(), 0x99ec5f36cb75f2b4u);
  EXPECT_EQ(a.next(), 0xbf6e1f784956452au);
  Rng b(1);
  Rng c(1);
  Rng d(2);
  bool differs = false;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = b.next();
    EXPECT_EQ(value, c.next());
    differs = differs || value != d.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Rng, BelowIsUniformAndInRange) {
  Rng rng(5);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70'000; ++i) ++counts.at(rng.below(7));
  for (const int count : counts) {
    EXPECT_GT(count, 9'500);
    EXPECT_LT(count, 10'500);
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(rng.below(1), 0u);
  EXPECT_LT(rng.below(UINT64_MAX), UINT64_MAX);
}

TEST(Rng, UnitAndChance) {
  Rng rng(6);
  double sum = 0;
  int hits = 0;
  for (int i = 0; i < 20'000; ++i) {
    const double value = rng.unit();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    sum += value;
    hits += rng.chance(0.25) ? 1 : 0;
  }
  EXPECT_NEAR(sum / 20'000, 0.5, 0.02);
  EXPECT_NEAR(hits / 20'000.0, 0.25, 0.02);
  EXPECT_FALSE(rng.chance(0));
  EXPECT_TRUE(rng.chance(1));
}

TEST(Time, DurationsAndInstants) {
  EXPECT_EQ(Duration::seconds(2), Duration::milliseconds(2000));
  EXPECT_EQ(Duration::milliseconds(3), Duration::microseconds(3000));
  EXPECT_EQ((Duration::milliseconds(10) * 3 - Duration::milliseconds(5)) / 5, Duration::milliseconds(5));
  EXPECT_EQ(Duration::microseconds(1999).ms(), 1);
  EXPECT_LT(Duration::milliseconds(1), Duration::seconds(1));
  const Instant start = Instant::from_ns(100);
  EXPECT_EQ((start + Duration::nanoseconds(5)) - start, Duration::nanoseconds(5));
  EXPECT_EQ(start - Duration::nanoseconds(100), Instant());
}

TEST(Time, NeverIsLaterThanAllAndStays) {
  EXPECT_GT(Instant::never(), Instant::from_ns(INT64_MAX - 1));
  EXPECT_TRUE((Instant::never() + Duration::seconds(1)).is_never());
  EXPECT_TRUE((Instant::never() - Duration::seconds(1)).is_never());
}

TEST(Result, HoldsAValueOrAnError) {
  const Result<std::string> value(std::string("x"));
  EXPECT_TRUE(value.ok());
  EXPECT_EQ(value->size(), 1u);
  const Result<std::string> error(Error{ErrorCode::Timeout, "late", {}});
  EXPECT_FALSE(error);
  EXPECT_EQ(error.error().code, ErrorCode::Timeout);
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(Status(Error{ErrorCode::State, "no", {}}).error().message, "no");
  Result<std::string> moved(std::string("y"));
  EXPECT_EQ(std::move(moved).value(), "y");
}

TEST(ResultDeathTest, TheWrongHalfIsABug) {
  const Result<int> value(1);
  const Result<int> error(Error{ErrorCode::Internal, "x", {}});
  EXPECT_DEATH((void)value.error(), "internal check failed");
  EXPECT_DEATH((void)error.value(), "internal check failed");
}

TEST(ChecksDeathTest, SayWhatAndWhere) { EXPECT_DEATH(NOEX_CHECK(1 == 2), "1 == 2 \\(.*base_test.cc:"); }

}  // namespace
}  // namespace noex
