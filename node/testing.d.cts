/**
 * noex-cluster/testing: clusters for your own tests. Some nodes of this process form a mesh on 127.0.0.1, each on a free port of its own,
 * and go when the test is over.
 *
 * @example
 * ```ts
 * test('who leaves is seen', async (t) => {
 *   const mesh = await startMesh(3);
 *   t.after(() => mesh.stop()); // or: await using mesh = await startMesh(3)
 *   const [one, two, three] = mesh;
 *   one.onNodeDown((nodeId, reason) => console.log(nodeId, reason));
 *   await three.stop();
 *   await mesh.waitUntilDown(three);
 * });
 * ```
 *
 * @packageDocumentation
 */

import type { ClusterConfig, ClusterNode, NodeId } from './index.cjs';

/** How long a wait may take. */
export interface WaitOptions {
  /** Milliseconds until the wait is given up. Default 10000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Options of one node of a mesh: those of {@link ClusterConfig} but for its name, its addresses and its seeds, which the mesh chooses. Beats
 * are fast by default (`heartbeatIntervalMs` 100, down after two seconds of silence), and so are the attempts to reconnect (50 to 200 ms).
 */
export interface MemberOptions extends WaitOptions, Omit<ClusterConfig, 'nodeName' | 'host' | 'advertiseHost' | 'port' | 'seeds' | 'controlSocket'> {}

/** Options of a mesh: {@link MemberOptions} for all of its nodes, and their names. */
export interface MeshOptions extends MemberOptions {
  /** A name for each node. Default: `node1`, `node2`, ... */
  readonly names?: readonly string[] | undefined;
}

/**
 * Starts `count` nodes (default 3) in this process that all see each other.
 *
 * Rejects with an Error of code `ERR_NOEX_MESH_TIMEOUT` if the mesh does not form within `timeoutMs`, whose message says who does not see
 * whom; with a TypeError or RangeError for options that no mesh has; and as {@link ClusterNode.start} does. No node is left running then.
 */
export declare function startMesh(count?: number, options?: MeshOptions): Promise<Mesh>;

/** Some nodes that form a cluster. Iterating over it gives its nodes: `const [one, two, three] = mesh`. */
export interface Mesh extends Iterable<ClusterNode> {
  /** All nodes in the order in which they were added, also those that were stopped; without workers. Frozen. */
  readonly nodes: readonly ClusterNode[];

  /** The ids of the nodes that run, in the same order; without workers. As `seeds` they let others join. Frozen. */
  readonly ids: readonly NodeId[];

  /**
   * Starts one more node and waits until the mesh is full again. Its name is `node4` and so on by default; `options` win over those of the
   * mesh. A node that does not become a member is stopped.
   *
   * Rejects as {@link startMesh}.
   */
  add(name?: string, options?: MemberOptions): Promise<ClusterNode>;

  /**
   * Starts a member in a worker thread of its own, and waits until all nodes see it. It is as far away as another process: there is no
   * {@link ClusterNode} of it here, but it can be killed.
   *
   * Rejects as {@link startMesh}.
   */
  addWorker(name?: string, options?: MemberOptions): Promise<MeshWorker>;

  /**
   * Waits until every node that runs sees all others as up, workers included, and its handlers have been told.
   *
   * Rejects with an Error of code `ERR_NOEX_MESH_TIMEOUT`, whose message says who does not see whom.
   */
  waitUntilFull(options?: WaitOptions): Promise<void>;

  /**
   * Waits until every node of the mesh that runs sees `node` as up, and its handlers have been told. It may be any node, of the mesh or not,
   * or an id.
   *
   * Rejects with an Error of code `ERR_NOEX_MESH_TIMEOUT`, whose message says who does not see it.
   */
  waitUntilUp(node: ClusterNode | MeshWorker | string, options?: WaitOptions): Promise<void>;

  /**
   * Waits until no node of the mesh sees `node` as up any more, and their handlers have been told.
   *
   * Rejects with an Error of code `ERR_NOEX_MESH_TIMEOUT`, whose message says who still sees it.
   */
  waitUntilDown(node: ClusterNode | MeshWorker | string, options?: WaitOptions): Promise<void>;

  /** Stops all nodes and workers, politely and at once. Idempotent. */
  stop(): Promise<void>;

  /** {@link Mesh.stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A member of a mesh in a worker thread of its own. */
export interface MeshWorker {
  /** Its id. */
  readonly id: NodeId;
  /** Whether it runs. */
  readonly running: boolean;
  /**
   * Ends the thread as a crash ends a process: its node says no goodbye, and the others see `connection_closed`. Resolves with its id when
   * the thread has ended; the others notice within milliseconds ({@link Mesh.waitUntilDown} waits for that).
   */
  kill(): Promise<NodeId>;
  /** Stops its node politely, and ends the thread. Idempotent. */
  stop(): Promise<void>;
  /** {@link MeshWorker.stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
