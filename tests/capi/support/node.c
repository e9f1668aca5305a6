#include "node.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sleep_ms(int ms) {
  const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
  nanosleep(&time, NULL);
}

void test_config(noex_config* config, const char* name) {
  noex_config_init(config, sizeof *config);
  config->node_name = name;
  config->host = "127.0.0.1";
  config->port_auto = true;
  config->heartbeat_interval_ms = 500;
  config->heartbeat_miss_threshold = 20; /* nothing here is to time out because the machine is slow */
  config->reconnect_base_delay_ms = 50;
  config->reconnect_max_delay_ms = 500;
}

noex_cluster* new_cluster(void) {
  noex_cluster* cluster = NULL;
  CHECK_OK(noex_cluster_create(&cluster));
  CHECK(cluster != NULL);
  return cluster;
}

static void start_configured(noex_cluster* cluster, const noex_config* config) {
  CHECK_OK(noex_cluster_start(cluster, config));
}

noex_cluster* start_node(const char* name, const char* seed, const char* secret) {
  noex_config config;
  test_config(&config, name);
  config.seeds = &seed;
  config.seeds_count = seed == NULL ? 0 : 1;
  config.cluster_secret = secret;
  noex_cluster* cluster = new_cluster();
  start_configured(cluster, &config);
  return cluster;
}

void start_at(noex_cluster* cluster, const char* name, int64_t port, const char* seed) {
  noex_config config;
  test_config(&config, name);
  config.port_auto = port == 0;
  config.port = port;
  config.seeds = &seed;
  config.seeds_count = seed == NULL ? 0 : 1;
  start_configured(cluster, &config);
}

void end_node(noex_cluster* cluster) {
  CHECK_OK(noex_cluster_stop(cluster));
  noex_cluster_free(cluster);
}

void read_id(const noex_cluster* cluster, char* id) {
  CHECK_OK(noex_cluster_local_id(cluster, id, NOEX_NODE_ID_SIZE_MAX + 1));
}

int64_t port_of(const char* id) {
  noex_node_id_parts parts = {.struct_size = sizeof parts};
  CHECK_OK(noex_node_id_parse(id, strlen(id), &parts));
  return parts.port;
}

int32_t status_of(const noex_cluster* cluster) {
  int32_t status = 0;
  CHECK_OK(noex_cluster_status(cluster, &status));
  return status;
}

static noex_event* next_before(noex_cluster* cluster, int64_t deadline, const char* what) {
  const int64_t left = deadline - now_ms();
  noex_event* event = NULL;
  const noex_status status = noex_cluster_next_event(cluster, left > 0 ? (int32_t)left : 0, &event);
  if (status != NOEX_OK) CHECK_FAIL("waiting for %s: %s", what, noex_last_error());
  return event;
}

noex_event* wait_event(noex_cluster* cluster, int32_t kind, const char* id) {
  const int64_t deadline = now_ms() + DEADLINE_MS;
  char what[NOEX_NODE_ID_SIZE_MAX + 64];
  snprintf(what, sizeof what, "an event of kind %d%s%s", (int)kind, id ? " about " : "", id ? id : "");
  for (;;) {
    noex_event* event = next_before(cluster, deadline, what);
    const bool about = id == NULL || (event->node != NULL && strcmp(event->node->id, id) == 0);
    if (event->kind == kind && about) return event;
    if (id != NULL && about) CHECK_FAIL("waiting for %s, but an event of kind %d came", what, (int)event->kind);
    noex_event_free(event);
  }
}

void wait_up(noex_cluster* cluster, const char* id) { noex_event_free(wait_event(cluster, NOEX_EVENT_NODE_UP, id)); }

void wait_down(noex_cluster* cluster, const char* id, int32_t reason) {
  noex_event* event = wait_event(cluster, NOEX_EVENT_NODE_DOWN, id);
  CHECK_STR(noex_down_reason_name(reason), noex_down_reason_name(event->reason));
  CHECK(event->evidence != NULL && event->evidence[0] != '\0');
  noex_event_free(event);
}

void wait_status(noex_cluster* cluster, int32_t status) {
  noex_event* event = wait_event(cluster, NOEX_EVENT_STATUS, NULL);
  CHECK_STR(noex_cluster_status_name(status), noex_cluster_status_name(event->status));
  noex_event_free(event);
}

noex_status wait_completion(noex_cluster* cluster, uint64_t operation) {
  for (;;) {
    noex_event* event = wait_event(cluster, NOEX_EVENT_COMPLETION, NULL);
    const bool found = event->operation == operation;
    const noex_status status = event->error == NULL ? NOEX_OK : event->error->status;
    noex_event_free(event);
    if (found) return status;
  }
}

void expect_quiet(noex_cluster* cluster, uint32_t kinds, int ms) {
  const int64_t deadline = now_ms() + ms;
  for (int64_t left = ms; left > 0; left = deadline - now_ms()) {
    noex_event* event = NULL;
    if (noex_cluster_next_event(cluster, (int32_t)left, &event) != NOEX_OK) return;
    if (((uint32_t)event->kind & kinds) != 0) {
      CHECK_FAIL("an event of kind %d came%s%s", (int)event->kind, event->node ? " about " : "",
                 event->node ? event->node->id : "");
    }
    noex_event_free(event);
  }
}

void wait_count(const atomic_int* counter, int count) {
  const int64_t deadline = now_ms() + DEADLINE_MS;
  while (atomic_load(counter) < count) {
    if (now_ms() > deadline) CHECK_FAIL("only %d of %d came in time", atomic_load(counter), count);
    sleep_ms(1);
  }
}

static struct sockaddr_in loopback(int64_t port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connect_to(int64_t port) {
  const struct sockaddr_in address = loopback(port);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(fd >= 0);
  CHECK(connect(fd, (const struct sockaddr*)&address, sizeof address) == 0);
  return fd;
}

int listen_somewhere(int64_t* out_port) {
  struct sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(fd >= 0);
  CHECK(bind(fd, (const struct sockaddr*)&address, sizeof address) == 0 && listen(fd, 8) == 0);
  CHECK(getsockname(fd, (struct sockaddr*)&address, &size) == 0);
  *out_port = ntohs(address.sin_port);
  return fd;
}

void send_heartbeat(int fd, const char* id) {
  noex_node_id_parts parts = {.struct_size = sizeof parts};
  CHECK_OK(noex_node_id_parse(id, strlen(id), &parts));
  char frame[2048];
  const int size = snprintf(
      frame + 4, sizeof frame - 4,
      "{\"version\":1,\"from\":\"%s\",\"timestamp\":1700000000000,\"payload\":{\"type\":\"heartbeat\",\"nodeInfo\":{"
      "\"id\":\"%s\",\"host\":\"%s\",\"port\":%d,\"status\":\"connected\",\"processCount\":0,"
      "\"lastHeartbeatAt\":1700000000000,\"uptimeMs\":1},\"knownNodes\":[]}}",
      id, id, parts.host, (int)parts.port);
  CHECK(size > 0 && (size_t)size < sizeof frame - 4);
  const uint32_t length = htonl((uint32_t)size);
  memcpy(frame, &length, 4);
  CHECK(send(fd, frame, (size_t)size + 4, MSG_NOSIGNAL) == size + 4);
}
