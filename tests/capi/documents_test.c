/* Texts about a node: status, members and metrics, for whoever shows or collects them. */
#include <stddef.h>
#include <string.h>

#include "support/check.h"
#include "support/node.h"

static char* document_of(const noex_cluster* cluster, int32_t document) {
  char* text = NULL;
  CHECK_OK(noex_cluster_document(cluster, document, &text));
  CHECK(text != NULL);
  return text;
}

static void wait_contains(const noex_cluster* cluster, int32_t document, const char* part) {
  const int64_t until = now_ms() + DEADLINE_MS;
  for (;;) {
    char* text = document_of(cluster, document);
    const int found = strstr(text, part) != NULL;
    noex_text_free(text);
    if (found) return;
    CHECK(now_ms() < until);
    sleep_ms(5);
  }
}

static void they_tell_of_the_cluster(void) {
  char first[NOEX_NODE_ID_SIZE_MAX + 1], second[NOEX_NODE_ID_SIZE_MAX + 1];
  noex_cluster* a = start_node("a", NULL, "secret of the documents");
  read_id(a, first);
  noex_cluster* b = start_node("b", first, "secret of the documents");
  read_id(b, second);
  wait_up(a, second);
  wait_up(b, first);

  char* status = document_of(b, NOEX_DOCUMENT_STATUS);
  CHECK_CONTAINS(status, "\"name\":\"b\"");
  CHECK_CONTAINS(status, "\"status\":\"running\"");
  CHECK_CONTAINS(status, "\"authenticated\":true");
  CHECK_CONTAINS(status, "\"state\":\"connected\"");
  CHECK_CONTAINS(status, first);
  CHECK(strstr(status, "secret of the documents") == NULL);
  noex_text_free(status);

  char* members = document_of(a, NOEX_DOCUMENT_MEMBERS);
  CHECK_CONTAINS(members, second);
  CHECK_CONTAINS(members, "\"outbound\":false");
  noex_text_free(members);
  wait_contains(a, NOEX_DOCUMENT_METRICS, "noex_cluster_peer_round_trip_seconds{peer=\"");

  char* metrics = document_of(a, NOEX_DOCUMENT_METRICS);
  CHECK_CONTAINS(metrics, "noex_cluster_members{state=\"connected\"} 1\n");
  CHECK_CONTAINS(metrics, "noex_cluster_node_ups_total{kind=\"first\"} 1\n");
  CHECK_STR("# EOF\n", metrics + strlen(metrics) - strlen("# EOF\n"));
  noex_text_free(metrics);
  end_node(b);
  wait_down(a, second, NOEX_DOWN_GRACEFUL_SHUTDOWN);
  wait_contains(a, NOEX_DOCUMENT_METRICS, "noex_cluster_node_downs_total{reason=\"graceful_shutdown\"} 1\n");
  end_node(a);
}

static void they_need_a_node_that_runs(void) {
  char* text = (char*)"left alone";
  noex_cluster* cluster = new_cluster();
  CHECK_STATUS(NOEX_ENOTSTARTED, noex_cluster_document(cluster, NOEX_DOCUMENT_STATUS, &text));
  CHECK(text == NULL);
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_document(cluster, 0, &text));
  CHECK_CONTAINS(noex_last_error(), "it must be one of NOEX_DOCUMENT_*");
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_document(cluster, 4, &text));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_document(cluster, NOEX_DOCUMENT_STATUS, NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_cluster_document(NULL, NOEX_DOCUMENT_STATUS, &text));
  noex_cluster_free(cluster);
  noex_text_free(NULL);
}

/* What stands in the configuration of an older caller is no control socket. */
static void an_older_caller_has_no_control_socket(void) {
  noex_config config;
  test_config(&config, "a");
  config.control_socket = "/nowhere/at/all.sock";
  noex_cluster* cluster = new_cluster();
  CHECK_STATUS(NOEX_EBIND, noex_cluster_start(cluster, &config));
  CHECK_CONTAINS(noex_last_error(), "cannot open the control socket '/nowhere/at/all.sock'");
  CHECK_STR("ENOENT", noex_last_error_info()->code);
  config.struct_size = offsetof(noex_config, control_socket);
  CHECK_OK(noex_cluster_start(cluster, &config));
  end_node(cluster);
}

int main(void) {
  RUN(they_tell_of_the_cluster);
  RUN(they_need_a_node_that_runs);
  RUN(an_older_caller_has_no_control_socket);
  return 0;
}
