// Several nodes in one process: what they tell of each other.

import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';

import { ClusterNode, FAST, NodeId, connected, eventually, freePort, record, startNode } from './support.mjs';

test('two nodes see each other, with every documented field', async (t) => {
  const before = Date.now();
  const a = await startNode(t, 'a');
  a.setProcessCount(7);
  const b = await startNode(t, 'b', { seeds: [a.getLocalNodeId()] });
  await connected(a, b);
  const info = await eventually(() => {
    const node = b.getNode(a.getLocalNodeId());
    return node.processCount === 7 && node.uptimeMs > 0 && node;
  });
  assert.deepEqual(Object.keys(info), ['id', 'host', 'port', 'status', 'processCount', 'lastHeartbeatAt', 'uptimeMs', 'incarnation']);
  assert.equal(info.id, a.getLocalNodeId());
  assert.equal(info.host, '127.0.0.1');
  assert.equal(info.port, NodeId.getPort(info.id));
  assert.equal(info.status, 'connected');
  assert(info.lastHeartbeatAt >= before && info.lastHeartbeatAt <= Date.now() + 1000);
  assert(info.uptimeMs <= Date.now() - before + 1000);
  assert.equal(info.incarnation, a.getLocalNodeInfo().incarnation);
  assert.deepEqual(b.getNodeIds(), [info.id]);
  assert.deepEqual(
    b.getConnectedNodes().map((node) => node.id),
    [info.id],
  );
  assert.equal(b.getConnectedNodeCount(), 1);
  assert.equal(a.getConnectedNodeCount(), 1);
});

test('a third finds the first by gossip', async (t) => {
  const a = await startNode(t, 'a');
  const b = await startNode(t, 'b', { seeds: [a.getLocalNodeId()] });
  const c = await startNode(t, 'c', { seeds: [b.getLocalNodeId()] });
  await connected(c, a);
  await connected(a, c);
  assert.deepEqual(c.getNodeIds(), [a.getLocalNodeId(), b.getLocalNodeId()], 'sorted by id, without the local node');
});

test('the lists are frozen, and the same while nothing changes', async (t) => {
  const a = await startNode(t, 'a', { heartbeatIntervalMs: 60_000 });
  const b = await startNode(t, 'b', { heartbeatIntervalMs: 60_000, seeds: [a.getLocalNodeId()] });
  await connected(a, b);
  await connected(b, a);
  const stable = await eventually(async () => {
    const list = b.getNodes();
    await new Promise((resolve) => setImmediate(resolve));
    return list === b.getNodes() && list;
  });
  assert.equal(b.getNode(a.getLocalNodeId()), stable[0]);
  assert.equal(b.getConnectedNodes(), b.getConnectedNodes());
  assert.equal(b.getConnectedNodes()[0], stable[0]);
  assert.equal(b.getNodeIds(), b.getNodeIds());
  for (const list of [stable, b.getConnectedNodes(), b.getNodeIds()]) {
    assert(Object.isFrozen(list));
    assert.throws(() => list.push('x'), TypeError);
  }
  assert(Object.isFrozen(stable[0]));
  assert.throws(() => {
    stable[0].status = 'disconnected';
  }, TypeError);
  await a.stop();
  await eventually(() => b.getNodes() !== stable && b.getNodes()[0].status === 'disconnected');
  assert.equal(stable[0].status, 'connected', 'what was handed out stays as it was');
  assert.deepEqual(b.getConnectedNodes(), []);
});

test('a seed under another name is an alias: queries take it, lists do not show it', async (t) => {
  const a = await startNode(t, 'a');
  const port = NodeId.getPort(a.getLocalNodeId());
  const alias = NodeId.parse(`seed@localhost:${port}`);
  const b = await startNode(t, 'b', { seeds: [alias] });
  await connected(b, a);
  assert.equal(b.isNodeConnected(alias), true);
  assert.equal(b.getNode(alias), b.getNode(a.getLocalNodeId()));
  assert.equal(b.getNode(alias).id, a.getLocalNodeId());
  assert.deepEqual(b.getNodeIds(), [a.getLocalNodeId()]);
});

test('a seed by address alone is joined under the name that answers', async (t) => {
  const a = await startNode(t, 'a');
  const b = await startNode(t, 'b', { seeds: [`localhost:${NodeId.getPort(a.getLocalNodeId())}`] });
  await connected(b, a);
  assert.deepEqual(b.getNodeIds(), [a.getLocalNodeId()]);
});

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) => addresses.some(({ address }) => address === '::1'));

test('IPv6: brackets in ids, none in hosts', { skip: !hasIpv6 && 'no ::1 here' }, async (t) => {
  const a = await startNode(t, 'a', { host: '::1', advertiseHost: '::1' });
  const id = a.getLocalNodeId();
  assert.match(id, /^a@\[::1\]:\d+$/);
  const b = await startNode(t, 'b', { host: '[::1]', advertiseHost: '[::1]', seeds: [id] });
  await connected(b, a);
  assert.equal(b.getNode(id).host, '::1');
  assert.equal(b.getNode(`a@[0:0:0:0:0:0:0:1]:${NodeId.getPort(id)}`), b.getNode(id), 'in any spelling');
});

test('queries for what is not there', async (t) => {
  const a = await startNode(t, 'a');
  for (const id of ['other@127.0.0.1:1', 'nonsense', '', 'a@b:1\0', undefined, null, 42, {}]) {
    assert.equal(a.getNode(id), undefined);
    assert.equal(a.isNodeConnected(id), false);
  }
});

test('setProcessCount: before start, and over a restart', async (t) => {
  const a = new ClusterNode();
  t.after(() => a.stop());
  a.setProcessCount(3);
  await a.start({ nodeName: 'a', host: '127.0.0.1', port: 'auto', ...FAST });
  assert.equal(a.getLocalNodeInfo().processCount, 3);
  a.setProcessCount(Number.MAX_SAFE_INTEGER);
  assert.equal(a.getLocalNodeInfo().processCount, Number.MAX_SAFE_INTEGER);
  await a.stop();
  await a.start({ nodeName: 'a', host: '127.0.0.1', port: 'auto', ...FAST });
  assert.equal(a.getLocalNodeInfo().processCount, Number.MAX_SAFE_INTEGER);
  for (const count of [-1, 1.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) assert.throws(() => a.setProcessCount(count), RangeError);
  for (const count of [undefined, null, '3', 3n]) assert.throws(() => a.setProcessCount(count), TypeError);
});

test('statistics: totals, one entry by connection, every kind of refusal', async (t) => {
  const a = await startNode(t, 'a');
  const b = await startNode(t, 'b', { seeds: [a.getLocalNodeId()] });
  await connected(a, b);
  const stats = await eventually(() => {
    const now = a.getStats();
    return now.framesReceived > 2 && now.framesSent > 2 && now;
  });
  for (const [name, value] of Object.entries(stats)) {
    if (name !== 'peers' && name !== 'rejectedByKind') assert(Number.isSafeInteger(value) && value >= 0, `${name}: ${value}`);
  }
  assert.equal(stats.connections, 1);
  assert.equal(stats.connectionsAccepted, 1);
  assert.equal(stats.connectionsUnidentified, 0);
  assert.equal(stats.nodesKnown, 1);
  assert.equal(stats.nodesConnected, 1);
  assert.equal(stats.nodeUps, 1);
  assert.equal(stats.nodeDowns, 0);
  assert.equal(stats.rejected, 0);
  assert(Object.keys(stats.rejectedByKind).includes('bad_signature'));
  assert(Object.values(stats.rejectedByKind).every((count) => count === 0));
  assert.equal(stats.peers.length, 1);
  const [peer] = stats.peers;
  assert.equal(peer.id, b.getLocalNodeId());
  assert.equal(peer.outbound, false);
  assert.equal(peer.confirmed, true);
  assert.match(peer.address, /^127\.0\.0\.1:\d+$/);
  assert(peer.framesReceived > 2 && peer.bytesReceived > peer.framesReceived * 4);
  assert.equal(b.getStats().peers[0].outbound, true);
  assert(b.getStats().dials >= 1);
});

test('a restart under the same id is one down and one up, with another incarnation', async (t) => {
  const port = await freePort();
  const a = await startNode(t, 'a');
  const events = record(a);
  const incarnations = [];
  a.onNodeUp((node) => incarnations.push(node.incarnation));
  const options = { port, seeds: [a.getLocalNodeId()] };
  const b = await startNode(t, 'b', options);
  const id = b.getLocalNodeId();
  await connected(a, b);
  await b.stop();
  await eventually(() => events.length === 2);
  await b.start({ nodeName: 'b', host: '127.0.0.1', ...FAST, ...options });
  await connected(a, b);
  await eventually(() => events.length === 3);
  assert.deepEqual(events, [['nodeUp', id], ['nodeDown', id, 'graceful_shutdown'], ['nodeUp', id]]);
  assert.equal(new Set(incarnations).size, 2);
});

test('another clusterName is refused, and said', async (t) => {
  const a = await startNode(t, 'a', { clusterName: 'blue' });
  const b = new ClusterNode();
  t.after(() => b.stop());
  const errors = [];
  a.onError((error) => errors.push(error));
  b.onError((error) => errors.push(error));
  await b.start({ nodeName: 'b', host: '127.0.0.1', port: 'auto', ...FAST, clusterName: 'green', seeds: [a.getLocalNodeId()] });
  const error = await eventually(() => errors.find((one) => one.kind === 'cluster_mismatch'));
  assert.match(error.message, /blue|green/);
  assert.equal(a.getConnectedNodeCount() + b.getConnectedNodeCount(), 0);
});

test('ten nodes in one process make a full mesh', async (t) => {
  const seed = await startNode(t, 'n0');
  const others = await Promise.all(Array.from({ length: 9 }, (_, i) => startNode(t, `n${i + 1}`, { seeds: [seed.getLocalNodeId()] })));
  const nodes = [seed, ...others];
  const downs = [];
  for (const node of nodes) node.onNodeDown((...args) => downs.push(args));
  await eventually(() => nodes.every((node) => node.getConnectedNodeCount() === 9), 'everybody sees nine others');
  assert.deepEqual(downs, []);
});
