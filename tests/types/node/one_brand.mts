// What CommonJS exports fits what ESM wants: one class, one brand.

import { Cluster, type ClusterNode, type NodeId } from 'noex-cluster';

import { exported, exportedNode } from './commonjs.cjs';

export const id: NodeId = exported;
export const node: ClusterNode = exportedNode;
console.log(Cluster.getNode(exported));
