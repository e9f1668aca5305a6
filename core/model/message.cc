#include "model/message.h"

namespace noex {
namespace {

constexpr std::array<std::string_view, 4> kRefusals = {"duplicate_id", "cluster", "version", "full"};

constexpr std::array<std::string_view, static_cast<size_t>(RejectKind::Count)> kRejectKinds = {
    "frame_too_large",       "frame_skipped", "malformed",      "invalid_message", "version",
    "missing_signature",     "bad_signature", "invalid_sender", "wrong_sender",    "replayed",
    "wrong_cluster",         "duplicate_id",  "full",           "foreign_goodbye", "identification_timeout",
    "too_many_unidentified", "slow_reader",   "unknown_type"};

}  // namespace

std::string_view to_string(Refusal refusal) { return kRefusals[static_cast<size_t>(refusal)]; }

bool parse_refusal(std::string_view text, Refusal* out) {
  for (size_t i = 0; i < kRefusals.size(); ++i) {
    if (kRefusals[i] != text) continue;
    *out = static_cast<Refusal>(i);
    return true;
  }
  return false;
}

std::string_view to_string(RejectKind kind) { return kRejectKinds[static_cast<size_t>(kind)]; }

}  // namespace noex
