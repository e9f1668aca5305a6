#include "check_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "style.h"

namespace noex_cli {
namespace {

struct Look {
  const char* mark;
  const char* colour;
  const char* word;
};

Look look_of(StepResult result) {
  switch (result) {
    case StepResult::Ok:
      return {"✓", kGreen, "ok"};
    case StepResult::Warning:
      return {"!", kYellow, "warning"};
    case StepResult::Failed:
      return {"✗", kRed, "failed"};
    case StepResult::NotReached:
      break;
  }
  return {"·", kDim, "not_reached"};
}

}  // namespace

std::string step_text(const Step& step, bool coloured) {
  const Look look = look_of(step.result);
  const std::string time = step.ms < 0 ? "" : round_trip_text(static_cast<int64_t>(step.ms * 1000));
  const std::string spaces(9 - std::min<size_t>(width_of(time), 9), ' ');
  const bool reached = step.result != StepResult::NotReached;
  std::string text = painted(look.mark, look.colour, coloured) + " " + padded(step.name, 12) + " " + spaces +
                     painted(time, kDim, coloured) + "  " +
                     (reached ? printable(step.detail) : painted("not reached", kDim, coloured)) + "\n";
  if (!step.advice.empty()) text += std::string(27, ' ') + painted("→ " + step.advice, kBold, coloured) + "\n";
  return text;
}

std::string report_json(const CheckReport& report, int exit_code) {
  using nlohmann::ordered_json;
  ordered_json steps = ordered_json::array();
  ordered_json failed_step;
  for (const Step& step : report.steps) {
    if (step.result == StepResult::Failed) failed_step = step.name;
    ordered_json entry = {{"step", step.name}, {"result", look_of(step.result).word}};
    entry["ms"] = step.ms < 0 ? ordered_json() : ordered_json(std::round(step.ms * 1000) / 1000);
    entry["detail"] = step.detail;
    if (!step.advice.empty()) entry["advice"] = step.advice;
    steps.push_back(std::move(entry));
  }
  const auto or_null = [](const std::string& text) { return text.empty() ? ordered_json() : ordered_json(text); };
  ordered_json object = {{"seed", report.seed}, {"ok", exit_code == 0}, {"exit_code", exit_code}};
  object["failed_step"] = std::move(failed_step);
  object["joined_as"] = or_null(report.joined_as);
  object["answered_as"] = or_null(report.answered_as);
  object["steps"] = std::move(steps);
  return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace noex_cli
