// The examples as their users run them: separate processes, started and ended as their headers say.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Child, eventually, freePort } from './support.mjs';

const DONE = { code: 0, signal: null };
const REPORT_MS = 40_000; // reports come every 5 or 10 s

const example = (name) => fileURLToPath(new URL(`../../examples/node/${name}`, import.meta.url));

test('cluster-node: three nodes, the third finds the first by gossip', async (t) => {
  const ports = [await freePort(), await freePort(), await freePort()];
  const ids = ['seed1', 'worker1', 'worker2'].map((name, i) => `${name}@127.0.0.1:${ports[i]}`);
  const run = (...args) => new Child(t, example('cluster-node.mjs'), args);
  const seed1 = run('seed1', ports[0]);
  await seed1.line('[seed1] Started as');
  const worker1 = run('worker1', ports[1], `seed1@localhost:${ports[0]}`);
  await worker1.line('[worker1] Started as');
  const worker2 = run('worker2', ports[2], `worker1@localhost:${ports[1]}`);

  await worker2.line(`[worker2] Node joined: ${ids[1]}`);
  await worker2.line(`[worker2] Node joined: ${ids[0]}`);
  await seed1.line(`[seed1] Node joined: ${ids[2]}`);
  await worker1.line(`[worker1] Node joined: ${ids[2]}`);
  assert.deepEqual(seed1.lines.slice(0, 5), [
    'Starting node: seed1',
    '[seed1] Cluster status: starting',
    '[seed1] Cluster status: running',
    `[seed1] Started as ${ids[0]}`,
    `[seed1] Node joined: ${ids[1]}`,
  ]);
  await seed1.line('[seed1] Connected to 2 nodes:', REPORT_MS);
  await seed1.line(`  - ${ids[1]} (0 processes)`);
  await seed1.line(`  - ${ids[2]} (0 processes)`);

  worker1.kill('SIGINT');
  assert.deepEqual(await worker1.end(), DONE, worker1.output);
  assert(worker1.lines.includes('Shutting down...'));
  for (const [child, name] of [[seed1, 'seed1'], [worker2, 'worker2']]) {
    await child.line(`[${name}] Node left: ${ids[1]} (graceful_shutdown)`);
  }
  for (const child of [seed1, worker2]) {
    child.kill('SIGTERM');
    assert.deepEqual(await child.end(), DONE, child.output);
  }
});

test('cluster-node: a taken port ends it with an error', async (t) => {
  const port = await freePort();
  const first = new Child(t, example('cluster-node.mjs'), ['first', port]);
  await first.line('Started as');
  const second = new Child(t, example('cluster-node.mjs'), ['second', port]);
  assert.deepEqual(await second.end(), { code: 1, signal: null }, second.output);
  assert.match(second.errors, /EADDRINUSE/);
});

test('health-monitor: three monitors, one report of the documented form', async (t) => {
  const ports = [await freePort(), await freePort(), await freePort()];
  const ids = ports.map((port, i) => `monitor${i + 1}@127.0.0.1:${port}`);
  const run = (...args) => new Child(t, example('health-monitor.mjs'), args, { env: { TZ: 'UTC', LC_ALL: 'en_GB.UTF-8' } });
  const first = run('monitor1', ports[0]);
  await first.line('Cluster started as');
  const second = run('monitor2', ports[1], `monitor1@localhost:${ports[0]}`);
  const third = run('monitor3', ports[2], `monitor1@localhost:${ports[0]}`);
  await first.line(`[EVENT] Node joined: ${ids[1]}`);
  await first.line(`[EVENT] Node joined: ${ids[2]}`);
  assert.deepEqual(first.lines.slice(0, 5), [
    'Starting cluster health monitor: monitor1',
    `Port: ${ports[0]}`,
    'Seeds: (none)',
    '',
    `Cluster started as ${ids[0]}`,
  ]);

  const plain = (line) => line.replace(/\x1b\[\d*[mJHK]|\x1b\[\d+;\d+H/g, '');
  await first.line((line) => plain(line) === '  Connected:    2 / 2 nodes', REPORT_MS);
  await eventually(() => plain(first.lines.at(-1)).startsWith('Last updated:'));
  const lines = first.lines.map(plain);
  const report = lines.slice(lines.lastIndexOf('                    CLUSTER HEALTH MONITOR                       ') - 1);
  const expected = [
    /^═{63}$/,
    /^ {20}CLUSTER HEALTH MONITOR *$/,
    /^═{63}$/,
    /^$/,
    /^Local Node$/,
    new RegExp(`^  ID:     ${ids[0]}$`),
    /^  Uptime: \d+s$/,
    /^$/,
    /^Cluster Status$/,
    /^  Health:       HEALTHY$/,
    /^  Availability: 100%$/,
    /^  Connected:    2 \/ 2 nodes$/,
    /^$/,
    /^Connected Nodes$/,
    new RegExp(`^  - ${ids[1]}$`),
    /^    processes: 0, uptime: \d+s$/,
    new RegExp(`^  - ${ids[2]}$`),
    /^    processes: 0, uptime: \d+s$/,
    /^$/,
    /^Recent Events$/,
    /^  \+ \[.*\d+:\d\d:\d\d.*\] monitor[23]@127\.0\.0\.1:\d+$/,
    /^  \+ \[.*\d+:\d\d:\d\d.*\] monitor[23]@127\.0\.0\.1:\d+$/,
    /^$/,
    /^Last updated: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \| Press Ctrl\+C to exit$/,
  ];
  assert.equal(report.length, expected.length, report.join('\n'));
  expected.forEach((pattern, i) => assert.match(report[i], pattern));

  second.kill('SIGKILL');
  await first.line(`[EVENT] Node left: ${ids[1]} (connection_closed)`);
  await first.line((line) => plain(line) === '  Availability: 50%', REPORT_MS);
  await first.line((line) => plain(line) === '  Health:       DEGRADED');
  for (const child of [first, third]) {
    child.kill('SIGINT');
    assert.deepEqual(await child.end(), DONE, child.output);
    assert(child.lines.includes('Shutting down monitor...'));
  }
});
