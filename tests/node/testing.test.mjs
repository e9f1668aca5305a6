// noex-cluster/testing: what an application's own tests use.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import * as testing from '../../node/testing.mjs';
import { Child, ClusterNode, ClusterNotStartedError, InvalidClusterConfigError, fixture } from './support.mjs';

const { startMesh } = testing;
const code = 'ERR_NOEX_MESH_TIMEOUT';

/** A mesh that ends with the test. */
async function mesh(t, ...args) {
  const made = await startMesh(...args);
  t.after(() => made.stop());
  return made;
}

test('three connected nodes', async (t) => {
  const three = await mesh(t);
  assert.deepEqual(three.ids.map((id) => id.split('@')[0]), ['node1', 'node2', 'node3']);
  assert.deepEqual([...three], three.nodes);
  assert(Object.isFrozen(three.nodes) && Object.isFrozen(three.ids));
  for (const [index, node] of [...three].entries()) {
    assert(node instanceof ClusterNode);
    assert.equal(node.getLocalNodeId(), three.ids[index]);
    assert.match(node.getLocalNodeId(), /@127\.0\.0\.1:\d+$/);
    assert.deepEqual(node.getConnectedNodes().map(({ id }) => id).sort(), three.ids.filter((id) => id !== three.ids[index]).sort());
  }
  await three.stop();
  await three.stop();
  assert.deepEqual(three.ids, []);
  assert.deepEqual(three.nodes.map((node) => node.getStatus()), ['stopped', 'stopped', 'stopped']);
});

test('names, and options for all nodes', async (t) => {
  const two = await mesh(t, 2, { names: ['left', 'right'], clusterSecret: 'of the test', heartbeatIntervalMs: undefined });
  assert.deepEqual(two.ids.map((id) => id.split('@')[0]), ['left', 'right']);
});

test('Symbol.asyncDispose stops it', { skip: Symbol.asyncDispose === undefined && 'this node has no Symbol.asyncDispose' }, async () => {
  const two = await startMesh(2);
  await two[Symbol.asyncDispose]();
  assert.deepEqual(two.nodes.map((node) => node.getStatus()), ['stopped', 'stopped']);
});

test('a goodbye is seen, and by the handlers of the application first', async (t) => {
  const three = await mesh(t, 3);
  const [one, two, left] = three;
  const downs = [];
  one.onNodeDown((id, reason) => downs.push([id, reason]));
  const id = left.getLocalNodeId();
  const down = three.waitUntilDown(left);
  await left.stop();
  await down;
  assert.deepEqual(downs, [[id, 'graceful_shutdown']]);
  assert.deepEqual(three.ids, [one.getLocalNodeId(), two.getLocalNodeId()]);
  await three.waitUntilDown(left); // it is known by what it was
  await three.waitUntilFull();
});

test('a member that has stopped before it is told to run', async (t) => {
  const two = await mesh(t, 2);
  const node = two.nodes[1];
  await node.stop();
  const statuses = [];
  node.onStatusChange((status) => statuses.push([status, node.getStatus()]));
  const busy = (status) => {
    const deadline = Date.now() + 10_000;
    while (node.getStatus() !== status) assert(Date.now() < deadline, `it is ${status}`);
  };
  const ends = [node.start({ nodeName: 'again', host: '127.0.0.1', port: 'auto' })];
  busy('running');
  ends.push(node.stop());
  busy('stopped');
  await Promise.allSettled(ends);
  assert.deepEqual(statuses[1], ['running', 'stopped'], 'the event came when there was no id any more');
  await two.waitUntilFull();
  assert.equal(two.ids.length, 1);
});

test('a worker is a member that can crash', async (t) => {
  const two = await mesh(t, 2);
  const worker = await two.addWorker();
  assert.match(worker.id, /^node3@127\.0\.0\.1:\d+$/);
  assert.equal(worker.running, true);
  const downs = [];
  for (const node of two) {
    assert(node.isNodeConnected(worker.id));
    node.onNodeDown((id, reason) => downs.push([id, reason]));
  }
  assert.equal(two.nodes.length, 2);
  const gone = await worker.kill();
  assert.equal(gone, worker.id);
  await two.waitUntilDown(gone);
  assert.deepEqual(downs, [[gone, 'connection_closed'], [gone, 'connection_closed']]);
  assert.equal(worker.running, false);
  await two.waitUntilFull();
  await worker.stop();
});

test('a worker may leave politely, and ends with its mesh', async (t) => {
  const one = await mesh(t, 1);
  const downs = [];
  one.nodes[0].onNodeDown((id, reason) => downs.push([id, reason]));
  const leaver = await one.addWorker('leaver');
  const stayer = await one.addWorker('stayer');
  const down = one.waitUntilDown(leaver);
  await leaver.stop();
  await down;
  assert.deepEqual(downs, [[leaver.id, 'graceful_shutdown']]);
  await one.stop();
  assert.equal(stayer.running, false);
});

test('one more node, and a node of the application', async (t) => {
  const two = await mesh(t, 2);
  const late = await two.add();
  assert.match(late.getLocalNodeId(), /^node3@/);
  assert.equal(late.getConnectedNodeCount(), 2);
  const app = new ClusterNode();
  t.after(() => app.stop());
  await assert.rejects(two.waitUntilUp(app), ClusterNotStartedError);
  const ups = [];
  for (const node of two) node.onNodeUp(({ id }) => ups.push(id));
  await app.start({ nodeName: 'app', host: '127.0.0.1', port: 'auto', seeds: two.ids });
  await two.waitUntilUp(app);
  const id = app.getLocalNodeId();
  assert.deepEqual(ups, [id, id, id]);
  await app.stop();
  await two.waitUntilDown(id);
});

test('a mesh that does not form says who misses whom', async (t) => {
  const two = await mesh(t, 2, { clusterSecret: 'one' });
  for (const node of two) node.onError(() => {}); // or each would be a warning on the screen
  const error = await two.add('stranger', { clusterSecret: 'another', timeoutMs: 1000 }).then(assert.fail, (reason) => reason);
  assert.equal(error.code, code);
  const lines = error.message.split('\n');
  assert.equal(lines[0], 'the mesh is not full within 1000 ms:');
  assert.equal(lines.length, 4, error.message);
  two.ids.forEach((id, i) => assert(lines[i + 1].startsWith(`  ${id} does not see stranger@127.0.0.1:`), error.message));
  assert(/^ {2}stranger@/.test(lines[3]) && lines[3].includes(`does not see ${two.ids.join(', ')}`), error.message);
  assert.match(error.message, /its last error: /); // of the secret
  // Who did not become a member is gone, and the others go on.
  assert.equal(two.nodes.length, 2);
  await two.waitUntilFull();
  await assert.rejects(two.addWorker('stranger', { clusterSecret: 'another', timeoutMs: 1000 }), {
    code,
    message: /^stranger@\S+ is not up within 1000 ms:\n {2}node1@\S+ does not see stranger@/,
  });
  await assert.rejects(two.waitUntilDown(two.ids[0], { timeoutMs: 50 }), { code, message: /is not down within 50 ms:\n {2}node2@.* still sees/ });
  await assert.rejects(two.waitUntilUp('nobody@127.0.0.1:1', { timeoutMs: 50 }), { code, message: /^nobody@127\.0\.0\.1:1 is not up/ });
});

test('options are checked', async (t) => {
  const refused = (promise, kind, message) => assert.rejects(promise, (error) => error instanceof kind && message.test(error.message));
  await refused(startMesh(2, { port: 4369 }), TypeError, /a mesh chooses 'port' of its nodes itself/);
  await refused(startMesh(2, { clusterSecrt: 'x' }), InvalidClusterConfigError, /clusterSecret/);
  await refused(startMesh(2, { heartbeatIntervalMs: 1 }), InvalidClusterConfigError, /heartbeatIntervalMs/);
  for (const count of [0, -1, 1.5, '3', null]) await refused(startMesh(count), RangeError, /one node or more/);
  await refused(startMesh(2, { names: ['alone'] }), RangeError, /a list of 2/);
  await refused(startMesh(2, { timeoutMs: -1 }), RangeError, /timeoutMs/);
  await refused(startMesh(2, null), TypeError, /options/);
  const one = await mesh(t, 1);
  await refused(one.add('x', { seeds: [] }), TypeError, /chooses 'seeds'/);
  await refused(one.addWorker('a b'), Error, /nodeName/);
  await refused(one.waitUntilFull({ timeoutMs: Number.NaN }), RangeError, /timeoutMs/);
  await refused(one.waitUntilUp('no id'), Error, /Invalid node id/);
  assert.equal(one.nodes.length, 1);
});

test('the environment does not move it', async (t) => {
  const before = process.env.NOEX_ADVERTISE_HOST;
  process.env.NOEX_ADVERTISE_HOST = '192.0.2.1';
  t.after(() => {
    if (before === undefined) delete process.env.NOEX_ADVERTISE_HOST;
    else process.env.NOEX_ADVERTISE_HOST = before;
  });
  const two = await mesh(t, 2);
  for (const id of two.ids) assert.match(id, /@127\.0\.0\.1:/);
});

test('a fake clock does not disturb it', async (t) => {
  const real = globalThis.setTimeout;
  globalThis.setTimeout = () => assert.fail('the clock of the test was asked');
  t.after(() => {
    globalThis.setTimeout = real;
  });
  const two = await mesh(t, 2);
  await assert.rejects(two.waitUntilDown(two.ids[0], { timeoutMs: 50 }), { code });
});

test('a blocked event loop takes nobody down', async (t) => {
  const three = await mesh(t, 3);
  const downs = [];
  for (const node of three) node.onNodeDown((id) => downs.push(id));
  const until = Date.now() + 2500; // longer than the timeout
  while (Date.now() < until);
  await three.waitUntilFull();
  assert.deepEqual(downs, []);
});

test('a program that stops its mesh ends', async (t) => {
  const child = new Child(t, fixture('mesh_ends.mjs'));
  assert.deepEqual(await child.end(), { code: 0, signal: null }, child.output);
  assert.deepEqual(child.lines, ['2', 'stopped']);
});

test('both module systems give the same', () => {
  const required = createRequire(import.meta.url)('../../node/testing.cjs');
  assert.deepEqual(Object.keys(testing), ['startMesh']);
  assert.equal(required.startMesh, startMesh);
});
