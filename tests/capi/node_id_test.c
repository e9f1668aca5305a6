/* Node ids: what is one, what is not and why, and the canonical spelling. */
#include <noex_cluster.h>

#include "support/check.h"

static void takes_apart(void) {
  static const struct {
    const char *text, *name, *host;
    int port;
    const char* canonical;
  } cases[] = {
      {"app1@192.168.1.10:4369", "app1", "192.168.1.10", 4369, "app1@192.168.1.10:4369"},
      {"worker-1@localhost:4370", "worker-1", "localhost", 4370, "worker-1@localhost:4370"},
      {"api_2@api.example.com:1", "api_2", "api.example.com", 1, "api_2@api.example.com:1"},
      {"n@[::1]:65535", "n", "::1", 65535, "n@[::1]:65535"},
      {"n@::1:5000", "n", "::1", 5000, "n@[::1]:5000"},
      {"n@[0:0:0:0:0:0:0:1]:5000", "n", "::1", 5000, "n@[::1]:5000"},
      {"n@[2001:DB8::A]:5000", "n", "2001:db8::a", 5000, "n@[2001:db8::a]:5000"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    noex_node_id_parts parts = {.struct_size = sizeof parts};
    char canonical[NOEX_NODE_ID_SIZE_MAX + 1];
    CHECK_OK(noex_node_id_parse(cases[i].text, strlen(cases[i].text), &parts));
    CHECK_STR(cases[i].name, parts.name);
    CHECK_STR(cases[i].host, parts.host);
    CHECK_INT(cases[i].port, parts.port);
    CHECK_OK(noex_node_id_parse(cases[i].text, strlen(cases[i].text), NULL));
    CHECK_OK(noex_node_id_canonical(cases[i].text, strlen(cases[i].text), canonical, sizeof canonical));
    CHECK_STR(cases[i].canonical, canonical);
    CHECK_OK(noex_node_id_create(parts.name, parts.host, parts.port, canonical, sizeof canonical));
    CHECK_STR(cases[i].canonical, canonical);
  }
}

static void refuses_with_the_reason(void) {
  static const struct {
    const char *text, *reason;
  } cases[] = {
      {"", "empty"},
      {"app1", "no '@'"},
      {"app1@host", "no port"},
      {"app1@[::1]", "no port"},
      {"@host:4369", "name"},
      {"1app@host:4369", "letter"},
      {"a b@host:4369", "letters"},
      {"app@:4369", "host"},
      {"app@host:0", "65535"},
      {"app@host:65536", "65535"},
      {"app@host:99999999999999999999", "65535"},
      {"app@host:+1", "65535"},
      {"app@host:0080", "65535"},
      {"app@host:80 ", "65535"},
      {"app@ho st:80", "host"},
      {"app@-host:80", "host"},
      {"app@[::1:80", "host"},
      {"app@256.1.1.1:80", "host"},
      {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@h:1", "64"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    CHECK_STATUS(NOEX_ENODEID, noex_node_id_parse(cases[i].text, strlen(cases[i].text), NULL));
    CHECK_CONTAINS(noex_last_error(), cases[i].reason);
    CHECK_CONTAINS(noex_last_error(), "invalid node id '");
  }
  /* A NUL inside is a character like any other that does not belong there, and is shown. */
  CHECK_STATUS(NOEX_ENODEID, noex_node_id_parse("a\0b@h:1", 7, NULL));
  CHECK_CONTAINS(noex_last_error(), "\\x00");
}

static void the_longest_id_fits(void) {
  char name[NOEX_NODE_NAME_SIZE_MAX + 1], host[NOEX_HOST_SIZE_MAX + 1], id[NOEX_NODE_ID_SIZE_MAX + 1];
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  for (size_t i = 0; i < sizeof host - 1; i++) host[i] = i % 64 == 63 ? '.' : 'h';
  host[sizeof host - 1] = '\0';
  CHECK_OK(noex_node_id_create(name, host, 65535, id, sizeof id));
  CHECK_INT(NOEX_NODE_ID_SIZE_MAX, strlen(id));
  noex_node_id_parts parts = {.struct_size = sizeof parts};
  CHECK_OK(noex_node_id_parse(id, strlen(id), &parts));
  CHECK_STR(name, parts.name);
  CHECK_STR(host, parts.host);
}

static void says_when_the_buffer_is_too_small(void) {
  char buffer[16] = "untouched";
  CHECK_STATUS(NOEX_EBUFFER, noex_node_id_create("app", "10.0.0.1", 4369, buffer, sizeof buffer));
  CHECK_STR("untouched", buffer);
  CHECK_CONTAINS(noex_last_error(), "18");
  CHECK_STATUS(NOEX_EBUFFER, noex_node_id_canonical("app@10.0.0.1:4369", 17, buffer, 0));
  char exact[18];
  CHECK_OK(noex_node_id_canonical("app@10.0.0.1:4369", 17, exact, sizeof exact));
  CHECK_STR("app@10.0.0.1:4369", exact);
}

static void refuses_senseless_arguments(void) {
  char buffer[NOEX_NODE_ID_SIZE_MAX + 1];
  noex_node_id_parts parts = {.struct_size = 3};
  CHECK_STATUS(NOEX_EINVAL, noex_node_id_parse(NULL, 0, NULL));
  CHECK_STATUS(NOEX_EINVAL, noex_node_id_parse("a@h:1", 5, &parts));
  CHECK_STATUS(NOEX_EINVAL, noex_node_id_canonical(NULL, 0, buffer, sizeof buffer));
  CHECK_STATUS(NOEX_EINVAL, noex_node_id_canonical("a@h:1", 5, NULL, 10));
  CHECK_STATUS(NOEX_EINVAL, noex_node_id_create(NULL, "h", 1, buffer, sizeof buffer));
  CHECK_STATUS(NOEX_EINVAL, noex_node_id_create("a", NULL, 1, buffer, sizeof buffer));
  CHECK_STATUS(NOEX_EINVAL, noex_node_id_create("a", "h", 1, NULL, 0));
  CHECK_STATUS(NOEX_ENODEID, noex_node_id_create("a", "h", 0, buffer, sizeof buffer));
  CHECK_STATUS(NOEX_ENODEID, noex_node_id_create("a", "h", INT64_MIN, buffer, sizeof buffer));
  CHECK_STATUS(NOEX_ENODEID, noex_node_id_create("a@b", "h", 1, buffer, sizeof buffer));
}

int main(void) {
  RUN(takes_apart);
  RUN(refuses_with_the_reason);
  RUN(the_longest_id_fits);
  RUN(says_when_the_buffer_is_too_small);
  RUN(refuses_senseless_arguments);
  return 0;
}
