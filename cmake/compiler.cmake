# Compiler settings for all that is ours: the standard, the warnings, the sanitizers.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)  # -O2 -g
endif()
if(CMAKE_C_FLAGS OR CMAKE_CXX_FLAGS)
  message(STATUS "Extra flags in force (from CFLAGS/CXXFLAGS or the command line): '${CMAKE_C_FLAGS}' '${CMAKE_CXX_FLAGS}'")
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Where things are, in any build folder: bin/noex-cluster, lib/libnoex_cluster.so, tests/…, examples/….
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# Sanitizers apply to everything, third-party sources too: an uninstrumented libuv would hide the happens-before edges that
# the thread sanitizer needs.
if(NOEX_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(NOEX_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(NOEX_SANITIZE)
  message(FATAL_ERROR "NOEX_SANITIZE='${NOEX_SANITIZE}': it is empty, 'address' or 'thread'")
endif()
if(NOEX_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "NOEX_FUZZ needs clang (libFuzzer): configure with -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

# Warnings for our own code only; link it privately.
add_library(noex_warnings INTERFACE)
target_compile_options(noex_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
if(NOEX_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc says itself that sanitizers make this one report what is not so: here, every std::variant that is moved.
  target_compile_options(noex_warnings INTERFACE -Wno-maybe-uninitialized)
endif()

# Tests and examples keep their assert() in optimised builds: a C test whose checks vanish cannot fail.
add_library(noex_keep_asserts INTERFACE)
target_compile_options(noex_keep_asserts INTERFACE -UNDEBUG)

# noex_glob(VAR PATTERN...): the files that match below the current folder, found again at each build.
function(noex_glob out)
  set(found)
  foreach(pattern IN LISTS ARGN)
    file(GLOB_RECURSE files CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${pattern}")
    list(APPEND found ${files})
  endforeach()
  set(${out} ${found} PARENT_SCOPE)
endfunction()
