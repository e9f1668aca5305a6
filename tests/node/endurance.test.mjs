// A thousand starts and stops in one process: memory, threads and descriptors stay as they are.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { ClusterNode, FAST, eventually, startNode } from './support.mjs';

const WARM_UP = 300;
const RUNS = 1000;
// JavaScript's own memory comes and goes by megabytes. What a run left behind, a thread's stack or a handle, would make
// each part of these runs grow; so the part counts in which it grew least.
const PART = 250;
const GROWTH_KIB_MAX = 1024;

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
  const before = [threads(), descriptors()];
  const resident = [residentKib()];
  for (let run = 0; run < RUNS; ++run) {
    await live(run);
    if ((run + 1) % PART === 0) resident.push(residentKib());
  }
  await eventually(() => downs.get('graceful_shutdown') === WARM_UP + RUNS, 'the seed saw all of them go');
  assert.equal(ups, WARM_UP + RUNS);
  assert.deepEqual([...downs.keys()], ['graceful_shutdown']);
  await eventually(() => {
    globalThis.gc();
    return threads() <= before[0] && descriptors() <= before[1];
  }, 'threads and descriptors are gone');
  const growth = resident.slice(1).map((kib, part) => kib - resident[part]);
  t.diagnostic(`KiB more after each ${PART} runs: ${growth.join(', ')}`);
  const counts = process.env.NOEX_SANITIZER === undefined;
  assert.ok(!counts || Math.min(...growth) < GROWTH_KIB_MAX, `grows without end: ${growth.join(', ')} KiB`);
});
