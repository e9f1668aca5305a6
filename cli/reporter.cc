#include "reporter.h"

#include <cstdio>

namespace noex_cli {

void Reporter::say(std::string_view line) {
  const bool written =
      std::fwrite(line.data(), 1, line.size(), stdout) == line.size() && std::fputc('\n', stdout) != EOF;
  if (!written || std::fflush(stdout) != 0) heard_ = false;
}

}  // namespace noex_cli
