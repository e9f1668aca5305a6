// Garbage collection of nodes: what nobody can reach goes, and only that.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { ClusterNode, FAST, eventually, startNode } from './support.mjs';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
const LOCAL = { host: '127.0.0.1', port: 'auto', ...FAST };

/** Makes garbage by `make`, and waits until all that it returned is collected. */
async function collected(count, make) {
  let gone = 0;
  const registry = new FinalizationRegistry(() => ++gone);
  for (let i = 0; i < count; ++i) registry.register(await make(i));
  await eventually(async () => {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    return gone === count;
  }, `${count} nodes are collected`);
}

const threads = () => readdirSync('/proc/self/task').length;
const descriptors = () => readdirSync('/proc/self/fd').length;

test('nodes that were never started', async () => {
  await collected(50, async () => {
    const node = new ClusterNode();
    node.onNodeUp(() => node.getNodes()); // a handler that holds the node does not keep it
    return node;
  });
});

test('nodes that were stopped leave no thread and no descriptor', async () => {
  await collected(1, async () => {
    const node = new ClusterNode();
    await node.start({ nodeName: 'first', ...LOCAL });
    await node.stop();
    return node;
  });
  const before = [threads(), descriptors()];
  await collected(10, async (i) => {
    const node = new ClusterNode();
    node.onStatusChange(() => node.getStatus());
    await node.start({ nodeName: `stopped${i}`, ...LOCAL });
    await node.stop();
    return node;
  });
  await eventually(() => threads() <= before[0] && descriptors() <= before[1], 'threads and descriptors are gone');
});

test("an unref'd node that nobody reaches ends without a goodbye", async (t) => {
  const seed = await startNode(t, 'seed');
  const downs = [];
  seed.onNodeDown((id, reason) => downs.push(reason));
  await collected(3, async (i) => {
    const node = new ClusterNode();
    await node.start({ nodeName: `lost${i}`, seeds: [seed.getLocalNodeId()], ...LOCAL });
    return node.unref();
  });
  await eventually(() => downs.length === 3);
  assert.deepEqual(downs, ['connection_closed', 'connection_closed', 'connection_closed']);
});

test('a running node is not garbage, even if only its handlers know it', async (t) => {
  const seed = await startNode(t, 'seed');
  const downs = [];
  seed.onNodeDown((id, reason) => downs.push(reason));
  let stop;
  const ups = [];
  const weak = await (async () => {
    const node = new ClusterNode();
    node.onNodeUp((info) => ups.push(info.id));
    node.onNodeDown(() => {
      stop = node.stop();
    });
    await node.start({ nodeName: 'kept', seeds: [seed.getLocalNodeId()], ...LOCAL });
    return new WeakRef(node);
  })();
  await eventually(() => seed.getConnectedNodeCount() === 1);
  for (let i = 0; i < 5; ++i) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const other = await startNode(t, 'other', { seeds: [seed.getLocalNodeId()] });
  await eventually(() => ups.length === 2, 'its handlers still run');
  assert.deepEqual(downs, []);
  assert.notEqual(weak.deref(), undefined);
  await other.stop();
  await eventually(() => stop !== undefined);
  await stop;
});

test('a start and a stop under way are not garbage', async () => {
  for (let i = 0; i < 5; ++i) {
    const started = new ClusterNode().unref().start({ nodeName: 'pending', ...LOCAL });
    collect();
    await started;
  }
  const node = new ClusterNode().unref();
  await node.start({ nodeName: 'stopping', ...LOCAL });
  const stopped = node.stop();
  collect();
  await stopped;
});
