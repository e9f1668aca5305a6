#include "model/node_id.h"

#include <gtest/gtest.h>

#include <string>
#include <unordered_set>

namespace noex {
namespace {

TEST(NodeId, TakesWhatIsDocumented) {
  struct Case {
    const char* text;
    const char* name;
    const char* host;
    uint16_t port;
    const char* canonical;  // nullptr: the text itself
  };
  const std::string long_name = "n" + std::string(63, 'x');
  const std::string long_text = long_name + "@h:1";
  const Case cases[] = {
      {"app1@192.168.1.1:4369", "app1", "192.168.1.1", 4369, nullptr},
      {"worker-1@localhost:4370", "worker-1", "localhost", 4370, nullptr},
      {"node_2@[::1]:4369", "node_2", "::1", 4369, nullptr},
      {"a@::1:5000", "a", "::1", 5000, "a@[::1]:5000"},
      {"a@[0:0:0:0:0:0:0:1]:5000", "a", "::1", 5000, "a@[::1]:5000"},
      {"a@[2001:DB8::A]:1", "a", "2001:db8::a", 1, "a@[2001:db8::a]:1"},
      {"a@[::ffff:10.0.0.1]:1", "a", "10.0.0.1", 1, "a@10.0.0.1:1"},
      {"A@db-1.example.com:65535", "A", "db-1.example.com", 65535, nullptr},
      {"a@UPPER.Example:1", "a", "UPPER.Example", 1, nullptr},
      {"a@4host:1", "a", "4host", 1, nullptr},
      {long_text.c_str(), long_name.c_str(), "h", 1, nullptr},
  };
  for (const Case& c : cases) {
    const Result<NodeId> id = NodeId::parse(c.text);
    ASSERT_TRUE(id.ok()) << c.text << ": " << id.error().message;
    EXPECT_EQ(id->name(), c.name);
    EXPECT_EQ(id->host(), c.host);
    EXPECT_EQ(id->port(), c.port);
    EXPECT_EQ(id->text(), c.canonical == nullptr ? c.text : c.canonical);
    EXPECT_EQ(NodeId::parse(id->text()).value(), *id);
    EXPECT_EQ(NodeId::create(id->name(), id->host(), id->port()).value(), *id);
  }
}

TEST(NodeId, RefusesAllElseAndSaysWhy) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "empty"},
      {"app", "no '@'"},
      {"app@host", "no port"},
      {"app@[::1]", "no port"},
      {"app@host:", "port"},
      {"app@host:0", "port"},
      {"app@host:65536", "port"},
      {"app@host:99999", "port"},
      {"app@host:-1", "port"},
      {"app@host:+1", "port"},
      {"app@host:01", "port"},
      {"app@host:4369abc", "port"},
      {"app@host: 1", "port"},
      {"app@host:1 ", "port"},
      {"app@host:18446744073709551617", "port"},
      {"1app@host:4369", "name"},
      {"@host:1", "name"},
      {"-a@host:1", "name"},
      {"a b@host:1", "name"},
      {"\xc3\xa9@host:1", "name"},
      {"n" + std::string(64, 'x') + "@h:1", "name"},
      {"a@:1", "host"},
      {"a@b@c:1", "host"},
      {"a@-b:1", "host"},
      {"a@b_c:1", "host"},
      {"a@b..c:1", "host"},
      {"a@256.1.1.1:1", "host"},
      {"a@1.2.3:1", "host"},
      {"a@[::1:1", "host"},
      {"a@[1.2.3.4]:1", "host"},
      {"a@[fe80::1%eth0]:1", "host"},
      {"a@" + std::string(64, 'h') + ":1", "host"},
      {"a@" + std::string(400, 'h') + ":1", "too long"},
      {std::string("a@h\0:1", 6), "host"},
  };
  for (const auto& [text, reason] : cases) {
    const Result<NodeId> id = NodeId::parse(text);
    ASSERT_FALSE(id.ok()) << text;
    EXPECT_EQ(id.error().code, ErrorCode::InvalidNodeId);
    EXPECT_NE(id.error().message.find(reason), std::string::npos) << id.error().message;
    EXPECT_EQ(id.error().message.rfind("invalid node id '" + printable(text), 0), 0u) << id.error().message;
  }
}

TEST(NodeId, CreateChecksEachPart) {
  EXPECT_EQ(NodeId::create("a", "::1", 1)->text(), "a@[::1]:1");
  EXPECT_EQ(NodeId::create("a", "[::1]", 1)->text(), "a@[::1]:1");
  EXPECT_FALSE(NodeId::create("", "h", 1).ok());
  EXPECT_FALSE(NodeId::create("a", "", 1).ok());
  EXPECT_FALSE(NodeId::create("a", "h:1", 1).ok());
  EXPECT_FALSE(NodeId::create("a", "h", 0).ok());
  EXPECT_FALSE(NodeId::create("a", "h", 65536).ok());
  EXPECT_FALSE(NodeId::create("a", "h", INT64_MIN).ok());
}

TEST(NodeId, IsAssignedWhatParseReads) {
  NodeId id = NodeId::parse("a@h:1").value();
  const std::string longest_name(64, 'n');
  for (const std::string& text :
       {std::string("app1@192.168.1.1:4369"), std::string("a-_9@host.example:65535"), std::string("a@[::1]:5000"),
        std::string("a@0:0:0:0:0:0:0:1:5000"), std::string("a@::ffff:10.0.0.1:5000"), longest_name + "@h:1"}) {
    ASSERT_TRUE(id.assign(text)) << text;
    const NodeId parsed = NodeId::parse(text).value();
    EXPECT_EQ(id, parsed);
    EXPECT_EQ(id.name(), parsed.name());
    EXPECT_EQ(id.host(), parsed.host());
    EXPECT_EQ(id.port(), parsed.port());
  }
  const NodeId before = id;
  for (const std::string& text :
       {std::string(), std::string("a"), std::string("@h:1"), std::string("a@h"), std::string("a@h:"),
        std::string("a@:1"), std::string("1a@h:1"), std::string("a@h:01"), std::string("a@h:65536"),
        std::string("a@h:100000"), std::string("a@h:1x"), std::string("a@1.2.3:1"), std::string("a@1.2.3.256:1"),
        std::string("a@01.2.3.4:1"), std::string("a@-h:1"), std::string("a@h:1:2"), longest_name + "n@h:1"}) {
    EXPECT_FALSE(NodeId::parse(text).ok()) << text;
    EXPECT_FALSE(id.assign(text)) << text;
    EXPECT_EQ(id, before);
  }
}

TEST(NodeId, ComparesByBytes) {
  const auto id = [](const char* text) { return NodeId::parse(text).value(); };
  EXPECT_LT(id("a@h:1"), id("b@h:1"));
  EXPECT_LT(id("a@h:10"), id("a@h:9"));  // by byte, not by number
  EXPECT_LT(id("Z@h:1"), id("a@h:1"));
  EXPECT_EQ(id("a@[::1]:1"), id("a@::1:1"));
  EXPECT_NE(id("a@H:1"), id("a@h:1"));
  EXPECT_TRUE(NodeId().empty());
  EXPECT_TRUE(NodeId().host().empty());
  std::unordered_set<NodeId> set = {id("a@h:1"), id("a@h:1"), id("b@h:1")};
  EXPECT_EQ(set.size(), 2u);
}

TEST(Printable, EscapesAndCuts) {
  EXPECT_EQ(printable("plain 'text'"), "plain 'text'");
  EXPECT_EQ(printable("a\nb\x7f\xc3\xa9"), "a\\x0ab\\x7f\\xc3\\xa9");
  EXPECT_EQ(printable(std::string(200, 'x')), std::string(128, 'x') + "...");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("abcd", 3), "abc...");
}

}  // namespace
}  // namespace noex
