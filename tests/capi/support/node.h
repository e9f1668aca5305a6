/* Nodes for the C tests: on the loopback interface, on free ports, with deadlines for everything that is waited for. */
#ifndef NOEX_TESTS_CAPI_NODE_H
#define NOEX_TESTS_CAPI_NODE_H

#include <noex_cluster.h>
#include <stdatomic.h>

/* How long anything may take before it counts as not happening; the machine may be busy with other tests. */
enum { DEADLINE_MS = 30000 };

int64_t now_ms(void);
void sleep_ms(int ms);

/* The defaults, but 127.0.0.1, any free port, and quick beats. */
void test_config(noex_config* config, const char* name);
noex_cluster* new_cluster(void);
/* A node that runs; `seed` and `secret` may be NULL. */
noex_cluster* start_node(const char* name, const char* seed, const char* secret);
/* Starts `cluster` under this name and port (0: any). */
void start_at(noex_cluster* cluster, const char* name, int64_t port, const char* seed);
/* Stops and frees it. */
void end_node(noex_cluster* cluster);

/* The local id; `id` has NOEX_NODE_ID_SIZE_MAX + 1 bytes. */
void read_id(const noex_cluster* cluster, char* id);
int64_t port_of(const char* id);
int32_t status_of(const noex_cluster* cluster);

/* Pulls until an event of this kind comes, about this node if `id` is not NULL, and returns it; others are dropped, but
 * for node events about that node, which fail the test: they would have come out of order. */
noex_event* wait_event(noex_cluster* cluster, int32_t kind, const char* id);
void wait_up(noex_cluster* cluster, const char* id);
void wait_down(noex_cluster* cluster, const char* id, int32_t reason);
void wait_status(noex_cluster* cluster, int32_t status);
/* The completion of this operation; the status it ended with. */
noex_status wait_completion(noex_cluster* cluster, uint64_t operation);
/* Pulls for `ms` and fails if an event of one of these kinds comes. */
void expect_quiet(noex_cluster* cluster, uint32_t kinds, int ms);

/* Waits until `*counter` is at least `count`. */
void wait_count(const atomic_int* counter, int count);

/* A bare TCP connection to 127.0.0.1:`port`. */
int connect_to(int64_t port);
/* A listening socket on 127.0.0.1; writes its port. */
int listen_somewhere(int64_t* out_port);
/* Sends a heartbeat of wire v1 without secret, as an implementation without our extensions does. */
void send_heartbeat(int fd, const char* id);

#endif
