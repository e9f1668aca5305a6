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

/* Runs `body` in a child, which must not return from it, and gives back how the child ended. Ends it after a minute. */
static int outcome_of(void (*body)(void)) {
  fflush(stdout);
  fflush(stderr);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(60);
    body();
    _exit(99);
  }
  int outcome = 0;
  CHECK(waitpid(child, &outcome, 0) == child);
  return outcome;
}

static void expect_exit(void (*body)(void), int code) {
  for (int i = 0; i < times(); i++) {
    const int outcome = outcome_of(body);
    if (WIFSIGNALED(outcome)) CHECK_FAIL("the child was ended by signal %d", WTERMSIG(outcome));
    CHECK_INT(code, WEXITSTATUS(outcome));
  }
}

static void expect_signal(void (*body)(void), int number) {
  for (int i = 0; i < times(); i++) {
    const int outcome = outcome_of(body);
    CHECK(WIFSIGNALED(outcome));
    CHECK_INT(number, WTERMSIG(outcome));
  }
}

/* Two nodes that know each other, one pulled from, one called back: threads of every kind are at work. */
static noex_cluster *pulled, *called_back;
static void two_nodes(void) {
  pulled = start_node("pulled", NULL, "secret");
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
  noex_event_free(wait_event(pulled, NOEX_EVENT_NODE_UP, NULL));
}

/* -------------------------------------------------------------------------------------------------------------------
 * exits */

static void leave_by_exit(void) {
  two_nodes();
  exit(7);
}
static void exit_without_stop(void) { expect_exit(leave_by_exit, 7); }

static void leave_by_underscore_exit(void) {
  two_nodes();
  _exit(8);
}
static void underscore_exit_without_stop(void) { expect_exit(leave_by_underscore_exit, 8); }

static void leave_by_abort(void) {
  two_nodes();
  abort();
}
static void abort_without_stop(void) { expect_signal(leave_by_abort, SIGABRT); }

static void die_in_a_callback(const noex_event* event, void* user_data) {
  (void)event, (void)user_data;
  abort();
}
static void leave_by_abort_in_a_callback(void) {
  two_nodes();
  CHECK_OK(noex_cluster_on_event(called_back, NOEX_EVENT_ALL, die_in_a_callback, NULL, NULL, NULL));
  CHECK_OK(noex_cluster_stop_async(called_back, NULL));
  for (;;) pause();
}
static void abort_in_a_callback(void) { expect_signal(leave_by_abort_in_a_callback, SIGABRT); }

static void exit_in_a_callback(const noex_event* event, void* user_data) {
  (void)event, (void)user_data;
  exit(9);
}
static void leave_by_exit_in_a_callback(void) {
  two_nodes();
  CHECK_OK(noex_cluster_on_event(called_back, NOEX_EVENT_ALL, exit_in_a_callback, NULL, NULL, NULL));
  CHECK_OK(noex_cluster_stop_async(called_back, NULL));
  for (;;) pause();
}
static void exit_inside_a_callback(void) { expect_exit(leave_by_exit_in_a_callback, 9); }

static void stop_at_exit(void) {
  CHECK_OK(noex_cluster_stop(pulled));
  noex_cluster_free(called_back);
}
static void leave_by_exit_with_a_handler(void) {
  two_nodes();
  CHECK(atexit(stop_at_exit) == 0);
  exit(10);
}
static void stop_in_an_exit_handler(void) { expect_exit(leave_by_exit_with_a_handler, 10); }

static void* exit_from_a_thread(void* unused) {
  (void)unused;
  exit(11);
}
static void leave_by_exit_from_another_thread(void) {
  two_nodes();
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, exit_from_a_thread, NULL) == 0);
  for (;;) pause();
}
static void exit_from_another_thread(void) { expect_exit(leave_by_exit_from_another_thread, 11); }

/* The main thread alone may end: the node goes on, and the process is ended by whoever is left. */
static void* stop_later(void* unused) {
  (void)unused;
  CHECK_OK(noex_cluster_stop(pulled));
  CHECK_OK(noex_cluster_stop(called_back));
  exit(12);
}
static void leave_by_pthread_exit(void) {
  two_nodes();
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, stop_later, NULL) == 0);
  pthread_exit(NULL);
}
static void pthread_exit_of_the_main_thread(void) { expect_exit(leave_by_pthread_exit, 12); }

/* Called by main() for a child that is this very program, run anew: a real return from a real main. */
static int return_from_main(void) {
  two_nodes();
  return 13;
}
static const char* program;
static void run_anew(void) {
  execl(program, program, "return-from-main", (char*)NULL);
  _exit(98);
}
static void a_return_from_main(void) { expect_exit(run_anew, 13); }

/* --------------------------------------------------------------------------------------------------------------------
 * fork */

static void in_the_child(void) {
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
  for (int i = 0; i < times(); i++) CHECK_INT(0, outcome_of(in_the_child));
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
  if (argc == 2 && strcmp(argv[1], "return-from-main") == 0) return return_from_main();
  RUN(exit_without_stop);
  RUN(underscore_exit_without_stop);
  RUN(abort_without_stop);
  RUN(abort_in_a_callback);
  RUN(exit_inside_a_callback);
  RUN(stop_in_an_exit_handler);
  RUN(exit_from_another_thread);
  RUN(pthread_exit_of_the_main_thread);
  RUN(a_return_from_main);
  RUN(a_child_has_no_part_in_its_parent_s_node);
  RUN(a_fork_inside_a_callback);
  RUN(our_threads_block_all_but_faults);
  RUN(a_dead_peer_does_not_kill_the_process);
  RUN(many_handles_live_side_by_side);
  RUN(no_descriptor_is_left_behind);
  return 0;
}
