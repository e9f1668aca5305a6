/* A cluster node in C: joins a mesh, prints who comes and goes, and leaves politely.
 *
 *   Terminal 1, a first node:                       cluster_node seed1 4369
 *   Terminal 2, joins through it:                   cluster_node worker1 4370 seed1@localhost:4369
 *   Terminal 3, finds seed1 by itself, by gossip:   cluster_node worker2 4371 worker1@localhost:4370
 *
 * Ctrl-C (or SIGTERM) stops it: the others hear a goodbye. The secret of the cluster, if it has one, comes from the
 * environment (NOEX_CLUSTER_SECRET), because an argument could be read by everyone on the machine.
 */
#define _POSIX_C_SOURCE 200809L

#include <noex_cluster.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPORT_INTERVAL_S = 10 };

static void on_node_up(const noex_node* node, void* name) {
  printf("[%s] Node joined: %s\n", (const char*)name, node->id);
}

static void on_node_down(const char* id, int32_t reason, void* name) {
  printf("[%s] Node left: %s (%s)\n", (const char*)name, id, noex_down_reason_name(reason));
}

static void on_status_change(int32_t status, void* name) {
  printf("[%s] Cluster status: %s\n", (const char*)name, noex_cluster_status_name(status));
}

static void on_error(const noex_error* error, void* name) {
  fprintf(stderr, "[%s] %s\n", (const char*)name, error->message);
}

static void print_connected(const noex_cluster* cluster, const char* name) {
  noex_nodes* nodes;
  if (noex_cluster_nodes(cluster, &nodes) != NOEX_OK) return;
  printf("[%s] Connected to %zu nodes:\n", name, noex_nodes_connected_count(nodes));
  for (size_t i = 0; i < noex_nodes_count(nodes); i++) {
    const noex_node* node = noex_nodes_at(nodes, i);
    if (node->status == NOEX_NODE_CONNECTED)
      printf("  - %s (%lld processes)\n", node->id, (long long)node->process_count);
  }
  noex_nodes_free(nodes);
}

/* Prints the reason of the last failure and returns the exit code for it. */
static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, noex_last_error());
  return 1;
}

static int watch(noex_cluster* cluster, char* name) {
  noex_subscription unused;
  if (noex_cluster_on_node_up(cluster, on_node_up, name, NULL, &unused) != NOEX_OK ||
      noex_cluster_on_node_down(cluster, on_node_down, name, NULL, &unused) != NOEX_OK ||
      noex_cluster_on_status_change(cluster, on_status_change, name, NULL, &unused) != NOEX_OK ||
      noex_cluster_on_error(cluster, on_error, name, NULL, &unused) != NOEX_OK) {
    return failed("cannot watch the cluster");
  }
  return 0;
}

/* Reports every few seconds, until one of `signals` (which are blocked) comes. */
static void run(const noex_cluster* cluster, const char* name, const sigset_t* signals) {
  const struct timespec interval = {.tv_sec = REPORT_INTERVAL_S};
  while (sigtimedwait(signals, NULL, &interval) < 0) print_connected(cluster, name);
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s NAME PORT [SEED...]\n", argv[0]);
    return 2;
  }
  char* name = argv[1];
  setvbuf(stdout, NULL, _IOLBF, 0);

  /* Blocked here, taken in run(): no handler, so nothing is interrupted at a bad moment. */
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);

  noex_config config;
  noex_config_init(&config, sizeof config);
  config.node_name = name;
  config.port = strtol(argv[2], NULL, 10);
  config.seeds = (const char* const*)&argv[3];
  config.seeds_count = (size_t)(argc - 3);
  config.cluster_secret = getenv("NOEX_CLUSTER_SECRET");
  config.heartbeat_interval_ms = 2000; /* fast, for a demonstration */
  config.heartbeat_miss_threshold = 2;

  printf("Starting node: %s\n", name);
  noex_cluster* cluster;
  if (noex_cluster_create(&cluster) != NOEX_OK) return failed("cannot create the node");
  int code = watch(cluster, name);
  if (code == 0 && noex_cluster_start(cluster, &config) != NOEX_OK) code = failed("cannot start");
  if (code == 0) {
    char id[NOEX_NODE_ID_SIZE_MAX + 1];
    if (noex_cluster_local_id(cluster, id, sizeof id) == NOEX_OK) printf("[%s] Started as %s\n", name, id);
    run(cluster, name, &signals);
    printf("\nShutting down...\n");
    if (noex_cluster_stop(cluster) != NOEX_OK) code = failed("cannot stop");
  }
  noex_cluster_free(cluster);
  return code;
}
