// UTF-8, as far as the core itself looks at text. (wire/ checks what comes from the network with its JSON parser.)
#pragma once

#include <string_view>

namespace noex {

// Whether `text` is well-formed UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace noex
