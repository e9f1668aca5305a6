#include "crypto/hmac.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>

#include "base/bytes.h"

namespace noex {
namespace {

std::string bytes_of(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2) {
    uint64_t byte = 0;
    EXPECT_TRUE(from_hex(hex.substr(i, 2), &byte));
    out += static_cast<char>(static_cast<uint8_t>(byte));
  }
  return out;
}

std::string hex_of(const HmacTag& tag) {
  std::string out;
  for (const uint8_t byte : tag) out += to_hex(byte, 2);
  return out;
}

std::string hmac(std::string_view secret, std::string_view text) {
  return hex_of(SigningKeys({secret}).sign({as_byte_view(text)}));
}

// RFC 4231, section 4, without the truncated case.
TEST(Hmac, Rfc4231) {
  EXPECT_EQ(hmac(std::string(20, '\x0b'), "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hmac("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac(std::string(20, '\xaa'), std::string(50, '\xdd')),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(hmac(bytes_of("0102030405060708090a0b0c0d0e0f10111213141516171819"), std::string(50, '\xcd')),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
  EXPECT_EQ(hmac(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(
      hmac(std::string(131, '\xaa'),
           "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
           "hashed before being used by the HMAC algorithm."),
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST(Hmac, PartsAreConcatenated) {
  const SigningKeys keys({"secret"});
  const HmacTag whole = keys.sign({as_byte_view("one two")});
  EXPECT_EQ(keys.sign({as_byte_view("one"), as_byte_view(""), as_byte_view(" two")}), whole);
  EXPECT_TRUE(keys.verify({as_byte_view("o"), as_byte_view("ne two")}, whole));
  EXPECT_EQ(keys.sign({}), keys.sign({as_byte_view("")}));
}

TEST(Hmac, SigningLeavesTheKeyAsItWas) {
  const SigningKeys keys({"secret"});
  const HmacTag first = keys.sign({as_byte_view("text")});
  (void)keys.sign({as_byte_view("another")});
  EXPECT_EQ(keys.sign({as_byte_view("text")}), first);
}

TEST(Hmac, VerifyRefusesEveryChangedBit) {
  const SigningKeys keys({"secret"});
  const HmacTag right = keys.sign({as_byte_view("text")});
  EXPECT_TRUE(keys.verify({as_byte_view("text")}, right));
  EXPECT_FALSE(keys.verify({as_byte_view("texu")}, right));
  EXPECT_FALSE(SigningKeys({"secreT"}).verify({as_byte_view("text")}, right));
  for (size_t bit = 0; bit < 8 * kHmacSize; ++bit) {
    HmacTag wrong = right;
    wrong[bit / 8] = static_cast<uint8_t>(wrong[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_FALSE(keys.verify({as_byte_view("text")}, wrong)) << bit;
  }
}

TEST(Hmac, TheFirstSecretSignsAndAnyVerifies) {
  const SigningKeys keys({"new", "old"});
  EXPECT_FALSE(keys.empty());
  EXPECT_EQ(hex_of(keys.sign({as_byte_view("text")})), hmac("new", "text"));
  EXPECT_TRUE(keys.verify({as_byte_view("text")}, SigningKeys({"old"}).sign({as_byte_view("text")})));
  EXPECT_FALSE(keys.verify({as_byte_view("text")}, SigningKeys({"older"}).sign({as_byte_view("text")})));
}

TEST(Hmac, WithoutSecretsNothingVerifies) {
  const SigningKeys keys({});
  EXPECT_TRUE(keys.empty());
  EXPECT_FALSE(keys.verify({as_byte_view("text")}, HmacTag{}));
}

TEST(Hmac, SecretsAreBytesOfAnyLength) {
  const std::string with_nul("a\0b", 3);
  EXPECT_NE(hmac(with_nul, "text"), hmac("a", "text"));
  EXPECT_NE(hmac(std::string(1, '\0'), "text"), hmac(std::string(1, '\1'), "text"));
  EXPECT_EQ(hmac(std::string(100'000, 'k'), "text").size(), 64u);
}

TEST(Hmac, KeysMayBeSharedBetweenThreads) {
  const SigningKeys keys({"new", "old"});
  const HmacTag right = keys.sign({as_byte_view("text")});
  std::vector<std::thread> threads;
  std::array<int, 4> wrong{};
  for (int& count : wrong) {
    threads.emplace_back([&keys, &right, &count] {
      for (int i = 0; i < 500; ++i)
        count += keys.sign({as_byte_view("text")}) == right && keys.verify({as_byte_view("text")}, right) ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::array<int, 4>{}));
}

TEST(HmacDeathTest, AnEmptySecretIsABugOfTheCaller) { EXPECT_DEATH(SigningKeys({""}), "internal check failed"); }

TEST(Random, IsReadyAndDoesNotRepeat) {
  EXPECT_TRUE(crypto_ready());
  EXPECT_TRUE(crypto_ready());
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random_u64());
  EXPECT_EQ(seen.size(), 1000u);
}

}  // namespace
}  // namespace noex
