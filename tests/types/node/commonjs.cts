// The same package from CommonJS, in its three spellings; the class and the brand are those that ESM sees.

import { Cluster, ClusterNode, NodeId, type NodeInfo } from 'noex-cluster';
import noex = require('noex-cluster/distribution');
import * as all from 'noex-cluster/distribution';
import { startMesh, type Mesh } from 'noex-cluster/testing';

const node: ClusterNode = noex.Cluster;
const id: noex.NodeId = NodeId.parse('a@b:1');
Cluster.onNodeUp((info: NodeInfo) => console.log(info.id));
all.Cluster.onNodeUp((info: noex.NodeInfo) => console.log(info.id));
console.log(node === Cluster, all.NodeId.equals(id, id));

export const started: Promise<Mesh> = startMesh(3);

export const exported: NodeId = id;
export const exportedNode = node;
