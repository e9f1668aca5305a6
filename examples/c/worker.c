/* A cluster node in plain C, against the public header alone: says what happens as JSON lines, takes `view` and `stop`
 * on stdin. The demo and the mesh tests start it; by hand: NOEX_CLUSTER_SECRET=... worker --name c1 --port 4370 --seed
 * seed1@127.0.0.1:4369
 *
 * It pulls its events: one poll() waits for the cluster and for stdin, and no callback runs on a thread of the library.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include <noex_cluster.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SEEDS_MAX = 16 };

/* Writes `text` as a JSON string. Everything that the library hands out is UTF-8. */
static void print_string(const char* text) {
  putchar('"');
  for (; *text != '\0'; text++) {
    const unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') {
      printf("\\%c", c);
    } else if (c < 0x20) {
      printf("\\u%04x", c);
    } else {
      putchar(c);
    }
  }
  putchar('"');
}

static void print_field(const char* key, const char* value) {
  printf(",\"%s\":", key);
  print_string(value);
}

static void begin(const char* event) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  printf("{\"event\":\"%s\",\"at\":%lld", event, (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

static void end(void) {
  puts("}");
  fflush(stdout);
}

static void print_status(const noex_cluster* cluster, int32_t status) {
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  begin("status");
  print_field("status", noex_cluster_status_name(status));
  if (status == NOEX_CLUSTER_RUNNING && noex_cluster_local_id(cluster, id, sizeof id) == NOEX_OK)
    print_field("node", id);
  end();
}

static void print_error(const noex_error* error) {
  begin("error");
  print_field("kind", noex_error_kind_name(error->kind));
  print_field("message", error->message);
  print_field("node", error->node_id);
  print_field("address", error->address);
  end();
}

static void print_view(const noex_cluster* cluster) {
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  int32_t status = 0;
  noex_nodes* nodes = NULL;
  if (noex_cluster_local_id(cluster, id, sizeof id) != NOEX_OK || noex_cluster_status(cluster, &status) != NOEX_OK ||
      noex_cluster_nodes(cluster, &nodes) != NOEX_OK) {
    fprintf(stderr, "worker: %s\n", noex_last_error());
    return;
  }
  begin("view");
  print_field("self", id);
  print_field("status", noex_cluster_status_name(status));
  printf(",\"nodes\":[");
  for (size_t i = 0; i < noex_nodes_count(nodes); i++) {
    const noex_node* node = noex_nodes_at(nodes, i);
    printf("%s{\"id\":", i == 0 ? "" : ",");
    print_string(node->id);
    print_field("status", noex_node_status_name(node->status));
    putchar('}');
  }
  putchar(']');
  end();
  noex_nodes_free(nodes);
}

/* Takes every queued event. Returns false once the node is stopped. */
static bool handle_events(noex_cluster* cluster) {
  noex_event* event = NULL;
  bool running = true;
  while (noex_cluster_next_event(cluster, 0, &event) == NOEX_OK) {
    switch (event->kind) {
      case NOEX_EVENT_NODE_UP:
        begin("up");
        print_field("node", event->node->id);
        end();
        break;
      case NOEX_EVENT_NODE_DOWN:
        begin("down");
        print_field("node", event->node->id);
        print_field("reason", noex_down_reason_name(event->reason));
        end();
        break;
      case NOEX_EVENT_STATUS:
        print_status(cluster, event->status);
        if (event->status == NOEX_CLUSTER_STOPPED) running = false;
        break;
      case NOEX_EVENT_ERROR:
        print_error(event->error);
        break;
      default: /* completions, and whatever a later version adds */
        break;
    }
    noex_event_free(event);
  }
  return running;
}

/* Reads what stdin has and obeys its lines. Returns false when the node is to stop: at `stop`, or at the end of stdin.
 */
static bool handle_commands(const noex_cluster* cluster) {
  static char line[256];
  static size_t size = 0;
  char buffer[256];
  const ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
  if (got <= 0) return false;
  for (ssize_t i = 0; i < got; i++) {
    if (buffer[i] != '\n') {
      if (size < sizeof line - 1) line[size++] = buffer[i];
      continue;
    }
    line[size] = '\0';
    size = 0;
    if (strcmp(line, "view") == 0) print_view(cluster);
    if (strcmp(line, "stop") == 0) return false;
  }
  return true;
}

/* Fills `config` from the command line. Returns false if it makes no sense. */
static bool read_options(int argc, char** argv, noex_config* config, const char** seeds) {
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) return false;
    const char* value = argv[i + 1];
    if (strcmp(argv[i], "--name") == 0) {
      config->node_name = value;
    } else if (strcmp(argv[i], "--host") == 0) {
      config->host = value;
    } else if (strcmp(argv[i], "--port") == 0) {
      config->port_auto = strcmp(value, "auto") == 0;
      if (!config->port_auto) config->port = strtoll(value, NULL, 10);
    } else if (strcmp(argv[i], "--interval") == 0) {
      config->heartbeat_interval_ms = strtoll(value, NULL, 10);
    } else if (strcmp(argv[i], "--threshold") == 0) {
      config->heartbeat_miss_threshold = strtoll(value, NULL, 10);
    } else if (strcmp(argv[i], "--seed") == 0 && config->seeds_count < SEEDS_MAX) {
      seeds[config->seeds_count++] = value;
    } else {
      return false;
    }
  }
  config->seeds = seeds;
  config->cluster_secret = getenv("NOEX_CLUSTER_SECRET");
  return config->node_name != NULL;
}

int main(int argc, char** argv) {
  const char* seeds[SEEDS_MAX];
  noex_config config;
  noex_config_init(&config, sizeof config);
  if (!read_options(argc, argv, &config, seeds)) {
    fprintf(stderr,
            "usage: worker --name NAME [--host H] [--port N|auto] [--seed ID]... [--interval MS] [--threshold N]\n");
    return 2;
  }

  noex_cluster* cluster = NULL;
  int event_fd = -1;
  if (noex_cluster_create(&cluster) != NOEX_OK || noex_cluster_event_fd(cluster, &event_fd) != NOEX_OK ||
      noex_cluster_start(cluster, &config) != NOEX_OK) {
    fprintf(stderr, "worker: %s\n", noex_last_error());
    noex_cluster_free(cluster);
    return 1;
  }

  struct pollfd watched[] = {{.fd = event_fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
  bool running = true;
  while (running) {
    if (poll(watched, 2, -1) < 0) continue; /* a signal */
    if (watched[0].revents != 0) running = handle_events(cluster);
    if (running && watched[1].revents != 0 && !handle_commands(cluster)) {
      watched[1].fd = -1;
      if (noex_cluster_stop_async(cluster, NULL) != NOEX_OK) break;
    }
  }
  noex_cluster_free(cluster);
  return 0;
}
