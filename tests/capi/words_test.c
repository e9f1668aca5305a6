/* Versions, the names of statuses and enums, the table of statuses, the layout of the public structs, and the last
 * error. */
#include <errno.h> /* its EINVAL and ENOMEM are macros; the header's table must survive them */
#include <noex_cluster.h>
#include <pthread.h>
#include <stddef.h>

#include "support/check.h"

/* The layout is a promise: a field that moves breaks programs that were built before. Fields are only ever appended. */
#define AT(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field " has moved")
AT(noex_config, struct_size, 0);
AT(noex_config, node_name, 8);
AT(noex_config, host, 16);
AT(noex_config, advertise_host, 24);
AT(noex_config, port, 32);
AT(noex_config, port_auto, 40);
AT(noex_config, seeds, 48);
AT(noex_config, seeds_count, 56);
AT(noex_config, cluster_secret, 64);
AT(noex_config, cluster_name, 72);
AT(noex_config, heartbeat_interval_ms, 80);
AT(noex_config, heartbeat_miss_threshold, 88);
AT(noex_config, reconnect_base_delay_ms, 96);
AT(noex_config, reconnect_max_delay_ms, 104);
AT(noex_config, forget_after_ms, 112);
AT(noex_config, key_style, 120);
AT(noex_error, status, 8);
AT(noex_error, kind, 12);
AT(noex_error, message, 16);
AT(noex_error, node_id, 24);
AT(noex_error, address, 32);
AT(noex_error, port, 40);
AT(noex_error, os_error, 44);
AT(noex_error, code, 48);
AT(noex_error, syscall, 56);
AT(noex_node, id, 8);
AT(noex_node, host, 16);
AT(noex_node, port, 24);
AT(noex_node, status, 28);
AT(noex_node, process_count, 32);
AT(noex_node, last_heartbeat_at, 40);
AT(noex_node, uptime_ms, 48);
AT(noex_node, incarnation, 56);
AT(noex_event, kind, 8);
AT(noex_event, sequence, 16);
AT(noex_event, created_at, 24);
AT(noex_event, node, 32);
AT(noex_event, reason, 40);
AT(noex_event, evidence, 48);
AT(noex_event, status, 56);
AT(noex_event, error, 64);
AT(noex_event, level, 72);
AT(noex_event, message, 80);
AT(noex_event, operation, 88);
AT(noex_event, operation_kind, 96);
AT(noex_peer_stats, id, 8);
AT(noex_peer_stats, address, 16);
AT(noex_peer_stats, outbound, 24);
AT(noex_peer_stats, confirmed, 25);
AT(noex_peer_stats, frames_received, 32);
AT(noex_peer_stats, bytes_queued, 64);
AT(noex_stats, frames_received, 8);
AT(noex_stats, rejected, 64);
AT(noex_stats, events_queued, 152);
AT(noex_node_id_parts, name, 8);
AT(noex_node_id_parts, host, 73);
AT(noex_node_id_parts, port, 328);

static void the_library_is_the_header_s(void) {
  CHECK_STR(NOEX_VERSION_STRING, noex_version());
  CHECK_INT(NOEX_VERSION_MAJOR * 1000000 + NOEX_VERSION_MINOR * 1000 + NOEX_VERSION_PATCH, noex_version_number());
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", NOEX_VERSION_MAJOR, NOEX_VERSION_MINOR, NOEX_VERSION_PATCH);
  CHECK_STR(text, noex_version());
  CHECK_INT(1, noex_protocol_version());
}

static void statuses_have_names_and_numbers_of_their_own(void) {
  static const struct {
    int32_t number;
    const char *name, *text;
  } table[] = {
#define XX(name, number, text) {number, "NOEX_" #name, text},
      NOEX_STATUS_MAP(XX)
#undef XX
  };
  const size_t count = sizeof table / sizeof table[0];
  CHECK(count == 15);
  for (size_t i = 0; i < count; i++) {
    CHECK(table[i].number < 0);
    CHECK_STR(table[i].name, noex_status_name(table[i].number));
    CHECK_STR(table[i].text, noex_status_message(table[i].number));
    for (size_t j = 0; j < i; j++) CHECK(table[i].number != table[j].number);
  }
  CHECK_STR("NOEX_EINVAL", noex_status_name(NOEX_EINVAL));
  CHECK_STR("NOEX_OK", noex_status_name(NOEX_OK));
  CHECK_STR("NOEX_EUNKNOWN", noex_status_name(1));
  CHECK_STR("NOEX_EUNKNOWN", noex_status_name(-99));
  CHECK(noex_status_message(-99)[0] != '\0');
}

static void enums_have_the_documented_words(void) {
  CHECK_STR("connecting", noex_node_status_name(NOEX_NODE_CONNECTING));
  CHECK_STR("connected", noex_node_status_name(NOEX_NODE_CONNECTED));
  CHECK_STR("disconnected", noex_node_status_name(NOEX_NODE_DISCONNECTED));
  CHECK_STR("starting", noex_cluster_status_name(NOEX_CLUSTER_STARTING));
  CHECK_STR("running", noex_cluster_status_name(NOEX_CLUSTER_RUNNING));
  CHECK_STR("stopping", noex_cluster_status_name(NOEX_CLUSTER_STOPPING));
  CHECK_STR("stopped", noex_cluster_status_name(NOEX_CLUSTER_STOPPED));
  CHECK_STR("heartbeat_timeout", noex_down_reason_name(NOEX_DOWN_HEARTBEAT_TIMEOUT));
  CHECK_STR("connection_closed", noex_down_reason_name(NOEX_DOWN_CONNECTION_CLOSED));
  CHECK_STR("connection_refused", noex_down_reason_name(NOEX_DOWN_CONNECTION_REFUSED));
  CHECK_STR("graceful_shutdown", noex_down_reason_name(NOEX_DOWN_GRACEFUL_SHUTDOWN));
  CHECK_STR("protocol", noex_error_kind_name(NOEX_ERROR_PROTOCOL));
  CHECK_STR("authentication", noex_error_kind_name(NOEX_ERROR_AUTHENTICATION));
  CHECK_STR("duplicate_id", noex_error_kind_name(NOEX_ERROR_DUPLICATE_ID));
  CHECK_STR("cluster_mismatch", noex_error_kind_name(NOEX_ERROR_CLUSTER_MISMATCH));
  CHECK_STR("overload", noex_error_kind_name(NOEX_ERROR_OVERLOAD));
  CHECK_STR("internal", noex_error_kind_name(NOEX_ERROR_INTERNAL));
  CHECK_STR("debug", noex_log_level_name(NOEX_LOG_DEBUG));
  CHECK_STR("info", noex_log_level_name(NOEX_LOG_INFO));
  CHECK_STR("warning", noex_log_level_name(NOEX_LOG_WARNING));
  CHECK_STR("error", noex_log_level_name(NOEX_LOG_ERROR));
  for (int32_t strange = -1; strange <= 99; strange += 100) {
    CHECK_STR("unknown", noex_node_status_name(strange));
    CHECK_STR("unknown", noex_cluster_status_name(strange));
    CHECK_STR("unknown", noex_down_reason_name(strange));
    CHECK_STR("unknown", noex_error_kind_name(strange));
    CHECK_STR("unknown", noex_log_level_name(strange));
  }
}

static void kinds_of_refusal_have_names(void) {
  const size_t count = noex_stats_rejected_kind_count();
  CHECK(count >= 10);
  bool bad_signature = false;
  for (size_t i = 0; i < count; i++) {
    CHECK(noex_stats_rejected_kind_name(i) != NULL && noex_stats_rejected_kind_name(i)[0] != '\0');
    if (strcmp(noex_stats_rejected_kind_name(i), "bad_signature") == 0) bad_signature = true;
    for (size_t j = 0; j < i; j++)
      CHECK(strcmp(noex_stats_rejected_kind_name(i), noex_stats_rejected_kind_name(j)) != 0);
  }
  CHECK(bad_signature);
  CHECK(noex_stats_rejected_kind_name(count) == NULL);
}

static void the_last_error_is_cleared_by_the_next_call(void) {
  CHECK_STATUS(NOEX_ENODEID, noex_node_id_parse("x", 1, NULL));
  CHECK_INT(NOEX_ENODEID, noex_last_error_info()->status);
  CHECK_STR(noex_last_error(), noex_last_error_info()->message);
  CHECK_INT(sizeof(noex_error), noex_last_error_info()->struct_size);
  noex_nodes_free(NULL); /* cleaning up keeps the reason */
  noex_cluster_free(NULL);
  noex_event_free(NULL);
  noex_stats_free(NULL);
  CHECK(noex_last_error()[0] != '\0');
  CHECK_OK(noex_node_id_parse("a@h:1", 5, NULL));
  CHECK_STR("", noex_last_error());
  const noex_error* info = noex_last_error_info();
  CHECK_INT(NOEX_OK, info->status);
  CHECK_STR("", info->message);
  CHECK_STR("", info->node_id);
  CHECK_STR("", info->address);
  CHECK_STR("", info->code);
  CHECK_STR("", info->syscall);
  CHECK_INT(0, info->port);
  CHECK_INT(0, info->os_error);
}

static void* other_thread(void* unused) {
  CHECK_STR("", noex_last_error());
  CHECK(noex_node_id_create("a", "h", 0, (char[8]){0}, 8) == NOEX_ENODEID);
  CHECK_CONTAINS(noex_last_error(), "a@h:0");
  return unused;
}

static void the_last_error_is_per_thread(void) {
  CHECK_STATUS(NOEX_ENODEID, noex_node_id_parse("mine", 4, NULL));
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, other_thread, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK_CONTAINS(noex_last_error(), "mine");
}

static pthread_key_t at_exit;

/* Runs while the thread's own memory is taken down; glibc runs such destructors after those of C++. */
static void use_the_library(void* unused) {
  (void)unused;
  CHECK(noex_node_id_parse("at exit", 7, NULL) == NOEX_ENODEID);
  CHECK_CONTAINS(noex_last_error(), "at exit");
}

static void* thread_with_a_destructor(void* unused) {
  CHECK(noex_node_id_parse("x", 1, NULL) == NOEX_ENODEID);
  CHECK(pthread_setspecific(at_exit, &at_exit) == 0);
  return unused;
}

static void the_last_error_works_while_a_thread_ends(void) {
  CHECK(pthread_key_create(&at_exit, use_the_library) == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, thread_with_a_destructor, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(pthread_key_delete(at_exit) == 0);
}

static void a_long_message_is_cut_not_lost(void) {
  char host[5000];
  memset(host, 'h', sizeof host - 1);
  host[sizeof host - 1] = '\0';
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  CHECK_STATUS(NOEX_ENODEID, noex_node_id_create("a", host, 1, id, sizeof id));
  CHECK(strlen(noex_last_error()) < 2048);
}

int main(void) {
  RUN(the_library_is_the_header_s);
  RUN(statuses_have_names_and_numbers_of_their_own);
  RUN(enums_have_the_documented_words);
  RUN(kinds_of_refusal_have_names);
  RUN(the_last_error_is_cleared_by_the_next_call);
  RUN(the_last_error_is_per_thread);
  RUN(the_last_error_works_while_a_thread_ends);
  RUN(a_long_message_is_cut_not_lost);
  return 0;
}
