// What the types must refuse: each line below an expectation fails to compile, or this file does.

import { CLUSTER_DEFAULTS, Cluster, ClusterError, NodeId, type ClusterConfig, type NodeInfo } from 'noex-cluster';

// @ts-expect-error nodeName is required
export const nameless: ClusterConfig = { port: 1 };
// @ts-expect-error a port is a number or 'auto'
export const textPort: ClusterConfig = { nodeName: 'a', port: '4369' };
// @ts-expect-error no such option
export const misspelt: ClusterConfig = { nodeName: 'a', clusterSecrt: 'x' };
// @ts-expect-error seeds is a list
export const oneSeed: ClusterConfig = { nodeName: 'a', seeds: 'a@b:1' };
// @ts-expect-error null is not for typed callers
export const nullSecret: ClusterConfig = { nodeName: 'a', clusterSecret: null };
// @ts-expect-error any string is not an id
export const unchecked: NodeId = 'a@b:1';
// @ts-expect-error any string is not an id
Cluster.getNode('a@b:1');
// @ts-expect-error a brand, not a class
export const branded = new NodeId('a@b:1');

export function change(node: NodeInfo): void {
  // @ts-expect-error read-only
  node.status = 'connected';
  // @ts-expect-error read-only
  Cluster.getNodes().push(node);
  // @ts-expect-error read-only
  CLUSTER_DEFAULTS.PORT = 1;
}

// @ts-expect-error no such event
Cluster.on('nodeUpp', () => {});
// @ts-expect-error a handler of another event
Cluster.on('nodeUp', (status: number) => console.log(status));
// @ts-expect-error a handler with other arguments
Cluster.onNodeDown((id: number) => console.log(id));
// @ts-expect-error no such level
Cluster.onLog(() => {}, 'loud');
// @ts-expect-error the package makes these
export const made = new ClusterError();
// @ts-expect-error a promise
export const notAwaited: undefined = Cluster.stop();
