// A worker that leaves in order, for rolling deployments. At SIGTERM it takes no new work, finishes what it has, leaves
// the cluster, and ends. Its work here: the body of a POST goes back in capitals.
//
//     NODE_NAME=worker1 WORK_PORT=8080 node graceful-shutdown.mjs
//     curl -d hello http://localhost:8080/
//
//     WORK_PORT        where work comes in; default: 8080
//     DRAIN_TIMEOUT_S  how long it waits for unfinished work; default: 5. What starts and stops processes should wait
//                      for longer before it kills (Kubernetes: 30 s, Docker: 10 s)
//     NODE_NAME, CLUSTER_PORT, CLUSTER_SEEDS, CLUSTER_SECRET   as in environment.mjs

import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { Cluster } from 'noex-cluster';

let inFlight = 0;
const server = createServer(async (req, res) => {
  inFlight += 1;
  console.log(`${inFlight} in flight`);
  res.once('close', () => {
    inFlight -= 1;
  });
  try {
    const result = (await text(req)).toUpperCase();
    if (!server.listening) res.setHeader('Connection', 'close'); // it would be kept open for the next request
    res.end(result);
  } catch { // the client is gone
    res.destroy();
  }
});

/** Stops accepting at once; resolves when all that is in flight has ended, one way or the other. */
async function drain(timeoutS) {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  if (inFlight > 0) console.log(`waiting for ${inFlight} in flight`);
  const timer = setTimeout(() => {
    console.warn(`gave up ${inFlight} in flight`);
    server.closeAllConnections();
  }, timeoutS * 1000);
  await closed;
  clearTimeout(timer);
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
try {
  server.listen(Number(process.env.WORK_PORT || 8080));
  await once(server, 'listening'); // or the error of a port that is taken
  console.log(`running as ${Cluster.getLocalNodeId()}`);
  console.log(`received ${await shutdown}, starting graceful shutdown`);

  // 1. No new work, and 2. finish what is in flight
  await drain(Number(process.env.DRAIN_TIMEOUT_S || 5));
} finally {
  await Cluster.stop(); // 3. leave: the others hear it at once, and do not wait for heartbeats
}
console.log('left the cluster');
