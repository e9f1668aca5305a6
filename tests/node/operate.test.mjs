// What an operator uses: metrics for the application's own server, the control socket, NODE_DEBUG.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { Child, ClusterNode, ClusterNotStartedError, METRICS_CONTENT_TYPE, connected, eventually, fixture, startNode } from './support.mjs';

function temporaryFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), 'noex-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** One request to a control socket, and its answer. */
async function ask(path, request) {
  const socket = createConnection(path);
  try {
    socket.write(`${request}\n`);
    for await (const line of createInterface({ input: socket })) return JSON.parse(line);
    throw new Error(`no answer to ${request}`);
  } finally {
    socket.destroy();
  }
}

test('metrics tell of the cluster', async (t) => {
  const one = await startNode(t, 'one');
  assert.match(one.getMetrics(), /^noex_cluster_members\{state="connected"\} 0$/m);
  const two = await startNode(t, 'two', { seeds: [one.getLocalNodeId()] });
  await connected(one, two);
  const text = one.getMetrics();
  assert.match(text, /^noex_cluster_members\{state="connected"\} 1$/m);
  assert(text.includes(`noex_cluster_peer_silence_seconds{peer="${two.getLocalNodeId()}"} `));
  assert(text.endsWith('# EOF\n'));
  assert.equal(METRICS_CONTENT_TYPE, 'application/openmetrics-text; version=1.0.0; charset=utf-8');
});

test('metrics need a running node', () => {
  assert.throws(() => new ClusterNode().getMetrics(), ClusterNotStartedError);
});

test('statistics tell come-backs and round trips', async (t) => {
  const one = await startNode(t, 'one');
  const two = await startNode(t, 'two', { seeds: [one.getLocalNodeId()] });
  const { port } = two.getLocalNodeInfo();
  await connected(one, two);
  const peer = await eventually(() => one.getStats().peers.find(({ roundTripUs }) => roundTripUs > 0));
  assert(peer.silenceMs >= 0);
  await two.stop();
  await two.start({ nodeName: 'two', host: '127.0.0.1', port, seeds: [one.getLocalNodeId()] });
  await eventually(() => one.getStats().nodeRestarts === 1);
  assert.equal(one.getStats().nodeReconnects, 0);
  assert.equal(one.getStats().pausedMs >= 0, true);
});

test('a control socket answers while the node runs, also for a blocked event loop', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'child.sock');
  const child = new Child(t, fixture('control.mjs'), [path]);
  await child.line('started');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  child.send('block');
  await child.line('blocking');
  for (let i = 0; i < 20; i += 1) {
    const status = await ask(path, 'status');
    assert.equal(status.name, 'child');
    assert.equal(status.pid, child.pid);
  }
  assert.deepEqual((await ask(path, 'members')).members, []);
  assert.equal((await ask(path, 'nonsense')).error, "unknown request 'nonsense': it is status, members, metrics or events");
});

test('a control socket goes with the node', async (t) => {
  const controlSocket = join(temporaryFolder(t), 'node.sock');
  const node = await startNode(t, 'one', { controlSocket });
  await assert.rejects(startNode(t, 'two', { controlSocket }), { code: 'EADDRINUSE', address: controlSocket });
  await node.stop();
  assert.equal(existsSync(controlSocket), false);
});

test('NODE_DEBUG=noex-cluster shows what the node logs', async (t) => {
  const seed = await startNode(t, 'seed');
  const quiet = new Child(t, fixture('control.mjs'), ['', seed.getLocalNodeId()], { env: { NODE_DEBUG: '' } });
  const loud = new Child(t, fixture('control.mjs'), ['', seed.getLocalNodeId()], { env: { NODE_DEBUG: 'noex-cluster' } });
  for (const child of [quiet, loud]) {
    const [, id] = (await child.line('started')).split(' ');
    await connected(seed, id); // by id: a node of another test may stray to a port that was its peer's
  }
  const up = `info: up ${seed.getLocalNodeId()} (127.0.0.1:`;
  await eventually(() => loud.errors.includes(up), () => loud.errors);
  assert.match(loud.errors, /^NOEX-CLUSTER \d+: /m);
  assert(!quiet.errors.includes(up), quiet.errors);
});
