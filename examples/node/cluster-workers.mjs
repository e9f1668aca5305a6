// The workers of node:cluster as members, and the primary, too: it has the fixed port, and is their seed.
//
//     NODE_NAME=app1 PORT=8000 WORKERS=4 node cluster-workers.mjs
//
// A worker of node:cluster is a process that begins anew, not a copy of the primary: it shares nothing of the primary's
// node and starts one of its own. They share the port that requests come in at, since node passes that socket on; but
// not the port of the cluster, which the library opens by itself: each worker takes any free one.
//
//     PORT, WORKERS   where requests come in (8000), and how many workers there are (one by processor)
//     NODE_NAME, CLUSTER_PORT, CLUSTER_SEEDS, CLUSTER_SECRET   of the primary, as in environment.mjs

import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { availableParallelism } from 'node:os';
import { Cluster } from 'noex-cluster';

const name = process.env.NODE_NAME || 'app';
const config = {
  seeds: process.env.CLUSTER_SEEDS?.split(',').filter(Boolean) ?? [],
  clusterSecret: process.env.CLUSTER_SECRET,
  // A worker that was killed never comes back under its old id: the others need not dial it for a day.
  forgetAfterMs: 10 * 60 * 1000,
};
const shutdown = new Promise((resolve) => {
  process.once('SIGINT', resolve).once('SIGTERM', resolve);
});

if (cluster.isPrimary) {
  await runPrimary();
} else {
  await runWorker();
}

async function runPrimary() {
  Cluster.onNodeUp((node) => console.log(`up ${node.id}`));
  Cluster.onNodeDown((nodeId, reason) => console.log(`down ${nodeId} (${reason})`));
  await Cluster.start({ ...config, nodeName: name, port: Number(process.env.CLUSTER_PORT || 4369) });
  console.log(`running as ${Cluster.getLocalNodeId()}`);

  // The primary first; the other seeds are for the time when it is gone.
  const environment = { CLUSTER_SEEDS: [Cluster.getLocalNodeId(), ...config.seeds].join(',') };
  let stopping = false;
  const replace = () => {
    if (!stopping) cluster.fork(environment);
  };
  cluster.on('exit', (worker, code, signal) => {
    if (stopping) return;
    console.log(`worker ${worker.process.pid} ended (${signal ?? code})`);
    setTimeout(replace, 1000).unref(); // later: one that cannot start is no reason to run hot
  });
  const workers = Number(process.env.WORKERS || availableParallelism());
  for (let i = 0; i < workers; i += 1) cluster.fork(environment);

  await shutdown;
  stopping = true;
  const running = Object.values(cluster.workers);
  for (const worker of running) worker.process.kill('SIGTERM');
  await Promise.all(running.filter((worker) => !worker.isDead()).map((worker) => once(worker, 'exit')));
  await Cluster.stop();
}

async function runWorker() {
  await Cluster.start({ ...config, nodeName: `${name}-${process.pid}`, port: 'auto' });
  const server = createServer((req, res) => {
    res.setHeader('Content-Type', 'application/json');
    res.end(JSON.stringify({ pid: process.pid, nodeId: Cluster.getLocalNodeId(), nodes: Cluster.getNodeIds() }));
  });
  server.listen(Number(process.env.PORT || 8000));
  await once(server, 'listening');
  console.log(`worker ${process.pid} running as ${Cluster.getLocalNodeId()}`);

  await shutdown;
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  setTimeout(() => server.closeAllConnections(), 5000).unref(); // who takes longer than that is cut off
  await closed;
  await Cluster.stop();
  process.disconnect(); // from the primary: else that channel keeps the process alive
}
