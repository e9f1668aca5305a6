// worker_threads: each has nodes of its own, and may end in any way while they run.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

import { Cluster, DEADLINE_MS, eventually, fixture, startNode } from './support.mjs';

/** Starts a worker and waits for its node. */
async function startWorker(t, seed, name, end) {
  const worker = new Worker(fixture('worker.mjs'), { workerData: { name, seed: seed.getLocalNodeId(), end } });
  t.after(() => worker.terminate());
  const state = { worker, errors: [], exitCode: undefined };
  worker.on('error', (error) => state.errors.push(error));
  worker.on('exit', (code) => {
    state.exitCode = code;
  });
  const hello = await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return Object.assign(state, hello);
}

test('several workers at once, beside the main thread, each with its own Cluster', async (t) => {
  t.after(() => Cluster.stop());
  await Cluster.start({ nodeName: 'main', host: '127.0.0.1', port: 'auto', heartbeatIntervalMs: 200, heartbeatMissThreshold: 5 });
  const workers = await Promise.all([1, 2, 3].map((i) => startWorker(t, Cluster, `worker${i}`)));
  for (const worker of workers) assert.equal(worker.before, 'stopped', "a worker's Cluster is its own");
  await eventually(() => Cluster.getConnectedNodeCount() === 3);
  assert.deepEqual(Cluster.getNodeIds(), workers.map((worker) => worker.id).sort());
});

test('terminate() while the node runs: no goodbye, the process goes on', async (t) => {
  const seed = await startNode(t, 'seed');
  const downs = [];
  seed.onNodeDown((id, reason) => downs.push([id, reason]));
  for (let i = 0; i < 10; ++i) {
    const { worker, id } = await startWorker(t, seed, `worker${i}`);
    await worker.terminate();
    await eventually(() => downs.length === i + 1);
    assert.deepEqual(downs[i], [id, 'connection_closed']);
  }
});

test('terminate() in the midst of events', async (t) => {
  const seed = await startNode(t, 'seed');
  for (let i = 0; i < 10; ++i) {
    const { worker } = await startWorker(t, seed, `spin${i}`, 'spin');
    await worker.terminate();
  }
  await eventually(() => seed.getConnectedNodeCount() === 0, 'all are gone');
});

for (const [end, exitCode, reason] of [
  ['stop', 0, 'graceful_shutdown'],
  ['exit', 0, 'connection_closed'],
  ['unref', 0, 'connection_closed'],
]) {
  test(`a worker that ends by ${end}`, async (t) => {
    const seed = await startNode(t, 'seed');
    const downs = [];
    seed.onNodeDown((id, why) => downs.push([id, why]));
    const worker = await startWorker(t, seed, 'worker', end);
    worker.worker.postMessage('go');
    await eventually(() => worker.exitCode !== undefined, 'the worker ends', DEADLINE_MS);
    assert.equal(worker.exitCode, exitCode);
    assert.deepEqual(worker.errors, []);
    await eventually(() => downs.length > 0);
    assert.deepEqual(downs, [[worker.id, reason]]);
  });
}

test("a handler that throws is the worker's error, not the process's", async (t) => {
  const seed = await startNode(t, 'seed');
  const worker = await startWorker(t, seed, 'worker', 'throw');
  worker.worker.postMessage('go');
  await eventually(() => worker.exitCode !== undefined);
  assert.equal(worker.exitCode, 1);
  assert.deepEqual(
    worker.errors.map((error) => error.message),
    ['in the worker'],
  );
});
