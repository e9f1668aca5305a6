/* noex_cluster.h: the C interface of noex-cluster, an embeddable node of a peer-to-peer cluster.
 *
 * A process creates a handle, starts it, and is a member of a mesh: it finds the others through seeds, learns the
 * rest by gossip, notices who dies and reconnects. Each handle owns one I/O thread that waits on nobody, so a busy
 * or blocked application never looks dead to its peers.
 *
 *     noex_config config;
 *     noex_config_init(&config, sizeof config);
 *     config.node_name = "app1";
 *     noex_cluster* cluster;
 *     if (noex_cluster_create(&cluster) != NOEX_OK || noex_cluster_start(cluster, &config) != NOEX_OK)
 *       fprintf(stderr, "%s\n", noex_last_error());
 *
 * Conventions, once for the whole header:
 *  - Results: every call that can fail returns a noex_status: NOEX_OK (0) or a negative number. noex_last_error()
 *    then has one sentence for people. On failure an `out_*` pointer target is NULL or untouched.
 *  - Threads: every call is thread-safe and may come from any thread unless its comment says otherwise. A `const
 *    noex_cluster *` marks calls that only read; they never wait for the I/O thread.
 *  - Strings in are UTF-8, NUL-terminated and borrowed for the call. Strings out belong to the object that they were
 *    reached through. No memory of this library is ever passed to free().
 *  - Structs start with `struct_size`; fields are only ever appended. Enumerations cross as int32_t; ignore values
 *    that you do not know.
 *  - Times: `*_ms` are milliseconds; `*_at` are milliseconds since 1970-01-01T00:00:00Z.
 *  - After fork() a handle belongs to the parent: in the child every call answers NOEX_EFORKED, and noex_cluster_free
 *    does nothing.
 *  - The library installs no signal handler; its threads block all signals but those that report a crash.
 */
#ifndef NOEX_CLUSTER_H
#define NOEX_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define NOEX_API __attribute__((visibility("default")))
#define NOEX_NODISCARD __attribute__((warn_unused_result))
#else
#define NOEX_API
#define NOEX_NODISCARD
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------- versions */

/* The version of this header. The library that is loaded may be another one: noex_version. */
#define NOEX_VERSION_MAJOR 0
#define NOEX_VERSION_MINOR 1
#define NOEX_VERSION_PATCH 0
/* The three as a text, "major.minor.patch". */
#define NOEX_VERSION_STRING NOEX_VERSION_TEXT_(NOEX_VERSION_MAJOR, NOEX_VERSION_MINOR, NOEX_VERSION_PATCH)
#define NOEX_VERSION_TEXT_(major, minor, patch) NOEX_VERSION_QUOTE_(major.minor.patch)
#define NOEX_VERSION_QUOTE_(text) #text

/* noex_version returns the version of the library that is loaded, "major.minor.patch". Static storage. Thread: any. */
NOEX_API const char* noex_version(void);

/* noex_version_number returns it as major * 1000000 + minor * 1000 + patch. Thread: any. */
NOEX_API uint32_t noex_version_number(void);

/* noex_protocol_version returns the version of the wire protocol that nodes of this library speak (1). Thread: any. */
NOEX_API uint32_t noex_protocol_version(void);

/* --------------------------------------------------------------------------------------------------------- status */

/* NOEX_STATUS_MAP(XX) expands XX(NAME, number, text) for each status. Numbers are never reused. */
#define NOEX_STATUS_MAP(XX)                                                 \
  XX(EINVAL, -1, "invalid argument")                                        \
  XX(ECONFIG, -2, "invalid configuration")                                  \
  XX(ENODEID, -3, "invalid node id")                                        \
  XX(ENOTSTARTED, -4, "the cluster is not started")                         \
  XX(ERUNNING, -5, "the cluster is already running")                        \
  XX(ESTATE, -6, "the call does not fit the way this handle is used")       \
  XX(EWRONGTHREAD, -7, "the call is not allowed on a thread of the handle") \
  XX(EBIND, -8, "the listening address could not be bound")                 \
  XX(ETIMEOUT, -9, "nothing came in time")                                  \
  XX(EABORTED, -10, "the start was ended by a stop")                        \
  XX(ENOMEM, -11, "out of memory")                                          \
  XX(ENOTFOUND, -12, "not found")                                           \
  XX(EBUFFER, -13, "the buffer is too small")                               \
  XX(EFORKED, -14, "the handle belongs to the parent process")              \
  XX(EINTERNAL, -15, "internal error")

/* What a call answers: NOEX_OK or one of NOEX_E*. */
typedef int32_t noex_status;
/* The statuses, by number; those of failures are in NOEX_STATUS_MAP. */
enum {
  NOEX_OK = 0, /* success */
#define XX(name, number, text) NOEX_##name = number,
  NOEX_STATUS_MAP(XX)
#undef XX
};

/* noex_status_name returns the name of a status ("NOEX_OK", "NOEX_EBIND"), or "NOEX_EUNKNOWN". Static storage.
 * Thread: any. */
NOEX_API const char* noex_status_name(noex_status status);

/* noex_status_message returns the general meaning of a status in words. Static storage. Thread: any. */
NOEX_API const char* noex_status_message(noex_status status);

/* noex_last_error returns one sentence on why the calling thread's last call failed, "" if it did not. Every
 * noex_cluster_*, noex_config_*, noex_nodes_* and noex_node_id_* call clears it on entry, but for the *_free ones:
 * cleaning up does not lose the reason. Valid until this thread's next call. Thread: any, each has its own. */
NOEX_API const char* noex_last_error(void);

/* An error in full. Reached through noex_last_error_info or a noex_event; lives as long as they say. */
typedef struct noex_error {
  size_t struct_size;
  noex_status status;  /* of the failed call or operation; NOEX_OK in an error event */
  int32_t kind;        /* NOEX_ERROR_*; 0 where `status` says it all */
  const char* message; /* one sentence */
  const char* node_id; /* the node concerned, "" if none */
  const char* address; /* EBIND: the host that could not be bound; error events: ip:port of the peer; else "" */
  int32_t port;        /* EBIND: the port; else 0 */
  int32_t os_error;    /* EBIND: errno, 0 if the system gave none */
  const char* code;    /* EBIND: "EADDRINUSE", "EACCES", "ENOTFOUND", ...; else "" */
  const char* syscall; /* EBIND: "bind", "listen" or "getaddrinfo"; else "" */
} noex_error;

/* noex_last_error_info returns the calling thread's last failure in full; its status is NOEX_OK if there was none.
 * Never NULL. Valid until this thread's next call. Thread: any, each has its own. */
NOEX_API const noex_error* noex_last_error_info(void);

/* ------------------------------------------------------------------------------------------------ words and enums */

/* State of a member, as this node sees it. */
enum {
  NOEX_NODE_CONNECTING = 1,  /* being dialled for the first time */
  NOEX_NODE_CONNECTED = 2,   /* its heartbeats come */
  NOEX_NODE_DISCONNECTED = 3 /* down; dialled again, unless it said goodbye */
};

/* State of the local node. */
enum {
  NOEX_CLUSTER_STARTING = 1, /* it listens and dials its seeds */
  NOEX_CLUSTER_RUNNING = 2,  /* it is a member */
  NOEX_CLUSTER_STOPPING = 3, /* it says goodbye; queries still answer */
  NOEX_CLUSTER_STOPPED = 4   /* not started, or stopped: it may be started (again) */
};

/* Why a node is down. */
enum {
  NOEX_DOWN_HEARTBEAT_TIMEOUT = 1,  /* no valid frame for heartbeat_interval_ms * heartbeat_miss_threshold */
  NOEX_DOWN_CONNECTION_CLOSED = 2,  /* an established connection ended without a goodbye */
  NOEX_DOWN_CONNECTION_REFUSED = 3, /* never up, and cannot be connected to */
  NOEX_DOWN_GRACEFUL_SHUTDOWN = 4   /* the node said goodbye */
};

/* What an error event is about. */
enum {
  NOEX_ERROR_PROTOCOL = 1,         /* a peer sent what the protocol forbids */
  NOEX_ERROR_AUTHENTICATION = 2,   /* a missing or wrong signature, or a peer that hangs up on our hello */
  NOEX_ERROR_DUPLICATE_ID = 3,     /* two processes claim one node id */
  NOEX_ERROR_CLUSTER_MISMATCH = 4, /* a peer of another cluster_name */
  NOEX_ERROR_OVERLOAD = 5,         /* a limit was reached */
  NOEX_ERROR_INTERNAL = 6          /* a fault of this library */
};

/* How much a log record matters. */
enum {
  NOEX_LOG_DEBUG = 1,   /* single connections and dials */
  NOEX_LOG_INFO = 2,    /* what happens to the membership */
  NOEX_LOG_WARNING = 3, /* what somebody should look at: a setting, a peer */
  NOEX_LOG_ERROR = 4    /* what does not work */
};

/* noex_node_status_name returns "connecting", "connected" or "disconnected" ("unknown" otherwise). Static storage.
 * Thread: any. */
NOEX_API const char* noex_node_status_name(int32_t status);
/* noex_cluster_status_name returns "starting", "running", "stopping" or "stopped" ("unknown" otherwise). Static
 * storage. Thread: any. */
NOEX_API const char* noex_cluster_status_name(int32_t status);
/* noex_down_reason_name returns "heartbeat_timeout", "connection_closed", ... ("unknown" otherwise). Static
 * storage. Thread: any. */
NOEX_API const char* noex_down_reason_name(int32_t reason);
/* noex_error_kind_name returns "protocol", "authentication", "duplicate_id", "cluster_mismatch", "overload" or
 * "internal" ("unknown" otherwise). Static storage. Thread: any. */
NOEX_API const char* noex_error_kind_name(int32_t kind);
/* noex_log_level_name returns "debug", "info", "warning" or "error" ("unknown" otherwise). Static storage. Thread:
 * any. */
NOEX_API const char* noex_log_level_name(int32_t level);

/* ------------------------------------------------------------------------------------------------------- node ids */

/* Longest node id, without its NUL: a 64 character name, '@', a host of 253 (an IPv6 in brackets is shorter), ':'
 * and 5 digits. */
#define NOEX_NODE_ID_SIZE_MAX 324
#define NOEX_NODE_NAME_SIZE_MAX 64 /* longest name in a node id, in bytes, without its NUL */
#define NOEX_HOST_SIZE_MAX 253     /* longest host in a node id, in bytes, without its NUL */

/* The parts of a node id, NUL-terminated. `host` is without the brackets of an IPv6 address. */
typedef struct noex_node_id_parts {
  size_t struct_size;
  char name[NOEX_NODE_NAME_SIZE_MAX + 1]; /* what stands before the '@' */
  char host[NOEX_HOST_SIZE_MAX + 1];      /* an IP address, or a host name */
  int32_t port;                           /* 1 to 65535 */
} noex_node_id_parts;

/* noex_node_id_parse reads `text` (`text_len` bytes, "name@host:port") into its parts. `out_parts->struct_size`
 * must be set; `out_parts` may be NULL to validate only. Thread: any. Errors: NOEX_ENODEID, the message says what
 * was wrong; NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_node_id_parse(const char* text, size_t text_len,
                                                       noex_node_id_parts* out_parts);

/* noex_node_id_canonical writes the canonical text of `text` (IPv6 in brackets, in its shortest form) and a NUL
 * into `buffer` of `buffer_size` bytes (NOEX_NODE_ID_SIZE_MAX + 1 always suffices). Thread: any. Errors:
 * NOEX_ENODEID, NOEX_EBUFFER, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_node_id_canonical(const char* text, size_t text_len, char* buffer,
                                                           size_t buffer_size);

/* noex_node_id_create writes "name@host:port" in canonical form and a NUL into `buffer`. Thread: any. Errors:
 * NOEX_ENODEID, NOEX_EBUFFER, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_node_id_create(const char* name, const char* host, int64_t port, char* buffer,
                                                        size_t buffer_size);

/* -------------------------------------------------------------------------------------------------- configuration */

/* How messages spell the names of options. */
enum {
  NOEX_KEYS_SNAKE = 0, /* "node_name", as in C and Python */
  NOEX_KEYS_CAMEL = 1  /* "nodeName", as in JavaScript */
};

/* What a node is started with. Set it up with noex_config_init, then change what differs. Everything is copied by
 * start. */
typedef struct noex_config {
  size_t struct_size; /* set by noex_config_init. Smaller: an older caller, the rest defaulted; larger: accepted if the
                         rest is zero */
  const char* node_name;      /* required: [A-Za-z][A-Za-z0-9_-]{0,63} */
  const char* host;           /* address to listen on; default "0.0.0.0" */
  const char* advertise_host; /* address that others dial, part of the node id; default NULL: NOEX_ADVERTISE_HOST from
                                 the environment, else `host` unless it is a wildcard, else found */
  int64_t port;               /* 1 to 65535; default 4369 */
  bool port_auto;             /* listen on any free port instead (noex_cluster_local_id tells); default false */
  const char* const* seeds;   /* `seeds_count` strings "name@host:port", or "host:port" with a DNS name; default none */
  size_t seeds_count;         /* length of `seeds`; default 0 */
  const char* cluster_secret; /* shared secret of the cluster, not empty; default NULL: no authentication */
  const char* cluster_name;   /* nodes of another name are refused; default NULL: "" */
  int64_t heartbeat_interval_ms;    /* >= 100; default 5000 */
  int64_t heartbeat_miss_threshold; /* >= 1; default 3 */
  int64_t reconnect_base_delay_ms;  /* >= 1; default 1000 */
  int64_t reconnect_max_delay_ms;   /* >= the base delay; default 30000 */
  int64_t forget_after_ms;          /* a node down for so long leaves the list; >= 1; default 24 h */
  int32_t key_style;                /* NOEX_KEYS_*: how messages name options; default NOEX_KEYS_SNAKE */
  const char* control_socket; /* path of a Unix socket, mode 0600, on which the node answers `noex-cluster status`,
                                 `members`, `watch` and the like from start to stop; default NULL: none */
} noex_config;

/* noex_config_init fills `config` with the defaults; `struct_size` is sizeof(noex_config) of the caller. Thread:
 * any. */
NOEX_API void noex_config_init(noex_config* config, size_t struct_size);

/* noex_config_validate checks a configuration as start would, without starting anything. Thread: any. Errors:
 * NOEX_ECONFIG, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_config_validate(const noex_config* config);

/* noex_config_check_option answers NOEX_OK if `key` names an option in the given NOEX_KEYS_* spelling; for bindings
 * that take options by name. Thread: any. Errors: NOEX_ECONFIG with "unknown option 'x': did you mean 'y'?";
 * NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_config_check_option(const char* key, int32_t key_style);

/* ------------------------------------------------------------------------------------------------------ lifecycle */

/* One node of a cluster. Several may live in a process. */
typedef struct noex_cluster noex_cluster;

/* noex_cluster_create makes a handle in state `stopped`; no thread runs yet. Free it with noex_cluster_free.
 * Thread: any. Errors: NOEX_EINVAL, NOEX_ENOMEM. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_create(noex_cluster** out_cluster);

/* noex_cluster_start joins the cluster and waits until each seed's first attempt has ended (2 s at most). Seeds
 * need not be up: they are dialled for ever. After it returns NOEX_OK the node is running; after an error it is
 * stopped and may be started again. In a handle used with callbacks it also waits until the callbacks of all
 * earlier events have run: hold no lock that a callback takes. Thread: any but the handle's own. Errors:
 * NOEX_ECONFIG; NOEX_EBIND (noex_last_error_info has the address); NOEX_ERUNNING; NOEX_EABORTED by a concurrent
 * stop; NOEX_EWRONGTHREAD inside a callback (there: _start_async); NOEX_EFORKED; NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_start(noex_cluster* cluster, const noex_config* config);

/* noex_cluster_start_async checks the configuration, begins to start and returns at once. Its end is an event of
 * kind NOEX_EVENT_COMPLETION with `*out_operation` (nullable) as `operation`, after the events that came before it.
 * Thread: any. Errors: as noex_cluster_start, but a failed bind comes in the completion. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_start_async(noex_cluster* cluster, const noex_config* config,
                                                             uint64_t* out_operation);

/* noex_cluster_stop leaves the cluster: tells every peer, flushes for at most 1 s, closes, and ends the I/O thread.
 * Idempotent; concurrent calls share one stop; a start under way is ended (NOEX_EABORTED there). In a handle used
 * with callbacks it waits until the callbacks of all earlier events have run: hold no lock that a callback takes.
 * The node may be started again. Thread: any but the handle's own. Errors: NOEX_EWRONGTHREAD inside a callback
 * (there: _stop_async); NOEX_EFORKED; NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_stop(noex_cluster* cluster);

/* noex_cluster_stop_async begins to stop and returns at once; its end is a NOEX_EVENT_COMPLETION with
 * `*out_operation` (nullable). May be called in a callback. Thread: any. Errors: NOEX_EFORKED, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_stop_async(noex_cluster* cluster, uint64_t* out_operation);

/* noex_cluster_wait waits until the node is stopped, for `timeout_ms` at most (negative: without limit). Thread:
 * any but the handle's own. Errors: NOEX_ETIMEOUT, NOEX_EWRONGTHREAD, NOEX_EFORKED, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_wait(noex_cluster* cluster, int32_t timeout_ms);

/* noex_cluster_free ends the node if it still runs, without a goodbye (sockets closed, threads joined within 50
 * ms), and frees the handle; NULL does nothing. Waits for a running callback; no other one runs any more. Snapshots
 * and events taken earlier stay valid. Thread: any but the handle's own, where it aborts the process; no other call
 * on the handle may be running or follow. */
NOEX_API void noex_cluster_free(noex_cluster* cluster);

/* -------------------------------------------------------------------------------------------------------- queries */

/* A member as it was when the snapshot or event was made. */
typedef struct noex_node {
  size_t struct_size;
  const char* id;            /* name@host:port */
  const char* host;          /* of the id; without brackets */
  int32_t port;              /* of the id */
  int32_t status;            /* NOEX_NODE_* */
  int64_t process_count;     /* what the application there publishes */
  int64_t last_heartbeat_at; /* our receipt time, ms since the epoch; 0: none yet */
  int64_t uptime_ms;         /* as the node said in its last heartbeat */
  uint64_t incarnation;      /* one run of a process; compare for equality only; 0: not known yet */
} noex_node;

/* An immutable list of members. */
typedef struct noex_nodes noex_nodes;

/* noex_cluster_status writes the local node's state (NOEX_CLUSTER_*). Answers in every state. Thread: any. Errors:
 * NOEX_EINVAL, NOEX_EFORKED. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_status(const noex_cluster* cluster, int32_t* out_status);

/* noex_cluster_local_id writes the local node's id and a NUL into `buffer` (NOEX_NODE_ID_SIZE_MAX + 1 always
 * suffices). Like all queries below it answers while the node is running or stopping. Thread: any. Errors:
 * NOEX_ENOTSTARTED, NOEX_EBUFFER, NOEX_EFORKED, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_local_id(const noex_cluster* cluster, char* buffer,
                                                          size_t buffer_size);

/* noex_cluster_local_node makes a list of one: the local node (status `connected`, last_heartbeat_at now). Free it
 * with noex_nodes_free. Thread: any. Errors: NOEX_ENOTSTARTED, NOEX_EFORKED, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_local_node(const noex_cluster* cluster, noex_nodes** out_nodes);

/* noex_cluster_nodes takes a snapshot of all other known nodes, sorted by id. Free it with noex_nodes_free. Thread:
 * any. Errors: NOEX_ENOTSTARTED, NOEX_ENOMEM, NOEX_EFORKED, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_nodes(const noex_cluster* cluster, noex_nodes** out_nodes);

/* noex_cluster_nodes_version writes a number that is the same only while noex_cluster_nodes would give the same
 * list. Thread: any. Errors: NOEX_ENOTSTARTED, NOEX_EFORKED, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_nodes_version(const noex_cluster* cluster, uint64_t* out_version);

/* noex_cluster_is_node_connected writes whether the node with this id (or configured seed alias) is connected; an
 * unknown or invalid id is not. Thread: any. Errors: NOEX_ENOTSTARTED, NOEX_EFORKED, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_is_node_connected(const noex_cluster* cluster, const char* id,
                                                                   bool* out_connected);

/* noex_cluster_connected_count writes how many nodes are connected. Thread: any. Errors: NOEX_ENOTSTARTED,
 * NOEX_EFORKED, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_connected_count(const noex_cluster* cluster, size_t* out_count);

/* noex_cluster_uptime_ms writes the milliseconds since the node was started. Thread: any. Errors: NOEX_ENOTSTARTED,
 * NOEX_EFORKED, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_uptime_ms(const noex_cluster* cluster, int64_t* out_uptime_ms);

/* noex_cluster_set_process_count publishes a number (0 to 2^53 - 1) of the application's own choice as this node's
 * `process_count`, with the next beat. It stays over stop and start. Thread: any. Errors: NOEX_EINVAL,
 * NOEX_EFORKED. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_set_process_count(noex_cluster* cluster, int64_t count);

/* noex_nodes_count returns the number of nodes in the list. Thread: any. */
NOEX_API size_t noex_nodes_count(const noex_nodes* nodes);
/* noex_nodes_connected_count returns how many of them are connected. Thread: any. */
NOEX_API size_t noex_nodes_connected_count(const noex_nodes* nodes);
/* noex_nodes_at returns the node at `index`, NULL beyond the end. Lives as long as the list. Thread: any. */
NOEX_API const noex_node* noex_nodes_at(const noex_nodes* nodes, size_t index);
/* noex_nodes_find returns the node with this id (or seed alias, in any spelling of the id), NULL if there is none.
 * Lives as long as the list. Thread: any. */
NOEX_API const noex_node* noex_nodes_find(const noex_nodes* nodes, const char* id);
/* noex_nodes_free frees a list; NULL does nothing. Thread: any. */
NOEX_API void noex_nodes_free(noex_nodes* nodes);

/* ----------------------------------------------------------------------------------------------------- statistics */

/* Counters of one connection to a peer. */
typedef struct noex_peer_stats {
  size_t struct_size;
  const char* id;           /* the peer, "" while unidentified */
  const char* address;      /* ip:port */
  bool outbound;            /* we dialled */
  bool confirmed;           /* the peer proved to be live: only such a connection makes it up */
  uint64_t frames_received; /* frames that came */
  uint64_t frames_sent;     /* frames that were handed over */
  uint64_t bytes_received;  /* with the length prefixes */
  uint64_t bytes_sent;      /* with the length prefixes */
  uint64_t bytes_queued;    /* handed over, not yet taken by the kernel */
  int64_t round_trip_us;    /* smoothed, as the kernel measures it; -1: not known */
  int64_t silence_ms;       /* since the last valid frame, or since the connection came */
} noex_peer_stats;

/* Totals since start. */
typedef struct noex_stats {
  size_t struct_size;
  uint64_t frames_received;          /* on all connections */
  uint64_t frames_sent;              /* on all connections */
  uint64_t bytes_received;           /* with the length prefixes */
  uint64_t bytes_sent;               /* with the length prefixes */
  uint64_t connections_accepted;     /* that others dialled */
  uint64_t dials;                    /* begun by this node */
  uint64_t dials_failed;             /* of these, those that came to nothing */
  uint64_t rejected;                 /* frames and connections refused; by kind: noex_stats_rejected_* */
  uint64_t node_ups;                 /* how often a node came up */
  uint64_t node_downs;               /* how often a node went down */
  uint64_t pauses;                   /* own late wake-ups noticed (a stopped or starved process) */
  uint64_t events_coalesced;         /* node events folded because nobody fetched them */
  uint64_t logs_dropped;             /* log records and errors dropped for the same reason */
  uint64_t connections;              /* now */
  uint64_t connections_unidentified; /* now */
  uint64_t nodes_known;              /* now, without the local node */
  uint64_t nodes_connected;          /* now */
  uint64_t dials_in_progress;        /* now */
  uint64_t events_queued;            /* now */
  uint64_t node_reconnects;          /* of the ups: the same run of a node, again */
  uint64_t node_restarts;            /* of the ups: a new run of a node that was up before */
  uint64_t paused_ms;                /* how long the pauses were together */
} noex_stats;

/* A snapshot of all statistics. */
typedef struct noex_stats_snapshot noex_stats_snapshot;

/* noex_cluster_stats takes a snapshot; it is made by the I/O thread, which is asked and answers within
 * milliseconds. Free it with noex_stats_free. Thread: any but the handle's own I/O thread (callbacks may). Errors:
 * NOEX_ENOTSTARTED, NOEX_EFORKED, NOEX_ENOMEM, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_stats(const noex_cluster* cluster, noex_stats_snapshot** out_stats);
/* noex_stats_totals returns the totals; they live as long as the snapshot. Thread: any. */
NOEX_API const noex_stats* noex_stats_totals(const noex_stats_snapshot* stats);
/* noex_stats_peer_count returns the number of connections listed. Thread: any. */
NOEX_API size_t noex_stats_peer_count(const noex_stats_snapshot* stats);
/* noex_stats_peer_at returns the connection at `index`, NULL beyond the end. Lives as long as the snapshot. Thread:
 * any. */
NOEX_API const noex_peer_stats* noex_stats_peer_at(const noex_stats_snapshot* stats, size_t index);
/* noex_stats_rejected_kind_count returns the number of kinds of refusal. Thread: any. */
NOEX_API size_t noex_stats_rejected_kind_count(void);
/* noex_stats_rejected_kind_name returns the name of kind `index` ("bad_signature", ...), NULL beyond the end.
 * Static storage. Thread: any. */
NOEX_API const char* noex_stats_rejected_kind_name(size_t index);
/* noex_stats_rejected_at returns how often kind `index` was refused. Thread: any. */
NOEX_API uint64_t noex_stats_rejected_at(const noex_stats_snapshot* stats, size_t index);
/* noex_stats_free frees a snapshot; NULL does nothing. Thread: any. */
NOEX_API void noex_stats_free(noex_stats_snapshot* stats);

/* Texts about a node; see noex_cluster_document. */
enum {
  NOEX_DOCUMENT_STATUS = 1,  /* JSON: the node, its counters, its seeds */
  NOEX_DOCUMENT_MEMBERS = 2, /* JSON: all nodes that it knows, and who of them sees whom */
  NOEX_DOCUMENT_METRICS = 3  /* OpenMetrics 1.0; content type NOEX_METRICS_CONTENT_TYPE */
};

/* How a server of metrics names what NOEX_DOCUMENT_METRICS gives. */
#define NOEX_METRICS_CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* noex_cluster_document writes a text about the node, one of NOEX_DOCUMENT_*, in UTF-8: what its control socket
 * answers, and what a server of metrics hands out. Fields: docs/control-socket.md, docs/metrics.md. Free it with
 * noex_text_free. Asks the I/O thread, as noex_cluster_stats does. Thread: any but the handle's own I/O thread
 * (callbacks may). Errors: NOEX_ENOTSTARTED, NOEX_ETIMEOUT, NOEX_EFORKED, NOEX_ENOMEM, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_document(const noex_cluster* cluster, int32_t document,
                                                          char** out_text);
/* noex_text_free frees a text; NULL does nothing. Thread: any. */
NOEX_API void noex_text_free(char* text);

/* --------------------------------------------------------------------------------------------------------- events */

/* Kinds of events; each is one bit, so that they make a mask. */
enum {
  NOEX_EVENT_NODE_UP = 1,     /* a node joined, or came back */
  NOEX_EVENT_NODE_DOWN = 2,   /* a node is down */
  NOEX_EVENT_STATUS = 4,      /* the local node has another state */
  NOEX_EVENT_ERROR = 8,       /* something is wrong with a peer or a connection; the node goes on */
  NOEX_EVENT_LOG = 16,        /* a log record */
  NOEX_EVENT_COMPLETION = 32, /* what an *_async call began has ended */
  NOEX_EVENT_ALL = 63         /* every kind */
};

/* What a completion is about. */
enum {
  NOEX_OPERATION_START = 1, /* noex_cluster_start_async */
  NOEX_OPERATION_STOP = 2   /* noex_cluster_stop_async */
};

/* One event. Which fields are set depends on `kind`; the others are 0 or NULL. Snapshots are published before their
 * event: inside a node-up callback noex_cluster_nodes already shows the node. */
typedef struct noex_event {
  size_t struct_size;
  int32_t kind;            /* NOEX_EVENT_* */
  uint64_t sequence;       /* rises by event; a gap means that events were folded or dropped */
  int64_t created_at;      /* ms since the epoch */
  const noex_node* node;   /* NODE_UP: the node. NODE_DOWN: the node as it was last seen */
  int32_t reason;          /* NODE_DOWN: NOEX_DOWN_* */
  const char* evidence;    /* NODE_DOWN: what was seen, for logs */
  int32_t status;          /* STATUS: NOEX_CLUSTER_* */
  const noex_error* error; /* ERROR; COMPLETION: the failure, NULL on success */
  int32_t level;           /* LOG: NOEX_LOG_* */
  const char* message;     /* LOG: one line, without a final newline */
  uint64_t operation;      /* COMPLETION: the number that the call gave */
  int32_t operation_kind;  /* COMPLETION: NOEX_OPERATION_* */
} noex_event;

/* A handle's events are consumed in one of two ways, fixed by the first use: pulled (event_fd, next_event), or by
 * callbacks (on_*). The other way then answers NOEX_ESTATE. Unfetched events are bounded: above 1,024 a node's ups
 * and downs shrink to their net effect, log records and errors are dropped first; status changes and completions
 * are never dropped. */

/* noex_cluster_event_fd writes a descriptor that is readable while events are queued. Poll it, never read or close
 * it; it lives as long as the handle. Fixes the handle to pulling. Thread: any. Errors: NOEX_ESTATE if callbacks
 * are used; NOEX_EFORKED, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_event_fd(noex_cluster* cluster, int* out_fd);

/* noex_cluster_next_event takes the next event, waiting for at most `timeout_ms` (0: not at all; negative: without
 * limit). Free it with noex_event_free. Fixes the handle to pulling. Thread: any; each event goes to one caller.
 * Errors: NOEX_ETIMEOUT; NOEX_ESTATE if callbacks are used; NOEX_EFORKED, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_next_event(noex_cluster* cluster, int32_t timeout_ms,
                                                            noex_event** out_event);

/* noex_event_free frees a pulled event; NULL does nothing. It may outlive the handle. Thread: any. */
NOEX_API void noex_event_free(noex_event* event);

/* noex_cluster_select_events chooses which kinds are queued for pulling (a mask of NOEX_EVENT_*; default all but
 * LOG) and the least level of log records (default NOEX_LOG_INFO). In a handle used with callbacks only the level
 * counts: the kinds follow from the callbacks. Completions are always queued. Thread: any. Errors: NOEX_EINVAL,
 * NOEX_EFORKED. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_select_events(noex_cluster* cluster, uint32_t kinds,
                                                               int32_t log_level);

/* A registered callback; 0 is none. */
typedef uint64_t noex_subscription;

/* Runs on the handle's dispatch thread, one call at a time, in order, never with a lock held, never on the I/O
 * thread: it may block. `event` and all it points to die when the callback returns: copy what you keep. Ignore
 * kinds you do not know. Must not throw or longjmp. */
typedef void (*noex_event_cb)(const noex_event* event, void* user_data);
typedef void (*noex_node_up_cb)(const noex_node* node, void* user_data); /* as noex_event_cb, for NODE_UP */
typedef void (*noex_node_down_cb)(const char* id, int32_t reason,
                                  void* user_data);                      /* as noex_event_cb, for NODE_DOWN */
typedef void (*noex_status_change_cb)(int32_t status, void* user_data);  /* as noex_event_cb, for STATUS */
typedef void (*noex_error_cb)(const noex_error* error, void* user_data); /* as noex_event_cb, for ERROR */

/* noex_cluster_on_event registers `cb` for the kinds in the mask; `*out_subscription` (nullable) is the number for
 * noex_cluster_cancel. Handlers may be registered before start and stay over stop and start. `destroy` (nullable)
 * is called exactly once with `user_data`, on any thread, after the last `cb`: on cancel, in noex_cluster_free, or
 * at once if this call fails. Fixes the handle to callbacks. Thread: any. Errors: NOEX_EINVAL; NOEX_ESTATE if the
 * handle is already pulled from; NOEX_EFORKED. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_on_event(noex_cluster* cluster, uint32_t kinds, noex_event_cb cb,
                                                          void* user_data, void (*destroy)(void*),
                                                          noex_subscription* out_subscription);
/* noex_cluster_on_node_up is on_event for node ups alone. Thread, ownership, errors: as noex_cluster_on_event. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_on_node_up(noex_cluster* cluster, noex_node_up_cb cb, void* user_data,
                                                            void (*destroy)(void*),
                                                            noex_subscription* out_subscription);
/* noex_cluster_on_node_down is on_event for node downs alone. Thread, ownership, errors: as noex_cluster_on_event. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_on_node_down(noex_cluster* cluster, noex_node_down_cb cb,
                                                              void* user_data, void (*destroy)(void*),
                                                              noex_subscription* out_subscription);
/* noex_cluster_on_status_change is on_event for the local node's status alone. Thread, ownership, errors: as
 * noex_cluster_on_event. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_on_status_change(noex_cluster* cluster, noex_status_change_cb cb,
                                                                  void* user_data, void (*destroy)(void*),
                                                                  noex_subscription* out_subscription);
/* noex_cluster_on_error is on_event for errors alone. Thread, ownership, errors: as noex_cluster_on_event. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_on_error(noex_cluster* cluster, noex_error_cb cb, void* user_data,
                                                          void (*destroy)(void*), noex_subscription* out_subscription);

/* noex_cluster_cancel ends a subscription: after it returns the callback does not run again, unless it is called
 * inside that very callback. On another thread it waits for a running call of it: hold no lock that the callback
 * takes. Thread: any, callbacks too. Errors: NOEX_ENOTFOUND, NOEX_EFORKED, NOEX_EINVAL. */
NOEX_API NOEX_NODISCARD noex_status noex_cluster_cancel(noex_cluster* cluster, noex_subscription subscription);

#ifdef __cplusplus
}
#endif

#endif /* NOEX_CLUSTER_H */
