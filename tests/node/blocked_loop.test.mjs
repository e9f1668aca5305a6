// The reason to be native: a process whose event loop is blocked for 20 s, at 1000 ms x 3, is never reported down and reports nobody.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Child, DEADLINE_MS, eventually, fixture, record, startNode } from './support.mjs';

const BLOCK_MS = 20_000;

test('an event loop that is blocked for 20 s', async (t) => {
  const seed = await startNode(t, 'seed', { heartbeatIntervalMs: 1000, heartbeatMissThreshold: 3 });
  const seedEvents = record(seed);
  const children = ['waiting', 'computing'].map((mode) => new Child(t, fixture('blocked.mjs'), [mode, seed.getLocalNodeId(), BLOCK_MS]));
  for (const child of children) await child.line('started');
  await eventually(() => seed.getConnectedNodeCount() === 2);
  for (const child of children) child.send('block');

  for (const child of children) {
    const state = JSON.parse(await child.line('blockedMs', BLOCK_MS + DEADLINE_MS));
    assert(state.blockedMs >= BLOCK_MS, 'it was blocked');
    // Seen at the very end of the block, before the loop turned: the node itself went on all the while.
    assert.equal(state.status, 'connected');
    assert(state.heartbeatAgoMs < 3000, `the last heartbeat came ${state.heartbeatAgoMs} ms ago`);
  }
  assert.equal(seed.getConnectedNodeCount(), 2);
  for (const child of children) child.send('report');
  for (const child of children) {
    const { events } = JSON.parse(await child.line('events'));
    // The seed, and the other child, which may have reported already and left.
    const told = events.filter(([, , reason]) => reason !== 'graceful_shutdown').map(([name]) => name);
    assert.deepEqual(told, ['nodeUp', 'nodeUp'], JSON.stringify(events));
    assert.deepEqual(await child.end(), { code: 0, signal: null }, child.output);
  }
  assert.deepEqual(
    seedEvents.filter(([name, , reason]) => name !== 'nodeUp' && reason !== 'graceful_shutdown'),
    [],
  );
});
