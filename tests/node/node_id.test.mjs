// NodeId: the documented examples and rules, and what callers without types may pass.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { InvalidNodeIdError, NodeId, isNodeId } from './support.mjs';

const VALID = [
  'app1@192.168.1.1:4369',
  'worker-1@localhost:4370',
  'node_2@[::1]:4369',
  'api-server@api.example.com:4369',
  `${'a'.repeat(64)}@host:1`,
  'a@host:65535',
];

const INVALID = [
  '',
  '1app@host:4369',
  'app@host:99999',
  'app@host:0',
  'app@host:65536',
  'app@host:+1',
  'app@host:1.5',
  'app@host:',
  'app@host',
  '@host:1',
  'app@:1',
  'host:4369',
  'app 1@host:1',
  'příliš@host:1',
  `${'a'.repeat(65)}@host:1`,
  'app@ho st:1',
  'app@[::g]:1',
  'app@host:1\0',
  'app\0@host:1',
];

test('valid ids are valid', () => {
  for (const id of VALID) {
    assert.equal(NodeId.isValid(id), true, id);
    assert.equal(isNodeId(id), true, id);
    assert.equal(NodeId.parse(id), id);
    assert.equal(NodeId.tryParse(id), id);
  }
});

test('invalid ids are refused, with the value and the reason', () => {
  for (const id of INVALID) {
    assert.equal(NodeId.isValid(id), false, id);
    assert.equal(isNodeId(id), false, id);
    assert.equal(NodeId.tryParse(id), undefined, id);
    assert.throws(
      () => NodeId.parse(id),
      (error) => {
        assert(error instanceof InvalidNodeIdError && error instanceof Error, id);
        assert.equal(error.name, 'InvalidNodeIdError');
        assert.equal(error.value, id);
        assert(error.reason.length > 10 && !error.reason.includes('invalid node id'), error.reason);
        assert(error.message.endsWith(error.reason), error.message);
        return true;
      },
      id,
    );
  }
});

test('the reason says what would be right', () => {
  assert.throws(() => NodeId.parse('app1'), { reason: /no '@'.*'app1@192\.168\.1\.1:4369'/ });
  assert.throws(() => NodeId.parse('app1@host:99999'), { reason: /whole number from 1 to 65535/ });
  assert.throws(() => NodeId.parse('1app@host:4369'), { reason: /must start with a letter/ });
});

test('what is no string is no id', () => {
  for (const value of [undefined, null, 42, true, {}, [], ['app@host:1'], Symbol('id'), () => 'app@host:1', new String('app@host:1')]) {
    assert.equal(NodeId.isValid(value), false);
    assert.equal(isNodeId(value), false);
    assert.equal(NodeId.tryParse(value), undefined);
    assert.throws(() => NodeId.parse(value), InvalidNodeIdError);
    assert.throws(() => NodeId.getName(value), InvalidNodeIdError);
  }
  assert.throws(() => NodeId.parse(undefined), { value: 'undefined', reason: /it is undefined/ });
});

test('create makes an id of its parts', () => {
  assert.equal(NodeId.create('app1', '192.168.1.10', 4369), 'app1@192.168.1.10:4369');
  assert.equal(NodeId.create('app1', '::1', 4369), 'app1@[::1]:4369');
  assert.equal(NodeId.create('app1', '[::1]', 4369), 'app1@[::1]:4369');
});

test('create refuses what is wrong', () => {
  const wrong = [
    ['1app', 'host', 1],
    ['app', '', 1],
    ['app', 'host', 0],
    ['app', 'host', 65536],
    ['app', 'host', 1.5],
    ['app', 'host', Number.NaN],
    ['app', 'host', 1e300],
    ['app', 'host', '4369'],
    [undefined, 'host', 1],
    ['app', null, 1],
    ['app\0', 'host', 1],
    ['app', 'host\0', 1],
  ];
  for (const parts of wrong) assert.throws(() => NodeId.create(...parts), InvalidNodeIdError, JSON.stringify(parts));
});

test('the parts of an id', () => {
  const id = NodeId.parse('app1@192.168.1.10:4369');
  assert.equal(NodeId.getName(id), 'app1');
  assert.equal(NodeId.getHost(id), '192.168.1.10');
  assert.equal(NodeId.getPort(id), 4369);
  assert.deepEqual(NodeId.components(id), { name: 'app1', host: '192.168.1.10', port: 4369 });
  assert.equal(NodeId.getHost(NodeId.parse('a@[fe80::1]:5')), 'fe80::1');
});

test('one id in two spellings is one id', () => {
  assert.equal(NodeId.equals('a@[::1]:5', 'a@[0:0:0:0:0:0:0:1]:5'), true);
  assert.equal(NodeId.parse('a@[0:0:0:0:0:0:0:1]:5'), 'a@[::1]:5');
  assert.equal(NodeId.equals('a@host:5', 'a@host:5'), true);
  assert.equal(NodeId.equals('a@host:5', 'b@host:5'), false);
  assert.equal(NodeId.equals('nonsense', 'nonsense'), false);
  assert.equal(NodeId.equals(undefined, undefined), false);
});

test('a long or strange value does not spoil the message', () => {
  assert.throws(() => NodeId.parse('x'.repeat(100_000)), (error) => error.message.length < 500 && error.value.length === 100_000);
  assert.throws(() => NodeId.parse('a\n\u001b[31m@h:1'), (error) => !/[\n\u001b]/.test(error.message));
});
