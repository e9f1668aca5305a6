// A thousand starts and stops in one process: memory, threads and descriptors stay as they are.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { ClusterNode, FAST, eventually, startNode } from './support.mjs';

const WARM_UP = 300;
const RUNS = 1000;
// JavaScript's own heap moves by a few megabytes; what a run of ours left behind, a thread's stack or a handle, would be more.
const GROWTH_KIB_MAX = 4096;

const threads = () => readdirSync('/proc/self/task').length;
const descriptors = () => readdirSync('/proc/self/fd').length;

function residentKib() {
  for (let i = 0; i < 3; ++i) globalThis.gc();
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
}

test('a thousand starts and stops', { timeout: 120_000 }, async (t) => {
  const seed = await startNode(t, 'seed');
  let ups = 0;
  const downs = new Map();
  seed.onNodeUp(() => (ups += 1));
  seed.onNodeDown((id, reason) => downs.set(reason, (downs.get(reason) ?? 0) + 1));
  const seeds = [seed.getLocalNodeId()];
  let port = 'auto';
  let guest = new ClusterNode();
  t.after(() => guest.stop());
  const live = async (run) => {
    await guest.start({ nodeName: 'guest', host: '127.0.0.1', port, seeds, ...FAST });
    port = guest.getLocalNodeInfo().port;
    assert.ok(guest.isNodeConnected(seeds[0]));
    await guest.stop();
    if (run % 2) guest = new ClusterNode();
  };
  for (let run = 0; run < WARM_UP; ++run) await live(run);
  const before = [residentKib(), threads(), descriptors()];
  for (let run = 0; run < RUNS; ++run) await live(run);
  await eventually(() => downs.get('graceful_shutdown') === WARM_UP + RUNS, 'the seed saw all of them go');
  assert.equal(ups, WARM_UP + RUNS);
  assert.deepEqual([...downs.keys()], ['graceful_shutdown']);
  await eventually(() => {
    globalThis.gc();
    return threads() <= before[1] && descriptors() <= before[2];
  }, 'threads and descriptors are gone');
  const growth = residentKib() - before[0];
  t.diagnostic(`${growth} KiB more after ${RUNS} runs`);
  assert.ok(growth < GROWTH_KIB_MAX, `${growth} KiB more after ${RUNS} runs`);
});
