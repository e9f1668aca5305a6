/* create, start, stop, wait and free, in every order that a program may come up with. */
#include <errno.h>
#include <noex_cluster.h>
#include <pthread.h>
#include <unistd.h>

#include "support/check.h"
#include "support/node.h"

static void a_new_handle_is_stopped(void) {
  noex_cluster* cluster = new_cluster();
  CHECK_INT(NOEX_CLUSTER_STOPPED, status_of(cluster));
  CHECK_OK(noex_cluster_wait(cluster, -1));
  noex_cluster_free(cluster);
}

static void expect_not_started(noex_cluster* cluster) {
  char id[NOEX_NODE_ID_SIZE_MAX + 1] = "untouched";
  noex_nodes* nodes;
  uint64_t version;
  bool connected;
  size_t count;
  int64_t uptime;
  noex_stats_snapshot* stats;
  CHECK_STATUS(NOEX_ENOTSTARTED, noex_cluster_local_id(cluster, id, sizeof id));
  CHECK_STR("untouched", id);
  CHECK_CONTAINS(noex_last_error(), "not started");
  CHECK_STATUS(NOEX_ENOTSTARTED, noex_cluster_local_node(cluster, &nodes));
  CHECK_STATUS(NOEX_ENOTSTARTED, noex_cluster_nodes(cluster, &nodes));
  CHECK(nodes == NULL);
  CHECK_STATUS(NOEX_ENOTSTARTED, noex_cluster_nodes_version(cluster, &version));
  CHECK_STATUS(NOEX_ENOTSTARTED, noex_cluster_is_node_connected(cluster, "a@h:1", &connected));
  CHECK_STATUS(NOEX_ENOTSTARTED, noex_cluster_connected_count(cluster, &count));
  CHECK_STATUS(NOEX_ENOTSTARTED, noex_cluster_uptime_ms(cluster, &uptime));
  CHECK_STATUS(NOEX_ENOTSTARTED, noex_cluster_stats(cluster, &stats));
  CHECK(stats == NULL);
}

static void queries_need_a_running_node(void) {
  noex_cluster* cluster = new_cluster();
  expect_not_started(cluster);
  CHECK_OK(noex_cluster_set_process_count(cluster, 3)); /* stays over start */
  start_at(cluster, "a", 0, NULL);
  char id[NOEX_NODE_ID_SIZE_MAX + 1], small[4];
  read_id(cluster, id);
  CHECK_CONTAINS(id, "a@127.0.0.1:");
  CHECK_STATUS(NOEX_EBUFFER, noex_cluster_local_id(cluster, small, sizeof small));
  noex_nodes* self;
  CHECK_OK(noex_cluster_local_node(cluster, &self));
  CHECK_INT(1, noex_nodes_count(self));
  const noex_node* node = noex_nodes_at(self, 0);
  CHECK_STR(id, node->id);
  CHECK_STR("127.0.0.1", node->host);
  CHECK_INT(port_of(id), node->port);
  CHECK_INT(NOEX_NODE_CONNECTED, node->status);
  CHECK_INT(3, node->process_count);
  CHECK(node->incarnation != 0 && node->last_heartbeat_at > INT64_C(1600000000000));
  noex_nodes_free(self);
  CHECK_OK(noex_cluster_stop(cluster));
  expect_not_started(cluster);
  noex_cluster_free(cluster);
}

static void stop_before_start_and_twice(void) {
  noex_cluster* cluster = new_cluster();
  CHECK_OK(noex_cluster_stop(cluster));
  CHECK_OK(noex_cluster_stop(cluster));
  start_at(cluster, "a", 0, NULL);
  CHECK_OK(noex_cluster_stop(cluster));
  CHECK_OK(noex_cluster_stop(cluster));
  CHECK_INT(NOEX_CLUSTER_STOPPED, status_of(cluster));
  noex_cluster_free(cluster);
}

static void a_second_start_is_refused(void) {
  noex_cluster* cluster = start_node("a", NULL, NULL);
  noex_config config;
  test_config(&config, "b");
  CHECK_STATUS(NOEX_ERUNNING, noex_cluster_start(cluster, &config));
  CHECK_STR("Cluster is already running", noex_last_error());
  CHECK_STATUS(NOEX_ERUNNING, noex_cluster_start_async(cluster, &config, NULL));
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  read_id(cluster, id);
  CHECK_CONTAINS(id, "a@"); /* the first one lives on */
  end_node(cluster);
}

static void starts_again_after_stop(void) {
  noex_cluster* cluster = new_cluster();
  uint64_t last = 0;
  for (int i = 0; i < 5; i++) {
    start_at(cluster, "a", 0, NULL);
    noex_nodes* self;
    CHECK_OK(noex_cluster_local_node(cluster, &self));
    CHECK(noex_nodes_at(self, 0)->incarnation != last); /* each run is one of its own */
    last = noex_nodes_at(self, 0)->incarnation;
    noex_nodes_free(self);
    CHECK_OK(noex_cluster_stop(cluster));
  }
  noex_cluster_free(cluster);
}

static void a_bad_configuration_changes_nothing(void) {
  noex_cluster* cluster = new_cluster();
  noex_config config;
  test_config(&config, "no good name");
  CHECK_STATUS(NOEX_ECONFIG, noex_cluster_start(cluster, &config));
  CHECK_CONTAINS(noex_last_error(), "no good name");
  uint64_t operation = 77;
  CHECK_STATUS(NOEX_ECONFIG, noex_cluster_start_async(cluster, &config, &operation));
  CHECK_INT(77, operation);
  noex_event* event;
  CHECK_STATUS(NOEX_ETIMEOUT, noex_cluster_next_event(cluster, 0, &event)); /* not even `starting` was told */
  start_at(cluster, "a", 0, NULL);
  end_node(cluster);
}

static void check_bind_failure(const noex_error* error, int64_t port) {
  CHECK_INT(NOEX_EBIND, error->status);
  CHECK_STR("EADDRINUSE", error->code);
  CHECK_INT(EADDRINUSE, error->os_error);
  CHECK_STR("127.0.0.1", error->address);
  CHECK_INT(port, error->port);
  CHECK(strcmp(error->syscall, "bind") == 0 || strcmp(error->syscall, "listen") == 0);
  char place[32];
  snprintf(place, sizeof place, "127.0.0.1:%d", (int)port);
  CHECK_CONTAINS(error->message, place);
  CHECK_CONTAINS(error->message, "epmd"); /* which has the same default port */
}

static void a_taken_port_is_said_and_can_be_retried(void) {
  int64_t port;
  const int taken = listen_somewhere(&port);
  noex_cluster* cluster = new_cluster();
  noex_config config;
  test_config(&config, "a");
  config.port_auto = false;
  config.port = port;
  CHECK_STATUS(NOEX_EBIND, noex_cluster_start(cluster, &config));
  check_bind_failure(noex_last_error_info(), port);
  CHECK_INT(NOEX_CLUSTER_STOPPED, status_of(cluster));
  uint64_t operation;
  CHECK_OK(noex_cluster_start_async(cluster, &config, &operation)); /* here the end comes as an event */
  noex_event* event = wait_event(cluster, NOEX_EVENT_COMPLETION, NULL);
  CHECK_INT(operation, event->operation);
  CHECK_INT(NOEX_OPERATION_START, event->operation_kind);
  CHECK(event->error != NULL);
  check_bind_failure(event->error, port);
  noex_event_free(event);
  CHECK(close(taken) == 0);
  CHECK_OK(noex_cluster_start(cluster, &config));
  end_node(cluster);
}

static void a_host_that_is_nobody_s_is_said(void) {
  noex_cluster* cluster = new_cluster();
  noex_config config;
  test_config(&config, "a");
  config.host = "192.0.2.1"; /* TEST-NET-1: no machine has it */
  CHECK_STATUS(NOEX_EBIND, noex_cluster_start(cluster, &config));
  CHECK_STR("EADDRNOTAVAIL", noex_last_error_info()->code);
  CHECK_STR("192.0.2.1", noex_last_error_info()->address);
  noex_cluster_free(cluster);
}

static void asynchronous_ends_come_as_events_in_order(void) {
  noex_cluster* cluster = new_cluster();
  noex_config config;
  test_config(&config, "a");
  uint64_t start, stop, again;
  CHECK_OK(noex_cluster_start_async(cluster, &config, &start));
  wait_status(cluster, NOEX_CLUSTER_STARTING);
  wait_status(cluster, NOEX_CLUSTER_RUNNING);
  noex_event* event = wait_event(cluster, NOEX_EVENT_COMPLETION, NULL);
  CHECK_INT(start, event->operation);
  CHECK_INT(NOEX_OPERATION_START, event->operation_kind);
  CHECK(event->error == NULL);
  noex_event_free(event);
  CHECK_OK(noex_cluster_stop_async(cluster, &stop));
  CHECK_OK(noex_cluster_stop_async(cluster, &again)); /* shares the one stop */
  CHECK(start != stop && stop != again);
  wait_status(cluster, NOEX_CLUSTER_STOPPING);
  wait_status(cluster, NOEX_CLUSTER_STOPPED);
  event = wait_event(cluster, NOEX_EVENT_COMPLETION, NULL);
  CHECK_INT(stop, event->operation);
  CHECK_INT(NOEX_OPERATION_STOP, event->operation_kind);
  noex_event_free(event);
  CHECK_INT(NOEX_OK, wait_completion(cluster, again));
  CHECK_OK(noex_cluster_wait(cluster, 0));
  CHECK_OK(noex_cluster_stop_async(cluster, &again)); /* of a stopped node: done at once */
  CHECK_INT(NOEX_OK, wait_completion(cluster, again));
  CHECK_OK(noex_cluster_start_async(cluster, &config, NULL));
  CHECK_OK(noex_cluster_stop_async(cluster, NULL));
  CHECK_OK(noex_cluster_wait(cluster, DEADLINE_MS));
  noex_cluster_free(cluster);
}

/* A seed that takes the connection and says nothing keeps a start waiting, so that a stop can end it. */
static void a_stop_ends_a_pending_start(void) {
  int64_t port;
  const int silent = listen_somewhere(&port);
  char seed[64];
  snprintf(seed, sizeof seed, "silent@127.0.0.1:%d", (int)port);
  const char* seeds[] = {seed};
  for (int round = 0; round < 10; round++) {
    noex_cluster* cluster = new_cluster();
    noex_config config;
    test_config(&config, "a");
    config.seeds = seeds;
    config.seeds_count = 1;
    uint64_t start;
    CHECK_OK(noex_cluster_start_async(cluster, &config, &start));
    if (round % 2 == 0) wait_status(cluster, NOEX_CLUSTER_STARTING);
    CHECK_OK(noex_cluster_stop(cluster));
    CHECK_INT(NOEX_EABORTED, wait_completion(cluster, start));
    noex_cluster_free(cluster);
  }
  CHECK(close(silent) == 0);
}

static void wait_waits_until_stopped(void) {
  noex_cluster* cluster = start_node("a", NULL, NULL);
  CHECK_STATUS(NOEX_ETIMEOUT, noex_cluster_wait(cluster, 0));
  const int64_t before = now_ms();
  CHECK_STATUS(NOEX_ETIMEOUT, noex_cluster_wait(cluster, 50));
  CHECK(now_ms() - before >= 45);
  CHECK_OK(noex_cluster_stop_async(cluster, NULL));
  CHECK_OK(noex_cluster_wait(cluster, DEADLINE_MS));
  CHECK_INT(NOEX_CLUSTER_STOPPED, status_of(cluster));
  noex_cluster_free(cluster);
}

static void free_ends_whatever_is_going_on(void) {
  for (int round = 0; round < 20; round++) {
    noex_cluster* cluster = new_cluster();
    noex_config config;
    test_config(&config, "a");
    CHECK_OK(noex_cluster_start_async(cluster, &config, NULL));
    if (round % 4 == 1) wait_status(cluster, NOEX_CLUSTER_STARTING);
    if (round % 4 == 2) wait_status(cluster, NOEX_CLUSTER_STARTING), wait_status(cluster, NOEX_CLUSTER_RUNNING);
    if (round % 4 == 3) CHECK_OK(noex_cluster_stop_async(cluster, NULL));
    noex_cluster_free(cluster);
  }
}

static void free_gives_the_port_back(void) {
  noex_cluster* cluster = start_node("a", NULL, NULL);
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  read_id(cluster, id);
  noex_cluster_free(cluster);
  cluster = new_cluster();
  start_at(cluster, "a", port_of(id), NULL);
  end_node(cluster);
}

enum { THREADS = 8, ROUNDS = 25 };

static void* start_and_stop(void* argument) {
  noex_cluster* cluster = argument;
  noex_config config;
  test_config(&config, "shared");
  for (int i = 0; i < ROUNDS; i++) {
    const noex_status status = noex_cluster_start(cluster, &config);
    if (status != NOEX_OK && status != NOEX_ERUNNING && status != NOEX_EABORTED)
      CHECK_FAIL("start: %s", noex_last_error());
    noex_nodes* nodes = NULL;
    if (noex_cluster_nodes(cluster, &nodes) == NOEX_OK) CHECK_INT(0, noex_nodes_count(nodes));
    noex_nodes_free(nodes);
    noex_stats_snapshot* stats = NULL;
    const noex_status answer = noex_cluster_stats(cluster, &stats);
    if (answer != NOEX_OK && answer != NOEX_ENOTSTARTED) CHECK_FAIL("stats: %s", noex_last_error());
    noex_stats_free(stats);
    CHECK_OK(noex_cluster_stop(cluster));
  }
  return NULL;
}

static void many_threads_may_start_and_stop_one_handle(void) {
  noex_cluster* cluster = new_cluster();
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, start_and_stop, cluster) == 0);
  for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK_INT(NOEX_CLUSTER_STOPPED, status_of(cluster));
  noex_cluster_free(cluster);
}

int main(void) {
  RUN(a_new_handle_is_stopped);
  RUN(queries_need_a_running_node);
  RUN(stop_before_start_and_twice);
  RUN(a_second_start_is_refused);
  RUN(starts_again_after_stop);
  RUN(a_bad_configuration_changes_nothing);
  RUN(a_taken_port_is_said_and_can_be_retried);
  RUN(a_host_that_is_nobody_s_is_said);
  RUN(asynchronous_ends_come_as_events_in_order);
  RUN(a_stop_ends_a_pending_start);
  RUN(wait_waits_until_stopped);
  RUN(free_ends_whatever_is_going_on);
  RUN(free_gives_the_port_back);
  RUN(many_threads_may_start_and_stop_one_handle);
  return 0;
}
