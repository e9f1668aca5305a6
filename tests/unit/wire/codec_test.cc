#include "wire/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "unit/wire/vectors.h"

namespace noex {
namespace {

NodeId id(std::string_view text) { return NodeId::parse(text).value(); }

Heartbeat a_heartbeat() {
  Heartbeat heartbeat;
  heartbeat.node.id = id("app1@127.0.0.1:4369");
  heartbeat.node.status = NodeStatus::Connected;
  heartbeat.node.process_count = 3;
  heartbeat.node.last_heartbeat_at = 1700000000000;
  heartbeat.node.uptime_ms = 12345;
  heartbeat.known_nodes = {id("app2@192.168.1.2:4370")};
  return heartbeat;
}

Hello a_hello() {
  Hello hello;
  hello.incarnation = 0x0123456789abcdef;
  hello.nonce = Nonce{1, 2};
  hello.echo = Nonce{0xffffffffffffffff, 0};
  hello.interval_ms = 1000;
  hello.cluster = "blue";
  hello.capabilities = {"a", "b"};
  return hello;
}

std::string text_of(const Payload& payload, std::string_view from = "app1@127.0.0.1:4369",
                    int64_t timestamp = 1700000000000) {
  std::string out;
  append_message(out, id(from), timestamp, payload);
  return out;
}

// The message in `text`, or a failure of the test.
Message decoded(std::string_view text) {
  Decoder decoder;
  Message message;
  const std::optional<DecodeFailure> failure = decoder.decode(text, &message);
  EXPECT_FALSE(failure) << (failure ? failure->detail : "") << "\n" << text;
  return message;
}

// Why `text` is refused: the kind's word, or "accepted".
std::string verdict(std::string_view text) {
  Decoder decoder;
  Message message;
  const std::optional<DecodeFailure> failure = decoder.decode(text, &message);
  if (!failure) return "accepted";
  EXPECT_FALSE(failure->detail.empty());
  EXPECT_TRUE(std::all_of(failure->detail.begin(), failure->detail.end(), [](char c) { return c >= 0x20 && c < 0x7f; }))
      << failure->detail;
  return std::string(to_string(failure->kind));
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return at == std::string::npos ? text : text.replace(at, what.size(), with);
}

// Whatever was in the place before, the message is the one in the text.
TEST(Codec, ReadsIntoThePlaceOfAnotherMessage) {
  Heartbeat plain = a_heartbeat();
  Heartbeat many = a_heartbeat();
  many.hello = a_hello();
  for (int i = 0; i < 2000; ++i) many.known_nodes.push_back(id("node" + std::to_string(i) + "@10.0.0.1:4369"));
  Heartbeat none = a_heartbeat();
  none.known_nodes.clear();
  none.hello.emplace();
  const std::vector<std::string> texts = {
      text_of(plain),
      text_of(many),
      text_of(none),
      text_of(Goodbye{id("app1@127.0.0.1:4369"), 5, DownReason::GracefulShutdown}),
      replaced(text_of(plain), "app2@192.168.1.2:4370", "nobody"),
      replaced(text_of(plain), R"(["app2@192.168.1.2:4370"])", R"(["x","b@h:2","","a@h:1"])"),
      replaced(text_of(plain), R"("type":"heartbeat")", R"("type":"cast")"),
      text_of(plain, "other@[::1]:4369", 7)};
  Decoder decoder;
  Message place;
  for (const std::string& before : texts) {
    for (const std::string& text : texts) {
      EXPECT_FALSE(decoder.decode(before, &place));
      EXPECT_FALSE(decoder.decode(text, &place));
      EXPECT_EQ(place, decoded(text)) << text.substr(0, 300) << "\nafter " << before.substr(0, 300);
    }
    // Also after one that could not be read to its end.
    EXPECT_TRUE(decoder.decode(replaced(text_of(many), R"("cluster":"blue")", R"("cluster":5)"), &place));
    EXPECT_FALSE(decoder.decode(before, &place));
    EXPECT_EQ(place, decoded(before));
  }
}

TEST(Codec, WritesAHeartbeatInTheOrderOfTheProtocol) {
  EXPECT_EQ(
      text_of(a_heartbeat()),
      R"({"version":1,"from":"app1@127.0.0.1:4369","timestamp":1700000000000,"payload":{"type":"heartbeat",)"
      R"("nodeInfo":{"id":"app1@127.0.0.1:4369","host":"127.0.0.1","port":4369,"status":"connected","processCount":3,)"
      R"("lastHeartbeatAt":1700000000000,"uptimeMs":12345},"knownNodes":["app2@192.168.1.2:4370"]}})");
}

TEST(Codec, WritesTheHelloAsTheLastKeyOfThePayload) {
  Heartbeat heartbeat = a_heartbeat();
  heartbeat.hello = a_hello();
  EXPECT_NE(
      text_of(heartbeat).find(
          R"("knownNodes":["app2@192.168.1.2:4370"],"ext":{"inc":"0123456789abcdef","nonce":"00000000000000010000000000000002",)"
          R"("echo":"ffffffffffffffff0000000000000000","interval":1000,"cluster":"blue","caps":["a","b"]}}})"),
      std::string::npos);
  heartbeat.hello = Hello{};
  heartbeat.hello->refused = Refusal::DuplicateId;
  EXPECT_NE(text_of(heartbeat).find(R"("ext":{"refused":"duplicate_id"}}})"), std::string::npos);
}

TEST(Codec, WritesAGoodbye) {
  EXPECT_EQ(
      text_of(Goodbye{id("a@[::1]:1"), 5, DownReason::GracefulShutdown}, "a@[::1]:1", 6),
      R"({"version":1,"from":"a@[::1]:1","timestamp":6,"payload":{"type":"node_down","nodeId":"a@[::1]:1","detectedAt":5,)"
      R"("reason":"graceful_shutdown"}})");
}

TEST(Codec, ReadsTheVectors) {
  size_t rewritten = 0;
  for (const test::MessageVector& vector : test::vectors().messages) {
    const Message message = decoded(vector.payload_text);
    EXPECT_EQ(message.from.text(), vector.from);
    EXPECT_EQ(message.timestamp, vector.timestamp);
    const std::string type = vector.name.substr(0, vector.name.find('/'));
    if (type == "heartbeat" || type == "node_down") {
      EXPECT_EQ(text_of(message.payload, vector.from, vector.timestamp),
                vector.signed_text.empty() ? vector.payload_text : vector.signed_text);
      ++rewritten;
    } else {
      ASSERT_TRUE(std::holds_alternative<OtherMessage>(message.payload)) << vector.name;
      EXPECT_EQ(std::get<OtherMessage>(message.payload).type, type);
    }
  }
  EXPECT_GE(rewritten, 14u);
}

TEST(Codec, EverythingThatWeWriteReadsBack) {
  Rng rng(42);
  const auto a_word = [&rng] {
    std::string out;
    for (uint64_t i = rng.below(12); i > 0; --i) out += static_cast<char>(rng.below(0x80));
    return rng.chance(0.3) ? out + "\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80" : out;
  };
  const auto an_integer = [&rng] {
    const int64_t magnitude = static_cast<int64_t>(rng.next() >> (11 + rng.below(53)));
    return rng.chance(0.5) ? magnitude : -magnitude;
  };
  const auto an_id = [&rng] {
    const std::string host =
        rng.chance(0.3) ? "[fe80::" + std::to_string(rng.below(9) + 1) + "]" : "h" + std::to_string(rng.below(99));
    return id("n" + std::to_string(rng.below(1000)) + "@" + host + ":" + std::to_string(1 + rng.below(65535)));
  };
  const auto a_nonce = [&rng] { return Nonce{rng.next(), rng.next()}; };
  Decoder decoder;  // one for all, as a connection has
  for (int round = 0; round < 2000; ++round) {
    Message sent;
    sent.from = an_id();
    sent.timestamp = an_integer();
    if (rng.chance(0.2)) {
      sent.payload = Goodbye{an_id(), an_integer(), static_cast<DownReason>(1 + rng.below(4))};
    } else {
      Heartbeat& heartbeat = sent.payload.emplace<Heartbeat>();
      heartbeat.node.id = an_id();
      heartbeat.node.status = static_cast<NodeStatus>(1 + rng.below(3));
      heartbeat.node.process_count = an_integer();
      heartbeat.node.last_heartbeat_at = an_integer();
      heartbeat.node.uptime_ms = an_integer();
      for (uint64_t i = rng.chance(0.02) ? 5000 : rng.below(6); i > 0; --i) heartbeat.known_nodes.push_back(an_id());
      if (rng.chance(0.7)) {
        Hello& hello = heartbeat.hello.emplace();
        if (rng.chance(0.7)) {
          hello.incarnation = rng.next() | 1;
          for (uint64_t i = rng.below(4); i > 0; --i) hello.capabilities.push_back(a_word());
        }
        if (rng.chance(0.5)) hello.nonce = a_nonce();
        if (rng.chance(0.5)) hello.echo = a_nonce();
        if (rng.chance(0.5)) hello.interval_ms = static_cast<uint32_t>(1 + rng.below(INT32_MAX));
        if (rng.chance(0.5)) hello.cluster = a_word();
        if (rng.chance(0.2)) hello.refused = static_cast<Refusal>(rng.below(4));
      }
    }
    std::string text;
    append_message(text, sent.from, sent.timestamp, sent.payload);
    Message received;
    const std::optional<DecodeFailure> failure = decoder.decode(text, &received);
    ASSERT_FALSE(failure) << failure->detail << "\n" << text;
    ASSERT_EQ(received, sent) << text;
  }
}

TEST(Codec, ReadsTheStringsOfTheVectors) {
  Heartbeat heartbeat = a_heartbeat();
  heartbeat.hello.emplace().cluster = "CLUSTER";
  const std::string pattern = text_of(heartbeat);
  for (const test::StringVector& vector : test::vectors().strings) {
    const std::string text = replaced(pattern, "\"CLUSTER\"", vector.json);
    if (vector.json.find("\\ud") != std::string::npos) {
      EXPECT_EQ(verdict(text), "invalid_message") << vector.json;  // a lone surrogate has no UTF-8
      continue;
    }
    EXPECT_EQ(text_of(decoded(text).payload), text);
  }
}

TEST(Codec, ReadsTheIntegersOfTheVectorsAndRefusesOtherNumbers) {
  const std::string pattern = text_of(a_heartbeat());
  size_t taken = 0;
  for (const test::NumberVector& vector : test::vectors().numbers) {
    const std::string text = replaced(pattern, "\"processCount\":3", "\"processCount\":" + vector.text);
    if (vector.text != "null" && std::trunc(vector.value) == vector.value && std::fabs(vector.value) <= 0x1p53) {
      EXPECT_EQ(static_cast<double>(std::get<Heartbeat>(decoded(text).payload).node.process_count), vector.value);
      ++taken;
    } else {
      EXPECT_EQ(verdict(text), "invalid_message") << vector.text;
    }
  }
  EXPECT_GT(taken, 5u);
}

TEST(Codec, TakesAnySpellingOfAnInteger) {
  const std::pair<const char*, int64_t> taken[] = {{"0", 0},
                                                   {"-0", 0},
                                                   {"-0.0", 0},
                                                   {"1.0", 1},
                                                   {"1e3", 1000},
                                                   {"1.5e1", 15},
                                                   {"-7", -7},
                                                   {"9007199254740992", int64_t{1} << 53},
                                                   {"-9007199254740992", -(int64_t{1} << 53)}};
  const std::string pattern = text_of(a_heartbeat());
  for (const auto& [spelling, value] : taken) {
    const Message message = decoded(replaced(pattern, "\"uptimeMs\":12345", std::string("\"uptimeMs\":") + spelling));
    EXPECT_EQ(std::get<Heartbeat>(message.payload).node.uptime_ms, value) << spelling;
  }
  for (const char* spelling :
       {"0.5", "9007199254740993", "-9007199254740994", "9223372036854775807", "9223372036854775808",
        "18446744073709551616", "1e16", "1e300", "1e400", "-1e400", "1e-400x", "null", "true", "\"1\"", "[1]", "{}",
        R"({"__noex_type__":"BigInt","value":"1"})"}) {
    const std::string text = replaced(pattern, "\"uptimeMs\":12345", std::string("\"uptimeMs\":") + spelling);
    EXPECT_EQ(verdict(text), std::string(spelling).back() == 'x' ? "malformed" : "invalid_message") << spelling;
  }
}

TEST(Codec, RefusesBodiesThatAreNoMessage) {
  const std::string good = text_of(a_heartbeat());
  const std::pair<std::string, const char*> cases[] = {
      {"", "malformed"},
      {"null", "malformed"},
      {"7", "malformed"},
      {"[]", "malformed"},
      {"\"x\"", "malformed"},
      {"[" + good + "]", "malformed"},
      {good + good, "malformed"},
      {good + " x", "malformed"},
      {good.substr(0, good.size() - 1), "malformed"},
      {"\xef\xbb\xbf" + good, "malformed"},
      {replaced(good, "app2", "app\xff"), "malformed"},
      {replaced(good, "app2", "app\xed\xa0\x80"), "malformed"},
      {replaced(good, "app2", std::string("app\0", 4)), "malformed"},
      {replaced(good, "\"version\":1", "\"version\":1,\"x\":nul"), "malformed"},
      {replaced(good, "\"version\":1", "\"version\":1,\"x\":\"\\q\""), "malformed"},
      {replaced(good, "\"version\":1", "\"version\":1,\"x\":[1,]"), "malformed"},
      {replaced(good, "\"version\":1", "\"version\":1,\"x\":\"\xc0\x80\""), "malformed"},
      {"{}", "version"},
      {R"({"__noex_type__":"undefined"})", "version"},
      {replaced(good, "\"version\":1", "\"version\":2"), "version"},
      {replaced(good, "\"version\":1", "\"version\":\"1\""), "version"},
      {replaced(good, "\"version\":1", "\"version\":1.5"), "version"},
      {replaced(good, "\"version\":1,", ""), "version"},
      {replaced(good, "\"from\":\"app1@127.0.0.1:4369\"", "\"from\":7"), "invalid_sender"},
      {replaced(good, "\"from\":\"app1@127.0.0.1:4369\"", "\"from\":\"\""), "invalid_sender"},
      {replaced(good, "\"from\":\"app1@127.0.0.1:4369\"", "\"from\":\"app1@127.0.0.1:4369abc\""), "invalid_sender"},
      {replaced(good, "\"from\":\"app1@127.0.0.1:4369\"", "\"from\":\"\\ud800@127.0.0.1:4369\""), "invalid_sender"},
      {replaced(good, "\"from\":\"app1@127.0.0.1:4369\",", ""), "invalid_sender"},
      {replaced(good, "\"timestamp\":1700000000000,", ""), "invalid_message"},
      {replaced(good, "\"timestamp\":1700000000000", "\"timestamp\":\"now\""), "invalid_message"},
      {R"({"version":1,"from":"a@b:1","timestamp":1})", "invalid_message"},
      {R"({"version":1,"from":"a@b:1","timestamp":1,"payload":null})", "invalid_message"},
      {R"({"version":1,"from":"a@b:1","timestamp":1,"payload":[]})", "invalid_message"},
      {R"({"version":1,"from":"a@b:1","timestamp":1,"payload":{}})", "invalid_message"},
      {R"({"version":1,"from":"a@b:1","timestamp":1,"payload":{"type":7}})", "invalid_message"},
      {R"({"version":1,"from":"a@b:1","timestamp":1,"payload":{"type":"nonsense"}})", "unknown_type"},
      {R"({"version":1,"from":"a@b:1","timestamp":1,"payload":{"type":""}})", "unknown_type"},
      {R"({"version":2,"from":"a@b:1","timestamp":1,"payload":{"type":"nonsense"}})", "version"},
      {R"({"payload":{"type":"nonsense"},"version":2,"from":"a@b:1","timestamp":1})", "version"},
      {R"({"payload":{"type":"nonsense"},"version":1,"from":"?","timestamp":1})", "invalid_sender"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(verdict(text), expected) << text;
}

TEST(Codec, RefusesAHeartbeatOfAnotherShape) {
  const std::string good = text_of(a_heartbeat());
  const std::pair<const char*, const char*> cases[] = {
      {R"("id":"app1@127.0.0.1:4369",)", ""},
      {R"("id":"app1@127.0.0.1:4369")", R"("id":"nobody")"},
      {R"("id":"app1@127.0.0.1:4369")", R"("id":null)"},
      {R"("status":"connected",)", ""},
      {R"("status":"connected")", R"("status":"up")"},
      {R"("status":"connected")", R"("status":1)"},
      {R"("processCount":3,)", ""},
      {R"("lastHeartbeatAt":1700000000000,)", ""},
      {R"(,"uptimeMs":12345)", ""},
      {R"(,"knownNodes":["app2@192.168.1.2:4370"])", ""},
      {R"(["app2@192.168.1.2:4370"])", "{}"},
      {R"(["app2@192.168.1.2:4370"])", "null"},
      {R"(["app2@192.168.1.2:4370"])", "[7]"},
      {R"(["app2@192.168.1.2:4370"])", R"([["a@b:1"]])"},
      {R"("nodeInfo":{)", R"("nodeInfo":[],"x":{)"},
  };
  for (const auto& [what, with] : cases)
    EXPECT_EQ(verdict(replaced(good, what, with)), "invalid_message") << what << " -> " << with;
}

TEST(Codec, RefusesAGoodbyeOfAnotherShape) {
  const std::string good = text_of(Goodbye{id("a@b:1"), 5, DownReason::ConnectionClosed});
  EXPECT_EQ(verdict(good), "accepted");
  const std::pair<const char*, const char*> cases[] = {
      {R"("nodeId":"a@b:1",)", ""},
      {R"("nodeId":"a@b:1")", R"("nodeId":"a@b")"},
      {R"("detectedAt":5,)", ""},
      {R"("detectedAt":5)", R"("detectedAt":"5")"},
      {R"(,"reason":"connection_closed")", ""},
      {R"("reason":"connection_closed")", R"("reason":"boredom")"},
      {R"("reason":"connection_closed")", R"("reason":{})"},
  };
  for (const auto& [what, with] : cases)
    EXPECT_EQ(verdict(replaced(good, what, with)), "invalid_message") << what << " -> " << with;
}

TEST(Codec, RefusesAHelloOfAnotherShape) {
  Heartbeat heartbeat = a_heartbeat();
  heartbeat.hello = a_hello();
  heartbeat.hello->refused = Refusal::Full;
  const std::string good = text_of(heartbeat);
  EXPECT_EQ(verdict(good), "accepted");
  const std::pair<const char*, const char*> cases[] = {
      {R"("inc":"0123456789abcdef")", R"("inc":1)"},
      {R"("inc":"0123456789abcdef")", R"("inc":"0123456789abcde")"},
      {R"("inc":"0123456789abcdef")", R"("inc":"0123456789abcdeff")"},
      {R"("inc":"0123456789abcdef")", R"("inc":"0123456789ABCDEF")"},
      {R"("inc":"0123456789abcdef")", R"("inc":"0000000000000000")"},
      {R"("nonce":"00000000000000010000000000000002")", R"("nonce":"0000000000000001000000000000000")"},
      {R"("nonce":"00000000000000010000000000000002")", R"("nonce":"0000000000000001000000000000000g")"},
      {R"("nonce":"00000000000000010000000000000002")", R"("nonce":null)"},
      {R"("echo":"ffffffffffffffff0000000000000000")", R"("echo":"FFFFFFFFFFFFFFFF0000000000000000")"},
      {R"("echo":"ffffffffffffffff0000000000000000")", R"("echo":[])"},
      {R"("interval":1000)", R"("interval":0)"},
      {R"("interval":1000)", R"("interval":-1)"},
      {R"("interval":1000)", R"("interval":2147483648)"},
      {R"("interval":1000)", R"("interval":1.5)"},
      {R"("interval":1000)", R"("interval":"1000")"},
      {R"("cluster":"blue")", R"("cluster":7)"},
      {R"("caps":["a","b"])", R"("caps":"a")"},
      {R"("caps":["a","b"])", R"("caps":["a",1])"},
      {R"("refused":"full")", R"("refused":"fool")"},
      {R"("refused":"full")", R"("refused":true)"},
      {R"("ext":{)", R"("ext":1,"x":{)"},
      {R"("ext":{)", R"("ext":null,"x":{)"},
  };
  for (const auto& [what, with] : cases)
    EXPECT_EQ(verdict(replaced(good, what, with)), "invalid_message") << what << " -> " << with;

  const std::string name(255, 'c');
  EXPECT_EQ(verdict(replaced(good, "\"blue\"", "\"" + name + "\"")), "accepted");
  EXPECT_EQ(verdict(replaced(good, "\"blue\"", "\"" + name + "c\"")), "invalid_message");
  EXPECT_EQ(verdict(replaced(good, "\"interval\":1000", "\"interval\":2147483647")), "accepted");
  EXPECT_EQ(verdict(replaced(good, "\"ext\":{", "\"ext\":{\"tags\":{\"a\":[1e400]},\"new\":null,")), "accepted");
}

TEST(Codec, RefusesAKeyThatWeReadAndThatOccursTwice) {
  Heartbeat heartbeat = a_heartbeat();
  heartbeat.hello = a_hello();
  heartbeat.hello->refused = Refusal::Full;
  const std::string text = text_of(heartbeat);
  for (const char* field :
       {R"("version":1,)", R"("from":"app1@127.0.0.1:4369",)", R"("timestamp":1700000000000,)",
        R"("type":"heartbeat",)", R"("id":"app1@127.0.0.1:4369",)", R"("status":"connected",)", R"("processCount":3,)",
        R"("lastHeartbeatAt":1700000000000,)", R"("knownNodes":["app2@192.168.1.2:4370"],)",
        R"("inc":"0123456789abcdef",)", R"("interval":1000,)", R"("cluster":"blue",)",
        R"("nonce":"00000000000000010000000000000002",)", R"("echo":"ffffffffffffffff0000000000000000",)",
        R"("caps":["a","b"],)"}) {
    EXPECT_EQ(verdict(replaced(text, field, std::string(field) + field)), "malformed") << field;
    // Spelt with an escape it is the same key.
    std::string escaped = field;
    const std::string third =
        "\\u00" + std::string(1, "0123456789abcdef"[escaped[2] / 16]) + "0123456789abcdef"[escaped[2] % 16];
    escaped.replace(2, 1, third);
    EXPECT_EQ(verdict(replaced(text, field, field + escaped)), "malformed") << escaped;
  }
  EXPECT_EQ(verdict(replaced(text, "\"uptimeMs\":12345", "\"uptimeMs\":12345,\"uptimeMs\":12345")), "malformed");
  EXPECT_EQ(verdict(replaced(text, "\"refused\":\"full\"", "\"refused\":\"full\",\"refused\":\"full\"")), "malformed");
  EXPECT_EQ(
      verdict(R"({"version":1,"from":"a@b:1","timestamp":1,"payload":{"type":"call"},"payload":{"type":"call"}})"),
      "malformed");
  EXPECT_EQ(verdict(R"({"version":1,"from":"a@b:1","timestamp":1,"payload":{"type":"call","type":"cast"}})"),
            "malformed");
  EXPECT_EQ(
      verdict(
          R"({"version":1,"signature":"a","from":"a@b:1","timestamp":1,"payload":{"type":"call"},"signature":"b"})"),
      "malformed");
}

TEST(Codec, IgnoresWhatItDoesNotRead) {
  const std::string good = text_of(a_heartbeat());
  const Message expected = decoded(good);
  const std::pair<const char*, const char*> cases[] = {
      {"\"version\":1",
       R"("x":{"version":2,"y":[1e400,"\ud800",-0.0,123456789012345678901234567890]},"x":1,"version":1)"},
      {"\"version\":1", R"("\ud800":1,"\"":2,"":3,"version":1)"},
      {"\"version\":1", R"("vers\u0069on":1)"},
      {"\"version\":1", R"(  "version" : 1 )"},
      {"\"type\":\"heartbeat\"", R"("msg":{"type":"call"},"type":"heartbeat","9":1,"1":1)"},
      {"\"type\":\"heartbeat\",", ""},  // put last below
      {"\"host\":\"127.0.0.1\"", R"("host":"elsewhere","host":7)"},
      {"\"port\":4369,", ""},
      {"\"nodeInfo\":{", R"("nodeInfo":{"extra":[[[]]],)"},
  };
  for (const auto& [what, with] : cases) {
    std::string text = replaced(good, what, with);
    if (std::string(with).empty() && std::string(what).find("type") != std::string::npos) {
      text = text.substr(0, text.size() - 2) + ",\"type\":\"heartbeat\"}}";
    }
    EXPECT_EQ(decoded(text), expected) << text;
  }
}

TEST(Codec, SkipsAndCountsInvalidKnownNodes) {
  const std::string text = replaced(text_of(a_heartbeat()), "\"knownNodes\":[",
                                    R"("knownNodes":["","a@b","x@y:4369abc","\ud800@h:1","a\u0040b:7","q@h:0",)");
  const Heartbeat heartbeat = std::get<Heartbeat>(decoded(text).payload);
  EXPECT_EQ(heartbeat.invalid_ids, 5u);
  EXPECT_EQ(heartbeat.known_nodes, (std::vector<NodeId>{id("a@b:7"), id("app2@192.168.1.2:4370")}));
}

TEST(Codec, ReadsTheSpellingsOfAnIpv6IdAsOne) {
  const std::string text =
      replaced(text_of(a_heartbeat()), "app2@192.168.1.2:4370", "a@::1:5000\",\"a@[0:0:0:0:0:0:0:1]:5000");
  EXPECT_EQ(std::get<Heartbeat>(decoded(text).payload).known_nodes,
            (std::vector<NodeId>{id("a@[::1]:5000"), id("a@[::1]:5000")}));
}

TEST(Codec, HostileTextsEndInARefusal) {
  const std::string call = R"({"version":1,"from":"a@b:1","timestamp":1,"payload":{"type":"call","msg":)";
  EXPECT_EQ(verdict(call + std::string(10'000, '[') + std::string(10'000, ']') + "}}"), "accepted");
  EXPECT_EQ(verdict(call + std::string(100'000, '[') + std::string(100'000, ']') + "}}"), "malformed");
  EXPECT_EQ(verdict(call + std::string(200'000, '[')), "malformed");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_EQ(verdict(call + objects), "malformed");
  // A type of the size of the frame, with and without escapes: the parser's string buffer must take it.
  std::string escapes;
  for (int i = 0; i < 40'000; ++i) escapes += "\\u00e9";
  for (const std::string& type : {std::string(200'000, 'x'), escapes}) {
    EXPECT_EQ(verdict(R"({"version":1,"from":"a@b:1","timestamp":1,"payload":{"type":")" + type + "\"}}"),
              "unknown_type");
    EXPECT_EQ(verdict(R"({")" + type + R"(":1,"version":1,"from":"a@b:1","timestamp":1,"payload":{")" + type +
                      R"(":1,"type":"call"}})"),
              "accepted");
    EXPECT_EQ(verdict(R"({"version":1,"from":")" + type + R"(","timestamp":1,"payload":{"type":"call"}})"),
              "invalid_sender");
  }
  // Many short strings: each takes a little more of the string buffer than of the text.
  std::string many = "\"\"";
  for (int i = 0; i < 50'000; ++i) many += ",\"\"";
  const Message message = decoded(replaced(text_of(a_heartbeat()), "\"app2@192.168.1.2:4370\"", many));
  EXPECT_EQ(std::get<Heartbeat>(message.payload).invalid_ids, 8192u) << "the rest of a long list is passed over";
  Heartbeat with_hello = a_heartbeat();
  with_hello.hello = a_hello();
  const Message able = decoded(replaced(text_of(with_hello), R"("caps":["a","b"])", "\"caps\":[" + many + "]"));
  EXPECT_EQ(std::get<Heartbeat>(able.payload).hello->capabilities.size(), 50'001u);
}

// Random damage to good texts: whatever comes, the decoder answers, and it goes on working.
TEST(Codec, SurvivesDamage) {
  Rng rng(99);
  Heartbeat heartbeat = a_heartbeat();
  heartbeat.hello = a_hello();
  const std::string good = text_of(heartbeat);
  constexpr std::string_view kBytes = "\"\\{}[],:0123456789eE.-+truefalsn \x01\x7f\xc3\xa9\xff";
  Decoder decoder;
  Message message;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (uint64_t edits = 1 + rng.below(4); edits > 0; --edits) {
      const size_t at = rng.below(text.size());
      switch (rng.below(4)) {
        case 0:
          text.erase(at, 1 + rng.below(20));
          break;
        case 1:
          text.insert(at, 1, kBytes[rng.below(kBytes.size())]);
          break;
        case 2:
          text[at] = kBytes[rng.below(kBytes.size())];
          break;
        default:
          text.insert(at, text.substr(rng.below(text.size()), rng.below(60)));
          break;
      }
      if (text.empty()) text = "x";
    }
    if (!decoder.decode(text, &message)) {
      // What was accepted has the shape: it can be written and read again as the same.
      std::string again;
      if (std::holds_alternative<OtherMessage>(message.payload)) continue;
      append_message(again, message.from, message.timestamp, message.payload);
      if (Heartbeat* read = std::get_if<Heartbeat>(&message.payload)) {
        read->invalid_ids = 0;
        if (read->hello && !read->hello->incarnation)
          read->hello->capabilities.clear();  // written only together with it
      }
      Message second;
      ASSERT_FALSE(decoder.decode(again, &second)) << again;
      ASSERT_EQ(second, message) << text;
    }
  }
  EXPECT_FALSE(decoder.decode(good, &message));
}

}  // namespace
}  // namespace noex
