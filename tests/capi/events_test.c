/* Pulling: the descriptor, waiting with and without time, choosing kinds, and what happens while nobody fetches. */
#include <fcntl.h>
#include <noex_cluster.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "support/check.h"
#include "support/node.h"

static bool readable(int fd, int timeout_ms) {
  struct pollfd watched = {.fd = fd, .events = POLLIN};
  const int count = poll(&watched, 1, timeout_ms);
  CHECK(count >= 0);
  return count == 1 && (watched.revents & POLLIN) != 0;
}

static void the_descriptor_is_level_triggered(void) {
  noex_cluster* cluster = new_cluster();
  int fd = -1, same = -1;
  CHECK_OK(noex_cluster_event_fd(cluster, &fd));
  CHECK_OK(noex_cluster_event_fd(cluster, &same));
  CHECK_INT(fd, same);
  CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(!readable(fd, 0));
  start_at(cluster, "a", 0, NULL);
  for (int i = 0; i < 3; i++) CHECK(readable(fd, 0)); /* as often as one asks */
  noex_event* event;
  int fetched = 0;
  while (noex_cluster_next_event(cluster, 0, &event) == NOEX_OK) {
    CHECK(event->kind == NOEX_EVENT_STATUS);
    noex_event_free(event);
    fetched++;
    CHECK(readable(fd, 0) == (fetched < 2)); /* starting, running */
  }
  CHECK_INT(2, fetched);
  CHECK(event == NULL);
  CHECK(!readable(fd, 20));
  CHECK_OK(noex_cluster_stop_async(cluster, NULL));
  CHECK(readable(fd, DEADLINE_MS));
  CHECK_OK(noex_cluster_wait(cluster, DEADLINE_MS));
  noex_cluster_free(cluster);
}

static void waiting_ends_in_time(void) {
  noex_cluster* cluster = new_cluster();
  noex_event* event = (noex_event*)cluster;
  CHECK_STATUS(NOEX_ETIMEOUT, noex_cluster_next_event(cluster, 0, &event));
  CHECK(event == NULL);
  const int64_t before = now_ms();
  CHECK_STATUS(NOEX_ETIMEOUT, noex_cluster_next_event(cluster, 80, &event));
  CHECK(now_ms() - before >= 75);
  noex_cluster_free(cluster);
}

static void* pull_one(void* cluster) {
  noex_event* event = NULL;
  CHECK_OK(noex_cluster_next_event(cluster, -1, &event));
  return event;
}

static void a_waiting_thread_is_woken(void) {
  noex_cluster* cluster = new_cluster();
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, pull_one, cluster) == 0);
  sleep_ms(20);
  start_at(cluster, "a", 0, NULL);
  uint64_t sequences = 0;
  for (int i = 0; i < 2; i++) {
    void* event = NULL;
    CHECK(pthread_join(threads[i], &event) == 0);
    sequences += ((noex_event*)event)->sequence; /* each event goes to one of them */
    noex_event_free(event);
  }
  CHECK_INT(1 + 2, sequences);
  end_node(cluster);
}

static void only_what_was_chosen_is_queued(void) {
  noex_cluster* cluster = new_cluster();
  noex_event* event;
  uint64_t operation;
  CHECK_OK(noex_cluster_select_events(cluster, 0, NOEX_LOG_INFO));
  start_at(cluster, "a", 0, NULL);
  CHECK_STATUS(NOEX_ETIMEOUT, noex_cluster_next_event(cluster, 0, &event));
  CHECK_OK(noex_cluster_stop_async(cluster, &operation)); /* completions always come: somebody waits for them */
  event = NULL;
  CHECK_OK(noex_cluster_next_event(cluster, DEADLINE_MS, &event));
  CHECK_INT(NOEX_EVENT_COMPLETION, event->kind);
  CHECK_INT(operation, event->operation);
  noex_event_free(event);
  CHECK_OK(noex_cluster_wait(cluster, DEADLINE_MS));

  CHECK_OK(noex_cluster_select_events(cluster, NOEX_EVENT_LOG, NOEX_LOG_WARNING));
  start_at(cluster, "a", 0, "nobody@127.0.0.1:1"); /* a start that reaches no seed says so */
  event = wait_event(cluster, NOEX_EVENT_LOG, NULL);
  CHECK(event->level >= NOEX_LOG_WARNING && event->created_at > 0);
  CHECK_CONTAINS(event->message, "nobody@127.0.0.1:1");
  CHECK(strchr(event->message, '\n') == NULL);
  noex_event_free(event);
  end_node(cluster);
}

static void logs_are_not_queued_unasked(void) {
  noex_cluster* cluster = new_cluster();
  start_at(cluster, "a", 0, "nobody@127.0.0.1:1");
  expect_quiet(cluster, NOEX_EVENT_LOG, 100);
  end_node(cluster);
}

enum { VISITS = 900 };

static void wait_connected(const noex_cluster* cluster, const char* id, bool wanted) {
  const int64_t deadline = now_ms() + DEADLINE_MS;
  for (bool connected = !wanted; connected != wanted;) {
    CHECK_OK(noex_cluster_is_node_connected(cluster, id, &connected));
    CHECK(now_ms() < deadline);
  }
}

/* A peer that goes and comes back 900 times while nobody fetches an event: 1,800 downs and ups shrink to "down, up". */
static void unfetched_events_shrink_to_their_net_effect(void) {
  noex_cluster* cluster = start_node("a", NULL, NULL);
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  read_id(cluster, id);
  const char* visitor = "visitor@127.0.0.1:1";
  int fd = connect_to(port_of(id));
  send_heartbeat(fd, visitor);
  noex_event* event = wait_event(cluster, NOEX_EVENT_NODE_UP, visitor);
  const uint64_t before = event->sequence;
  noex_event_free(event);
  for (int i = 0; i < VISITS; i++) {
    CHECK(close(fd) == 0);
    wait_connected(cluster, visitor, false);
    fd = connect_to(port_of(id));
    send_heartbeat(fd, visitor);
    wait_connected(cluster, visitor, true);
  }
  noex_stats_snapshot* stats;
  CHECK_OK(noex_cluster_stats(cluster, &stats));
  CHECK_INT(VISITS + 1, noex_stats_totals(stats)->node_ups);
  CHECK_INT(VISITS, noex_stats_totals(stats)->node_downs);
  const uint64_t queued = noex_stats_totals(stats)->events_queued;
  const uint64_t folded = noex_stats_totals(stats)->events_coalesced;
  noex_stats_free(stats);
  CHECK(queued >= 2 && queued <= 1024);
  CHECK_INT(2 * VISITS, queued + folded);

  uint64_t sequence = before, fetched = 0;
  int32_t last = NOEX_EVENT_NODE_UP;
  while (noex_cluster_next_event(cluster, 0, &event) == NOEX_OK) {
    CHECK_STR(visitor, event->node->id);
    CHECK(event->kind != last); /* still (down up)*: the order holds */
    last = event->kind;
    CHECK(event->sequence > sequence);
    sequence = event->sequence;
    fetched++;
    noex_event_free(event);
  }
  CHECK_INT(queued, fetched);
  CHECK_INT(NOEX_EVENT_NODE_UP, last);      /* the truth at the end */
  CHECK_INT(before + 2 * VISITS, sequence); /* and the gaps in the numbers say that something was left out */
  CHECK(close(fd) == 0);
  end_node(cluster);
}

static int destroyed;
static void count_destroy(void* user_data) { destroyed++, (void)user_data; }
static void on_event(const noex_event* event, void* user_data) { (void)event, (void)user_data; }

static void a_handle_that_is_pulled_from_takes_no_callbacks(void) {
  noex_cluster* cluster = new_cluster();
  noex_event* event;
  noex_subscription subscription = 77;
  int fd;
  CHECK_STATUS(NOEX_ETIMEOUT, noex_cluster_next_event(cluster, 0, &event)); /* the first use decides */
  CHECK_STATUS(NOEX_ESTATE,
               noex_cluster_on_event(cluster, NOEX_EVENT_ALL, on_event, NULL, count_destroy, &subscription));
  CHECK_INT(1, destroyed);
  CHECK_INT(0, subscription);
  CHECK_OK(noex_cluster_event_fd(cluster, &fd));
  noex_cluster_free(cluster);

  cluster = new_cluster();
  CHECK_OK(noex_cluster_on_event(cluster, NOEX_EVENT_ALL, on_event, NULL, count_destroy, &subscription));
  CHECK_STATUS(NOEX_ESTATE, noex_cluster_event_fd(cluster, &fd));
  CHECK_STATUS(NOEX_ESTATE, noex_cluster_next_event(cluster, 0, &event));
  CHECK(event == NULL);
  CHECK_OK(noex_cluster_cancel(cluster, subscription));
  CHECK_INT(2, destroyed);
  CHECK_STATUS(NOEX_ESTATE, noex_cluster_next_event(cluster, 0, &event)); /* for good */
  noex_cluster_free(cluster);
  CHECK_INT(2, destroyed);
}

static void an_event_outlives_its_handle(void) {
  noex_cluster* cluster = new_cluster();
  start_at(cluster, "a", 0, "nobody@127.0.0.1:1");
  noex_event* event = wait_event(cluster, NOEX_EVENT_NODE_DOWN, NULL);
  noex_cluster_free(cluster);
  CHECK_STR("nobody@127.0.0.1:1", event->node->id);
  CHECK_STR("127.0.0.1", event->node->host);
  CHECK_INT(1, event->node->port);
  CHECK(event->node->status != NOEX_NODE_CONNECTED);
  CHECK_STR("connection_refused", noex_down_reason_name(event->reason));
  CHECK_CONTAINS(event->evidence, "refused");
  noex_event_free(event);
}

int main(void) {
  RUN(the_descriptor_is_level_triggered);
  RUN(waiting_ends_in_time);
  RUN(a_waiting_thread_is_woken);
  RUN(only_what_was_chosen_is_queued);
  RUN(logs_are_not_queued_unasked);
  RUN(unfetched_events_shrink_to_their_net_effect);
  RUN(a_handle_that_is_pulled_from_takes_no_callbacks);
  RUN(an_event_outlives_its_handle);
  return 0;
}
