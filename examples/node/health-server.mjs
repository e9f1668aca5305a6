// A health check for load balancers and orchestrators: GET /health answers 200 while the node is a running member, else
// 503.
//
//     NODE_NAME=app1 HEALTH_PORT=8080 node health-server.mjs
//     curl http://localhost:8080/health
//
//     HEALTH_PORT   default: 8080
//     NODE_NAME, CLUSTER_PORT, CLUSTER_SEEDS, CLUSTER_SECRET   as in environment.mjs

import { createServer } from 'node:http';
import { Cluster } from 'noex-cluster';

function startHealthServer(port) {
  const server = createServer((req, res) => {
    if (req.url !== '/health') {
      res.writeHead(404);
      res.end();
      return;
    }
    const status = Cluster.getStatus();
    const healthy = status === 'running';
    res.writeHead(healthy ? 200 : 503, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify({
      status,
      healthy,
      nodeId: healthy ? Cluster.getLocalNodeId() : null,
      connectedNodes: healthy ? Cluster.getConnectedNodeCount() : 0,
    }));
  });
  server.listen(port, () => console.log(`health endpoint: http://0.0.0.0:${port}/health`));
  return server;
}

const shutdown = new Promise((resolve) => {
  process.once('SIGINT', resolve).once('SIGTERM', resolve);
});

const healthServer = startHealthServer(Number(process.env.HEALTH_PORT || 8080)); // answers 503 until the node runs
await Cluster.start({
  nodeName: process.env.NODE_NAME || `worker-${process.pid}`,
  port: Number(process.env.CLUSTER_PORT || 4369),
  seeds: process.env.CLUSTER_SEEDS?.split(',').filter(Boolean),
  clusterSecret: process.env.CLUSTER_SECRET,
});
console.log(`running as ${Cluster.getLocalNodeId()}`);

await shutdown;
await Cluster.stop();
healthServer.close();
healthServer.closeAllConnections(); // a load balancer keeps its connection open
