#include "model/address.h"

#include <gtest/gtest.h>

namespace noex {
namespace {

TEST(IpAddress, ReadsAndWritesCanonicalText) {
  const std::pair<const char*, const char*> cases[] = {
      {"0.0.0.0", "0.0.0.0"},
      {"127.0.0.1", "127.0.0.1"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"[::1]", "::1"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"::ffff:1.2.3.4", "1.2.3.4"},
      {"[::ffff:1.2.3.4]", "1.2.3.4"},
      {"fe80::1", "fe80::1"},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
  };
  for (const auto& [text, canonical] : cases) {
    const std::optional<IpAddress> ip = IpAddress::parse(text);
    ASSERT_TRUE(ip) << text;
    EXPECT_EQ(ip->to_string(), canonical);
    EXPECT_EQ(IpAddress::parse(ip->to_string()), ip);
  }
}

TEST(IpAddress, RefusesAllElse) {
  for (const char* text : {"",         "1",          "1.2.3",     "1.2.3.4.5",     "256.1.1.1",
                           "01.2.3.4", "1.2.3.4 ",   " 1.2.3.4",  "[1.2.3.4]",     "[]",
                           "[::1",     "::1]",       ":::",       "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
                           "g::",      "fe80::1%lo", "localhost", "::1/128",       "1.2.3.4:5"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string(500, '1')));
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST(IpAddress, Kinds) {
  struct Case {
    const char* text;
    bool v6, loopback, wildcard, link_local;
  };
  const Case cases[] = {
      {"0.0.0.0", false, false, true, false},     {"::", true, false, true, false},
      {"127.0.0.1", false, true, false, false},   {"127.255.0.9", false, true, false, false},
      {"::1", true, true, false, false},          {"::ffff:127.0.0.1", false, true, false, false},
      {"169.254.1.1", false, false, false, true}, {"169.255.1.1", false, false, false, false},
      {"fe80::1", true, false, false, true},      {"febf::1", true, false, false, true},
      {"fec0::1", true, false, false, false},     {"10.0.0.1", false, false, false, false},
      {"::2", true, false, false, false},         {"1::1", true, false, false, false},
      {"128.0.0.1", false, false, false, false},  {"::ffff:0.0.0.0", false, false, true, false},
  };
  for (const Case& c : cases) {
    const IpAddress ip = IpAddress::parse(c.text).value();
    EXPECT_EQ(ip.is_v6(), c.v6) << c.text;
    EXPECT_EQ(ip.is_loopback(), c.loopback) << c.text;
    EXPECT_EQ(ip.is_wildcard(), c.wildcard) << c.text;
    EXPECT_EQ(ip.is_link_local(), c.link_local) << c.text;
  }
  EXPECT_EQ(IpAddress::loopback_v4(), IpAddress::parse("127.0.0.1").value());
  EXPECT_EQ(IpAddress(), IpAddress::parse("0.0.0.0").value());
  EXPECT_NE(IpAddress(), IpAddress::parse("::").value());
}

TEST(Endpoint, Text) {
  EXPECT_EQ((Endpoint{IpAddress::parse("10.0.0.1").value(), 80}.to_string()), "10.0.0.1:80");
  EXPECT_EQ((Endpoint{IpAddress::parse("::1").value(), 80}.to_string()), "[::1]:80");
}

TEST(HostName, Rfc1123) {
  for (const std::string& text : {std::string("a"), std::string("localhost"), std::string("a-b.c"),
                                  std::string("4host"), std::string("1.2.3.x"), std::string("xn--bcher-kva.example"),
                                  std::string(63, 'a'), std::string(63, 'a') + "." + std::string(63, 'b')}) {
    EXPECT_TRUE(is_host_name(text)) << text;
  }
  for (const std::string& text :
       {std::string(), std::string("."), std::string("a."), std::string(".a"), std::string("a..b"), std::string("-a"),
        std::string("a-"), std::string("a_b"), std::string("a b"), std::string("1"), std::string("1.2.3"),
        std::string("a.7"), std::string("[::1]"), std::string("h:1"), std::string("\xc3\xa9"), std::string(64, 'a'),
        std::string("a\0", 2), std::string(250, 'a'),
        std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(63, 'd')}) {
    EXPECT_FALSE(is_host_name(text)) << text;
  }
}

}  // namespace
}  // namespace noex
