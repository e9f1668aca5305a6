// What start() refuses, and how it says so. Everything is checked before anything starts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';

import { ClusterNode, InvalidClusterConfigError, startNode } from './support.mjs';

const GOOD = { nodeName: 'app1', host: '127.0.0.1', port: 'auto' };

async function refused(config, ...patterns) {
  const node = new ClusterNode();
  const statuses = [];
  node.onStatusChange((status) => statuses.push(status));
  await assert.rejects(
    node.start(config).finally(() => node.stop()),
    (error) => {
      assert(error instanceof InvalidClusterConfigError && error instanceof Error, String(error));
      assert.equal(error.name, 'InvalidClusterConfigError');
      assert(error.message.endsWith(error.reason) && error.message.startsWith('Invalid cluster configuration: '), error.message);
      for (const pattern of patterns) assert.match(error.reason, pattern);
      return true;
    },
    `not refused: ${inspect(config)}`,
  );
  assert.equal(node.getStatus(), 'stopped');
  assert.deepEqual(statuses, []);
}

test('what is no object', async () => {
  for (const config of [undefined, null, 'app1', 42, true, ['app1'], () => GOOD]) {
    await refused(config, /configuration.*object with at least a nodeName/);
  }
  await refused(Promise.resolve(GOOD), /await/);
});

test('nodeName', async () => {
  await refused({}, /nodeName is required/);
  await refused({ nodeName: undefined }, /nodeName is required/);
  await refused({ ...GOOD, nodeName: '' }, /nodeName/);
  await refused({ ...GOOD, nodeName: '123invalid' }, /nodeName '123invalid'.*start with a letter/);
  await refused({ ...GOOD, nodeName: 'a'.repeat(65) }, /64 at most/);
  await refused({ ...GOOD, nodeName: 'app1@host' }, /nodeName 'app1@host'/);
  await refused({ ...GOOD, nodeName: 'app1\0' }, /nodeName.*NUL/);
  await refused({ ...GOOD, nodeName: 42 }, /nodeName.*a string, not the number 42/);
});

test('port', async () => {
  for (const port of [0, -1, 65536, 99999]) await refused({ ...GOOD, port }, new RegExp(`port '${port}'.*1 to 65535.*'auto'`));
  for (const port of [1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
    await refused({ ...GOOD, port }, /port.*1 to 65535.*'auto'.*not the number/);
  }
  for (const port of ['4369', '', 'automatic', true, {}, [], 4369n]) await refused({ ...GOOD, port }, /port.*1 to 65535.*'auto'/);
});

test('host and advertiseHost', async () => {
  await refused({ ...GOOD, host: '' }, /host ''/);
  await refused({ ...GOOD, host: '127.0.0.1:4369' }, /host '127\.0\.0\.1:4369'.*without a port/);
  await refused({ ...GOOD, host: 127 }, /host.*a string, not the number 127/);
  await refused({ ...GOOD, advertiseHost: '0.0.0.0' }, /advertiseHost '0\.0\.0\.0'.*wildcard/);
});

test('seeds', async () => {
  await refused({ ...GOOD, seeds: 'a@b:1' }, /seeds.*an array of strings.*not a string/);
  await refused({ ...GOOD, seeds: [undefined] }, /seeds\[0\].*not undefined/);
  await refused({ ...GOOD, seeds: ['a@127.0.0.1:1', 42] }, /seeds\[1\].*not the number 42/);
  await refused({ ...GOOD, seeds: ['seed1@192.168.1.10'] }, /seed1@192\.168\.1\.10/, /port/);
  await refused({ ...GOOD, seeds: ['192.168.1.10:4369'] }, /192\.168\.1\.10:4369.*name/);
  await refused({ ...GOOD, seeds: ['seed1:192.168.1.10:4369'] }, /seed1:192\.168\.1\.10:4369/);
});

test('times', async () => {
  await refused({ ...GOOD, heartbeatIntervalMs: 99 }, /heartbeatIntervalMs '99'.*100/);
  await refused({ ...GOOD, heartbeatMissThreshold: 0 }, /heartbeatMissThreshold '0'.*1/);
  await refused({ ...GOOD, reconnectBaseDelayMs: 0 }, /reconnectBaseDelayMs '0'/);
  await refused({ ...GOOD, reconnectMaxDelayMs: 0 }, /reconnectMaxDelayMs '0'/);
  await refused({ ...GOOD, reconnectBaseDelayMs: 2000, reconnectMaxDelayMs: 1000 }, /reconnectBaseDelayMs '2000'.*reconnectMaxDelayMs/);
  await refused({ ...GOOD, forgetAfterMs: 0 }, /forgetAfterMs '0'/);
  for (const name of ['heartbeatIntervalMs', 'heartbeatMissThreshold', 'reconnectBaseDelayMs', 'reconnectMaxDelayMs', 'forgetAfterMs']) {
    for (const value of ['5000', 1000.5, Number.NaN, {}, 5000n]) await refused({ ...GOOD, [name]: value }, new RegExp(`${name}.*a whole number`));
  }
});

test('clusterSecret: empty is not absent, and no message shows it', async () => {
  await refused({ ...GOOD, clusterSecret: '' }, /clusterSecret is empty/);
  await refused({ ...GOOD, clusterSecret: 12345 }, /clusterSecret.*a string/);
  await refused({ ...GOOD, clusterSecret: 'hush\0hush' }, /clusterSecret.*NUL/, /^(?!.*hush)/);
});

test('an unknown option, with the nearest known one', async () => {
  await refused({ ...GOOD, clusterSecrt: 'x' }, /unknown option 'clusterSecrt'.*did you mean 'clusterSecret'/);
  await refused({ ...GOOD, heartbeatInterval: 1000 }, /did you mean 'heartbeatIntervalMs'/);
  await refused({ ...GOOD, node_name: 'app1' }, /did you mean 'nodeName'/);
  await refused({ ...GOOD, portAuto: true }, /unknown option 'portAuto'/);
  await refused({ ...GOOD, xyzzy: 1 }, /unknown option 'xyzzy'.*nodeName, host/);
});

test('undefined and null count as absent, even for an unknown name', async (t) => {
  const absent = {};
  for (const name of ['advertiseHost', 'seeds', 'clusterSecret', 'clusterName', 'forgetAfterMs', 'heartbeatMissThreshold', 'unheardOf']) {
    absent[name] = undefined;
  }
  const node = await startNode(t, 'app1', { ...absent, heartbeatIntervalMs: null, reconnectMaxDelayMs: null });
  assert.equal(node.getStatus(), 'running');
});

test('an instance of a class with getters is an options object too', async (t) => {
  class Settings {
    get nodeName() {
      return 'classy';
    }
    host = '127.0.0.1';
    port = 'auto';
  }
  const node = new ClusterNode();
  t.after(() => node.stop());
  await node.start(new Settings());
  assert.match(node.getLocalNodeId(), /^classy@127\.0\.0\.1:/);
});

test('what a getter throws comes out as it is', async () => {
  const error = new Error('from the getter');
  const config = {
    ...GOOD,
    get clusterSecret() {
      throw error;
    },
  };
  await assert.rejects(new ClusterNode().start(config), (thrown) => thrown === error);
});

test('empty seeds are ignored with a warning', async (t) => {
  const node = new ClusterNode();
  t.after(() => node.stop());
  const records = [];
  node.onLog((record) => records.push(record), 'warning');
  await node.start({ ...GOOD, seeds: ''.split(',') });
  assert.equal(records.length, 1);
  assert.equal(records[0].level, 'warning');
  assert.match(records[0].message, /seeds.*empty/);
  assert(Math.abs(Date.now() - records[0].at) < 60_000);
});

test('after a refused start the node can be started', async (t) => {
  const node = new ClusterNode();
  t.after(() => node.stop());
  await assert.rejects(node.start({ ...GOOD, port: 0 }), InvalidClusterConfigError);
  await node.start(GOOD);
  assert.equal(node.getStatus(), 'running');
});
