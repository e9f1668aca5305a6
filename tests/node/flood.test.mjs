// A JavaScript thread that does not fetch its events: what waits is bounded, and what it is told in the end is true and in order.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

import { ClusterNode, FAST, connected, eventually, fixture, freePort, startNode } from './support.mjs';

const VISITS = 800; // an up and a down each
const WAITING_MAX = 1024 + 256; // events in the library's queue, where they fold, and on the way to JavaScript

/** A worker whose thread is blocked, after `visits` visits of a node of ours to its node. */
async function floodedWorker(t, visits) {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(fixture('flooded.mjs'), { workerData: { gate } });
  t.after(() => worker.terminate());
  const [{ id }] = await once(worker, 'message');
  const port = await freePort();
  const visitor = new ClusterNode();
  t.after(() => visitor.stop());
  for (let i = 0; i < visits; ++i) {
    await visitor.start({ nodeName: 'visitor', host: '127.0.0.1', port, ...FAST, seeds: [id] });
    await connected(visitor, id);
    await visitor.stop();
  }
  return { gate, worker, id };
}

test(`${VISITS} visits while the thread is blocked`, async (t) => {
  const { gate, worker } = await floodedWorker(t, VISITS);
  const reported = once(worker, 'message');
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  const [{ events, during, stats }] = await reported;

  assert.equal(during, 0, 'the thread was blocked');
  assert(stats.nodeUps > WAITING_MAX / 2, `the node itself saw it all: ${stats.nodeUps} ups`);
  assert(stats.eventsQueued <= 1024 + 2, `${stats.eventsQueued} events wait`);
  assert(stats.eventsCoalesced > 0, 'the rest was folded, and counted');
  assert(events.length <= WAITING_MAX + 4, `${events.length} events came`);
  assert(events.length > 64, 'what was on its way already is not lost');
  events.forEach(([kind], i) => assert.equal(kind, i % 2 === 0 ? 'nodeUp' : 'nodeDown', `event ${i}`));
  assert.equal(events.at(-1)[0], 'nodeDown', 'the last word is the truth');
});

test('terminate() while more events wait than the way to JavaScript takes', async (t) => {
  const { worker, id } = await floodedWorker(t, 200);
  const witness = await startNode(t, 'witness', { seeds: [id] });
  const reasons = [];
  witness.onNodeDown((who, reason) => reasons.push(reason));
  await connected(witness, id);
  assert.equal(await worker.terminate(), 1);
  await eventually(() => reasons.length > 0);
  assert.deepEqual(reasons, ['connection_closed']);
});
