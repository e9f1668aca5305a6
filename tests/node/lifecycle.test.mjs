// start() and stop(): their order with events, their errors, and what is answered when.

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';

import { CLUSTER_DEFAULTS, Cluster, ClusterNode, ClusterNotStartedError, NodeId, connected, eventually, freePort, record, startNode, takenPort } from './support.mjs';

const LOCAL = { host: '127.0.0.1', port: 'auto' };
const QUERIES = [
  (node) => node.getLocalNodeId(),
  (node) => node.getLocalNodeInfo(),
  (node) => node.getNodes(),
  (node) => node.getConnectedNodes(),
  (node) => node.getNodeIds(),
  (node) => node.getNode('a@b:1'),
  (node) => node.isNodeConnected('a@b:1'),
  (node) => node.getConnectedNodeCount(),
  (node) => node.getUptimeMs(),
  (node) => node.getStats(),
];

function assertNotStarted(node) {
  for (const query of QUERIES) {
    assert.throws(
      () => query(node),
      (error) => error instanceof ClusterNotStartedError && error.name === 'ClusterNotStartedError' && error.message.length > 0,
      String(query),
    );
  }
}

test('the documented course, with the singleton', async (t) => {
  t.after(() => Cluster.stop());
  assert(Cluster instanceof ClusterNode);
  assert.equal(Cluster.getStatus(), 'stopped');
  assertNotStarted(Cluster);

  const events = record(Cluster);
  const port = await freePort();
  const starting = Cluster.start({ nodeName: 'app1', host: '127.0.0.1', port, seeds: [], clusterSecret: 'my-secure-secret' });
  assert.match(Cluster.getStatus(), /^(starting|running)$/); // at once; how far it is, is the node's own affair
  assert.equal(await starting, undefined);
  assert.deepEqual(events, [['statusChange', 'starting'], ['statusChange', 'running']]);
  assert.equal(Cluster.getStatus(), 'running');
  assert.equal(Cluster.getLocalNodeId(), `app1@127.0.0.1:${port}`);
  assert.deepEqual(Cluster.getNodes(), []);
  assert.deepEqual(Cluster.getConnectedNodes(), []);
  assert.deepEqual(Cluster.getNodeIds(), []);
  assert.equal(Cluster.getNode(NodeId.parse('other@127.0.0.1:1')), undefined);
  assert.equal(Cluster.isNodeConnected(NodeId.parse('other@127.0.0.1:1')), false);
  assert.equal(Cluster.getConnectedNodeCount(), 0);
  assert(Cluster.getUptimeMs() >= 0 && Cluster.getUptimeMs() < 60_000);

  const info = Cluster.getLocalNodeInfo();
  assert.deepEqual(
    { ...info, lastHeartbeatAt: 0, uptimeMs: 0, incarnation: '' },
    { id: `app1@127.0.0.1:${port}`, host: '127.0.0.1', port, status: 'connected', processCount: 0, lastHeartbeatAt: 0, uptimeMs: 0, incarnation: '' },
  );
  assert.match(info.incarnation, /^[0-9a-f]{16}$/);
  assert(Math.abs(Date.now() - info.lastHeartbeatAt) < 10_000);
  assert(Object.isFrozen(info));

  assert.equal(await Cluster.stop(), undefined);
  assert.deepEqual(events.slice(2), [['statusChange', 'stopping'], ['statusChange', 'stopped']]);
  assert.equal(Cluster.getStatus(), 'stopped');
  assertNotStarted(Cluster);
});

test('a second start rejects and changes nothing', async (t) => {
  const node = await startNode(t, 'app1');
  const id = node.getLocalNodeId();
  await assert.rejects(node.start({ nodeName: 'app2', ...LOCAL }), { name: 'Error', message: 'Cluster is already running' });
  assert.equal(node.getLocalNodeId(), id);
  assert.equal(node.getStatus(), 'running');
});

test('a second start while the first is under way rejects, the first goes on', async (t) => {
  const node = new ClusterNode();
  t.after(() => node.stop());
  const first = node.start({ nodeName: 'app1', ...LOCAL });
  await assert.rejects(node.start({ nodeName: 'app1', ...LOCAL }), { message: 'Cluster is already running' });
  await first;
});

test('stop without start, twice, and concurrently', async (t) => {
  const node = new ClusterNode();
  t.after(() => node.stop());
  await node.stop();
  await node.start({ nodeName: 'app1', ...LOCAL });
  const events = record(node);
  await Promise.all([node.stop(), node.stop(), node.stop()]);
  await node.stop();
  assert.deepEqual(events, [['statusChange', 'stopping'], ['statusChange', 'stopped']]);
});

test('stop in a handler', async (t) => {
  const seed = await startNode(t, 'seed');
  const node = new ClusterNode();
  const stopped = new Promise((resolve, reject) => node.onNodeUp(() => node.stop().then(resolve, reject)));
  await node.start({ nodeName: 'app1', seeds: [seed.getLocalNodeId()], ...LOCAL }).catch((error) => assert.match(error.message, /stop/));
  await stopped;
  assert.equal(node.getStatus(), 'stopped');
});

test('stop while starting: the start rejects, the stop resolves', async (t) => {
  // A seed that accepts and says nothing keeps the start waiting.
  const silent = net.createServer(() => {});
  await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.after(() => silent.close());
  const node = new ClusterNode();
  const started = node.start({ nodeName: 'app1', ...LOCAL, seeds: [`silent@127.0.0.1:${silent.address().port}`] });
  const rejected = assert.rejects(started, (error) => error.code === 'NOEX_EABORTED' && error.message.length > 0);
  await node.stop();
  await rejected;
  assert.equal(node.getStatus(), 'stopped');
  await node.start({ nodeName: 'app1', ...LOCAL });
  await node.stop();
});

test('start after stop, many times, with the same port and the same handlers', async (t) => {
  const port = await freePort();
  const node = new ClusterNode();
  t.after(() => node.stop());
  const events = record(node);
  const runs = new Set();
  for (let i = 0; i < 10; ++i) {
    await node.start({ nodeName: 'app1', host: '127.0.0.1', port });
    assert.equal(node.getLocalNodeId(), `app1@127.0.0.1:${port}`);
    runs.add(node.getLocalNodeInfo().incarnation);
    await node.stop();
  }
  assert.equal(runs.size, 10, 'each run has an incarnation of its own');
  assert.equal(events.length, 40);
});

test('nothing of the last run is left in the lists of the next', async (t) => {
  const seed = await startNode(t, 'seed');
  const node = await startNode(t, 'app1', { seeds: [seed.getLocalNodeId()] });
  await connected(node, seed);
  const before = node.getNodes();
  await node.stop();
  await node.start({ nodeName: 'app1', ...LOCAL });
  assert.deepEqual(node.getNodes(), []);
  assert.deepEqual(node.getConnectedNodes(), []);
  assert.deepEqual(node.getNodeIds(), []);
  assert.equal(before.length, 1, 'what was handed out stays as it was');
});

test('a taken port: code, syscall, address, port, and and who called', async (t) => {
  const port = await takenPort(t);
  const node = new ClusterNode();
  t.after(() => node.stop());
  const events = record(node);
  await assert.rejects(node.start({ nodeName: 'app1', host: '127.0.0.1', port }), (error) => {
    assert(error instanceof Error);
    assert.equal(error.code, 'EADDRINUSE');
    assert.equal(error.errno, -98);
    assert.equal(error.address, '127.0.0.1');
    assert.equal(error.port, port);
    assert.match(error.syscall, /^(bind|listen)$/);
    assert(error.message.includes(`127.0.0.1:${port}`), error.message);
    assert(error.stack.includes('lifecycle.test.mjs'), `the stack shows who called start:\n${error.stack}`);
    return true;
  });
  assert.equal(node.getStatus(), 'stopped');
  assert.deepEqual(events, [['statusChange', 'starting'], ['statusChange', 'stopped']]);
  assertNotStarted(node);
  await node.start({ nodeName: 'app1', ...LOCAL });
  await node.stop();
});

test('the default address, and who else uses that port', async (t) => {
  const server = net.createServer();
  // If something else has the port already, that serves as well.
  await new Promise((resolve) => server.once('error', resolve).listen(CLUSTER_DEFAULTS.PORT, CLUSTER_DEFAULTS.HOST, resolve));
  t.after(() => server.close());
  const node = new ClusterNode();
  t.after(() => node.stop());
  const error = await node.start({ nodeName: 'app1' }).catch((failure) => failure);
  assert.equal(error.code, 'EADDRINUSE');
  assert.equal(error.address, '0.0.0.0');
  assert.equal(error.port, 4369);
  assert.match(error.message, /0\.0\.0\.0:4369.*epmd/);
});

test('an address that is not here, and a host that does not resolve', async () => {
  const node = new ClusterNode();
  await assert.rejects(node.start({ nodeName: 'app1', host: '192.0.2.1', port: 'auto' }), { code: 'EADDRNOTAVAIL', address: '192.0.2.1' });
  await assert.rejects(node.start({ nodeName: 'app1', host: 'no-such-host.invalid', port: 'auto' }), (error) => {
    assert.equal(error.syscall, 'getaddrinfo');
    assert.equal(error.address, 'no-such-host.invalid');
    assert.match(error.code, /^E/);
    return true;
  });
  assert.equal(node.getStatus(), 'stopped');
});

test("port 'auto' takes a free port for each node", async (t) => {
  const nodes = await Promise.all(['a', 'b', 'c'].map((name) => startNode(t, name)));
  const ports = nodes.map((node) => NodeId.getPort(node.getLocalNodeId()));
  assert.equal(new Set(ports).size, 3);
});

test('the seeds need not be up', async (t) => {
  const started = Date.now();
  const node = await startNode(t, 'app1', { seeds: [`absent@127.0.0.1:${await freePort()}`] });
  assert(Date.now() - started < 5000);
  assert.equal(node.getStatus(), 'running');
});

test('a seed that starts last is joined', async (t) => {
  const port = await freePort();
  const node = await startNode(t, 'app1', { seeds: [`late@127.0.0.1:${port}`] });
  const late = await startNode(t, 'late', { port });
  await connected(node, late);
  await connected(late, node);
});

test('await using stops the node', { skip: Symbol.asyncDispose === undefined }, async () => {
  const node = new ClusterNode();
  await node.start({ nodeName: 'app1', ...LOCAL });
  await node[Symbol.asyncDispose]();
  assert.equal(node.getStatus(), 'stopped');
});

test('queries answer while the node is stopping', async (t) => {
  const seed = await startNode(t, 'seed');
  const node = await startNode(t, 'app1', { seeds: [seed.getLocalNodeId()] });
  await connected(node, seed);
  const seen = [];
  node.onStatusChange((status) => {
    if (status === 'stopping') seen.push(status);
  });
  const stopped = node.stop();
  if (node.getStatus() === 'stopping') assert.match(node.getLocalNodeId(), /^app1@/);
  await stopped;
  assert.deepEqual(seen, ['stopping']);
  await eventually(() => seed.getConnectedNodeCount() === 0);
});
