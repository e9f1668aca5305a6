// The steps of a check, and how they are shown.
#pragma once

#include <string>
#include <vector>

namespace noex_cli {

enum class StepResult { Ok, Warning, Failed, NotReached };

struct Step {
  std::string name;
  StepResult result = StepResult::NotReached;
  double ms = -1;  // -1: it takes no time of its own
  std::string detail;
  std::string advice;  // what to do, where it failed
};

struct CheckReport {
  std::string seed;
  std::string joined_as;  // our id, "" if we never were a member
  std::string answered_as;
  std::vector<Step> steps;
};

// One line, and one more with the advice.
[[nodiscard]] std::string step_text(const Step& step, bool coloured);
[[nodiscard]] std::string report_json(const CheckReport& report, int exit_code);

}  // namespace noex_cli
