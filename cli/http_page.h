// cli/page/, in one piece: the build makes the definition.
#pragma once

#include <string_view>

namespace noex_cli {

// The page for `/`. Each `@NONCE@` in it is to be replaced by a word that only this answer has.
[[nodiscard]] std::string_view http_page();

}  // namespace noex_cli
