#include "base/utc_text.h"

#include <gtest/gtest.h>

namespace noex {
namespace {

TEST(UtcText, IsRfc3339WithMilliseconds) {
  EXPECT_EQ(utc_text(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(utc_text(1), "1970-01-01T00:00:00.001Z");
  EXPECT_EQ(utc_text(951'782'399'999), "2000-02-28T23:59:59.999Z");
  EXPECT_EQ(utc_text(951'782'400'000), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(utc_text(1'795'286'217'332), "2026-11-21T18:36:57.332Z");
  EXPECT_EQ(utc_text(-1), "1969-12-31T23:59:59.999Z") << "a clock before the epoch";
}

}  // namespace
}  // namespace noex
