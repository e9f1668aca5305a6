// Versions: of the library that is loaded, and of the wire protocol that it speaks.

#include "noex_cluster.h"

extern "C" {

const char* noex_version(void) { return NOEX_VERSION_STRING; }

uint32_t noex_version_number(void) {
  return NOEX_VERSION_MAJOR * 1'000'000U + NOEX_VERSION_MINOR * 1'000U + NOEX_VERSION_PATCH;
}

uint32_t noex_protocol_version(void) { return 1; }

}  // extern "C"
