#include "wire/frame_reader.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"

namespace noex {
namespace {

using Step = FrameReader::Step;

std::string header(uint32_t size) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(static_cast<uint8_t>(size >> shift));
  return out;
}
std::string frame(std::string_view body) { return header(static_cast<uint32_t>(body.size())) + std::string(body); }

// What a reader makes of a piece of the stream: bodies, "<skip N>" and "<too large N>".
void read(FrameReader& reader, std::string_view piece, std::vector<std::string>& out) {
  ByteView bytes = as_byte_view(piece);
  while (true) {
    switch (reader.next(bytes)) {
      case Step::NeedMore:
        EXPECT_TRUE(bytes.empty());
        return;
      case Step::Frame:
        out.emplace_back(as_text(reader.body()));
        break;
      case Step::Skipping:
        out.push_back("<skip " + std::to_string(reader.announced_size()) + ">");
        break;
      case Step::TooLarge:
        out.push_back("<too large " + std::to_string(reader.announced_size()) + ">");
        return;
    }
  }
}

using Strings = std::vector<std::string>;

TEST(FrameReader, SeveralFramesInOnePiece) {
  FrameReader reader(100, FrameReader::Oversize::Refuse);
  Strings out;
  read(reader, frame("one") + frame("") + frame("three"), out);
  EXPECT_EQ(out, (Strings{"one", "", "three"}));
  EXPECT_EQ(reader.buffered(), 0u);
}

TEST(FrameReader, ByteByByte) {
  FrameReader reader(100, FrameReader::Oversize::Refuse);
  const std::string stream = frame("one") + frame("") + frame("three");
  Strings out;
  for (const char& c : stream) read(reader, {&c, 1}, out);
  EXPECT_EQ(out, (Strings{"one", "", "three"}));
}

TEST(FrameReader, AnEmptyFrameIsCompleteWithItsHeader) {
  FrameReader reader(100, FrameReader::Oversize::Refuse);
  Strings out;
  read(reader, header(0), out);
  EXPECT_EQ(out, Strings{""});
}

TEST(FrameReader, AWholeFrameIsNotCopied) {
  FrameReader reader(100, FrameReader::Oversize::Refuse);
  const std::string stream = frame("somewhat longer than a small string's own buffer");
  ByteView bytes = as_byte_view(stream);
  ASSERT_EQ(reader.next(bytes), Step::Frame);
  EXPECT_EQ(as_text(reader.body()).data(), stream.data() + kFrameHeaderSize);
}

TEST(FrameReader, HoldsOnlyWhatHasCome) {
  FrameReader reader(kFrameBodySizeMax, FrameReader::Oversize::Refuse);
  Strings out;
  read(reader, header(kFrameBodySizeMax) + "abc", out);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(reader.buffered(), 3u);
}

TEST(FrameReader, TheLimitIsExact) {
  for (const size_t size : {9u, 10u, 11u}) {
    FrameReader reader(10, FrameReader::Oversize::Refuse);
    Strings out;
    read(reader, frame(std::string(size, 'x')), out);
    EXPECT_EQ(out, Strings{size <= 10 ? std::string(size, 'x') : "<too large 11>"});
  }
}

TEST(FrameReader, SkipsWhatIsOverTheLimitAndGoesOn) {
  const std::string stream = frame("ok") + frame(std::string(50'000, 'x')) + frame("") + frame("after");
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, stream.size()}) {
    FrameReader reader(10, FrameReader::Oversize::Skip);
    Strings out;
    for (size_t at = 0; at < stream.size(); at += piece) {
      read(reader, std::string_view(stream).substr(at, piece), out);
      EXPECT_LE(reader.buffered(), 10u);
    }
    EXPECT_EQ(out, (Strings{"ok", "<skip 50000>", "", "after"}));
  }
}

TEST(FrameReader, SkipsAFrameOfTheProtocolsMaximum) {
  FrameReader reader(10, FrameReader::Oversize::Skip);
  Strings out;
  read(reader, header(kFrameBodySizeMax), out);
  const std::string piece(1024 * 1024, 'x');
  for (int i = 0; i < 16; ++i) read(reader, piece, out);
  read(reader, frame("after"), out);
  EXPECT_EQ(out, (Strings{"<skip 16777216>", "after"}));
}

TEST(FrameReader, NothingIsReadAfterTooLarge) {
  for (const FrameReader::Oversize oversize : {FrameReader::Oversize::Refuse, FrameReader::Oversize::Skip}) {
    for (const uint32_t size : {static_cast<uint32_t>(kFrameBodySizeMax) + 1, UINT32_MAX}) {
      FrameReader reader(10, oversize);
      Strings out;
      read(reader, header(size) + frame("x"), out);
      read(reader, frame("y"), out);
      const std::string said = "<too large " + std::to_string(size) + ">";
      EXPECT_EQ(out, (Strings{said, said}));
    }
  }
}

TEST(FrameReader, ARaisedLimitHoldsForTheNextFrame) {
  FrameReader reader(10, FrameReader::Oversize::Refuse);
  Strings out;
  read(reader, header(10) + "01234", out);
  reader.set_limit(20, FrameReader::Oversize::Skip);
  read(reader, "56789" + frame(std::string(20, 'x')) + header(21), out);
  EXPECT_EQ(out, (Strings{"0123456789", std::string(20, 'x'), "<skip 21>"}));
}

TEST(FrameReader, KnowsWhoElseCalls) {
  const std::pair<std::string, std::string> cases[] = {
      {"GET / HTTP/1.1\r\n", "this looks like an HTTP request"},
      {"POST /x HTTP/1.1\r\n", "this looks like an HTTP request"},
      {"PRI * HTTP/2.0\r\n", "this looks like an HTTP/2 request"},
      {"HTTP/1.1 400 Bad Request\r\n", "this looks like an HTTP response"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "this looks like an SSH client or server"},
      {std::string("\x16\x03\x01\x02\x00\x01", 6), "this looks like a TLS handshake"},
      {"nothing known", "the peer does not speak this protocol"},
  };
  for (const auto& [start, explanation] : cases) {
    FrameReader reader(10, FrameReader::Oversize::Skip);
    ByteView bytes = as_byte_view(start);
    ASSERT_EQ(reader.next(bytes), Step::TooLarge) << start;
    EXPECT_EQ(reader.explanation(), explanation);
  }
  // In the middle of a stream the same bytes are no request.
  FrameReader reader(10, FrameReader::Oversize::Skip);
  Strings out;
  read(reader, frame("x") + "GET /", out);
  EXPECT_EQ(reader.explanation(), "the stream is broken");
}

TEST(FrameReader, AnySplitGivesTheSameFrames) {
  Rng rng(7);
  for (int round = 0; round < 300; ++round) {
    std::string stream;
    Strings expected;
    for (uint64_t i = rng.below(8); i > 0; --i) {
      std::string body(rng.chance(0.2) ? rng.below(200'000) : rng.below(300), '\0');
      for (char& c : body) c = static_cast<char>(static_cast<uint8_t>(rng.next()));
      stream += frame(body);
      expected.push_back(body.size() <= 100'000 ? body : "<skip " + std::to_string(body.size()) + ">");
    }
    FrameReader reader(100'000, FrameReader::Oversize::Skip);
    Strings out;
    for (size_t at = 0; at < stream.size();) {
      const size_t size = rng.chance(0.5) ? rng.below(9) : rng.below(70'000);
      const std::string piece =
          stream.substr(at, size);  // a piece of its own, so that a borrowed view past its life shows
      read(reader, piece, out);
      at += size;
    }
    ASSERT_EQ(out, expected) << "round " << round;
  }
}

}  // namespace
}  // namespace noex
