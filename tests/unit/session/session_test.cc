#include "session/session.h"

#include <gtest/gtest.h>

#include <map>

#include "base/rng.h"
#include "unit/wire/vectors.h"

namespace noex {
namespace {

NodeId id(std::string_view text) { return NodeId::parse(text).value(); }

Heartbeat a_heartbeat(size_t known = 1) {
  Heartbeat heartbeat;
  heartbeat.node.id = id("app1@127.0.0.1:4369");
  heartbeat.node.status = NodeStatus::Connected;
  for (size_t i = 0; i < known; ++i) heartbeat.known_nodes.push_back(id("app@host-" + std::to_string(i) + ":4370"));
  return heartbeat;
}

// A heartbeat whose frame has a body of about `size` bytes.
Heartbeat a_large_heartbeat(size_t size) { return a_heartbeat(size / 23); }

std::string header(size_t size) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(static_cast<uint8_t>(size >> shift));
  return out;
}
std::string frame(std::string_view body) { return header(body.size()) + std::string(body); }

std::string encoded(const Payload& payload, const SigningKeys* keys) {
  return *encode_frame(id("app1@127.0.0.1:4369"), 1700000000000, payload, keys);
}

std::vector<SessionOutput> received(Session& session, std::string_view bytes) {
  std::vector<SessionOutput> out;
  session.receive(as_byte_view(bytes), out);
  return out;
}

// "heartbeat", "node_down", the foreign type, or the reject's word.
std::string word_of(const SessionOutput& output) {
  if (const auto* reject = std::get_if<SessionReject>(&output)) return std::string(to_string(reject->kind));
  const Payload& payload = std::get<SessionMessage>(output).message.payload;
  if (const auto* other = std::get_if<OtherMessage>(&payload)) return other->type;
  return std::holds_alternative<Heartbeat>(payload) ? "heartbeat" : "node_down";
}

std::string words_of(const std::vector<SessionOutput>& outputs) {
  std::string out;
  for (const SessionOutput& output : outputs) out += (out.empty() ? "" : " ") + word_of(output);
  return out;
}

std::unique_ptr<SigningKeys> keys_of(const std::optional<std::string>& secret) {
  if (!secret) return nullptr;
  return std::make_unique<SigningKeys>(std::vector<std::string_view>{*secret});
}

TEST(Session, FramesOfTheVectors) {
  const SigningKeys wrong({"another-secret"});
  ASSERT_GT(test::vectors().messages.size(), 150u);
  for (const test::MessageVector& vector : test::vectors().messages) {
    const std::unique_ptr<SigningKeys> keys = keys_of(vector.secret);
    EXPECT_EQ(vector.frame, frame(vector.payload_text));

    Session session(keys.get());
    const std::vector<SessionOutput> out = received(session, vector.frame);
    const std::string type = vector.name.substr(0, vector.name.find('/'));
    ASSERT_EQ(words_of(out), type) << vector.name;
    const SessionMessage& message = std::get<SessionMessage>(out[0]);
    EXPECT_EQ(message.frame_size, vector.payload_text.size());
    EXPECT_EQ(message.message.from.text(), vector.from);
    EXPECT_EQ(message.message.timestamp, vector.timestamp);
    if (type == "heartbeat" || type == "node_down") {
      EXPECT_EQ(*encode_frame(message.message.from, vector.timestamp, message.message.payload, keys.get()),
                vector.frame);
    }

    Session without_secret(nullptr);
    EXPECT_EQ(words_of(received(without_secret, vector.frame)), type);
    Session with_another(&wrong);
    EXPECT_EQ(words_of(received(with_another, vector.frame)), vector.secret ? "bad_signature" : "missing_signature");
    if (!vector.secret) continue;

    std::string signature;
    for (const uint8_t byte : keys->sign({as_byte_view(vector.signed_text)})) signature += to_hex(byte, 2);
    EXPECT_EQ(signature, vector.signature);
    // Every bit counts.
    for (size_t at = 4; at < vector.frame.size(); at += 7) {
      std::string changed = vector.frame;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      Session strict(keys.get());
      const std::string word = words_of(received(strict, changed));
      ASSERT_TRUE(word == "bad_signature" || word == "missing_signature") << vector.name << " " << at << " " << word;
    }
  }
}

// The `received` cases, each with what is decided for it here: stricter than the reference where it only tolerates
// something, and exact bytes rather than re-spelt values where a signature is concerned. "" = more bytes are awaited.
const std::map<std::string, std::string>& decided() {
  static const auto* const kDecided = new std::map<std::string, std::string>{
      {"good signed", "heartbeat"},
      {"no signature, secret set", "missing_signature"},
      {"signature null", "missing_signature"},
      {"wrong secret", "bad_signature"},
      {"tampered from", "bad_signature"},
      {"tampered timestamp", "bad_signature"},
      {"tampered payload", "bad_signature"},
      {"signature odd length", "missing_signature"},
      {"signature too short", "missing_signature"},
      {"signature not hex", "missing_signature"},
      {"signature followed by non-hex garbage", "missing_signature"},
      {"signature key first", "missing_signature"},
      {"signature twice, the last one bad", "missing_signature"},
      {"whitespace added after signing", "missing_signature"},
      {"solidus and unicode escapes added after signing", "bad_signature"},
      {"number spelt differently after signing (12345 -> 1.2345e4)", "bad_signature"},
      {"top-level keys reordered after signing", "missing_signature"},
      {"extra top-level key, signed", "heartbeat"},
      {"version 2, signed", "version"},
      {"version missing, signed", "version"},
      {"timestamp far in the past, signed", "heartbeat"},
      {"from is a number, signed", "invalid_sender"},
      {"payload of unknown type, signed", "unknown_type"},
      {"integer-like keys out of order, signed over the wire order", "cast"},
      {"non-canonical number 1.0, signed over the wire text", "cast"},
      {"non-canonical number 1E2, signed over the wire text", "cast"},
      {"non-canonical number -0, signed over the wire text", "cast"},
      {"non-canonical number 1e400, signed over the wire text", "cast"},
      {"non-canonical number 12345678901234567890, signed over the wire text", "cast"},
      {"non-canonical number 0.10, signed over the wire text", "cast"},
      {"string spelling: upper-case unicode escape of a control character, signed over the wire text", "cast"},
      {"string spelling: unicode escape of a printable, signed over the wire text", "cast"},
      {"string spelling: lone surrogate escape (lower-case), signed over the wire text", "cast"},
      {"string spelling: escaped astral pair, signed over the wire text", "cast"},
      {"string spelling: raw U+2028, signed over the wire text", "cast"},
      {"string spelling: raw DEL, signed over the wire text", "cast"},
      {"invalid UTF-8 inside a string, no secret", "malformed"},
      {"empty payload (length 0)", "malformed"},
      {"JSON null", "malformed"},
      {"JSON number", "malformed"},
      {"JSON array", "malformed"},
      {"garbage", "malformed"},
      {"JSON null, secret set", "missing_signature"},
      {"forged BigInt marker", "invalid_message"},
      {"forged RegExp marker, invalid pattern", "invalid_message"},
      {"forged Map marker, not a list", "invalid_message"},
      {"forged Error marker, null value", "invalid_message"},
      {"whole envelope is an undefined marker", "version"},
      {"whole envelope is an undefined marker, secret set", "missing_signature"},
      {"length prefix 0xFFFFFFFF", "frame_too_large"},
      {"length prefix 16 MiB + 1", "frame_too_large"},
      {"length prefix exactly 16 MiB, no body yet", "frame_skipped"},
      {"truncated: 3 bytes", ""},
      {"truncated: prefix only", ""},
      {"truncated: one byte short", ""},
      {"two frames in one buffer", "heartbeat heartbeat"},
      {"nothing", ""},
  };
  return *kDecided;
}

TEST(Session, ReceivedCasesOfTheVectors) {
  EXPECT_EQ(test::vectors().received.size(), decided().size());
  for (const test::ReceivedVector& vector : test::vectors().received) {
    const auto expected = decided().find(vector.name);
    ASSERT_NE(expected, decided().end()) << vector.name;
    const std::unique_ptr<SigningKeys> keys = keys_of(vector.secret);
    Session identified(keys.get());
    identified.raise_frame_limit();
    EXPECT_EQ(words_of(received(identified, vector.bytes)), expected->second) << vector.name;
    // Before identification the only difference is that large frames end it.
    Session fresh(keys.get());
    EXPECT_EQ(words_of(received(fresh, vector.bytes)),
              expected->second == "frame_skipped" ? "frame_too_large" : expected->second)
        << vector.name;
  }
}

TEST(Session, WhatWeEncodeArrives) {
  const SigningKeys keys({"s"});
  for (const SigningKeys* used : {static_cast<const SigningKeys*>(nullptr), &keys}) {
    Session session(used);
    const std::string stream =
        encoded(a_heartbeat(), used) + encoded(Goodbye{id("a@b:1"), 7, DownReason::GracefulShutdown}, used);
    const std::vector<SessionOutput> out = received(session, stream);
    ASSERT_EQ(words_of(out), "heartbeat node_down");
    EXPECT_EQ(std::get<Heartbeat>(std::get<SessionMessage>(out[0]).message.payload), a_heartbeat());
    EXPECT_EQ(std::get<SessionMessage>(out[0]).message.timestamp, 1700000000000);
    EXPECT_EQ(std::get<Goodbye>(std::get<SessionMessage>(out[1]).message.payload),
              (Goodbye{id("a@b:1"), 7, DownReason::GracefulShutdown}));
  }
}

TEST(Session, NoKeysAreNoSecret) {
  const SigningKeys none({});
  Session session(&none);
  EXPECT_EQ(words_of(received(session, encoded(a_heartbeat(), &none))), "heartbeat");
  EXPECT_EQ(encoded(a_heartbeat(), &none), encoded(a_heartbeat(), nullptr));
}

TEST(Session, AnyOfSeveralSecretsVerifiesAndTheFirstSigns) {
  const SigningKeys old_only({"old"});
  const SigningKeys both({"new", "old"});
  const SigningKeys new_only({"new"});
  Session rotating(&both);
  EXPECT_EQ(words_of(received(rotating, encoded(a_heartbeat(), &old_only) + encoded(a_heartbeat(), &new_only))),
            "heartbeat heartbeat");
  Session new_session(&new_only);
  EXPECT_EQ(words_of(received(new_session, encoded(a_heartbeat(), &both))), "heartbeat");
  Session old_session(&old_only);
  EXPECT_EQ(words_of(received(old_session, encoded(a_heartbeat(), &both))), "bad_signature");
}

// With a secret nothing unsigned reaches the parser: garbage is a missing signature, not a syntax error.
TEST(Session, TheSignatureIsJudgedBeforeTheText) {
  const SigningKeys keys({"s"});
  Session session(&keys);
  EXPECT_EQ(words_of(received(session, frame("{{{"))), "missing_signature");
  Session second(&keys);
  EXPECT_EQ(words_of(received(second, frame("{{{,\"signature\":\"" + std::string(64, '0') + "\"}"))), "bad_signature");
  // Rightly signed nonsense does reach it.
  const std::string nonsense = "{\"a\":";
  std::string signature;
  for (const uint8_t byte : keys.sign({as_byte_view(nonsense), as_byte_view("}")})) signature += to_hex(byte, 2);
  Session third(&keys);
  EXPECT_EQ(words_of(received(third, frame(nonsense + ",\"signature\":\"" + signature + "\"}"))), "malformed");
}

TEST(Session, NothingIsReadAfterAFatalReject) {
  const std::string good = encoded(a_heartbeat(), nullptr);
  Session session(nullptr);
  EXPECT_EQ(words_of(received(session, good + frame("x") + good)), "heartbeat malformed");
  EXPECT_EQ(words_of(received(session, good)), "");
  EXPECT_EQ(session.buffered(), 0u);
}

TEST(Session, GoesOnAfterUnknownTypesAndSkippedFrames) {
  const std::string good = encoded(a_heartbeat(), nullptr);
  const std::string unknown = frame(R"({"version":1,"from":"a@b:1","timestamp":1,"payload":{"type":"later"}})");
  Session session(nullptr);
  EXPECT_EQ(words_of(received(session, unknown + good)), "unknown_type heartbeat");
  session.raise_frame_limit();
  EXPECT_EQ(words_of(received(session, frame(std::string(1024 * 1024 + 1, 'x')) + good)), "frame_skipped heartbeat");
  EXPECT_EQ(session.buffered(), 0u);
}

TEST(Session, FrameLimits) {
  const std::string small = encoded(a_large_heartbeat(200 * 1024), nullptr);
  const std::string medium = encoded(a_large_heartbeat(900 * 1024), nullptr);
  ASSERT_LT(small.size(), 256u * 1024);
  ASSERT_GT(medium.size(), 256u * 1024);
  ASSERT_LT(medium.size(), 1024u * 1024);
  Session session(nullptr);
  EXPECT_EQ(words_of(received(session, small)), "heartbeat");
  session.raise_frame_limit();
  EXPECT_EQ(words_of(received(session, medium)), "heartbeat");
  Session unidentified(nullptr);
  EXPECT_EQ(words_of(received(unidentified, medium)), "frame_too_large");
}

TEST(Session, RejectsSayWhatWasWrong) {
  Session http(nullptr);
  const std::vector<SessionOutput> out = received(http, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_EQ(words_of(out), "frame_too_large");
  EXPECT_NE(std::get<SessionReject>(out[0]).detail.find("this looks like an HTTP request"), std::string::npos);
}

TEST(Session, AnySplitGivesTheSameMessages) {
  const SigningKeys keys({"a secret"});
  Rng rng(3);
  for (int round = 0; round < 60; ++round) {
    std::string stream;
    size_t count = rng.below(20);
    std::vector<Payload> sent;
    for (; count > 0; --count) {
      sent.emplace_back(rng.chance(0.1) ? Payload(Goodbye{id("a@b:1"), 1, DownReason::GracefulShutdown})
                                        : Payload(a_heartbeat(rng.below(100))));
      stream += encoded(sent.back(), &keys);
    }
    Session session(&keys);
    std::vector<SessionOutput> out;
    for (size_t at = 0; at < stream.size();) {
      const size_t size = rng.chance(0.5) ? 1 + rng.below(5) : rng.below(3000);
      const std::string piece = stream.substr(at, size);
      session.receive(as_byte_view(piece), out);
      at += size;
    }
    ASSERT_EQ(out.size(), sent.size());
    for (size_t i = 0; i < out.size(); ++i) {
      ASSERT_TRUE(std::holds_alternative<SessionMessage>(out[i])) << word_of(out[i]);
      ASSERT_EQ(std::get<SessionMessage>(out[i]).message.payload, sent[i]);
    }
    EXPECT_EQ(session.buffered(), 0u);
  }
}

TEST(Session, SeveralShareTheBuffersFrameByFrame) {
  const SigningKeys keys(std::vector<std::string_view>{"secret"});
  SessionBuffers buffers;
  Session one(&keys, &buffers);
  Session other(&keys, &buffers);
  Heartbeat beat;
  beat.node.id = *NodeId::parse("a@127.0.0.1:5001");
  for (int i = 0; i < 500; ++i) beat.known_nodes.push_back(*NodeId::create("n", "10.0.0.1", 1000 + i));
  const SharedBytes long_frame = encode_frame(beat.node.id, 1, beat, &keys);
  beat.known_nodes.resize(1);
  const SharedBytes short_frame = encode_frame(beat.node.id, 2, beat, &keys);
  const ByteView long_bytes = as_byte_view(*long_frame);
  std::vector<SessionOutput> outputs;
  one.receive(long_bytes.first(1000), outputs);
  other.receive(as_byte_view(*short_frame), outputs);
  one.receive(long_bytes.subspan(1000), outputs);
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(std::get<Heartbeat>(std::get<SessionMessage>(outputs[0]).message.payload).known_nodes.size(), 1u);
  EXPECT_EQ(std::get<Heartbeat>(std::get<SessionMessage>(outputs[1]).message.payload).known_nodes.size(), 500u);
}

// What is remembered of a frame is what it was, under the secret that it was read with, and nothing else.
TEST(Session, RemembersFramesBySecretAndByEachByte) {
  const SigningKeys keys(std::vector<std::string_view>{"secret"});
  const SigningKeys same_keys(std::vector<std::string_view>{"secret"});
  const SigningKeys other_keys(std::vector<std::string_view>{"another"});
  EXPECT_EQ(keys.fingerprint(), same_keys.fingerprint());
  EXPECT_NE(keys.fingerprint(), other_keys.fingerprint());
  SessionBuffers buffers(8);
  const auto read = [&buffers](const SigningKeys* with, std::string_view bytes) {
    Session session(with, &buffers);
    return received(session, bytes);
  };
  for (size_t round = 0; round < 50; ++round) {
    const Heartbeat beat = a_heartbeat(round % 20);
    const std::string bytes = encoded(beat, &keys);
    for (const SigningKeys* const with : {&keys, &same_keys, &keys}) {
      const std::vector<SessionOutput> out = read(with, bytes);
      ASSERT_EQ(words_of(out), "heartbeat");
      EXPECT_EQ(std::get<Heartbeat>(std::get<SessionMessage>(out[0]).message.payload), beat);
      EXPECT_EQ(std::get<SessionMessage>(out[0]).frame_size, bytes.size() - 4);
    }
    EXPECT_EQ(words_of(read(&other_keys, bytes)), "bad_signature");
    std::string changed = bytes;
    changed[bytes.find("4369")] = '5';
    EXPECT_EQ(words_of(read(&keys, changed)), "bad_signature");
    EXPECT_EQ(words_of(read(nullptr, changed)), "heartbeat");  // without a secret nobody asks for one
    EXPECT_EQ(words_of(read(&keys, changed)), "bad_signature");
  }
}

}  // namespace
}  // namespace noex
