// A web server in a container that is a member of the cluster, with what an orchestrator asks for.
//
//     NODE_NAME=server1 CLUSTER_SECRET_FILE=secret.txt CLUSTER_SEEDS=seed@seed:4369 node server.mjs
//     curl http://localhost:8080/
//
//     NODE_NAME            default: server- and the host's name, which in a container is the container's or the pod's.
//                          (The process id, that other programs take, is 1 in every container.)
//     CLUSTER_SECRET_FILE  file with the secret of the cluster; it does not start without one
//     CLUSTER_SEEDS        nodes to join, with commas between: name@host:port, or host:port with a DNS name
//     CLUSTER_NAME         nodes of another name are refused; default: none
//     CLUSTER_PORT         default: 4369
//     HTTP_PORT            default: 8080
//     NOEX_ADVERTISE_HOST  under which address others reach this node; default: found
//
// GET /         the work: who is there, as this node sees it
// GET /health   200 while the node lives: a failure means that the process should be restarted. It does not look at the
//               others: when the network fails, restarting everybody would not repair it
// GET /ready    200 from the end of the start until SIGTERM: whether to send requests here
// GET /metrics  the node's metrics, for Prometheus

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { hostname } from 'node:os';
import { Cluster } from 'noex-cluster';

const OPENMETRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
let accepting = false; // whether requests should come here

function getConfig() {
  if (!process.env.CLUSTER_SECRET_FILE) throw new Error('CLUSTER_SECRET_FILE is not set');
  return {
    nodeName: process.env.NODE_NAME || `server-${hostname()}`,
    port: Number(process.env.CLUSTER_PORT || 4369),
    seeds: process.env.CLUSTER_SEEDS?.split(',').filter(Boolean),
    clusterName: process.env.CLUSTER_NAME,
    clusterSecret: readFileSync(process.env.CLUSTER_SECRET_FILE, 'utf8').replace(/\n$/, ''),
    // A container that is gone never comes back under its old id: the others need not look for it for a day.
    forgetAfterMs: 10 * 60 * 1000,
  };
}

function route(path) {
  const status = Cluster.getStatus();
  const running = status === 'running';
  const ready = running && accepting;
  if (path === '/health') return [running ? 200 : 503, { status }];
  if (path === '/ready') return [ready ? 200 : 503, { ready }];
  if (path === '/metrics' && running) return [200, Cluster.getMetrics()];
  if (path === '/' && running) {
    const nodes = Object.fromEntries(Cluster.getNodes().map((node) => [node.id, node.status]));
    return [200, { self: Cluster.getLocalNodeId(), nodes }];
  }
  return [path === '/' || path === '/metrics' ? 503 : 404, {}];
}

const server = createServer((req, res) => {
  const [status, body] = route(req.url);
  const isText = typeof body === 'string';
  res.writeHead(status, {
    'Content-Type': isText ? OPENMETRICS : 'application/json',
    ...(accepting ? {} : { Connection: 'close' }), // it would be kept open for the next request
  });
  res.end(isText ? body : JSON.stringify(body));
});

// As process 1 of a container it has no default action for signals: without these SIGTERM would do nothing at all.
const shutdown = new Promise((resolve) => {
  process.once('SIGINT', resolve).once('SIGTERM', resolve);
});

Cluster.onNodeUp((node) => console.log(`up ${node.id}`));
Cluster.onNodeDown((nodeId, reason) => console.log(`down ${nodeId} (${reason})`));
Cluster.onError((error) => console.error(error.message));
server.listen(Number(process.env.HTTP_PORT || 8080));
await once(server, 'listening');
try {
  await Cluster.start(getConfig());
} catch (error) { // a wrong option, no secret, a port that is taken
  console.error(`cannot start: ${error.message}`);
  process.exit(1);
}
console.log(`running as ${Cluster.getLocalNodeId()}`);
accepting = true;

await shutdown;
accepting = false; // 1. no new work: /ready answers 503
const closed = once(server, 'close');
server.close(); // 2. finish what has begun, but not for ever
server.closeIdleConnections();
const timer = setTimeout(() => server.closeAllConnections(), 5000);
await closed;
clearTimeout(timer);
await Cluster.stop(); // 3. leave: the others see graceful_shutdown, and do not wait for heartbeats
console.log('left the cluster');
