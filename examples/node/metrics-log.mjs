// The state of the cluster as a line of JSON every so often, for whatever collects logs.
//
//     NODE_NAME=app1 METRICS_INTERVAL_S=5 node metrics-log.mjs
//
//     METRICS_INTERVAL_S   default: 30
//     NODE_NAME, CLUSTER_PORT, CLUSTER_SEEDS, CLUSTER_SECRET   as in environment.mjs

import { Cluster } from 'noex-cluster';

function logClusterMetrics() {
  const nodes = Cluster.getConnectedNodes();
  console.log(JSON.stringify({
    timestamp: new Date().toISOString(),
    status: Cluster.getStatus(),
    connectedNodes: nodes.length,
    nodes: nodes.map(({ id, status, processCount, uptimeMs }) => ({ id, status, processCount, uptimeMs })),
  }));
}

const shutdown = new Promise((resolve) => {
  process.once('SIGINT', resolve).once('SIGTERM', resolve);
});

await Cluster.start({
  nodeName: process.env.NODE_NAME || `worker-${process.pid}`,
  port: Number(process.env.CLUSTER_PORT || 4369),
  seeds: process.env.CLUSTER_SEEDS?.split(',').filter(Boolean),
  clusterSecret: process.env.CLUSTER_SECRET,
});
// What the others see as this node's processCount is yours to say: jobs, sessions, whatever you count.
Cluster.setProcessCount(1);
logClusterMetrics();
const timer = setInterval(logClusterMetrics, Number(process.env.METRICS_INTERVAL_S || 30) * 1000);

await shutdown;
clearInterval(timer);
await Cluster.stop();
