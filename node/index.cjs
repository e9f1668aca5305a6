'use strict';
// noex-cluster: an embeddable cluster node. The interface is described in index.d.cts.

const native = require('./lib/native.cjs');
const errors = require('./lib/errors.cjs');
const { createNodeFactories } = require('./lib/node-info.cjs');

native.setErrorFactory(errors.makeError);
native.setNodeFactories(...createNodeFactories(native.nodeStatuses));

const { ClusterNode } = require('./lib/cluster-node.cjs');
const { NodeId, isNodeId } = require('./lib/node-id.cjs');

module.exports = {
  CLUSTER_DEFAULTS: native.defaults,
  Cluster: new ClusterNode(),
  ClusterError: errors.ClusterError,
  ClusterNode,
  ClusterNotStartedError: errors.ClusterNotStartedError,
  InvalidClusterConfigError: errors.InvalidClusterConfigError,
  InvalidNodeIdError: errors.InvalidNodeIdError,
  METRICS_CONTENT_TYPE: native.metricsContentType,
  NodeId,
  isNodeId,
  version: native.version,
};
