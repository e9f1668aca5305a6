// What the command ends with. Documented in its help and in its manual page; tests compare the two.
#pragma once

namespace noex_cli {

inline constexpr int kSuccess = 0;
inline constexpr int kFailure = 1;        // the node could not run, the output could not be written
inline constexpr int kUsage = 2;          // wrong options or arguments
inline constexpr int kUnreachable = 3;    // nobody there, or no answer in time
inline constexpr int kRefused = 4;        // somebody there who does not let us: secret, cluster name, permission
inline constexpr int kNotUnderstood = 5;  // an answer that is none of ours: another version, another program

}  // namespace noex_cli
