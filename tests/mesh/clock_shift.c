/* Preloaded into a node, it moves its clocks: CLOCK_REALTIME by the first number in the file that NOEX_TEST_CLOCKS
 * names, CLOCK_BOOTTIME by the second, both in seconds. The file is mapped, so a test moves the clocks by writing to
 * it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t* offsets;
static int (*real_clock_gettime)(clockid_t, struct timespec*);

__attribute__((constructor)) static void open_offsets(void) {
  /* dlsym's answer is a function, for which ISO C has no cast. */
  *(void**)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  const char* const path = getenv("NOEX_TEST_CLOCKS");
  const int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  void* const mapped = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (mapped != MAP_FAILED) offsets = mapped;
}

int clock_gettime(clockid_t clock, struct timespec* reading) {
  if (real_clock_gettime == NULL) *(void**)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  const int result = real_clock_gettime(clock, reading);
  if (result == 0 && offsets != NULL) {
    if (clock == CLOCK_REALTIME) reading->tv_sec += offsets[0];
    if (clock == CLOCK_BOOTTIME) reading->tv_sec += offsets[1];
  }
  return result;
}
