// Handlers: order, what they see, what happens when they throw, and the EventEmitter.

import assert from 'node:assert/strict';
import { EventEmitter, errorMonitor, on, once } from 'node:events';
import { test } from 'node:test';

import { ClusterError, ClusterNode, FAST, connected, eventually, freePort, record, startNode } from './support.mjs';

const LOCAL = { host: '127.0.0.1', port: 'auto' };

/** Takes the process's uncaught exceptions while `action` runs. */
async function uncaughtDuring(action, count) {
  const errors = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const keep = (error) => errors.push(error);
  process.on('uncaughtException', keep);
  try {
    await action();
    await eventually(() => errors.length >= count, `${count} uncaught exceptions`);
  } finally {
    process.off('uncaughtException', keep);
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
  return errors;
}

test('a join and a leave, on both sides, in order', async (t) => {
  const a = new ClusterNode();
  const b = new ClusterNode();
  t.after(() => Promise.all([a.stop(), b.stop()]));
  const [seenByA, seenByB] = [record(a), record(b)];
  await a.start({ nodeName: 'a', ...LOCAL, ...FAST });
  const aId = a.getLocalNodeId();
  await b.start({ nodeName: 'b', ...LOCAL, ...FAST, seeds: [aId] });
  const bId = b.getLocalNodeId();
  assert.deepEqual(seenByB, [['statusChange', 'starting'], ['statusChange', 'running'], ['nodeUp', aId]], 'a start waits for its seed');
  await connected(a, b);
  await eventually(() => seenByA.length >= 3);
  await b.stop();
  assert.deepEqual(seenByB.slice(3), [['statusChange', 'stopping'], ['statusChange', 'stopped']], 'our own stop reports no down');
  await eventually(() => seenByA.length >= 4);
  assert.deepEqual(seenByA.slice(2), [['nodeUp', bId], ['nodeDown', bId, 'graceful_shutdown']]);
});

test('inside onNodeUp the lists show the node; inside onNodeDown it is disconnected', async (t) => {
  const a = await startNode(t, 'a');
  const seen = [];
  a.onNodeUp((node) => seen.push(['up', node, a.getNode(node.id).status, a.getNodes().length, a.isNodeConnected(node.id)]));
  a.onNodeDown((id) => seen.push(['down', id, a.getNode(id).status, a.getNodes().length, a.isNodeConnected(id)]));
  const b = await startNode(t, 'b', { seeds: [a.getLocalNodeId()] });
  const id = b.getLocalNodeId();
  await eventually(() => seen.length === 1);
  await b.stop();
  await eventually(() => seen.length === 2);
  const [[, info, ...whenUp], whenDown] = seen;
  assert.equal(info.id, id);
  assert.equal(info.status, 'connected');
  assert(Object.isFrozen(info));
  assert.deepEqual(whenUp, ['connected', 1, true]);
  assert.deepEqual(whenDown, ['down', id, 'disconnected', 1, false]);
});

test('unsubscribe ends one registration, once', async (t) => {
  const node = new ClusterNode();
  t.after(() => node.stop());
  const calls = [];
  const handler = (status) => calls.push(status);
  const first = node.onStatusChange(handler);
  node.onStatusChange(handler);
  first();
  first(); // not the second registration of the same function
  await node.start({ nodeName: 'app1', ...LOCAL });
  assert.deepEqual(calls, ['starting', 'running']);
  await node.stop();
  assert.equal(node.listenerCount('statusChange'), 1);
});

test('a handler that ends itself or another in the midst of an event', async (t) => {
  const node = new ClusterNode();
  t.after(() => node.stop());
  const calls = [];
  const offFirst = node.onStatusChange(() => {
    calls.push('first');
    offFirst();
  });
  node.onStatusChange(() => calls.push('second'));
  await node.start({ nodeName: 'app1', ...LOCAL });
  assert.deepEqual(calls, ['first', 'second', 'second']);
  await node.stop();
});

test('a handler that throws stops no other, and is an uncaught exception', async (t) => {
  const node = new ClusterNode();
  t.after(() => node.stop());
  const calls = [];
  node.onStatusChange((status) => {
    throw new Error(`first ${status}`);
  });
  node.onStatusChange((status) => {
    calls.push(status);
    throw new Error(`second ${status}`);
  });
  node.on('statusChange', (status) => calls.push(status));
  const errors = await uncaughtDuring(() => node.start({ nodeName: 'app1', ...LOCAL }), 4);
  assert.deepEqual(calls, ['starting', 'starting', 'running', 'running']);
  assert.deepEqual(
    errors.map((error) => error.message),
    ['first starting', 'second starting', 'first running', 'second running'],
  );
  node.removeAllListeners();
  await node.stop();
});

test('an async handler that rejects is an unhandled rejection like any other', async (t) => {
  const node = new ClusterNode();
  t.after(() => node.stop());
  node.onStatusChange(async (status) => {
    if (status === 'running') throw new Error('asynchronously');
  });
  const rejections = [];
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  const keep = (error) => rejections.push(error);
  process.on('unhandledRejection', keep);
  await node.start({ nodeName: 'app1', ...LOCAL });
  await eventually(() => rejections.length === 1);
  process.off('unhandledRejection', keep);
  for (const listener of listeners) process.on('unhandledRejection', listener);
  assert.equal(rejections[0].message, 'asynchronously');
  await node.stop();
});

test('a handler must be a function', () => {
  const node = new ClusterNode();
  for (const method of ['onNodeUp', 'onNodeDown', 'onStatusChange', 'onError', 'onLog']) {
    for (const handler of [undefined, null, 'handler', {}]) assert.throws(() => node[method](handler), TypeError);
  }
  assert.throws(() => node.onLog(() => {}, 'loud'), RangeError);
});

test('a Cluster is an EventEmitter', async (t) => {
  const a = await startNode(t, 'a');
  assert(a instanceof EventEmitter);
  const up = once(a, 'nodeUp');
  const seen = [];
  a.on('nodeUp', (node) => seen.push(node.id));
  a.once('nodeDown', (id, reason) => seen.push([id, reason]));
  const b = await startNode(t, 'b', { seeds: [a.getLocalNodeId()] });
  const [node] = await up;
  assert.equal(node.id, b.getLocalNodeId());
  const downs = on(a, 'nodeDown');
  await b.stop();
  const { value } = await downs.next();
  assert.deepEqual(value, [node.id, 'graceful_shutdown']);
  assert.deepEqual(seen, [node.id, [node.id, 'graceful_shutdown']]);
  assert.equal(a.listenerCount('nodeDown'), 1, "once() is gone, events.on()'s is there");
  await downs.return();
});

test('more than ten handlers are no leak', async (t) => {
  const warnings = warningsDuring(t);
  const node = new ClusterNode();
  for (let i = 0; i < 50; ++i) node.onNodeUp(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});

test("an 'error' without a listener does not throw", () => {
  const node = new ClusterNode();
  assert.equal(node.emit('error', new Error('nobody listens')), false);
  const seen = [];
  node.on(errorMonitor, (error) => seen.push(error.message));
  assert.equal(node.emit('error', new Error('only watched')), false);
  assert.deepEqual(seen, ['only watched']);
});

test('a wrong secret is an error on both sides, never a member, and nobody throws', async (t) => {
  const a = await startNode(t, 'a', { clusterSecret: 'right' });
  const errors = [];
  a.onError((error) => errors.push(error));
  const b = new ClusterNode();
  t.after(() => b.stop());
  const seenByB = record(b);
  await b.start({ nodeName: 'b', ...LOCAL, ...FAST, clusterSecret: 'wrong', seeds: [a.getLocalNodeId()] });
  const error = await eventually(() => errors[0]);
  assert(error instanceof ClusterError && error instanceof Error);
  assert.equal(error.name, 'ClusterError');
  assert.equal(error.kind, 'authentication');
  assert.match(error.address, /^127\.0\.0\.1:\d+$/);
  assert.match(error.message, /sign|secret/i);
  const error2 = (await eventually(() => seenByB.find(([name]) => name === 'error')))[1];
  assert.equal(error2.kind, 'authentication');
  assert.equal(a.getConnectedNodeCount(), 0);
  assert.equal(b.getConnectedNodeCount(), 0);
  const stats = a.getStats();
  assert(stats.rejected > 0);
  assert(Object.values(stats.rejectedByKind).reduce((sum, count) => sum + count, 0) === stats.rejected);
});

/** Collects this process's warnings until the test is over. */
function warningsDuring(t) {
  const warnings = [];
  const keep = (warning) => warnings.push(warning);
  process.on('warning', keep);
  t.after(() => process.off('warning', keep));
  return warnings;
}

test('what a handler takes is no process warning too', async (t) => {
  const warnings = warningsDuring(t);
  const a = await startNode(t, 'a', { clusterSecret: 'right' });
  const b = new ClusterNode();
  t.after(() => b.stop());
  const errors = [];
  for (const node of [a, b]) node.onError((error) => errors.push(error.message));
  await b.start({ nodeName: 'b', ...LOCAL, ...FAST, clusterSecret: 'wrong', seeds: [a.getLocalNodeId()] });
  await eventually(() => errors.length > 10);
  await eventually(() => warnings.length > 0, '', 300).catch(() => {});
  assert.deepEqual(warnings, []);
});

test('without a listener, an error becomes a process warning', async (t) => {
  const warnings = warningsDuring(t);
  const a = await startNode(t, 'a', { clusterSecret: 'right' });
  await startNode(t, 'b', { clusterSecret: 'wrong', seeds: [a.getLocalNodeId()] });
  const warning = await eventually(() => warnings.find((one) => one.name === 'NoexClusterWarning'));
  assert.match(warning.message, /sign|secret/i);
});

test('log records go to onLog by level', async (t) => {
  const a = new ClusterNode();
  t.after(() => a.stop());
  const [info, errors, raw] = [[], [], []];
  a.onLog((entry) => info.push(entry));
  a.onLog((entry) => errors.push(entry), 'error');
  a.on('log', (entry) => raw.push(entry));
  const offDebug = a.onLog(() => {}, 'debug');
  offDebug();
  await a.start({ nodeName: 'a', ...LOCAL, ...FAST, seeds: [`absent@127.0.0.1:${await freePort()}`] });
  await eventually(() => info.length > 0, 'a start that reached no seed says so');
  assert(info.some((entry) => /absent@127\.0\.0\.1/.test(entry.message)), JSON.stringify(info));
  assert.deepEqual(raw, info);
  assert.deepEqual(errors, []);
  assert(info.every((entry) => Object.isFrozen(entry) && entry.level !== 'debug'));
});
