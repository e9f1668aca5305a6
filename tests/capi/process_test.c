/* A node inside somebody else's process: fork, signals, and every road out of a program without a stop. Each case that
 * ends a process runs in a child of its own, several times over: races at exit show only now and then. */
#include <dirent.h>
#include <noex_cluster.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"
#include "support/node.h"

/* 20 times; 200 in the long form, a few under a sanitizer, which makes each a matter of seconds. */
static int times(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 8;
#else
  return getenv("NOEX_SOAK") == NULL ? 20 : 200;
#endif
}

/* To leave without a stop, and to fork with threads about, is what is tried here: the thread sanitizer is not to
 * complain of that. */
#if defined(__SANITIZE_THREAD__)
enum { THREAD_SANITIZER = 1 };
const char* __tsan_default_options(void);
__attribute__((visibility("default"))) const char* __tsan_default_options(void) {
  return "report_thread_leaks=0:die_after_fork=0:atexit_sleep_ms=100";
}
#else
enum { THREAD_SANITIZER = 0 };
#endif

/* In a child of a process with threads the stacks of those threads are lost, and all that only they pointed to. */
static bool leaks_are_known;
#if defined(__SANITIZE_ADDRESS__)
int __lsan_is_turned_off(void);
__attribute__((visibility("default"))) int __lsan_is_turned_off(void) { return leaks_are_known; }
#endif

static void nothing(const noex_event* event, void* user_data) { (void)event, (void)user_data; }

/* How a child ended. It is ended after a minute. */
static int outcome_of(pid_t child) {
  CHECK(child >= 0);
  int outcome = 0;
  CHECK(waitpid(child, &outcome, 0) == child);
  return outcome;
}

static pid_t fork_quietly(void) {
  fflush(stdout);
  fflush(stderr);
  const pid_t child = fork();
  if (child == 0) alarm(60);
  return child;
}

/* Two nodes that know each other, one pulled from, one called back: threads of every kind are at work. In a process
 * that is about to end they know a third, outside, that sees how they go. */
static const char* witness_id;
static noex_cluster *pulled, *called_back;
static void two_nodes(void) {
  pulled = start_node("pulled", witness_id, "secret");
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  read_id(pulled, id);
  noex_config config;
  test_config(&config, "called-back");
  config.heartbeat_interval_ms = 100;
  const char* seed = id;
  config.seeds = &seed;
  config.seeds_count = 1;
  config.cluster_secret = "secret";
  called_back = new_cluster();
  CHECK_OK(noex_cluster_on_event(called_back, NOEX_EVENT_ALL, nothing, NULL, NULL, NULL));
  CHECK_OK(noex_cluster_start(called_back, &config));
  read_id(called_back, id);
  wait_up(pulled, id);
}

/* -------------------------------------------------------------------------------------------------------------------
 * exits */

static void leave_by_exit(void) { exit(7); }

static void leave_by_underscore_exit(void) { _exit(8); }

static void leave_by_abort(void) { abort(); }

static void leave_by_sigterm(void) { CHECK(raise(SIGTERM) == 0); }

static void leave_by_sigkill(void) { CHECK(raise(SIGKILL) == 0); }

static void die_in_a_callback(const noex_event* event, void* user_data) {
  (void)event, (void)user_data;
  abort();
}
static void leave_by_abort_in_a_callback(void) {
  CHECK_OK(noex_cluster_on_event(called_back, NOEX_EVENT_NODE_DOWN, die_in_a_callback, NULL, NULL, NULL));
  CHECK_OK(noex_cluster_stop_async(pulled, NULL));
  for (;;) pause();
}

static void exit_in_a_callback(const noex_event* event, void* user_data) {
  (void)event, (void)user_data;
  exit(9);
}
static void leave_by_exit_in_a_callback(void) {
  CHECK_OK(noex_cluster_on_event(called_back, NOEX_EVENT_NODE_DOWN, exit_in_a_callback, NULL, NULL, NULL));
  CHECK_OK(noex_cluster_stop_async(pulled, NULL));
  for (;;) pause();
}

static void stop_at_exit(void) {
  CHECK_OK(noex_cluster_stop(pulled));
  CHECK_OK(noex_cluster_stop(called_back));
}
static void leave_by_exit_with_a_handler(void) {
  CHECK(atexit(stop_at_exit) == 0);
  exit(10);
}

static void* exit_from_a_thread(void* unused) {
  (void)unused;
  exit(11);
}
static void leave_by_exit_from_another_thread(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, exit_from_a_thread, NULL) == 0);
  for (;;) pause();
}

/* The main thread alone may end: the node goes on, and the process is ended by whoever is left. */
static void* stop_later(void* unused) {
  stop_at_exit();
  (void)unused;
  exit(12);
}
static void leave_by_pthread_exit(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, stop_later, NULL) == 0);
  pthread_exit(NULL);
}

static void leave_by_return(void) {}

/* Each of them in a process of its own: this very program, run anew with the name of the road. */
struct road {
  const char* name;
  void (*leave)(void);
  int code;   /* that the process ends with, */
  int number; /* or the signal */
  bool stops; /* some of its nodes say goodbye */
};
static const struct road ROADS[] = {
    {"exit", leave_by_exit, 7, 0, false},
    {"_exit", leave_by_underscore_exit, 8, 0, false},
    {"exit-in-a-callback", leave_by_exit_in_a_callback, 9, 0, true},
    {"stop-at-exit", leave_by_exit_with_a_handler, 10, 0, true},
    {"exit-from-a-thread", leave_by_exit_from_another_thread, 11, 0, false},
    {"pthread_exit", leave_by_pthread_exit, 12, 0, true},
    {"return-from-main", leave_by_return, 13, 0, false},
    {"abort", leave_by_abort, 0, SIGABRT, false},
    {"abort-in-a-callback", leave_by_abort_in_a_callback, 0, SIGABRT, true},
    {"sigterm", leave_by_sigterm, 0, SIGTERM, false},
    {"sigkill", leave_by_sigkill, 0, SIGKILL, false},
};

static const struct road* find_road(const char* name) {
  for (size_t i = 0; i < sizeof ROADS / sizeof *ROADS; i++) {
    if (strcmp(ROADS[i].name, name) == 0) return &ROADS[i];
  }
  CHECK_FAIL("there is no road %s", name);
}

static int take(const struct road* road, const char* witness) {
  witness_id = witness;
  two_nodes();
  road->leave();
  return road->code;
}

/* Reads what the witness has to say until nobody is connected to it; how many went without a goodbye. */
static int gone_without_a_word(noex_cluster* witness, const struct road* road) {
  int count = 0;
  for (;;) {
    size_t connected = 0;
    noex_event* event = NULL;
    CHECK_OK(noex_cluster_connected_count(witness, &connected));
    const noex_status status = noex_cluster_next_event(witness, connected == 0 ? 0 : DEADLINE_MS, &event);
    if (status == NOEX_ETIMEOUT && connected == 0) return count;
    CHECK_INT(NOEX_OK, status);
    if (event->kind == NOEX_EVENT_NODE_DOWN) {
      if (event->reason == NOEX_DOWN_GRACEFUL_SHUTDOWN) {
        if (!road->stops) CHECK_FAIL("%s said goodbye by the road %s", event->node->id, road->name);
      } else {
        CHECK_STR("connection_closed", noex_down_reason_name(event->reason));
        count++;
      }
    }
    noex_event_free(event);
  }
}

static const char* program;

static void every_road_out(void) {
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  for (const struct road* road = ROADS; road < ROADS + sizeof ROADS / sizeof *ROADS; road++) {
    noex_cluster* witness = start_node("witness", NULL, "secret");
    read_id(witness, id);
    int gone = 0;
    for (int i = 0; i < times(); i++) {
      const pid_t child = fork_quietly();
      if (child == 0) {
        execl(program, program, road->name, id, (char*)NULL);
        _exit(98);
      }
      const int outcome = outcome_of(child);
      if (road->number == 0) {
        if (WIFSIGNALED(outcome)) CHECK_FAIL("by the road %s signal %d came", road->name, WTERMSIG(outcome));
        CHECK_INT(road->code, WEXITSTATUS(outcome));
      } else {
        CHECK(WIFSIGNALED(outcome));
        CHECK_INT(road->number, WTERMSIG(outcome));
      }
      gone += gone_without_a_word(witness, road);
    }
    if (!road->stops) CHECK(gone > 0);
    end_node(witness);
  }
}

/* --------------------------------------------------------------------------------------------------------------------
 * fork */

_Noreturn static void in_the_child(void) {
  leaks_are_known = true;
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  noex_config config;
  test_config(&config, "child");
  noex_event* event = NULL;
  noex_nodes* nodes = NULL;
  noex_stats_snapshot* stats = NULL;
  int32_t status = 0;
  int fd;
  uint64_t version;
  bool connected;
  size_t count;
  int64_t uptime;
  noex_cluster* const handles[] = {pulled, called_back};
  for (int i = 0; i < 2; i++) {
    noex_cluster* cluster = handles[i];
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_start(cluster, &config));
    CHECK_CONTAINS(noex_last_error(), "parent");
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_start_async(cluster, &config, NULL));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_stop(cluster));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_stop_async(cluster, NULL));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_wait(cluster, -1));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_status(cluster, &status));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_local_id(cluster, id, sizeof id));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_local_node(cluster, &nodes));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_nodes(cluster, &nodes));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_nodes_version(cluster, &version));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_is_node_connected(cluster, "a@h:1", &connected));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_connected_count(cluster, &count));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_uptime_ms(cluster, &uptime));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_set_process_count(cluster, 1));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_stats(cluster, &stats));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_event_fd(cluster, &fd));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_next_event(cluster, -1, &event));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_select_events(cluster, NOEX_EVENT_ALL, NOEX_LOG_INFO));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_on_event(cluster, NOEX_EVENT_ALL, nothing, NULL, NULL, NULL));
    CHECK_STATUS(NOEX_EFORKED, noex_cluster_cancel(cluster, 1));
    noex_cluster_free(cluster); /* nothing */
  }
  if (THREAD_SANITIZER) exit(0); /* it cannot follow threads that a child of a process with threads starts */
  /* A node of its own is possible. */
  noex_cluster* own = start_node("own", NULL, NULL);
  end_node(own);
  exit(0);
}

static void a_child_has_no_part_in_its_parent_s_node(void) {
  two_nodes();
  for (int i = 0; i < times(); i++) {
    const pid_t child = fork_quietly();
    if (child == 0) in_the_child();
    CHECK_INT(0, outcome_of(child));
  }
  /* The parent's listener and connections have not noticed: a new node joins, nobody went. */
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  read_id(pulled, id);
  noex_cluster* late = start_node("late", id, "secret");
  read_id(late, id);
  wait_up(pulled, id);
  expect_quiet(pulled, NOEX_EVENT_NODE_DOWN, 100);
  end_node(late);
  end_node(called_back);
  end_node(pulled);
}

static void fork_inside(const noex_event* event, void* status_of_child) {
  if (event->status != NOEX_CLUSTER_RUNNING) return;
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    leaks_are_known = true;
    return; /* the child goes on in a thread of ours that has no node: it must end, not spin */
  }
  int outcome = 0;
  for (int i = 0; i < DEADLINE_MS && waitpid(child, &outcome, WNOHANG) == 0; i += 10) sleep_ms(10);
  atomic_store((atomic_int*)status_of_child, outcome == 0 ? 1 : -1);
}

static void a_fork_inside_a_callback(void) {
  if (THREAD_SANITIZER) return; /* nor the end of a thread there */
  atomic_int child = 0;
  noex_cluster* cluster = new_cluster();
  CHECK_OK(noex_cluster_on_event(cluster, NOEX_EVENT_STATUS, fork_inside, &child, NULL, NULL));
  start_at(cluster, "a", 0, NULL);
  CHECK_INT(1, atomic_load(&child));
  end_node(cluster);
}

/* -----------------------------------------------------------------------------------------------------------------
 * signals */

/* Our threads take none of the host's signals, and a write to a peer that is gone raises no SIGPIPE in them. */
static void our_threads_block_all_but_faults(void) {
  CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
  two_nodes();
  DIR* tasks = opendir("/proc/self/task");
  CHECK(tasks != NULL);
  int checked = 0;
  for (struct dirent* task; (task = readdir(tasks)) != NULL;) {
    if (task->d_name[0] == '.') continue;
    char path[300], line[256], name[64] = "";
    unsigned long long blocked = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
    FILE* file = fopen(path, "r");
    if (file == NULL) continue; /* it has ended meanwhile */
    while (fgets(line, sizeof line, file) != NULL) {
      if (strncmp(line, "Name:", 5) == 0) sscanf(line, "Name: %63s", name);
      if (strncmp(line, "SigBlk:", 7) == 0) sscanf(line, "SigBlk: %llx", &blocked);
    }
    CHECK(fclose(file) == 0);
    if (strncmp(name, "noex-", 5) != 0) continue;
    checked++;
    for (int number = 1; number < 32; number++) {
      const bool faulty =
          number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGABRT;
      if (faulty || number == SIGKILL || number == SIGSTOP) continue;
      if ((blocked >> (number - 1) & 1) == 0) CHECK_FAIL("the thread %s does not block signal %d", name, number);
    }
  }
  CHECK(closedir(tasks) == 0);
  CHECK(checked >= 3); /* two I/O threads, one dispatch thread */
  end_node(called_back);
  end_node(pulled);
}

/* A peer that resets its connection while we write to it, again and again, with SIGPIPE at its default. */
static void a_dead_peer_does_not_kill_the_process(void) {
  CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
  noex_config config;
  test_config(&config, "a");
  config.heartbeat_interval_ms = 100;
  noex_cluster* cluster = new_cluster();
  CHECK_OK(noex_cluster_start(cluster, &config));
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  read_id(cluster, id);
  for (int i = 0; i < 20; i++) {
    char peer[64];
    snprintf(peer, sizeof peer, "peer%d@127.0.0.1:1", i);
    const int fd = connect_to(port_of(id));
    send_heartbeat(fd, peer);
    wait_up(cluster, peer);
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
    CHECK(close(fd) == 0);
    wait_down(cluster, peer, NOEX_DOWN_CONNECTION_CLOSED);
  }
  end_node(cluster);
}

static void many_handles_live_side_by_side(void) {
  enum { COUNT = 12 };
  noex_cluster* nodes[COUNT];
  char first[NOEX_NODE_ID_SIZE_MAX + 1], name[16];
  for (int i = 0; i < COUNT; i++) {
    snprintf(name, sizeof name, "node%d", i);
    nodes[i] = start_node(name, i == 0 ? NULL : first, NULL);
    if (i == 0) read_id(nodes[0], first);
  }
  for (int i = 0; i < COUNT; i++) {
    for (int seen = 0; seen < COUNT - 1; seen++) noex_event_free(wait_event(nodes[i], NOEX_EVENT_NODE_UP, NULL));
    size_t count = 0;
    CHECK_OK(noex_cluster_connected_count(nodes[i], &count));
    CHECK_INT(COUNT - 1, count);
  }
  for (int i = 0; i < COUNT; i++)
    expect_quiet(nodes[i], NOEX_EVENT_NODE_UP | NOEX_EVENT_NODE_DOWN | NOEX_EVENT_ERROR, 20);
  for (int i = 0; i < COUNT; i++) {
    if (i % 2 == 0) CHECK_OK(noex_cluster_stop(nodes[i]));
    noex_cluster_free(nodes[i]);
  }
}

static int open_descriptors(void) {
  DIR* folder = opendir("/proc/self/fd");
  CHECK(folder != NULL);
  int count = 0;
  while (readdir(folder) != NULL) count++;
  CHECK(closedir(folder) == 0);
  return count;
}

static void no_descriptor_is_left_behind(void) {
  two_nodes();
  end_node(called_back);
  end_node(pulled);
  const int before = open_descriptors();
  for (int i = 0; i < 5; i++) {
    two_nodes();
    end_node(called_back);
    noex_cluster_free(pulled);
  }
  CHECK_INT(before, open_descriptors());
}

int main(int argc, char** argv) {
  program = argv[0];
  if (argc == 3) return take(find_road(argv[1]), argv[2]);
  RUN(every_road_out);
  RUN(a_child_has_no_part_in_its_parent_s_node);
  RUN(a_fork_inside_a_callback);
  RUN(our_threads_block_all_but_faults);
  RUN(a_dead_peer_does_not_kill_the_process);
  RUN(many_handles_live_side_by_side);
  RUN(no_descriptor_is_left_behind);
  return 0;
}
