/* The library loaded at run time, as a plugin or another language's foreign-function interface does it: by path, names
 * looked up, and closed while its threads may still run. This program is not linked with it. */
#include <dlfcn.h>
#include <noex_cluster.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/check.h"

/* Every function has the type that the header gives it. */
#define LOOK_UP(library, name)                                \
  __typeof__(&name) name##_found;                             \
  do {                                                        \
    void* symbol = dlsym(library, #name);                     \
    if (symbol == NULL) CHECK_FAIL("%s is not there", #name); \
    memcpy(&name##_found, &symbol, sizeof symbol);            \
  } while (0)

static const char* path;

static void* open_library(void) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) CHECK_FAIL("%s", dlerror());
  return library;
}

/* With RTLD_LOCAL nothing of it is seen by others: not even by us. */
static void it_keeps_to_itself(void) {
  void* library = open_library();
  CHECK(dlsym(RTLD_DEFAULT, "noex_version") == NULL);
  CHECK(dlsym(library, "uv_run") == NULL);
  CHECK(dlsym(library, "sodium_init") == NULL);
  LOOK_UP(library, noex_version);
  CHECK_STR(NOEX_VERSION_STRING, noex_version_found());
  CHECK(dlclose(library) == 0);
}

static void a_node_runs_and_stops(void) {
  void* library = open_library();
  LOOK_UP(library, noex_cluster_create);
  LOOK_UP(library, noex_cluster_start);
  LOOK_UP(library, noex_cluster_stop);
  LOOK_UP(library, noex_cluster_free);
  LOOK_UP(library, noex_cluster_local_id);
  LOOK_UP(library, noex_config_init);
  LOOK_UP(library, noex_last_error);
  noex_config config;
  noex_config_init_found(&config, sizeof config);
  config.node_name = "loaded";
  config.host = "127.0.0.1";
  config.port_auto = true;
  for (int i = 0; i < 3; i++) {
    noex_cluster* cluster = NULL;
    char id[NOEX_NODE_ID_SIZE_MAX + 1];
    CHECK(noex_cluster_create_found(&cluster) == NOEX_OK);
    if (noex_cluster_start_found(cluster, &config) != NOEX_OK) CHECK_FAIL("%s", noex_last_error_found());
    CHECK(noex_cluster_local_id_found(cluster, id, sizeof id) == NOEX_OK);
    CHECK_CONTAINS(id, "loaded@127.0.0.1:");
    CHECK(noex_cluster_stop_found(cluster) == NOEX_OK);
    noex_cluster_free_found(cluster);
  }
  CHECK(dlclose(library) == 0);
}

/* Closed with a node that runs: the code must stay, for its threads are in it. */
static void it_is_never_unmapped(void) {
  void* library = open_library();
  LOOK_UP(library, noex_cluster_create);
  LOOK_UP(library, noex_cluster_start);
  LOOK_UP(library, noex_cluster_status);
  LOOK_UP(library, noex_cluster_free);
  LOOK_UP(library, noex_config_init);
  noex_config config;
  noex_config_init_found(&config, sizeof config);
  config.node_name = "orphan";
  config.host = "127.0.0.1";
  config.port_auto = true;
  config.heartbeat_interval_ms = 100;
  noex_cluster* cluster = NULL;
  CHECK(noex_cluster_create_found(&cluster) == NOEX_OK);
  CHECK(noex_cluster_start_found(cluster, &config) == NOEX_OK);
  CHECK(dlclose(library) == 0);
  const struct timespec a_few_beats = {.tv_nsec = 300 * 1000 * 1000};
  nanosleep(&a_few_beats, NULL);
  int32_t status = 0;
  CHECK(noex_cluster_status_found(cluster, &status) == NOEX_OK);
  CHECK_INT(NOEX_CLUSTER_RUNNING, status);
  void* again = open_library();
  CHECK(again == library);
  noex_cluster_free_found(cluster);
}

static void* fail_in_a_thread(void* library) {
  LOOK_UP(library, noex_node_id_parse);
  LOOK_UP(library, noex_last_error);
  CHECK(noex_node_id_parse_found("x", 1, NULL) == NOEX_ENODEID);
  CHECK(noex_last_error_found()[0] != '\0');
  return NULL;
}

/* A thread that has used the library ends after it was closed. */
static void threads_may_outlive_it(void) {
  void* library = open_library();
  for (int i = 0; i < 20; i++) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, fail_in_a_thread, library) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
  }
  CHECK(dlclose(library) == 0);
}

int main(void) {
  const char* given = getenv("NOEX_LIBRARY");
  path = given != NULL ? given : NOEX_LIBRARY_PATH;
  RUN(it_keeps_to_itself);
  RUN(a_node_runs_and_stops);
  RUN(it_is_never_unmapped);
  RUN(threads_may_outlive_it);
  return 0;
}
