/* Checks for the C tests. The first one that fails says where and what, and ends the program with code 1. */
#ifndef NOEX_TESTS_CAPI_CHECK_H
#define NOEX_TESTS_CAPI_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_FAIL(...)                                              \
  do {                                                               \
    fprintf(stderr, "%s:%d: in %s: ", __FILE__, __LINE__, __func__); \
    fprintf(stderr, __VA_ARGS__);                                    \
    fputc('\n', stderr);                                             \
    exit(1);                                                         \
  } while (0)

#define CHECK(condition)                                      \
  do {                                                        \
    if (!(condition)) CHECK_FAIL("not true: %s", #condition); \
  } while (0)

#define CHECK_INT(expected, actual)                                                                                \
  do {                                                                                                             \
    const long long check_expected = (long long)(expected);                                                        \
    const long long check_actual = (long long)(actual);                                                            \
    if (check_expected != check_actual) CHECK_FAIL("%s is %lld, not %lld", #actual, check_actual, check_expected); \
  } while (0)

#define CHECK_STR(expected, actual)                                                                        \
  do {                                                                                                     \
    const char* check_expected = (expected);                                                               \
    const char* check_actual = (actual);                                                                   \
    if (check_actual == NULL || strcmp(check_expected, check_actual) != 0)                                 \
      CHECK_FAIL("%s is '%s', not '%s'", #actual, check_actual ? check_actual : "(null)", check_expected); \
  } while (0)

#define CHECK_CONTAINS(text, part)                                                                         \
  do {                                                                                                     \
    const char* check_text = (text);                                                                       \
    const char* check_part = (part);                                                                       \
    if (check_text == NULL || strstr(check_text, check_part) == NULL)                                      \
      CHECK_FAIL("%s does not contain '%s': '%s'", #text, check_part, check_text ? check_text : "(null)"); \
  } while (0)

/* A call that must answer `expected`, and have an error sentence exactly if that is a failure. */
#define CHECK_STATUS(expected, call)                                                                      \
  do {                                                                                                    \
    const noex_status check_status = (call);                                                              \
    if (check_status != (expected))                                                                       \
      CHECK_FAIL("%s answered %s (%s), not %s", #call, noex_status_name(check_status), noex_last_error(), \
                 noex_status_name(expected));                                                             \
    if ((check_status == NOEX_OK) != (noex_last_error()[0] == '\0'))                                      \
      CHECK_FAIL("%s: the status is %s, the last error '%s'", #call, noex_status_name(check_status),      \
                 noex_last_error());                                                                      \
  } while (0)

#define CHECK_OK(call) CHECK_STATUS(NOEX_OK, call)

/* Runs a case and says so. */
#define RUN(name)              \
  do {                         \
    printf("  %s ...", #name); \
    fflush(stdout);            \
    name();                    \
    printf(" ok\n");           \
    fflush(stdout);            \
  } while (0)

#endif
