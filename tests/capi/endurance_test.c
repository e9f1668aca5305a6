/* A thousand starts and stops in one process leave nothing behind: memory, threads and descriptors are flat. A member
 * that stays sees each of them come and go. */
#include <dirent.h>
#include <noex_cluster.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/node.h"

/* The allocator and the tables have their size after the first; what each run left behind would show in the rest. A
 * sanitizer is slow, and keeps what was freed for a while. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { WARM_UP = 20, RUNS = 100, MEMORY_IS_JUDGED = 0 };
#else
enum { WARM_UP = 200, RUNS = 1000, MEMORY_IS_JUDGED = 1 };
#endif
enum { GROWTH_KIB_MAX = 1024 };

static long resident_kib(void) {
  FILE* const file = fopen("/proc/self/status", "r");
  CHECK(file != NULL);
  char line[256];
  long kib = -1;
  while (fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, "VmRSS:", 6) == 0) kib = strtol(line + 6, NULL, 10);
  }
  fclose(file);
  CHECK(kib > 0);
  return kib;
}

static int entries_of(const char* folder) {
  DIR* const directory = opendir(folder);
  CHECK(directory != NULL);
  int count = 0;
  while (readdir(directory) != NULL) ++count;
  closedir(directory);
  return count;
}

/* A thread that was joined is still listed for a moment. */
static int threads_settled(int wanted) {
  const int64_t deadline = now_ms() + DEADLINE_MS;
  int count;
  while ((count = entries_of("/proc/self/task")) > wanted && now_ms() < deadline) sleep_ms(1);
  return count;
}

static char seed_id[NOEX_NODE_ID_SIZE_MAX + 1];
static noex_cluster* seed;
static int64_t port;

/* One life under the same id: joins, is seen, leaves, is seen to leave. Every other time the handle is a new one. */
static void live_once(noex_cluster** handle, int run) {
  if (*handle == NULL) *handle = new_cluster();
  start_at(*handle, "guest", port, seed_id);
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  read_id(*handle, id);
  port = port_of(id);
  wait_up(*handle, seed_id);
  wait_up(seed, id);
  CHECK_OK(noex_cluster_stop(*handle));
  wait_down(seed, id, NOEX_DOWN_GRACEFUL_SHUTDOWN);
  for (noex_event* event; noex_cluster_next_event(*handle, 0, &event) == NOEX_OK && event != NULL;) {
    noex_event_free(event);
  }
  if (run % 2 == 1) {
    noex_cluster_free(*handle);
    *handle = NULL;
  }
}

static void a_thousand_starts_and_stops(void) {
  const int runs = getenv("NOEX_SOAK") == NULL ? RUNS : 20 * RUNS;
  seed = start_node("seed", NULL, NULL);
  read_id(seed, seed_id);
  noex_cluster* handle = NULL;
  for (int run = 0; run < WARM_UP; run++) live_once(&handle, run);
  const long memory = resident_kib();
  const int threads = entries_of("/proc/self/task");
  const int descriptors = entries_of("/proc/self/fd");
  for (int run = 0; run < runs; run++) live_once(&handle, run);
  const long growth = resident_kib() - memory;
  printf("%d starts and stops: %ld KiB more\n", runs, growth);
  if (MEMORY_IS_JUDGED) CHECK(growth <= GROWTH_KIB_MAX);
  CHECK_INT(descriptors, entries_of("/proc/self/fd"));
  CHECK_INT(threads, threads_settled(threads));
  if (handle != NULL) noex_cluster_free(handle);
  end_node(seed);
}

int main(void) {
  RUN(a_thousand_starts_and_stops);
  return 0;
}
