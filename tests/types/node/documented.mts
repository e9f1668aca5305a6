// The documented interface, as its documentation uses it.

import { promises as dns } from 'node:dns';
import { once } from 'node:events';

import {
  CLUSTER_DEFAULTS,
  Cluster,
  ClusterNode,
  ClusterNotStartedError,
  InvalidClusterConfigError,
  InvalidNodeIdError,
  METRICS_CONTENT_TYPE,
  NodeId,
  isNodeId,
  version,
  type ClusterBindError,
  type ClusterConfig,
  type ClusterEvents,
  type ClusterStats,
  type ClusterStatus,
  type ClusterStatusHandler,
  type NodeDownHandler,
  type NodeDownReason,
  type NodeInfo,
  type NodeStatus,
  type NodeUpHandler,
} from 'noex-cluster/distribution';
import { Cluster as SameCluster, type NodeId as SameNodeId } from 'noex-cluster';

/** Fails to compile unless A and B are the same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

export async function main(): Promise<void> {
  await Cluster.start({
    nodeName: 'coordinator',
    port: 4369,
    seeds: ['worker1@192.168.1.10:4369', 'worker2@192.168.1.11:4369'],
    clusterSecret: process.env['CLUSTER_SECRET'], // string | undefined
    heartbeatIntervalMs: 3000,
    heartbeatMissThreshold: 2,
  });
  const unsubscribe: () => void = Cluster.onNodeUp((node: NodeInfo) => {
    console.log(`Node joined: ${node.id} (${node.processCount} processes)`);
  });
  Cluster.onNodeDown((nodeId, reason) => {
    switch (reason) {
      case 'heartbeat_timeout':
      case 'connection_closed':
      case 'connection_refused':
      case 'graceful_shutdown':
        return console.log(nodeId);
      default:
        return reason satisfies never;
    }
  });
  Cluster.onNodeDown(async (nodeId, reason) => {
    await Promise.resolve([nodeId, reason]);
  });
  Cluster.onStatusChange((status) => console.log(`Cluster status: ${status}`));
  unsubscribe();

  const nodes: readonly NodeInfo[] = Cluster.getConnectedNodes();
  for (const node of nodes) console.log(`${node.id}: uptime ${Math.round(node.uptimeMs / 1000)}s`);
  const [first] = Cluster.getNodes();
  same<typeof first, NodeInfo | undefined>(true);
  const node = Cluster.getNode(NodeId.parse('worker1@192.168.1.11:4370'));
  console.log(node?.processCount, Cluster.isNodeConnected(Cluster.getLocalNodeId()));
  process.on('SIGINT', async () => {
    await Cluster.stop();
    process.exit(0);
  });
}

export async function discovered(): Promise<void> {
  const records = await dns.resolve4('cluster-seeds.internal');
  const seeds = records.map((ip) => `seed@${ip}:4369`);
  await Cluster.start({ nodeName: process.env['NODE_NAME'] ?? `worker-${process.pid}`, port: 4369, seeds });
  const config: { nodeName: string; port: number } = { nodeName: 'a', port: 1 };
  await Cluster.start({ nodeName: config.nodeName, port: config.port, seeds: process.env['CLUSTER_SEEDS']?.split(',') ?? [] });
  const registered: string = Cluster.getLocalNodeId(); // a NodeId is a string
  console.log(registered);
}

export async function errors(): Promise<void> {
  try {
    await Cluster.start({ nodeName: '123invalid', port: 99999 });
  } catch (error) {
    if (error instanceof InvalidClusterConfigError) console.error(error.message, error.reason satisfies string, error.name);
    if (error instanceof ClusterNotStartedError) same<typeof error.name, 'ClusterNotStartedError'>(true);
    if (error instanceof InvalidNodeIdError) console.error(error.value satisfies string, error.reason);
    const bind = error as ClusterBindError;
    console.error(bind.code, bind.syscall, bind.address, bind.port.toFixed(), bind.errno?.toFixed());
    const system: NodeJS.ErrnoException = bind;
    console.error(system.code);
  }
}

export function ids(input: string): void {
  const id: NodeId = NodeId.create('app1', '192.168.1.10', 4369);
  const maybe = NodeId.tryParse(input);
  if (maybe) console.log(NodeId.getName(maybe).length, NodeId.getHost(maybe), NodeId.getPort(maybe).toFixed());
  const { name, host, port } = NodeId.components(id);
  console.log(name, host, port, NodeId.equals(id, id));
  if (NodeId.isValid(input)) console.log(Cluster.getNode(input));
  const unknown: unknown = input;
  if (isNodeId(unknown)) console.log(Cluster.getNode(unknown));
}

export function emitter(): void {
  Cluster.on('nodeUp', (node) => same<typeof node, NodeInfo>(true));
  Cluster.once('nodeDown', (id, reason) => {
    same<typeof id, NodeId>(true);
    same<typeof reason, NodeDownReason>(true);
  });
  Cluster.on('statusChange', (status) => same<typeof status, ClusterStatus>(true));
  Cluster.on('error', (error: Error) => console.error(error));
  Cluster.onError((error: Error) => console.error(error));
  Cluster.onError((error) => console.error(error.kind, error.nodeId, error.address));
  Cluster.onLog((record) => console.log(record.level, record.message, new Date(record.at)), 'debug');
  void once(Cluster, 'nodeUp');
  const emitting: NodeJS.EventEmitter<ClusterEvents> = Cluster;
  console.log(emitting.listenerCount('nodeUp'));
}

export async function several(): Promise<void> {
  await using node = new ClusterNode();
  await node.start({ nodeName: 'test', host: '127.0.0.1', port: 'auto', clusterName: 'blue', advertiseHost: undefined, forgetAfterMs: 1000 });
  same<typeof Cluster, ClusterNode>(true);
  node.setProcessCount(3);
  const stats: ClusterStats = node.getStats();
  console.log(stats.rejectedByKind['bad_signature']?.toFixed(), stats.peers[0]?.id, node.unref().ref().getUptimeMs(), version.length);
  console.log(stats.peers[0]?.roundTripUs?.toFixed(), node.getMetrics().length, METRICS_CONTENT_TYPE.length);
  await node.start({ nodeName: 'a', controlSocket: '/run/app/node.sock' });
}

// Shapes.
same<typeof Cluster, typeof SameCluster>(true);
same<NodeId, SameNodeId>(true);
same<NodeId, string & { readonly __brand: 'NodeId' }>(true);
same<NodeStatus, 'connecting' | 'connected' | 'disconnected'>(true);
same<ClusterStatus, 'starting' | 'running' | 'stopping' | 'stopped'>(true);
same<NodeDownReason, 'heartbeat_timeout' | 'connection_closed' | 'connection_refused' | 'graceful_shutdown'>(true);
same<Parameters<NodeUpHandler>, ClusterEvents['nodeUp']>(true);
same<Parameters<NodeDownHandler>, ClusterEvents['nodeDown']>(true);
same<Parameters<ClusterStatusHandler>, ClusterEvents['statusChange']>(true);
same<NodeInfo['incarnation'], string | undefined>(true);
same<typeof CLUSTER_DEFAULTS.PORT, 4369>(true);
same<typeof CLUSTER_DEFAULTS.HOST, '0.0.0.0'>(true);
same<typeof CLUSTER_DEFAULTS.HEARTBEAT_INTERVAL_MS, 5000>(true);
same<typeof CLUSTER_DEFAULTS.HEARTBEAT_MISS_THRESHOLD, 3>(true);
same<typeof CLUSTER_DEFAULTS.RECONNECT_BASE_DELAY_MS, 1000>(true);
same<typeof CLUSTER_DEFAULTS.RECONNECT_MAX_DELAY_MS, 30000>(true);
same<typeof CLUSTER_DEFAULTS.PROTOCOL_VERSION, 1>(true);
export const least: ClusterConfig = { nodeName: 'app1' };
export const all: Required<ClusterConfig> = {
  nodeName: 'app1',
  host: undefined,
  advertiseHost: undefined,
  port: undefined,
  seeds: undefined,
  clusterSecret: undefined,
  clusterName: undefined,
  heartbeatIntervalMs: undefined,
  heartbeatMissThreshold: undefined,
  reconnectBaseDelayMs: undefined,
  reconnectMaxDelayMs: undefined,
  forgetAfterMs: undefined,
  controlSocket: undefined,
};
