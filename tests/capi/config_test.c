/* The configuration: defaults, what is refused and why, and callers built for an older or a newer header. */
#include <noex_cluster.h>
#include <stddef.h>

#include "support/check.h"

static void has_the_documented_defaults(void) {
  noex_config config;
  memset(&config, 0xAA, sizeof config);
  noex_config_init(&config, sizeof config);
  CHECK_INT(sizeof config, config.struct_size);
  CHECK(config.node_name == NULL && config.advertise_host == NULL && config.cluster_secret == NULL &&
        config.cluster_name == NULL);
  CHECK_STR("0.0.0.0", config.host);
  CHECK_INT(4369, config.port);
  CHECK(!config.port_auto);
  CHECK(config.seeds == NULL && config.seeds_count == 0);
  CHECK_INT(5000, config.heartbeat_interval_ms);
  CHECK_INT(3, config.heartbeat_miss_threshold);
  CHECK_INT(1000, config.reconnect_base_delay_ms);
  CHECK_INT(30000, config.reconnect_max_delay_ms);
  CHECK_INT(24 * 3600 * 1000, config.forget_after_ms);
  CHECK_INT(NOEX_KEYS_SNAKE, config.key_style);
  noex_config_init(NULL, sizeof config); /* nothing */
}

static noex_config valid(void) {
  noex_config config;
  noex_config_init(&config, sizeof config);
  config.node_name = "app1";
  return config;
}

static void expect_refused(noex_config config, const char* part) {
  CHECK_STATUS(NOEX_ECONFIG, noex_config_validate(&config));
  CHECK_CONTAINS(noex_last_error(), part);
}

/* EXPECT_REFUSED(field, value, part): the valid configuration with this one change is refused, and the message has this
 * part. */
#define EXPECT_REFUSED(field, value, part) \
  do {                                     \
    noex_config changed = valid();         \
    changed.field = (value);               \
    expect_refused(changed, part);         \
  } while (0)

static void refuses_what_cannot_work(void) {
  const noex_config config = valid();
  CHECK_OK(noex_config_validate(&config));
  EXPECT_REFUSED(node_name, NULL, "node_name is required");
  EXPECT_REFUSED(node_name, "", "node_name is required");
  EXPECT_REFUSED(node_name, "1app", "invalid node_name '1app'");
  EXPECT_REFUSED(node_name, "app@host", "the host and the port are options of their own");
  EXPECT_REFUSED(node_name, "\xff\x01", "\\xff\\x01");
  EXPECT_REFUSED(host, "not a host", "invalid host 'not a host'");
  EXPECT_REFUSED(host, "", "invalid host");
  EXPECT_REFUSED(advertise_host, "0.0.0.0", "wildcard");
  EXPECT_REFUSED(advertise_host, "a b", "invalid advertise_host");
  EXPECT_REFUSED(port, 0, "invalid port '0'");
  EXPECT_REFUSED(port, 65536, "65535");
  EXPECT_REFUSED(port, -1, "invalid port '-1'");
  EXPECT_REFUSED(cluster_secret, "", "cluster_secret");
  EXPECT_REFUSED(heartbeat_interval_ms, 99, "invalid heartbeat_interval_ms '99'");
  EXPECT_REFUSED(heartbeat_interval_ms, INT64_MAX, "heartbeat_interval_ms");
  EXPECT_REFUSED(heartbeat_miss_threshold, 0, "invalid heartbeat_miss_threshold '0'");
  EXPECT_REFUSED(reconnect_base_delay_ms, 0, "reconnect_base_delay_ms");
  EXPECT_REFUSED(reconnect_max_delay_ms, 999, "reconnect_max_delay_ms");
  EXPECT_REFUSED(forget_after_ms, 0, "forget_after_ms");
}

static void names_options_as_the_caller_does(void) {
  noex_config config = valid();
  config.heartbeat_interval_ms = 1;
  config.key_style = NOEX_KEYS_CAMEL;
  expect_refused(config, "heartbeatIntervalMs");
  CHECK_OK(noex_config_check_option("heartbeat_interval_ms", NOEX_KEYS_SNAKE));
  CHECK_OK(noex_config_check_option("heartbeatIntervalMs", NOEX_KEYS_CAMEL));
  CHECK_STATUS(NOEX_ECONFIG, noex_config_check_option("heartbeatIntervalMs", NOEX_KEYS_SNAKE));
  CHECK_CONTAINS(noex_last_error(), "heartbeat_interval_ms");
  CHECK_STATUS(NOEX_ECONFIG, noex_config_check_option("clusterSecert", NOEX_KEYS_CAMEL));
  CHECK_CONTAINS(noex_last_error(), "did you mean 'clusterSecret'");
  CHECK_STATUS(NOEX_EINVAL, noex_config_check_option("port", 7));
  CHECK_STATUS(NOEX_EINVAL, noex_config_check_option(NULL, NOEX_KEYS_SNAKE));
}

static void expect_seed(const char* seed, const char* part) {
  noex_config config = valid();
  config.seeds = &seed;
  config.seeds_count = 1;
  if (part == NULL) {
    CHECK_OK(noex_config_validate(&config));
  } else {
    expect_refused(config, part);
    CHECK_CONTAINS(noex_last_error(), seed);
  }
}

static void reads_seeds(void) {
  expect_seed("app2@192.168.1.2:4369", NULL);
  expect_seed(" app2@[::1]:4369 ", NULL);
  expect_seed("nodes.example.internal:4369", NULL);
  expect_seed("", NULL); /* ''.split(',') in other languages */
  expect_seed("app2@192.168.1.2", "port");
  expect_seed("192.168.1.10:4369", "name@192.168.1.10:4369");
  expect_seed("seed1:192.168.1.10:4369", "");
  expect_seed("app2@host:0", "port");
  expect_seed("app2@ho st:1", "");
}

static void refuses_senseless_structs(void) {
  noex_config config = valid();
  config.seeds_count = 1;
  CHECK_STATUS(NOEX_EINVAL, noex_config_validate(&config));
  const char* seeds[] = {"a@h:1", NULL};
  config.seeds = seeds;
  config.seeds_count = 2;
  CHECK_STATUS(NOEX_EINVAL, noex_config_validate(&config));
  CHECK_CONTAINS(noex_last_error(), "seeds[1]");
  config = valid();
  config.key_style = 9;
  CHECK_STATUS(NOEX_EINVAL, noex_config_validate(&config));
  config = valid();
  config.struct_size = 0;
  CHECK_STATUS(NOEX_EINVAL, noex_config_validate(&config));
  CHECK_CONTAINS(noex_last_error(), "noex_config_init");
  config.struct_size = (size_t)-1;
  CHECK_STATUS(NOEX_EINVAL, noex_config_validate(&config));
  CHECK_STATUS(NOEX_EINVAL, noex_config_validate(NULL));
}

/* A caller whose header ended after `seeds_count`: what lies behind its struct is not its configuration. */
static void takes_a_smaller_struct(void) {
  struct {
    noex_config config;
  } caller;
  memset(&caller, 0xAA, sizeof caller);
  const size_t older = offsetof(noex_config, cluster_secret);
  noex_config_init(&caller.config, older);
  CHECK_INT(older, caller.config.struct_size);
  CHECK_STR("0.0.0.0", caller.config.host);
  unsigned char behind;
  memcpy(&behind, (unsigned char*)&caller.config + older, 1);
  CHECK_INT(0xAA, behind); /* init wrote nothing beyond the caller's struct */
  caller.config.node_name = "older";
  CHECK_OK(noex_config_validate(&caller.config)); /* 0xAAAA... would be no valid secret pointer, nor interval */
  caller.config.port = 0;
  CHECK_STATUS(NOEX_ECONFIG, noex_config_validate(&caller.config)); /* what it has counts */
}

static void takes_a_larger_struct_while_the_rest_is_zero(void) {
  struct {
    noex_config config;
    int64_t invented_later;
  } caller;
  memset(&caller, 0xAA, sizeof caller);
  noex_config_init(&caller.config, sizeof caller);
  CHECK_INT(sizeof caller, caller.config.struct_size);
  CHECK_INT(0, caller.invented_later);
  caller.config.node_name = "newer";
  CHECK_OK(noex_config_validate(&caller.config));
  caller.invented_later = 1;
  CHECK_STATUS(NOEX_EINVAL, noex_config_validate(&caller.config));
  CHECK_CONTAINS(noex_last_error(), "later");
}

int main(void) {
  RUN(has_the_documented_defaults);
  RUN(refuses_what_cannot_work);
  RUN(names_options_as_the_caller_does);
  RUN(reads_seeds);
  RUN(refuses_senseless_structs);
  RUN(takes_a_smaller_struct);
  RUN(takes_a_larger_struct_while_the_rest_is_zero);
  return 0;
}
