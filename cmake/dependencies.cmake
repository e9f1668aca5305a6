# What others wrote and we link. Nothing of it is in the repository: `./dev setup` fetches the sources of libuv and simdjson
# into .deps/; libsodium and GoogleTest are Debian's packages.
#
# libuv is linked statically, as our own PIC objects: node exports its own copy of every uv_* symbol, which captures a
# dynamic libuv. simdjson likewise: the distribution's shared one does not survive inside node.

set(NOEX_DEPS_DIR "${PROJECT_SOURCE_DIR}/.deps" CACHE PATH "Where ./dev setup put third-party sources")
set(NOEX_LIBUV "source" CACHE STRING "libuv: 'source' (static, the default) or 'system' (dynamic; for C and Python only)")
set(NOEX_LIBUV_SOURCE "${NOEX_DEPS_DIR}/libuv" CACHE PATH "An unpacked libuv, 1.44.2 or later")

# `pip install ./python` in a checkout where nothing was set up: the sources are fetched now. Nobody else's build fetches.
if(SKBUILD AND EXISTS "${PROJECT_SOURCE_DIR}/dev" AND NOT EXISTS "${NOEX_DEPS_DIR}/simdjson/simdjson.cpp")
  message(STATUS "Fetching the sources of libuv and simdjson: ./dev sources")
  execute_process(COMMAND "${PROJECT_SOURCE_DIR}/dev" sources RESULT_VARIABLE fetched)
  if(NOT fetched EQUAL 0)
    message(FATAL_ERROR "The sources of libuv and simdjson could not be fetched; above is why. `./dev sources` tries it again.")
  endif()
endif()

if(NOEX_LIBUV STREQUAL "system")
  find_path(NOEX_LIBUV_INCLUDE uv.h REQUIRED)
  find_library(NOEX_LIBUV_LIBRARY uv REQUIRED)
  add_library(noex_uv INTERFACE)
  target_include_directories(noex_uv SYSTEM INTERFACE "${NOEX_LIBUV_INCLUDE}")
  target_link_libraries(noex_uv INTERFACE "${NOEX_LIBUV_LIBRARY}")
elseif(NOEX_LIBUV STREQUAL "source")
  if(NOT EXISTS "${NOEX_LIBUV_SOURCE}/include/uv.h")
    message(FATAL_ERROR "No libuv source in ${NOEX_LIBUV_SOURCE}. Run ./dev setup, or give -DNOEX_LIBUV_SOURCE=/path to an "
                        "unpacked libuv, or -DNOEX_LIBUV=system (C and Python only).")
  endif()
  # Our own list, not libuv's build: that brings options, tests and install rules along. A name that a version does not have is left out.
  set(uv_names async core dl epoll fs getaddrinfo getnameinfo linux linux-core linux-inotify linux-syscalls loop-watcher loop
               pipe poll process procfs-exepath proctitle random-devurandom random-getrandom random-sysctl-linux signal stream tcp thread tty udp)
  file(GLOB uv_sources "${NOEX_LIBUV_SOURCE}/src/*.c")
  foreach(name IN LISTS uv_names)
    if(EXISTS "${NOEX_LIBUV_SOURCE}/src/unix/${name}.c")
      list(APPEND uv_sources "${NOEX_LIBUV_SOURCE}/src/unix/${name}.c")
    endif()
  endforeach()
  add_library(noex_uv STATIC ${uv_sources})
  target_include_directories(noex_uv SYSTEM PUBLIC "${NOEX_LIBUV_SOURCE}/include" PRIVATE "${NOEX_LIBUV_SOURCE}/src")
  target_compile_definitions(noex_uv PRIVATE _GNU_SOURCE _FILE_OFFSET_BITS=64 _LARGEFILE_SOURCE)
  target_compile_options(noex_uv PRIVATE -w -fno-strict-aliasing)
  target_link_libraries(noex_uv PUBLIC Threads::Threads ${CMAKE_DL_LIBS})
else()
  message(FATAL_ERROR "NOEX_LIBUV='${NOEX_LIBUV}': it is 'source' or 'system'")
endif()

if(NOT EXISTS "${NOEX_DEPS_DIR}/simdjson/simdjson.cpp")
  message(FATAL_ERROR "No simdjson source in ${NOEX_DEPS_DIR}/simdjson. Run ./dev setup.")
endif()
# Its static objects are never destroyed: see no_exit_destructors.c. No flag of gcc's does that, so the reference is renamed.
add_library(noex_simdjson STATIC "${NOEX_DEPS_DIR}/simdjson/simdjson.cpp" "${CMAKE_CURRENT_LIST_DIR}/no_exit_destructors.c")
add_custom_command(TARGET noex_simdjson POST_BUILD VERBATIM
  COMMAND "${CMAKE_OBJCOPY}" --redefine-sym __cxa_atexit=noex_never_at_exit $<TARGET_FILE:noex_simdjson>)
target_include_directories(noex_simdjson SYSTEM PUBLIC "${NOEX_DEPS_DIR}/simdjson")
target_compile_options(noex_simdjson PRIVATE -w)

find_path(NOEX_SODIUM_INCLUDE sodium.h)
find_library(NOEX_SODIUM_LIBRARY NAMES libsodium.a)  # the static one: Debian builds it PIC
if(NOT NOEX_SODIUM_INCLUDE OR NOT NOEX_SODIUM_LIBRARY)
  message(FATAL_ERROR "libsodium is missing: its header and its static library are needed (Debian: apt-get install libsodium-dev).")
endif()
add_library(noex_sodium INTERFACE)
target_include_directories(noex_sodium SYSTEM INTERFACE "${NOEX_SODIUM_INCLUDE}")
target_link_libraries(noex_sodium INTERFACE "${NOEX_SODIUM_LIBRARY}")

find_path(NOEX_CLI11_INCLUDE CLI/CLI.hpp)  # header-only; only the command includes it
find_path(NOEX_NLOHMANN_JSON_INCLUDE nlohmann/json.hpp)  # likewise
