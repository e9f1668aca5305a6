// The id of this process without a system call: every call on a handle asks whether it is in the child of a fork, and a
// query of some nanoseconds must not cost two hundred for that. The kernel itself forgets the kept id for a child, so
// this notices each fork that getpid() would, whoever made it.
#pragma once

#include <sys/types.h>

namespace noex {

[[nodiscard]] pid_t process_id();

}  // namespace noex
