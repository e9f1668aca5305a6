/* Nodes of one process see each other: ups, downs and their reasons, restarts, secrets, aliases, lists and statistics.
 */
#include <noex_cluster.h>

#include "support/check.h"
#include "support/node.h"

typedef char node_id[NOEX_NODE_ID_SIZE_MAX + 1];

static void two_meet_and_part_politely(void) {
  node_id first, second;
  noex_cluster* a = start_node("a", NULL, NULL);
  read_id(a, first);
  noex_cluster* b = start_node("b", first, NULL);
  read_id(b, second);
  wait_up(a, second);
  wait_up(b, first);
  bool connected = false;
  CHECK_OK(noex_cluster_is_node_connected(a, second, &connected));
  CHECK(connected);
  CHECK_OK(noex_cluster_stop(b));
  wait_down(a, second, NOEX_DOWN_GRACEFUL_SHUTDOWN);
  CHECK_OK(noex_cluster_is_node_connected(a, second, &connected));
  CHECK(!connected);
  expect_quiet(b, NOEX_EVENT_NODE_DOWN, 0); /* the own stop reports nobody */
  noex_cluster_free(b);
  end_node(a);
}

static void free_says_no_goodbye(void) {
  node_id first, second;
  noex_cluster* a = start_node("a", NULL, NULL);
  read_id(a, first);
  noex_cluster* b = start_node("b", first, NULL);
  read_id(b, second);
  wait_up(a, second);
  noex_cluster_free(b);
  wait_down(a, second, NOEX_DOWN_CONNECTION_CLOSED);
  end_node(a);
}

/* The third knows only the second: the first it hears of by gossip. */
static void a_third_is_found_by_gossip(void) {
  node_id ids[3];
  noex_cluster* nodes[3];
  nodes[0] = start_node("a", NULL, "s");
  read_id(nodes[0], ids[0]);
  nodes[1] = start_node("b", ids[0], "s");
  read_id(nodes[1], ids[1]);
  nodes[2] = start_node("c", ids[1], "s");
  read_id(nodes[2], ids[2]);
  for (int i = 0; i < 3; i++) {
    int seen = 0;
    while (seen < 2) {
      noex_event* event = wait_event(nodes[i], NOEX_EVENT_NODE_UP, NULL);
      CHECK(strcmp(event->node->id, ids[i]) != 0); /* nobody is up for itself */
      noex_event_free(event);
      seen++;
    }
    noex_nodes* list;
    CHECK_OK(noex_cluster_nodes(nodes[i], &list));
    CHECK_INT(2, noex_nodes_count(list));
    CHECK_INT(2, noex_nodes_connected_count(list));
    CHECK(strcmp(noex_nodes_at(list, 0)->id, noex_nodes_at(list, 1)->id) < 0); /* sorted */
    CHECK(noex_nodes_at(list, 2) == NULL);
    for (int j = 0; j < 3; j++) CHECK((noex_nodes_find(list, ids[j]) == NULL) == (i == j));
    size_t count = 0;
    CHECK_OK(noex_cluster_connected_count(nodes[i], &count));
    CHECK_INT(2, count);
    noex_nodes_free(list);
  }
  for (int i = 0; i < 3; i++) expect_quiet(nodes[i], NOEX_EVENT_NODE_UP | NOEX_EVENT_NODE_DOWN | NOEX_EVENT_ERROR, 200);
  for (int i = 2; i >= 0; i--) end_node(nodes[i]);
}

static void a_list_shows_what_the_node_said(void) {
  node_id first, second;
  noex_cluster* a = start_node("a", NULL, NULL);
  read_id(a, first);
  noex_cluster* b = new_cluster();
  CHECK_OK(noex_cluster_set_process_count(b, 42));
  start_at(b, "b", 0, first);
  read_id(b, second);
  noex_event* event = wait_event(a, NOEX_EVENT_NODE_UP, second);
  CHECK_INT(sizeof(noex_event), event->struct_size);
  CHECK(event->sequence > 0 && event->created_at > INT64_C(1600000000000));
  CHECK(event->error == NULL && event->message == NULL && event->evidence == NULL);
  CHECK_STR("127.0.0.1", event->node->host);
  CHECK_INT(port_of(second), event->node->port);
  CHECK_INT(NOEX_NODE_CONNECTED, event->node->status);
  CHECK(event->node->incarnation != 0);
  /* Inside the event the list already shows the node. */
  noex_nodes* list;
  CHECK_OK(noex_cluster_nodes(a, &list));
  const noex_node* node = noex_nodes_find(list, second);
  CHECK(node != NULL);
  CHECK_INT(NOEX_NODE_CONNECTED, node->status);
  CHECK_INT(event->node->incarnation, node->incarnation);
  CHECK(node->last_heartbeat_at >= event->created_at - 60000);
  noex_event_free(event);

  /* The list stands still; a new one shows a new number, and has another version. */
  uint64_t version, newer;
  CHECK_OK(noex_cluster_nodes_version(a, &version));
  CHECK_OK(noex_cluster_set_process_count(b, 43));
  const int64_t deadline = now_ms() + DEADLINE_MS;
  for (int64_t seen = -1; seen != 43;) {
    CHECK(now_ms() < deadline);
    sleep_ms(10);
    noex_nodes* fresh;
    CHECK_OK(noex_cluster_nodes(a, &fresh));
    seen = noex_nodes_find(fresh, second)->process_count;
    noex_nodes_free(fresh);
  }
  CHECK_OK(noex_cluster_nodes_version(a, &newer));
  CHECK(version != newer);
  CHECK_INT(42, node->process_count);
  int64_t uptime = -1;
  CHECK_OK(noex_cluster_uptime_ms(a, &uptime));
  CHECK(uptime > 0 && uptime < 3600 * 1000);
  end_node(b);
  end_node(a);
  CHECK_STR(second, node->id); /* a list outlives its handle */
  noex_nodes_free(list);
}

static void a_restart_is_one_down_and_one_up(void) {
  node_id first, second;
  noex_cluster* a = start_node("a", NULL, NULL);
  read_id(a, first);
  noex_cluster* b = start_node("b", first, NULL);
  read_id(b, second);
  noex_event* event = wait_event(a, NOEX_EVENT_NODE_UP, second);
  const uint64_t incarnation = event->node->incarnation;
  noex_event_free(event);
  noex_cluster_free(b); /* a crash */
  b = new_cluster();
  start_at(b, "b", port_of(second), first);
  wait_down(a, second, NOEX_DOWN_CONNECTION_CLOSED);
  event = wait_event(a, NOEX_EVENT_NODE_UP, second);
  CHECK(event->node->incarnation != incarnation && event->node->incarnation != 0);
  noex_event_free(event);
  wait_up(b, first);
  expect_quiet(a, NOEX_EVENT_NODE_UP | NOEX_EVENT_NODE_DOWN, 1200);
  expect_quiet(b, NOEX_EVENT_NODE_UP | NOEX_EVENT_NODE_DOWN, 0);
  CHECK_OK(noex_cluster_stop(b)); /* and a polite one */
  start_at(b, "b", port_of(second), first);
  wait_down(a, second, NOEX_DOWN_GRACEFUL_SHUTDOWN);
  wait_up(a, second);
  expect_quiet(a, NOEX_EVENT_NODE_UP | NOEX_EVENT_NODE_DOWN, 1200);
  end_node(b);
  end_node(a);
}

/* `who`: the node concerned where it is known, which is the seed that was dialled; of a stranger only the address is.
 */
static void expect_secret_error(noex_cluster* cluster, const char* who) {
  noex_event* event = wait_event(cluster, NOEX_EVENT_ERROR, NULL);
  CHECK(event->error != NULL);
  CHECK_STR("authentication", noex_error_kind_name(event->error->kind));
  CHECK_INT(NOEX_OK, event->error->status);
  CHECK_CONTAINS(event->error->message, "secret");
  if (who == NULL) {
    CHECK_CONTAINS(event->error->address, "127.0.0.1:");
  } else {
    CHECK_STR(who, event->error->node_id);
  }
  noex_event_free(event);
}

static void without_the_secret_nobody_joins(void) {
  static const char* const secrets[] = {"guessed", NULL};
  for (int i = 0; i < 2; i++) {
    node_id first;
    noex_cluster* a = start_node("a", NULL, "the secret");
    read_id(a, first);
    noex_cluster* b = start_node("b", first, secrets[i]);
    expect_secret_error(a, NULL);
    expect_secret_error(b, first);
    expect_quiet(a, NOEX_EVENT_NODE_UP | NOEX_EVENT_NODE_DOWN, 500);
    expect_quiet(b, NOEX_EVENT_NODE_UP | NOEX_EVENT_NODE_DOWN, 100);
    size_t count = 99;
    CHECK_OK(noex_cluster_connected_count(b, &count));
    CHECK_INT(0, count);
    noex_stats_snapshot* stats;
    CHECK_OK(noex_cluster_stats(a, &stats));
    CHECK(noex_stats_totals(stats)->rejected > 0);
    uint64_t by_kind = 0;
    for (size_t kind = 0; kind < noex_stats_rejected_kind_count(); kind++) {
      const uint64_t refused = noex_stats_rejected_at(stats, kind);
      by_kind += refused;
      if (strcmp(noex_stats_rejected_kind_name(kind), i == 0 ? "bad_signature" : "missing_signature") == 0)
        CHECK(refused > 0);
    }
    CHECK_INT(noex_stats_totals(stats)->rejected, by_kind);
    noex_stats_free(stats);
    end_node(b);
    end_node(a);
  }
}

/* A seed under another name than its own is an alias: asked for, it is found; listed is the real id alone. */
static void a_seed_by_another_name_is_an_alias(void) {
  node_id first, second, alias, spelt;
  noex_cluster* a = start_node("a", NULL, NULL);
  read_id(a, first);
  snprintf(alias, sizeof alias, "anything@localhost:%d", (int)port_of(first));
  noex_cluster* b = start_node("b", alias, NULL);
  read_id(b, second);
  wait_up(b, first);
  bool connected = false;
  CHECK_OK(noex_cluster_is_node_connected(b, alias, &connected));
  CHECK(connected);
  noex_nodes* list;
  CHECK_OK(noex_cluster_nodes(b, &list));
  CHECK_INT(1, noex_nodes_count(list));
  CHECK(noex_nodes_find(list, alias) == noex_nodes_at(list, 0));
  CHECK_STR(first, noex_nodes_find(list, alias)->id);
  CHECK(noex_nodes_find(list, "anything@localhost:1") == NULL);
  CHECK(noex_nodes_find(list, "no id at all") == NULL);
  CHECK(noex_nodes_find(list, NULL) == NULL);
  noex_nodes_free(list);
  /* In another spelling of the id too. */
  snprintf(spelt, sizeof spelt, "a@::ffff:127.0.0.1:%d", (int)port_of(first));
  CHECK_OK(noex_cluster_is_node_connected(b, spelt, &connected));
  CHECK(connected);
  CHECK_OK(noex_cluster_is_node_connected(b, "no id at all", &connected));
  CHECK(!connected);
  end_node(b);
  end_node(a);
}

static void statistics_count_what_happened(void) {
  node_id first, second;
  noex_cluster* a = start_node("a", NULL, NULL);
  read_id(a, first);
  noex_cluster* b = start_node("b", first, NULL);
  read_id(b, second);
  wait_up(a, second);
  wait_up(b, first);
  noex_stats_snapshot* stats;
  CHECK_OK(noex_cluster_stats(a, &stats));
  const noex_stats* totals = noex_stats_totals(stats);
  CHECK_INT(sizeof(noex_stats), totals->struct_size);
  CHECK(totals->frames_received >= 2 && totals->frames_sent >= 1);
  CHECK(totals->bytes_received > 100 && totals->bytes_sent > 100);
  CHECK(totals->connections_accepted >= 1);
  CHECK_INT(1, totals->node_ups);
  CHECK_INT(0, totals->node_downs);
  CHECK_INT(1, totals->nodes_known);
  CHECK_INT(1, totals->nodes_connected);
  CHECK_INT(0, totals->rejected);
  CHECK(noex_stats_peer_count(stats) >= 1);
  const noex_peer_stats* peer = noex_stats_peer_at(stats, 0);
  CHECK_STR(second, peer->id);
  CHECK_CONTAINS(peer->address, "127.0.0.1:");
  CHECK(!peer->outbound && peer->confirmed);
  CHECK(peer->frames_received >= 2 && peer->bytes_received > 100);
  CHECK(noex_stats_peer_at(stats, noex_stats_peer_count(stats)) == NULL);
  CHECK_INT(0, noex_stats_rejected_at(stats, 9999));
  noex_stats_free(stats);
  CHECK_OK(noex_cluster_stats(b, &stats));
  CHECK(noex_stats_peer_at(stats, 0)->outbound);
  CHECK(noex_stats_totals(stats)->dials >= 1);
  noex_stats_free(stats);
  end_node(b);
  end_node(a);
}

/* A seed that is not there is refused once, and joined when it comes. */
static void a_seed_may_come_late(void) {
  node_id second;
  int64_t port;
  noex_cluster* a = start_node("late", NULL, NULL);
  read_id(a, second);
  port = port_of(second);
  noex_cluster_free(a);
  noex_cluster* b = start_node("b", second, NULL);
  wait_down(b, second, NOEX_DOWN_CONNECTION_REFUSED);
  a = new_cluster();
  start_at(a, "late", port, NULL);
  wait_up(b, second);
  end_node(b);
  end_node(a);
}

static void another_cluster_name_is_refused(void) {
  node_id first;
  noex_cluster* a = start_node("a", NULL, NULL);
  read_id(a, first);
  noex_config config;
  test_config(&config, "b");
  const char* seed = first;
  config.seeds = &seed;
  config.seeds_count = 1;
  config.cluster_name = "staging";
  noex_cluster* b = new_cluster();
  CHECK_OK(noex_cluster_start(b, &config));
  noex_event* event = wait_event(a, NOEX_EVENT_ERROR, NULL);
  CHECK_STR("cluster_mismatch", noex_error_kind_name(event->error->kind));
  CHECK_CONTAINS(event->error->message, "staging");
  noex_event_free(event);
  expect_quiet(a, NOEX_EVENT_NODE_UP, 200);
  expect_quiet(b, NOEX_EVENT_NODE_UP, 0);
  end_node(b);
  end_node(a);
}

int main(void) {
  RUN(two_meet_and_part_politely);
  RUN(free_says_no_goodbye);
  RUN(a_third_is_found_by_gossip);
  RUN(a_list_shows_what_the_node_said);
  RUN(a_restart_is_one_down_and_one_up);
  RUN(without_the_secret_nobody_joins);
  RUN(a_seed_by_another_name_is_an_alias);
  RUN(statistics_count_what_happened);
  RUN(a_seed_may_come_late);
  RUN(another_cluster_name_is_refused);
  return 0;
}
