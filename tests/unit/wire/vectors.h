// The vectors of tests/vectors/v1-vectors.json: frames, numbers and strings as the reference implementation writes and
// judges them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace noex::test {

struct MessageVector {
  std::string name;
  std::optional<std::string> secret;
  std::string from;
  int64_t timestamp = 0;
  std::string signed_text;  // "" without a secret
  std::string signature;    // likewise
  std::string payload_text;
  std::string frame;
};

struct NumberVector {
  double value = 0;
  std::string text;
};

struct StringVector {
  std::u16string units;
  std::string json;
};

struct ReceivedVector {
  std::string name;
  std::optional<std::string> secret;
  std::string bytes;
};

struct Vectors {
  std::vector<MessageVector> messages;
  std::vector<NumberVector> numbers;
  std::vector<StringVector> strings;
  std::vector<ReceivedVector> received;
};

// Read once; ends the test program if the file is missing or not as expected.
const Vectors& vectors();

}  // namespace noex::test
