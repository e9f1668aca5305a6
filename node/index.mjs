// The same objects as require() gives: one Cluster and one set of classes in a process, whichever way it is imported.
import noex from './index.cjs';

export const {
  CLUSTER_DEFAULTS,
  Cluster,
  ClusterError,
  ClusterNode,
  ClusterNotStartedError,
  InvalidClusterConfigError,
  InvalidNodeIdError,
  METRICS_CONTENT_TYPE,
  NodeId,
  isNodeId,
  version,
} = noex;
