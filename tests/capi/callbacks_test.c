/* Callbacks: their thread and order, every call from inside them, cancelling, and that user data is destroyed exactly
 * once. */
#include <errno.h>
#include <noex_cluster.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"
#include "support/node.h"

static atomic_int calls, destroyed;

static void reset(void) {
  atomic_store(&calls, 0);
  atomic_store(&destroyed, 0);
}

static void count_destroy(void* user_data) {
  (void)user_data;
  atomic_fetch_add(&destroyed, 1);
}

/* --------------------------------------------------------------------------------------------------- threads and order
 */

struct record {
  pthread_mutex_t mutex;
  int count;
  int32_t kinds[64];
  int32_t statuses[64];
  pthread_t thread;
};

static void write_down(const noex_event* event, void* user_data) {
  struct record* record = user_data;
  pthread_mutex_lock(&record->mutex);
  CHECK(record->count < 64);
  if (record->count > 0) CHECK(pthread_equal(record->thread, pthread_self()));
  record->thread = pthread_self();
  record->kinds[record->count] = event->kind;
  record->statuses[record->count] = event->status;
  record->count++;
  pthread_mutex_unlock(&record->mutex);
}

static void they_run_in_order_on_one_thread_of_their_own(void) {
  struct record record = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  noex_cluster* cluster = new_cluster();
  uint64_t operation;
  CHECK_OK(noex_cluster_on_event(cluster, NOEX_EVENT_STATUS | NOEX_EVENT_COMPLETION, write_down, &record, NULL, NULL));
  start_at(cluster, "a", 0, NULL);
  /* start waited for the callbacks of what came before its end. */
  CHECK_INT(2, record.count);
  CHECK_INT(NOEX_CLUSTER_STARTING, record.statuses[0]);
  CHECK_INT(NOEX_CLUSTER_RUNNING, record.statuses[1]);
  CHECK(!pthread_equal(record.thread, pthread_self()));
  CHECK_OK(noex_cluster_stop(cluster)); /* and so does stop */
  CHECK_INT(4, record.count);
  CHECK_INT(NOEX_CLUSTER_STOPPING, record.statuses[2]);
  CHECK_INT(NOEX_CLUSTER_STOPPED, record.statuses[3]);
  CHECK_OK(noex_cluster_stop_async(cluster, &operation)); /* a completion is an event like another */
  CHECK_OK(noex_cluster_stop(cluster));
  CHECK_INT(5, record.count);
  CHECK_INT(NOEX_EVENT_COMPLETION, record.kinds[4]);
  start_at(cluster, "a", 0, NULL); /* handlers stay over stop and start */
  CHECK_INT(7, record.count);
  noex_cluster_free(cluster);
}

static void slow(int32_t status, void* user_data) {
  (void)user_data;
  if (status == NOEX_CLUSTER_STARTING || status == NOEX_CLUSTER_STOPPING) sleep_ms(150);
  if (status == NOEX_CLUSTER_RUNNING || status == NOEX_CLUSTER_STOPPED) atomic_fetch_add(&calls, 1);
}

static void start_and_stop_wait_for_slow_callbacks(void) {
  reset();
  noex_cluster* cluster = new_cluster();
  CHECK_OK(noex_cluster_on_status_change(cluster, slow, NULL, NULL, NULL));
  start_at(cluster, "a", 0, NULL);
  CHECK_INT(1, atomic_load(&calls));
  CHECK_OK(noex_cluster_stop(cluster));
  CHECK_INT(2, atomic_load(&calls));
  noex_cluster_free(cluster);
}

static char order[16];
static void append(const noex_event* event, void* letter) {
  if (event->status == NOEX_CLUSTER_RUNNING) strncat(order, letter, 1);
}

static void several_run_in_the_order_of_registration(void) {
  noex_cluster* cluster = new_cluster();
  noex_subscription second;
  CHECK_OK(noex_cluster_on_event(cluster, NOEX_EVENT_ALL, append, "a", NULL, NULL));
  CHECK_OK(noex_cluster_on_event(cluster, NOEX_EVENT_STATUS, append, "b", NULL, &second));
  CHECK_OK(noex_cluster_on_event(cluster, NOEX_EVENT_STATUS, append, "c", NULL, NULL));
  CHECK_OK(noex_cluster_on_event(cluster, NOEX_EVENT_NODE_UP, append, "x", NULL, NULL)); /* another kind */
  start_at(cluster, "a", 0, NULL);
  CHECK_STR("abc", order);
  CHECK_OK(noex_cluster_cancel(cluster, second));
  CHECK_OK(noex_cluster_stop(cluster));
  start_at(cluster, "a", 0, NULL);
  CHECK_STR("abcac", order);
  end_node(cluster);
}

static void count_up(const noex_node* node, void* name) {
  CHECK_CONTAINS(node->id, name);
  CHECK_INT(NOEX_NODE_CONNECTED, node->status);
  atomic_fetch_add(&calls, 1);
}

static void count_down(const char* id, int32_t reason, void* name) {
  CHECK_CONTAINS(id, name);
  CHECK_STR("graceful_shutdown", noex_down_reason_name(reason));
  atomic_fetch_add(&calls, 100);
}

static void count_error(const noex_error* error, void* user_data) {
  (void)user_data;
  CHECK_STR("authentication", noex_error_kind_name(error->kind));
  atomic_fetch_add(&calls, 10000);
}

static void the_short_forms_tell_of_their_kind(void) {
  reset();
  noex_cluster* a = start_node("a", NULL, "secret");
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  read_id(a, id);
  CHECK_OK(noex_cluster_on_node_up(a, count_up, "b@127.0.0.1", count_destroy, NULL));
  CHECK_OK(noex_cluster_on_node_down(a, count_down, "b@127.0.0.1", count_destroy, NULL));
  CHECK_OK(noex_cluster_on_error(a, count_error, NULL, count_destroy, NULL));
  noex_cluster* b = start_node("b", id, "secret");
  wait_count(&calls, 1);
  end_node(b);
  wait_count(&calls, 101);
  noex_cluster* stranger = start_node("stranger", id, "wrong");
  wait_count(&calls, 10101);
  end_node(stranger);
  end_node(a);
  CHECK_INT(3, atomic_load(&destroyed));
}

static void what_came_before_the_first_callback_is_delivered(void) {
  struct record record = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  noex_cluster* cluster = start_node("a", NULL, NULL);
  CHECK_OK(noex_cluster_on_event(cluster, NOEX_EVENT_STATUS, write_down, &record, NULL, NULL));
  CHECK_OK(noex_cluster_stop(cluster));
  CHECK_INT(4, record.count);
  CHECK_INT(NOEX_CLUSTER_STARTING, record.statuses[0]);
  noex_cluster_free(cluster);
}

static void log_line(const noex_event* event, void* user_data) {
  (void)user_data;
  CHECK(event->level >= NOEX_LOG_WARNING);
  if (strstr(event->message, "nobody@127.0.0.1:1") != NULL) atomic_fetch_add(&calls, 1);
}

static void the_log_level_counts_for_callbacks_too(void) {
  reset();
  noex_cluster* cluster = new_cluster();
  CHECK_OK(noex_cluster_on_event(cluster, NOEX_EVENT_LOG, log_line, NULL, NULL, NULL));
  CHECK_OK(noex_cluster_select_events(cluster, 0, NOEX_LOG_WARNING)); /* the kinds follow from the callbacks */
  start_at(cluster, "a", 0, "nobody@127.0.0.1:1");
  wait_count(&calls, 1);
  end_node(cluster);
}

/* ------------------------------------------------------------------------------------------------------- calls from
 * inside */

struct inside {
  noex_cluster* cluster;
  noex_subscription own, other;
};

static void call_everything(const noex_event* event, void* user_data) {
  struct inside* inside = user_data;
  noex_cluster* cluster = inside->cluster;
  if (event->status != NOEX_CLUSTER_RUNNING) return;
  noex_config config;
  test_config(&config, "b");
  CHECK_STATUS(NOEX_EWRONGTHREAD, noex_cluster_stop(cluster));
  CHECK_CONTAINS(noex_last_error(), "noex_cluster_stop_async");
  CHECK_STATUS(NOEX_EWRONGTHREAD, noex_cluster_start(cluster, &config));
  CHECK_CONTAINS(noex_last_error(), "noex_cluster_start_async");
  CHECK_STATUS(NOEX_EWRONGTHREAD, noex_cluster_wait(cluster, 0));
  CHECK_STATUS(NOEX_ERUNNING, noex_cluster_start_async(cluster, &config, NULL));
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  read_id(cluster, id);
  CHECK_INT(NOEX_CLUSTER_RUNNING, status_of(cluster));
  noex_nodes* nodes;
  CHECK_OK(noex_cluster_nodes(cluster, &nodes));
  noex_nodes_free(nodes);
  CHECK_OK(noex_cluster_local_node(cluster, &nodes));
  noex_nodes_free(nodes);
  uint64_t version;
  CHECK_OK(noex_cluster_nodes_version(cluster, &version));
  bool connected;
  CHECK_OK(noex_cluster_is_node_connected(cluster, id, &connected));
  size_t count;
  CHECK_OK(noex_cluster_connected_count(cluster, &count));
  int64_t uptime;
  CHECK_OK(noex_cluster_uptime_ms(cluster, &uptime));
  CHECK_OK(noex_cluster_set_process_count(cluster, 1));
  noex_stats_snapshot* stats;
  CHECK_OK(noex_cluster_stats(cluster, &stats));
  noex_stats_free(stats);
  CHECK_OK(noex_cluster_select_events(cluster, NOEX_EVENT_ALL, NOEX_LOG_INFO));
  int fd;
  CHECK_STATUS(NOEX_ESTATE, noex_cluster_event_fd(cluster, &fd));
  noex_subscription extra;
  CHECK_OK(noex_cluster_on_event(cluster, NOEX_EVENT_ALL, call_everything, inside, count_destroy, &extra));
  CHECK_OK(noex_cluster_cancel(cluster, extra));
  /* A node of another handle is nobody's business here: it may start, stop and be freed. */
  noex_cluster* another = start_node("another", NULL, NULL);
  end_node(another);
  CHECK_OK(noex_cluster_stop_async(cluster, NULL));
  atomic_fetch_add(&calls, 1);
}

static void every_call_may_be_made_inside(void) {
  reset();
  struct inside inside = {.cluster = new_cluster()};
  CHECK_OK(noex_cluster_on_event(inside.cluster, NOEX_EVENT_ALL, call_everything, &inside, count_destroy, NULL));
  noex_config config;
  test_config(&config, "a");
  CHECK_OK(noex_cluster_start_async(inside.cluster, &config, NULL));
  wait_count(&calls, 1);
  CHECK_OK(noex_cluster_wait(inside.cluster, DEADLINE_MS));
  CHECK_INT(NOEX_CLUSTER_STOPPED, status_of(inside.cluster));
  CHECK_INT(1, atomic_load(&destroyed)); /* the one registered and cancelled inside */
  noex_cluster_free(inside.cluster);
  CHECK_INT(2, atomic_load(&destroyed));
}

static void free_inside(int32_t status, void* cluster) {
  if (status == NOEX_CLUSTER_RUNNING) noex_cluster_free(cluster);
}

/* In a child: it must end by abort, and say why. */
static void free_inside_is_a_checked_abort(void) {
  int pipe_fds[2];
  CHECK(pipe(pipe_fds) == 0);
  fflush(stdout);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    dup2(pipe_fds[1], STDERR_FILENO);
    noex_cluster* cluster = new_cluster();
    CHECK_OK(noex_cluster_on_status_change(cluster, free_inside, cluster, NULL, NULL));
    start_at(cluster, "a", 0, NULL);
    _exit(99);
  }
  CHECK(close(pipe_fds[1]) == 0);
  char said[4096] = "";
  size_t size = 0;
  for (ssize_t got; size < sizeof said - 1 && (got = read(pipe_fds[0], said + size, sizeof said - 1 - size)) > 0;)
    size += (size_t)got;
  int outcome = 0;
  CHECK(waitpid(child, &outcome, 0) == child);
  CHECK(WIFSIGNALED(outcome) && WTERMSIG(outcome) == SIGABRT);
  CHECK_CONTAINS(said, "noex_cluster_free");
  CHECK(close(pipe_fds[0]) == 0);
}

/* -------------------------------------------------------------------------------------------------------------
 * cancelling */

static void cancel_oneself(const noex_event* event, void* user_data) {
  struct inside* inside = user_data;
  (void)event;
  CHECK_OK(noex_cluster_cancel(inside->cluster, inside->own));
  CHECK_STATUS(NOEX_ENOTFOUND, noex_cluster_cancel(inside->cluster, inside->own));
  CHECK_INT(0, atomic_load(&destroyed)); /* not while it runs */
  atomic_fetch_add(&calls, 1);
}

static void one_may_cancel_oneself_inside(void) {
  reset();
  struct inside inside = {.cluster = new_cluster()};
  CHECK_OK(
      noex_cluster_on_event(inside.cluster, NOEX_EVENT_STATUS, cancel_oneself, &inside, count_destroy, &inside.own));
  start_at(inside.cluster, "a", 0, NULL);
  CHECK_INT(1, atomic_load(&calls)); /* `starting` only */
  CHECK_INT(1, atomic_load(&destroyed));
  CHECK_STATUS(NOEX_ENOTFOUND, noex_cluster_cancel(inside.cluster, inside.own));
  end_node(inside.cluster);
  CHECK_INT(1, atomic_load(&destroyed));
}

static void never(const noex_event* event, void* user_data) {
  CHECK_FAIL("called with kind %d %p", (int)event->kind, user_data);
}

static void cancel_the_other(const noex_event* event, void* user_data) {
  struct inside* inside = user_data;
  if (event->status != NOEX_CLUSTER_STARTING) return;
  CHECK_OK(noex_cluster_cancel(inside->cluster, inside->other));
  CHECK_INT(1, atomic_load(&destroyed));
}

/* Even for the event that is just being delivered. */
static void one_may_cancel_a_later_one_inside(void) {
  reset();
  struct inside inside = {.cluster = new_cluster()};
  CHECK_OK(noex_cluster_on_event(inside.cluster, NOEX_EVENT_STATUS, cancel_the_other, &inside, NULL, &inside.own));
  CHECK_OK(noex_cluster_on_event(inside.cluster, NOEX_EVENT_STATUS, never, NULL, count_destroy, &inside.other));
  start_at(inside.cluster, "a", 0, NULL);
  end_node(inside.cluster);
  CHECK_INT(1, atomic_load(&destroyed));
}

static atomic_int entered, left;

static void linger(const noex_event* event, void* user_data) {
  (void)event, (void)user_data;
  atomic_fetch_add(&entered, 1);
  sleep_ms(200);
  CHECK_INT(0, atomic_load(&destroyed));
  atomic_fetch_add(&left, 1);
}

static void cancel_waits_for_a_running_call(void) {
  reset();
  noex_cluster* cluster = new_cluster();
  noex_subscription subscription;
  CHECK_OK(noex_cluster_on_event(cluster, NOEX_EVENT_STATUS, linger, NULL, count_destroy, &subscription));
  noex_config config;
  test_config(&config, "a");
  CHECK_OK(noex_cluster_start_async(cluster, &config, NULL));
  wait_count(&entered, 1);
  CHECK_OK(noex_cluster_cancel(cluster, subscription));
  CHECK_INT(1, atomic_load(&left));
  CHECK_INT(1, atomic_load(&destroyed));
  CHECK_OK(noex_cluster_stop(cluster));
  CHECK_INT(1, atomic_load(&entered)); /* not again */
  noex_cluster_free(cluster);
}

static void free_waits_for_a_running_call_and_runs_no_other(void) {
  reset();
  atomic_store(&entered, 0);
  atomic_store(&left, 0);
  noex_cluster* cluster = new_cluster();
  for (int i = 0; i < 3; i++)
    CHECK_OK(noex_cluster_on_event(cluster, NOEX_EVENT_STATUS, linger, NULL, count_destroy, NULL));
  noex_config config;
  test_config(&config, "a");
  CHECK_OK(noex_cluster_start_async(cluster, &config, NULL));
  wait_count(&entered, 1);
  noex_cluster_free(cluster);
  CHECK_INT(1, atomic_load(&entered));
  CHECK_INT(1, atomic_load(&left));
  CHECK_INT(3, atomic_load(&destroyed));
}

static void* cancel_in_a_thread(void* user_data) {
  struct inside* inside = user_data;
  noex_cluster_cancel(inside->cluster, inside->own) == NOEX_OK ? atomic_fetch_add(&calls, 1) : 0;
  return NULL;
}

static void nothing(const noex_event* event, void* user_data) { (void)event, (void)user_data; }

/* Many threads want to cancel the same one: one of them does. */
static void one_cancellation_wins(void) {
  reset();
  struct inside inside = {.cluster = new_cluster()};
  start_at(inside.cluster, "a", 0, NULL);
  for (int round = 0; round < 50; round++) {
    CHECK_OK(noex_cluster_on_event(inside.cluster, NOEX_EVENT_ALL, nothing, NULL, count_destroy, &inside.own));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, cancel_in_a_thread, &inside) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_INT(round + 1, atomic_load(&calls));
    CHECK_INT(round + 1, atomic_load(&destroyed));
  }
  end_node(inside.cluster);
}

static void cancel_while_destroyed(void* user_data) {
  struct inside* inside = user_data;
  atomic_fetch_add(&destroyed, 1);
  CHECK_OK(noex_cluster_cancel(inside->cluster, inside->other)); /* no lock of ours is held */
}

static void destroy_may_call_the_library(void) {
  reset();
  struct inside inside = {.cluster = new_cluster()};
  CHECK_OK(noex_cluster_on_event(inside.cluster, NOEX_EVENT_ALL, nothing, NULL, count_destroy, &inside.other));
  CHECK_OK(
      noex_cluster_on_event(inside.cluster, NOEX_EVENT_ALL, nothing, &inside, cancel_while_destroyed, &inside.own));
  CHECK_OK(noex_cluster_cancel(inside.cluster, inside.own));
  CHECK_INT(2, atomic_load(&destroyed));
  noex_cluster_free(inside.cluster);
  CHECK_INT(2, atomic_load(&destroyed));
}

/* A callback that blocks for long does not make its node look dead: another node, with short patience, reports nothing.
 */
static void block_for_long(int32_t status, void* user_data) {
  (void)user_data;
  if (status == NOEX_CLUSTER_RUNNING) {
    atomic_fetch_add(&entered, 1);
    sleep_ms(4000);
    atomic_fetch_add(&left, 1);
  }
}

static void a_blocked_callback_does_not_look_dead(void) {
  atomic_store(&entered, 0);
  atomic_store(&left, 0);
  noex_config config;
  test_config(&config, "watcher");
  config.heartbeat_interval_ms = 300;
  config.heartbeat_miss_threshold = 5;
  noex_cluster* watcher = new_cluster();
  CHECK_OK(noex_cluster_start(watcher, &config));
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  read_id(watcher, id);
  const char* seed = id;
  config.node_name = "blocked";
  config.seeds = &seed;
  config.seeds_count = 1;
  noex_cluster* blocked = new_cluster();
  CHECK_OK(noex_cluster_on_status_change(blocked, block_for_long, NULL, NULL, NULL));
  CHECK_OK(noex_cluster_start_async(blocked, &config, NULL));
  wait_count(&entered, 1);
  noex_event_free(wait_event(watcher, NOEX_EVENT_NODE_UP, NULL));
  expect_quiet(watcher, NOEX_EVENT_NODE_DOWN, 3000); /* twice the patience */
  CHECK_INT(0, atomic_load(&left));
  end_node(blocked);
  end_node(watcher);
}

int main(void) {
  RUN(they_run_in_order_on_one_thread_of_their_own);
  RUN(start_and_stop_wait_for_slow_callbacks);
  RUN(several_run_in_the_order_of_registration);
  RUN(the_short_forms_tell_of_their_kind);
  RUN(what_came_before_the_first_callback_is_delivered);
  RUN(the_log_level_counts_for_callbacks_too);
  RUN(every_call_may_be_made_inside);
  RUN(free_inside_is_a_checked_abort);
  RUN(one_may_cancel_oneself_inside);
  RUN(one_may_cancel_a_later_one_inside);
  RUN(cancel_waits_for_a_running_call);
  RUN(free_waits_for_a_running_call_and_runs_no_other);
  RUN(one_cancellation_wins);
  RUN(destroy_may_call_the_library);
  RUN(a_blocked_callback_does_not_look_dead);
  return 0;
}
