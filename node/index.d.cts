/**
 * noex-cluster: an embeddable cluster node. A process starts it and is a member of a peer-to-peer mesh: it finds the others through
 * seeds, learns the rest by gossip, notices who dies, and reconnects.
 *
 * The node lives on native threads of its own, so a busy or blocked event loop never makes it look dead. Handlers and promises run on the
 * JavaScript thread that started it, one event at a time, in order.
 *
 * @packageDocumentation
 */

import { EventEmitter } from 'node:events';

// ---------------------------------------------------------------------------------------------------------------------- node ids

/** Identity of a node: `name@host:port`, as in `app1@192.168.1.1:4369`. A string with a brand; {@link NodeId.parse} makes one. */
export type NodeId = string & { readonly __brand: 'NodeId' };

/** Functions on node ids. */
export declare const NodeId: {
  /**
   * Checks `value` and returns it in canonical form (an IPv6 host in brackets and in its shortest form).
   *
   * @throws {@link InvalidNodeIdError}
   */
  parse(value: string): NodeId;
  /** Like {@link NodeId.parse}, but returns undefined for what is no node id. */
  tryParse(value: unknown): NodeId | undefined;
  /**
   * Makes an id of its parts. An IPv6 host may be given with or without brackets.
   *
   * @throws {@link InvalidNodeIdError}
   */
  create(name: string, host: string, port: number): NodeId;
  /** Whether `value` is a valid node id. */
  isValid(value: unknown): value is NodeId;
  /** The name: `app1` of `app1@192.168.1.1:4369`. */
  getName(nodeId: NodeId): string;
  /** The host: `192.168.1.1` of `app1@192.168.1.1:4369`; an IPv6 address without its brackets. */
  getHost(nodeId: NodeId): string;
  /** The port: `4369` of `app1@192.168.1.1:4369`. */
  getPort(nodeId: NodeId): number;
  /** All three parts. */
  components(nodeId: NodeId): NodeIdComponents;
  /** Whether both are the same id, in whatever spelling. */
  equals(a: NodeId, b: NodeId): boolean;
};

/** The parts of a {@link NodeId}. */
export interface NodeIdComponents {
  /** A letter, then letters, digits, `_` and `-`; 64 at most. */
  readonly name: string;
  /** An IP address (IPv6 without brackets) or a host name. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** Whether `value` is a valid node id. */
export declare function isNodeId(value: unknown): value is NodeId;

// ----------------------------------------------------------------------------------------------------------------- configuration

/**
 * What a node is started with. A property that is undefined counts as absent, so that `clusterSecret: process.env.CLUSTER_SECRET` may be
 * written; an unknown property is refused.
 */
export interface ClusterConfig {
  /** Name of this node, `app1` in `app1@host:port`: a letter, then letters, digits, `_` and `-`; 64 at most. */
  readonly nodeName: string;
  /** Address to listen on. Default `'0.0.0.0'`: all interfaces. */
  readonly host?: string | undefined;
  /**
   * Address under which other nodes reach this one; part of its id. Default: the environment variable `NOEX_ADVERTISE_HOST`, else `host` if
   * that is not a wildcard, else the address of this machine towards the first seed.
   */
  readonly advertiseHost?: string | undefined;
  /** TCP port to listen on, 1 to 65535, or `'auto'` for any free port ({@link ClusterNode.getLocalNodeId} then tells). Default 4369. */
  readonly port?: number | 'auto' | undefined;
  /**
   * Nodes to join: `'name@host:port'`, or `'host:port'` with a DNS name. They need not be up; they are dialled for ever. Default: none.
   */
  readonly seeds?: readonly string[] | undefined;
  /** Shared secret: every message is signed with it (HMAC-SHA256), and nodes without it cannot join. Not empty. Default: none. */
  readonly clusterSecret?: string | undefined;
  /** Name of the cluster: nodes of another name are refused. Default `''`. */
  readonly clusterName?: string | undefined;
  /** Milliseconds between two heartbeats, at least 100. Default 5000. */
  readonly heartbeatIntervalMs?: number | undefined;
  /** Intervals without a sign of life until a node is down, at least 1. Default 3. */
  readonly heartbeatMissThreshold?: number | undefined;
  /** Delay before the first attempt to reconnect, in milliseconds, at least 1; it doubles from attempt to attempt. Default 1000. */
  readonly reconnectBaseDelayMs?: number | undefined;
  /** Longest delay between two attempts to reconnect, in milliseconds. Default 30000. */
  readonly reconnectMaxDelayMs?: number | undefined;
  /** A node that is down for so many milliseconds leaves the list of known nodes. Default: one day. */
  readonly forgetAfterMs?: number | undefined;
  /**
   * Path of a Unix socket, made with mode 0600, on which the node answers `noex-cluster status`, `members` and `watch` while it runs, also
   * while the event loop is blocked. Default: none.
   */
  readonly controlSocket?: string | undefined;
}

/** Content type of {@link ClusterNode.getMetrics}. */
export declare const METRICS_CONTENT_TYPE: 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/** Defaults of {@link ClusterConfig}, and the version of the wire protocol. */
export declare const CLUSTER_DEFAULTS: {
  /** Of `host`: all interfaces, IPv4. */
  readonly HOST: '0.0.0.0';
  /** Of `port`. */
  readonly PORT: 4369;
  /** Of `heartbeatIntervalMs`. */
  readonly HEARTBEAT_INTERVAL_MS: 5000;
  /** Of `heartbeatMissThreshold`. */
  readonly HEARTBEAT_MISS_THRESHOLD: 3;
  /** Of `reconnectBaseDelayMs`. */
  readonly RECONNECT_BASE_DELAY_MS: 1000;
  /** Of `reconnectMaxDelayMs`. */
  readonly RECONNECT_MAX_DELAY_MS: 30000;
  /** The version of the wire that nodes of this package speak. */
  readonly PROTOCOL_VERSION: 1;
};

// ------------------------------------------------------------------------------------------------------------------------- nodes

/**
 * State of another node, as this node sees it:
 *
 * - `connecting`: being dialled for the first time;
 * - `connected`: its heartbeats come;
 * - `disconnected`: down; dialled again, unless it said goodbye.
 */
export type NodeStatus = 'connecting' | 'connected' | 'disconnected';

/**
 * State of the local node:
 *
 * - `starting`: it listens and dials its seeds;
 * - `running`: it is a member;
 * - `stopping`: it says goodbye; queries still answer;
 * - `stopped`: not started, or stopped: it may be started (again).
 */
export type ClusterStatus = 'starting' | 'running' | 'stopping' | 'stopped';

/**
 * Why a node is down:
 *
 * - `heartbeat_timeout`: no sign of life for `heartbeatIntervalMs` * `heartbeatMissThreshold`;
 * - `connection_closed`: its connection ended without a goodbye;
 * - `connection_refused`: it never was up, and cannot be connected to;
 * - `graceful_shutdown`: it said goodbye.
 */
export type NodeDownReason = 'heartbeat_timeout' | 'connection_closed' | 'connection_refused' | 'graceful_shutdown';

/** A node as it was when asked for. Frozen. */
export interface NodeInfo {
  /** Its id. */
  readonly id: NodeId;
  /** Host of the id; an IPv6 address without brackets. */
  readonly host: string;
  /** Port of the id. */
  readonly port: number;
  /** Its state as this node sees it. */
  readonly status: NodeStatus;
  /** What the application there publishes with {@link ClusterNode.setProcessCount}, else 0. */
  readonly processCount: number;
  /** When its last heartbeat came, by this machine's clock, in milliseconds since the epoch; 0 if none has come yet. */
  readonly lastHeartbeatAt: number;
  /** How long it was running, in milliseconds, as it said in its last heartbeat. */
  readonly uptimeMs: number;
  /**
   * Names one run of the node: it differs after a restart and is the same after a reconnection. Compare for equality only. Undefined while
   * it is not known, and for nodes that do not say.
   */
  readonly incarnation: string | undefined;
}

// ------------------------------------------------------------------------------------------------------------------------ events

/** Events of a node, with the arguments of their handlers. */
export interface ClusterEvents {
  /** A node is alive: it joined, or came back. */
  nodeUp: [node: NodeInfo];
  /** A node is down. */
  nodeDown: [nodeId: NodeId, reason: NodeDownReason];
  /** The state of the local node changed. */
  statusChange: [status: ClusterStatus];
  /** Something is wrong with a peer or a connection. Without a listener nothing is thrown; the message becomes a process warning. */
  error: [error: ClusterError];
  /** A log record of level `info` or above (`debug` too while an {@link ClusterNode.onLog} handler asked for it). */
  log: [record: LogRecord];
}

/** Handler of node ups. */
export type NodeUpHandler = (node: NodeInfo) => void;
/** Handler of node downs. */
export type NodeDownHandler = (nodeId: NodeId, reason: NodeDownReason) => void;
/** Handler of the local node's state. */
export type ClusterStatusHandler = (status: ClusterStatus) => void;
/** Handler of errors. */
export type ClusterErrorHandler = (error: ClusterError) => void;
/** Handler of log records. */
export type LogHandler = (record: LogRecord) => void;

/**
 * How much a log record matters:
 *
 * - `debug`: single connections and dials;
 * - `info`: what happens to the membership;
 * - `warning`: what somebody should look at: a setting, a peer;
 * - `error`: what does not work.
 */
export type LogLevel = 'debug' | 'info' | 'warning' | 'error';

/** One line for the log. */
export interface LogRecord {
  /** How much it matters. */
  readonly level: LogLevel;
  /** One line, without a final newline. */
  readonly message: string;
  /** When it was made, in milliseconds since the epoch. */
  readonly at: number;
}

// -------------------------------------------------------------------------------------------------------------------- statistics

/** Counters of one connection. */
export interface PeerStats {
  /** The peer; undefined while it has not said who it is. */
  readonly id: NodeId | undefined;
  /** Its address, `ip:port`. */
  readonly address: string;
  /** Whether this node dialled. */
  readonly outbound: boolean;
  /** Whether the peer proved to be live: only such a connection makes it up. */
  readonly confirmed: boolean;
  /** Frames that came. */
  readonly framesReceived: number;
  /** Frames that went. */
  readonly framesSent: number;
  /** Bytes that came, with the length prefixes. */
  readonly bytesReceived: number;
  /** Bytes that went, with the length prefixes. */
  readonly bytesSent: number;
  /** Handed over and not yet taken by the operating system. */
  readonly bytesQueued: number;
  /** Smoothed round trip in microseconds, as the kernel measures it; undefined while it is not known. */
  readonly roundTripUs: number | undefined;
  /** Milliseconds since the last valid frame, or since the connection came. */
  readonly silenceMs: number;
}

/** Counters since the start, and a few numbers of now. */
export interface ClusterStats {
  /** Frames that came. */
  readonly framesReceived: number;
  /** Frames that went. */
  readonly framesSent: number;
  /** Bytes that came, with the length prefixes. */
  readonly bytesReceived: number;
  /** Bytes that went, with the length prefixes. */
  readonly bytesSent: number;
  /** Connections that others dialled. */
  readonly connectionsAccepted: number;
  /** Dials of this node. */
  readonly dials: number;
  /** Of these, dials that came to nothing. */
  readonly dialsFailed: number;
  /** Frames and connections refused. */
  readonly rejected: number;
  /** The same by kind, such as `bad_signature`. Every kind is there. */
  readonly rejectedByKind: Readonly<Record<string, number>>;
  /** How often a node came up. */
  readonly nodeUps: number;
  /** How often a node went down. */
  readonly nodeDowns: number;
  /** How often the node woke up late and noticed: a stopped or starved process. */
  readonly pauses: number;
  /** Node events that were folded because nobody fetched them. */
  readonly eventsCoalesced: number;
  /** Log records and errors that were dropped for the same reason. */
  readonly logsDropped: number;
  /** Connections now. */
  readonly connections: number;
  /** Of these, connections of peers that have not said yet who they are. */
  readonly connectionsUnidentified: number;
  /** Known nodes now, without the local one. */
  readonly nodesKnown: number;
  /** Connected nodes now. */
  readonly nodesConnected: number;
  /** Dials in progress now. */
  readonly dialsInProgress: number;
  /** Events that wait for JavaScript now. */
  readonly eventsQueued: number;
  /** Of the ups, those of the same run of a node, again. */
  readonly nodeReconnects: number;
  /** Of the ups, those of a new run of a node that was up before. */
  readonly nodeRestarts: number;
  /** How many milliseconds the pauses were together. */
  readonly pausedMs: number;
  /** One entry by connection. */
  readonly peers: readonly PeerStats[];
}

// -------------------------------------------------------------------------------------------------------------------------- node

/**
 * One node of a cluster. Several may live in a process; {@link Cluster} is the one that most programs need.
 *
 * A node that runs keeps the process alive until it is stopped or {@link ClusterNode.unref | unref'd}. A process that ends without
 * {@link ClusterNode.stop} sends no goodbye: the others see `connection_closed`.
 *
 * @example
 * ```ts
 * await using node = new ClusterNode();
 * await node.start({ nodeName: 'test', host: '127.0.0.1', port: 'auto' });
 * ```
 */
export declare class ClusterNode extends EventEmitter<ClusterEvents> {
  /** Makes a node that is stopped; nothing runs yet. */
  constructor();

  /**
   * Joins the cluster. Resolves when the node is running and each seed's first attempt has ended (2 s at most); seeds need not be up. All
   * handlers of earlier events have run by then. After a failure the node is stopped and may be started again.
   *
   * Rejects with {@link InvalidClusterConfigError}; with a {@link ClusterBindError} if the address is taken; with an Error `Cluster is
   * already running`; with an Error if {@link ClusterNode.stop} was called meanwhile.
   */
  start(config: ClusterConfig): Promise<void>;

  /**
   * Leaves the cluster: tells every peer, which then sees `graceful_shutdown`, and closes. Resolves when the node is stopped and all
   * handlers of earlier events have run. May be called at any time, in handlers too; concurrent calls share one stop. Handlers stay
   * registered, and the node may be started again.
   */
  stop(): Promise<void>;

  /** {@link ClusterNode.stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;

  /** The state of the local node. */
  getStatus(): ClusterStatus;

  /**
   * The id of the local node. Like all queries below it answers while the node is running or stopping.
   *
   * @throws {@link ClusterNotStartedError}
   */
  getLocalNodeId(): NodeId;

  /**
   * The local node as the others see it.
   *
   * @throws {@link ClusterNotStartedError}
   */
  getLocalNodeInfo(): NodeInfo;

  /**
   * All other known nodes, also those that are down, sorted by id. Frozen; the same array while nothing has changed.
   *
   * @throws {@link ClusterNotStartedError}
   */
  getNodes(): readonly NodeInfo[];

  /**
   * The nodes that are connected.
   *
   * @throws {@link ClusterNotStartedError}
   */
  getConnectedNodes(): readonly NodeInfo[];

  /**
   * The ids of all other known nodes.
   *
   * @throws {@link ClusterNotStartedError}
   */
  getNodeIds(): readonly NodeId[];

  /**
   * The node with this id, or the one that answers at the configured seed with this id.
   *
   * @throws {@link ClusterNotStartedError}
   */
  getNode(nodeId: NodeId): NodeInfo | undefined;

  /**
   * Whether the node with this id (or configured seed) is connected.
   *
   * @throws {@link ClusterNotStartedError}
   */
  isNodeConnected(nodeId: NodeId): boolean;

  /**
   * How many nodes are connected.
   *
   * @throws {@link ClusterNotStartedError}
   */
  getConnectedNodeCount(): number;

  /**
   * Milliseconds since the start.
   *
   * @throws {@link ClusterNotStartedError}
   */
  getUptimeMs(): number;

  /**
   * Counters, for monitoring.
   *
   * @throws {@link ClusterNotStartedError}
   */
  getStats(): ClusterStats;

  /**
   * The same and more as OpenMetrics 1.0 text, for the application's own `/metrics`; answer with the content type
   * {@link METRICS_CONTENT_TYPE}.
   *
   * @throws {@link ClusterNotStartedError}
   */
  getMetrics(): string;

  /** Publishes a number of the application's own choice, 0 to 2^53 - 1, as this node's `processCount`. It stays over stop and start. */
  setProcessCount(count: number): void;

  /**
   * Calls `handler` when a node joins or comes back. Inside it {@link ClusterNode.getNodes} already shows the node. Handlers may be registered
   * before start and stay over stop and start. One that throws stops no other; its exception surfaces as an uncaught one.
   *
   * @returns a function that ends this registration
   */
  onNodeUp(handler: NodeUpHandler): () => void;

  /**
   * Calls `handler` when a node is down.
   *
   * @returns a function that ends this registration
   */
  onNodeDown(handler: NodeDownHandler): () => void;

  /**
   * Calls `handler` when the state of the local node changes.
   *
   * @returns a function that ends this registration
   */
  onStatusChange(handler: ClusterStatusHandler): () => void;

  /**
   * Calls `handler` when something is wrong with a peer or a connection: a wrong secret, a second process with one id, broken messages.
   *
   * @returns a function that ends this registration
   */
  onError(handler: ClusterErrorHandler): () => void;

  /**
   * Calls `handler` with each log record of `level` (default `'info'`) or above. While nobody takes log records, warnings and errors among them
   * become process warnings of type `NoexClusterWarning`.
   *
   * @returns a function that ends this registration
   */
  onLog(handler: LogHandler, level?: LogLevel): () => void;

  /** Undoes {@link ClusterNode.unref}. */
  ref(): this;

  /**
   * Lets the process end while this node runs. Keep a reference to the node: one that is unref'd and that nothing reaches any more is
   * garbage, and collecting it ends the node without a goodbye. A start or stop under way keeps the process alive all the same.
   */
  unref(): this;
}

/** The node of this process (one by JavaScript thread). */
export declare const Cluster: ClusterNode;

// ------------------------------------------------------------------------------------------------------------------------ errors

/** The cluster was asked before it was started, or after it was stopped. */
export declare class ClusterNotStartedError extends Error {
  /** Makes the error with its usual message, or another. */
  constructor(message?: string);
  /** The name of the class. */
  readonly name: 'ClusterNotStartedError';
}

/** The configuration is invalid. */
export declare class InvalidClusterConfigError extends Error {
  /** Makes the error for a reason. */
  constructor(reason: string);
  /** The name of the class. */
  readonly name: 'InvalidClusterConfigError';
  /** Which option is wrong, its value, and what would be right. */
  readonly reason: string;
}

/** A text is no node id. */
export declare class InvalidNodeIdError extends Error {
  /** Makes the error for a value and a reason. */
  constructor(value: string, reason: string);
  /** The name of the class. */
  readonly name: 'InvalidNodeIdError';
  /** What was given. */
  readonly value: string;
  /** What is wrong with it, and what would be right. */
  readonly reason: string;
}

/**
 * What a {@link ClusterError} is about:
 *
 * - `protocol`: a peer sent what the protocol forbids;
 * - `authentication`: a missing or wrong signature, or a peer that hangs up on us: a wrong secret?
 * - `duplicate_id`: two processes claim one node id;
 * - `cluster_mismatch`: a peer of another `clusterName`;
 * - `overload`: a limit was reached;
 * - `internal`: a fault of this library.
 */
export type ClusterErrorKind = 'protocol' | 'authentication' | 'duplicate_id' | 'cluster_mismatch' | 'overload' | 'internal';

/** An `error` event: something is wrong with a peer or a connection. The node goes on. */
export declare class ClusterError extends Error {
  private constructor();
  /** The name of the class. */
  readonly name: 'ClusterError';
  /** What it is about. */
  readonly kind: ClusterErrorKind;
  /** The node concerned, if it is known. */
  readonly nodeId: NodeId | undefined;
  /** The address of the peer, `ip:port`, if there is one. */
  readonly address: string | undefined;
}

/** What {@link ClusterNode.start} rejects with if it cannot listen; an Error with the properties of node's own system errors. */
export interface ClusterBindError extends Error {
  /** `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, `ENOTFOUND`, ... */
  readonly code: string;
  /** The number of the code, negative; absent if the system gave none. */
  readonly errno?: number;
  /** `bind`, `listen` or `getaddrinfo`. */
  readonly syscall: string;
  /** The host that could not be bound. */
  readonly address: string;
  /** The port. */
  readonly port: number;
}

/** Version of the native library, `major.minor.patch`. */
export declare const version: string;
