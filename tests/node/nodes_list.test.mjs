// getNodes() over changes: a list is made anew, of the objects of the one before where nothing has changed.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';
import { ClusterNode, eventually } from './support.mjs';

const { createNodeFactories } = createRequire(import.meta.url)('../../node/lib/node-info.cjs');
const options = { host: '127.0.0.1', port: 'auto', heartbeatIntervalMs: 100, heartbeatMissThreshold: 100 };

test('a list after a change has the new values, and is frozen', async () => {
  const [a, b, c] = [new ClusterNode(), new ClusterNode(), new ClusterNode()];
  await a.start({ ...options, nodeName: 'a' });
  const seeds = [a.getLocalNodeId()];
  await Promise.all([b.start({ ...options, nodeName: 'b', seeds }), c.start({ ...options, nodeName: 'c', seeds })]);
  const before = await eventually(() => a.getConnectedNodeCount() === 2 && a.getNodes(), 'both are there');
  b.setProcessCount(7);
  const after = await eventually(() => a.getNodes().some((node) => node.processCount === 7) && a.getNodes(), 'the count');

  assert.notEqual(after, before);
  assert.ok(Object.isFrozen(after) && after.every((node) => Object.isFrozen(node)));
  assert.deepEqual(after.map((node) => node.id), [b.getLocalNodeId(), c.getLocalNodeId()]);
  const [old, now] = [before[0], after[0]];
  assert.equal(old.processCount, 0);
  assert.equal(now.processCount, 7);
  assert.match(now.incarnation, /^[0-9a-f]{16}$/);
  const fixed = ({ id, host, port, status, incarnation }) => ({ id, host, port, status, incarnation });
  assert.deepEqual(fixed(now), fixed(old));
  assert.deepEqual(Object.keys(now), Object.keys(old));

  await c.stop();
  const [, gone] = await eventually(() => a.getConnectedNodeCount() === 1 && a.getNodes(), 'c is down');
  assert.equal(gone.status, 'disconnected');
  assert.equal(a.getNode(gone.id), gone);

  // Another run of the same node: all is read anew.
  await c.start({ ...options, nodeName: 'c', port: gone.port, seeds });
  const [, back] = await eventually(() => a.getConnectedNodeCount() === 2 && a.getNodes(), 'c is back');
  assert.equal(back.id, gone.id);
  assert.notEqual(back.incarnation, gone.incarnation);
  await Promise.all([a.stop(), b.stop(), c.stop()]);
});

test('who comes and goes leaves the others the same objects', async () => {
  const [a, b, c] = [new ClusterNode(), new ClusterNode(), new ClusterNode()];
  // Beats are so rare that nothing else changes meanwhile, but for those who have just met.
  const slow = { ...options, heartbeatIntervalMs: 60_000 };
  await a.start({ ...slow, nodeName: 'a' });
  const seeds = [a.getLocalNodeId()];
  await c.start({ ...slow, nodeName: 'c', seeds });
  const [alone] = await eventually(() => a.getConnectedNodeCount() === 1 && a.getNodes(), 'c is there');
  await b.start({ ...slow, nodeName: 'b', seeds });
  const [first, second] = await eventually(() => a.getConnectedNodeCount() === 2 && a.getNodes(), 'b is there, too');
  assert.equal(first.id, b.getLocalNodeId());
  assert.match(first.incarnation, /^[0-9a-f]{16}$/);
  assert.equal(second.id, alone.id);
  assert.deepEqual(second, { ...alone, lastHeartbeatAt: second.lastHeartbeatAt, uptimeMs: second.uptimeMs });
  await Promise.all([a.stop(), b.stop(), c.stop()]);
});

test('what has not changed is the same object', () => {
  const [makeNodes, renewNodes] = createNodeFactories(['', 'connecting', 'connected', 'disconnected']);
  const numbers = new Float64Array(64); // longer than what is in it
  numbers.set([0, -1, 4369, 2, 5, 1000, 10, 1, -1, 4370, 1, 0, 0, 0]);
  const list = makeNodes(2, numbers, 'a@h:4369\nh\n00000000000000ff\nb@h:4370\nh\n');
  const [a, b] = list;
  assert.deepEqual(a, {
    id: 'a@h:4369',
    host: 'h',
    port: 4369,
    status: 'connected',
    processCount: 5,
    lastHeartbeatAt: 1000,
    uptimeMs: 10,
    incarnation: '00000000000000ff',
  });
  assert.equal(b.status, 'connecting');
  assert.equal(b.incarnation, undefined);

  numbers.set([1, 3, 6, 2000, 20]); // b has changed
  const renewed = renewNodes(1, numbers, '', list);
  assert.equal(renewed[0], a);
  assert.deepEqual(renewed[1], { ...b, status: 'disconnected', processCount: 6, lastHeartbeatAt: 2000, uptimeMs: 20 });
  assert.deepEqual([list[0], list[1]], [a, b]);

  numbers.set([0, 0, 0, -1, 0, 0, 0, 1, -1, 4370, 2, 0, 3000, 0]); // another run of b
  const restarted = makeNodes(2, numbers, 'b@h:4370\nh\n0000000000000001', renewed);
  assert.equal(restarted[0], a);
  assert.deepEqual(restarted[1], {
    ...b,
    status: 'connected',
    lastHeartbeatAt: 3000,
    incarnation: '0000000000000001',
  });

  // a is gone, c has come, and d; b is the same.
  numbers.set([0, 1, 0, -1, 0, 0, 0, 1, -1, 4371, 2, 1, 1, 1, 2, -1, 4372, 1, 0, 0, 0]);
  const other = makeNodes(3, numbers, 'c@h:4371\nh\n0000000000000002\nd@h:4372\nh\n', restarted);
  assert.equal(other[0], restarted[1]);
  assert.deepEqual(other.map((node) => [node.id, node.port, node.incarnation]).slice(1), [
    ['c@h:4371', 4371, '0000000000000002'],
    ['d@h:4372', 4372, undefined],
  ]);
  assert.ok([renewed, restarted, other].every((nodes) => Object.isFrozen(nodes)));
  assert.deepEqual(makeNodes(0, numbers, ''), []);
});
