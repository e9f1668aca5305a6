// An Express application that is a member; `npm install express`:
//
//     NODE_NAME=web1 CLUSTER_PORT=4370 CLUSTER_SEEDS=seed1@localhost:4369 PORT=8000 node express-app.mjs
//
//     PORT   where requests come in; default: 8000
//     NODE_NAME, CLUSTER_PORT, CLUSTER_SEEDS, CLUSTER_SECRET   as in environment.mjs

import { once } from 'node:events';
import { createServer } from 'node:http';
import express from 'express';
import { Cluster } from 'noex-cluster';

const app = express();

app.get('/health', (req, res) => {
  const status = Cluster.getStatus();
  const healthy = status === 'running';
  res.status(healthy ? 200 : 503).json({
    status,
    healthy,
    nodeId: healthy ? Cluster.getLocalNodeId() : null,
    connectedNodes: healthy ? Cluster.getConnectedNodeCount() : 0,
  });
});

app.get('/nodes', (req, res) => {
  res.json(Cluster.getNodes().map(({ id, status, uptimeMs }) => ({ id, status, uptimeMs })));
});

const shutdown = new Promise((resolve) => {
  process.once('SIGINT', resolve).once('SIGTERM', resolve);
});

await Cluster.start({
  nodeName: process.env.NODE_NAME || `web-${process.pid}`,
  port: Number(process.env.CLUSTER_PORT || 4369),
  seeds: process.env.CLUSTER_SEEDS?.split(',').filter(Boolean),
  clusterSecret: process.env.CLUSTER_SECRET,
});
try {
  const server = createServer(app).listen(Number(process.env.PORT || 8000));
  await once(server, 'listening'); // or the error of a port that is taken
  console.log(`running as ${Cluster.getLocalNodeId()}`);

  await shutdown;
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  setTimeout(() => server.closeAllConnections(), 5000).unref(); // who takes longer than that is cut off
  await closed;
} finally {
  await Cluster.stop();
}
