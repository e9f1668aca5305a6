/* NULL and senseless arguments, at every call: an error with a sentence, or nothing; never a crash. */
#include <noex_cluster.h>

#include "support/check.h"
#include "support/node.h"

static noex_cluster* cluster;
static int destroyed;

static void count_destroy(void* user_data) {
  (void)user_data;
  destroyed++;
}

static void on_event(const noex_event* event, void* user_data) { (void)event, (void)user_data; }
static void on_up(const noex_node* node, void* user_data) { (void)node, (void)user_data; }
static void on_down(const char* id, int32_t reason, void* user_data) { (void)id, (void)reason, (void)user_data; }
static void on_status(int32_t status, void* user_data) { (void)status, (void)user_data; }
static void on_error(const noex_error* error, void* user_data) { (void)error, (void)user_data; }

static void lifecycle(void) {
  noex_config config;
  test_config(&config, "a");
  uint64_t operation = 77;
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_create(NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_start(NULL, &config));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_start(cluster, NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_start_async(NULL, &config, &operation));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_start_async(cluster, NULL, &operation));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_stop(NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_stop_async(NULL, &operation));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_wait(NULL, 0));
  CHECK_INT(77, operation);
  noex_cluster_free(NULL);
}

static void queries(void) {
  char buffer[8];
  noex_nodes* nodes = (noex_nodes*)buffer;
  uint64_t version;
  bool connected;
  size_t count;
  int64_t uptime;
  int32_t status;
  noex_stats_snapshot* stats = (noex_stats_snapshot*)buffer;
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_status(NULL, &status));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_status(cluster, NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_local_id(NULL, buffer, sizeof buffer));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_local_id(cluster, NULL, 0));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_local_node(NULL, &nodes));
  CHECK(nodes == NULL);
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_local_node(cluster, NULL));
  nodes = (noex_nodes*)buffer;
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_nodes(NULL, &nodes));
  CHECK(nodes == NULL);
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_nodes(cluster, NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_nodes_version(NULL, &version));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_nodes_version(cluster, NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_is_node_connected(NULL, "a@h:1", &connected));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_is_node_connected(cluster, NULL, &connected));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_is_node_connected(cluster, "a@h:1", NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_connected_count(NULL, &count));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_connected_count(cluster, NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_uptime_ms(NULL, &uptime));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_uptime_ms(cluster, NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_set_process_count(NULL, 1));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_set_process_count(cluster, -1));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_set_process_count(cluster, INT64_C(1) << 53));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_stats(NULL, &stats));
  CHECK(stats == NULL);
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_stats(cluster, NULL));
}

static void snapshots(void) {
  CHECK_INT(0, noex_nodes_count(NULL));
  CHECK_INT(0, noex_nodes_connected_count(NULL));
  CHECK(noex_nodes_at(NULL, 0) == NULL);
  CHECK(noex_nodes_find(NULL, "a@h:1") == NULL);
  noex_nodes_free(NULL);
  CHECK(noex_stats_totals(NULL) == NULL);
  CHECK_INT(0, noex_stats_peer_count(NULL));
  CHECK(noex_stats_peer_at(NULL, 0) == NULL);
  CHECK_INT(0, noex_stats_rejected_at(NULL, 0));
  noex_stats_free(NULL);
  noex_event_free(NULL);
}

static void events(void) {
  int fd = 77;
  noex_event* event = (noex_event*)&fd;
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_event_fd(NULL, &fd));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_event_fd(cluster, NULL));
  CHECK_INT(77, fd);
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_next_event(NULL, 0, &event));
  CHECK(event == NULL);
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_next_event(cluster, 0, NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_select_events(NULL, NOEX_EVENT_ALL, NOEX_LOG_INFO));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_select_events(cluster, 64, NOEX_LOG_INFO));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_select_events(cluster, NOEX_EVENT_ALL, 0));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_select_events(cluster, NOEX_EVENT_ALL, 5));
}

/* A registration that fails gives its user data back at once. */
static void registrations(void) {
  noex_subscription subscription = 77;
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_event(NULL, NOEX_EVENT_ALL, on_event, NULL, count_destroy, &subscription));
  CHECK_INT(1, destroyed);
  CHECK_INT(0, subscription);
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_event(cluster, NOEX_EVENT_ALL, NULL, NULL, count_destroy, &subscription));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_event(cluster, 0, on_event, NULL, count_destroy, &subscription));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_event(cluster, 128, on_event, NULL, count_destroy, &subscription));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_node_up(NULL, on_up, NULL, count_destroy, &subscription));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_node_up(cluster, NULL, NULL, count_destroy, &subscription));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_node_down(NULL, on_down, NULL, count_destroy, &subscription));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_node_down(cluster, NULL, NULL, count_destroy, &subscription));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_status_change(NULL, on_status, NULL, count_destroy, &subscription));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_status_change(cluster, NULL, NULL, count_destroy, &subscription));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_error(NULL, on_error, NULL, count_destroy, &subscription));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_error(cluster, NULL, NULL, count_destroy, &subscription));
  CHECK_INT(12, destroyed);
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_on_error(cluster, NULL, NULL, NULL, NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_cancel(NULL, 1));
  CHECK_STATUS(NOEX_ENOTFOUND, noex_cluster_cancel(cluster, 1));
  CHECK_STATUS(NOEX_ENOTFOUND, noex_cluster_cancel(cluster, 0));
  /* None of it has fixed how the handle is used: it may still be pulled from. */
  int fd = -1;
  CHECK_OK(noex_cluster_event_fd(cluster, &fd));
  CHECK(fd >= 0);
}

/* The id may not be wanted: a subscription that is never cancelled. */
static void out_subscription_is_optional(void) {
  noex_cluster* other = new_cluster();
  destroyed = 0;
  CHECK_OK(noex_cluster_on_node_up(other, on_up, NULL, count_destroy, NULL));
  noex_cluster_free(other);
  CHECK_INT(1, destroyed);
}

int main(void) {
  cluster = new_cluster();
  RUN(lifecycle);
  RUN(queries);
  RUN(snapshots);
  RUN(events);
  RUN(registrations);
  RUN(out_subscription_is_optional);
  noex_cluster_free(cluster);
  return 0;
}
