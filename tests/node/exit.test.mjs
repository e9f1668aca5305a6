// How a process with a running node ends: by every road, several times, with the right exit code, soon, and without a crash. What the
// others see: a goodbye only after stop().

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Child, eventually, fixture, startNode } from './support.mjs';

// A race at exit does not show each time. (Under a sanitizer a child takes seconds.)
const RUNS = process.env.NOEX_SOAK === '1' ? 200 : process.env.LD_PRELOAD ? 4 : 20;
const AT_ONCE = 5;
const CODE = { code: 3, signal: null };
const FAILED = { code: 1, signal: null };
const DONE = { code: 0, signal: null };

const ROADS = {
  exit: CODE,
  exitInHandler: CODE,
  exitWhileStopping: CODE,
  exitWhileStarting: CODE,
  exitOnBeforeExit: CODE,
  exitWhileBusy: CODE,
  throws: FAILED,
  throwsInHandler: FAILED,
  rejects: FAILED,
  unref: DONE,
  stop: DONE,
  stopAndExit: CODE,
  killed: { code: null, signal: 'SIGKILL' },
  terminated: { code: null, signal: 'SIGTERM' },
};
const GOODBYE = new Set(['stop', 'stopAndExit']);
const SEVERAL_RUNS = new Set(['exitInHandler', 'exitWhileStarting', 'exitWhileBusy', 'throwsInHandler', 'exitWhileStopping']);

for (const [road, expected] of Object.entries(ROADS)) {
  test(`${road}, ${RUNS} times`, async (t) => {
    const seed = await startNode(t, 'seed');
    const downs = new Map();
    seed.onNodeDown((id, reason) => downs.set(id, [...(downs.get(id) ?? []), reason]));
    let left = RUNS;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (left-- > 0) {
          const child = new Child(t, fixture('exit.mjs'), [road, seed.getLocalNodeId()], { execArgv: ['--no-warnings'] });
          const [, id, count] = (await child.line('connected')).split(' ');
          const began = Date.now();
          assert.deepEqual(await child.end(), expected, child.output);
          assert(Date.now() - began < 10_000, 'nothing holds the process up');
          assert(Number(count) >= 1, 'it was connected');
          if (expected === FAILED) assert.match(child.errors, /Error: uncaught\n.*exit\.mjs/s);
          else assert.equal(child.errors, '', 'nothing on stderr');
          if (SEVERAL_RUNS.has(road)) continue; // stops and starts on the way: downs of both kinds
          const reasons = await eventually(() => downs.get(id), `${id} is down`);
          assert.deepEqual(reasons, [GOODBYE.has(road) ? 'graceful_shutdown' : 'connection_closed']);
        }
      }),
    );
    await eventually(() => seed.getConnectedNodeCount() === 0, 'all are gone');
  });
}

test('a running node keeps the process alive until it is stopped', async (t) => {
  const child = new Child(t, fixture('alive.mjs'));
  await child.line('running');
  await child.line('a beat later');
  assert.equal(child.ended, undefined);
  child.kill('SIGUSR2'); // the fixture then stops its node
  assert.deepEqual(await child.end(), DONE, child.output);
});

test('a start under way keeps the process alive, even unref\'d', async (t) => {
  const child = new Child(t, fixture('alive.mjs'), ['unref']);
  assert.deepEqual(await child.end(), DONE, child.output);
  assert.deepEqual(child.lines, ['running']);
});

test('a program that only loads the package ends', async (t) => {
  const child = new Child(t, fixture('alive.mjs'), ['nothing']);
  assert.deepEqual(await child.end(), DONE, child.output);
});
