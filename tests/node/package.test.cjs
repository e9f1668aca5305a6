'use strict';
// How the package is found and loaded: by both module systems, by path and by name, twice, and where there is no native module for it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');

const ROOT = path.join(__dirname, '..', '..', 'node');
const NAMES = [
  'CLUSTER_DEFAULTS',
  'Cluster',
  'ClusterError',
  'ClusterNode',
  'ClusterNotStartedError',
  'InvalidClusterConfigError',
  'InvalidNodeIdError',
  'METRICS_CONTENT_TYPE',
  'NodeId',
  'isNodeId',
  'version',
];

/** Makes the next require() evaluate the package anew, as test runners do. */
function forgetPackage() {
  for (const name of Object.keys(require.cache)) if (name.startsWith(ROOT) && !name.endsWith('.node')) delete require.cache[name];
}

/** A copy of the package's JavaScript in a place of its own. */
function copyPackage(t, native) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'noex-cluster-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  for (const name of ['index.cjs', 'index.mjs', 'package.json', 'lib']) {
    fs.cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  }
  const place = path.join(folder, 'prebuilds', `${process.platform}-${process.arch}`);
  if (native !== undefined) {
    fs.mkdirSync(place, { recursive: true });
    native(path.join(place, 'noex_cluster.node'));
  }
  return folder;
}

const originalModule = path.join(ROOT, 'prebuilds', `${process.platform}-${process.arch}`, 'noex_cluster.node');

test('the checkout is required by its path', () => {
  assert.deepEqual(Object.keys(require(ROOT)).sort(), NAMES);
});

test('require and import give the same objects', async () => {
  const required = require(ROOT);
  const imported = await import('../../node/index.mjs');
  assert.deepEqual(Object.keys(imported).sort(), NAMES);
  for (const name of NAMES) assert.equal(imported[name], required[name], name);
});

test('by name, also as noex-cluster/distribution, by both module systems', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'noex-cluster-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.mkdirSync(path.join(folder, 'node_modules'));
  fs.symlinkSync(ROOT, path.join(folder, 'node_modules', 'noex-cluster'));
  fs.writeFileSync(
    path.join(folder, 'all.mjs'),
    `import { createRequire } from 'node:module';
     import * as byName from 'noex-cluster';
     import * as distribution from 'noex-cluster/distribution';
     const require = createRequire(import.meta.url);
     export const all = [byName, distribution, require('noex-cluster'), require('noex-cluster/distribution')];
     export const meta = require('noex-cluster/package.json');`,
  );
  const { all, meta } = await import(path.join(folder, 'all.mjs'));
  for (const one of all) for (const name of NAMES) assert.equal(one[name], require(ROOT)[name], name);
  assert.equal(meta.name, 'noex-cluster');
});

test('the version is that of the package', () => {
  assert.equal(require(ROOT).version, require(path.join(ROOT, 'package.json')).version);
});

test('the documented defaults', () => {
  const { CLUSTER_DEFAULTS } = require(ROOT);
  assert.deepEqual(CLUSTER_DEFAULTS, {
    HOST: '0.0.0.0',
    PORT: 4369,
    HEARTBEAT_INTERVAL_MS: 5000,
    HEARTBEAT_MISS_THRESHOLD: 3,
    RECONNECT_BASE_DELAY_MS: 1000,
    RECONNECT_MAX_DELAY_MS: 30000,
    PROTOCOL_VERSION: 1,
  });
  assert(Object.isFrozen(CLUSTER_DEFAULTS));
});

test('loading starts nothing: no thread, nothing that keeps the process alive', () => {
  const threads = () => fs.readdirSync('/proc/self/task').length;
  const before = threads();
  forgetPackage();
  require(ROOT);
  assert.equal(threads(), before);
});

test('loaded twice, both copies work together', async () => {
  const first = require(ROOT);
  forgetPackage();
  const second = require(ROOT);
  assert.notEqual(first.ClusterNode, second.ClusterNode);
  const options = { host: '127.0.0.1', port: 'auto', heartbeatIntervalMs: 200 };
  const a = new first.ClusterNode();
  const b = new second.ClusterNode();
  try {
    await a.start({ nodeName: 'first', ...options });
    const up = new Promise((resolve) => a.onNodeUp(resolve));
    await b.start({ nodeName: 'second', seeds: [a.getLocalNodeId()], ...options });
    assert.equal((await up).id, b.getLocalNodeId());
    assert.throws(() => new first.ClusterNode().getNodes(), first.ClusterNotStartedError);
    assert.throws(() => new second.ClusterNode().getNodes(), second.ClusterNotStartedError);
    await assert.rejects(first.Cluster.start({}), first.InvalidClusterConfigError);
    await assert.rejects(second.Cluster.start({}), second.InvalidClusterConfigError);
  } finally {
    await Promise.all([a.stop(), b.stop()]);
  }
});

test('two copies of the package, each with its own file of the module', async (t) => {
  const copy = require(copyPackage(t, (file) => fs.copyFileSync(originalModule, file)));
  assert.notEqual(copy.ClusterNode, require(ROOT).ClusterNode);
  const node = new copy.ClusterNode();
  await node.start({ nodeName: 'copy', host: '127.0.0.1', port: 'auto' });
  assert.match(node.getLocalNodeId(), /^copy@127\.0\.0\.1:\d+$/);
  await node.stop();
});

test('without a native module for this system: what was looked for, and what to do', (t) => {
  const folder = copyPackage(t);
  assert.throws(
    () => require(folder),
    (error) => {
      assert.equal(error.code, 'ERR_NOEX_NO_NATIVE_MODULE');
      assert(error.message.includes(path.join(folder, 'prebuilds')), error.message);
      assert(error.message.includes(`${process.platform}-${process.arch}`), error.message);
      assert.match(error.message, /\.\/dev build/);
      assert.match(error.message, /no system at all/);
      assert(error.message.includes(`glibc ${process.report.getReport().header.glibcVersionRuntime}`), error.message);
      return true;
    },
  );
});

test('a native module that cannot be loaded: why', (t) => {
  const folder = copyPackage(t, (file) => fs.writeFileSync(file, 'not a library'));
  assert.throws(
    () => require(folder),
    (error) => {
      assert.equal(error.code, 'ERR_NOEX_NO_NATIVE_MODULE');
      assert(error.cause instanceof Error);
      assert(error.message.includes(error.cause.message), error.message);
      return true;
    },
  );
});

/** What a file declares that is documented, and what is not. */
function documentation(file) {
  const ts = require(path.join(ROOT, 'node_modules', 'typescript'));
  const source = ts.createSourceFile(file, fs.readFileSync(path.join(ROOT, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const missing = [];
  let documented = 0;
  const visit = (node) => {
    const declares =
      ts.isVariableStatement(node) ||
      ts.isFunctionDeclaration(node) ||
      ts.isInterfaceDeclaration(node) ||
      ts.isClassDeclaration(node) ||
      ts.isTypeAliasDeclaration(node) ||
      ts.isMethodDeclaration(node) ||
      ts.isMethodSignature(node) ||
      ts.isConstructorDeclaration(node) ||
      ts.isPropertyDeclaration(node) ||
      (ts.isPropertySignature(node) && ts.isInterfaceDeclaration(node.parent));
    const hidden = ts.canHaveModifiers(node) && ts.getModifiers(node)?.some((one) => one.kind === ts.SyntaxKind.PrivateKeyword);
    if (declares && !hidden) {
      if (ts.getJSDocCommentsAndTags(node).length > 0) documented += 1;
      else missing.push(node.getText(source).split('\n')[0]);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return { missing, documented };
}

for (const [file, least] of [['index.d.cts', 100], ['testing.d.cts', 20]]) {
  test(`everything public in ${file} is documented`, () => {
    const { missing, documented } = documentation(file);
    assert.deepEqual(missing, []);
    assert(documented > least, `${documented} declarations found`);
  });
}

test('the types declare what the package exports, and nothing else', () => {
  const ts = require(path.join(ROOT, 'node_modules', 'typescript'));
  const file = path.join(ROOT, 'index.d.cts');
  const source = ts.createSourceFile(file, fs.readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const values = source.statements.flatMap((one) => {
    if (ts.isVariableStatement(one)) return one.declarationList.declarations.map((declaration) => declaration.name.getText(source));
    return ts.isClassDeclaration(one) || ts.isFunctionDeclaration(one) ? [one.name.text] : [];
  });
  assert.deepEqual(values.sort(), NAMES);
  const { ClusterNode, NodeId } = require(ROOT);
  const declared = source.statements.find((one) => ts.isClassDeclaration(one) && one.name.text === 'ClusterNode').members;
  const methods = declared.filter(ts.isMethodDeclaration).map((one) => one.name.getText(source));
  const own = Object.getOwnPropertyNames(ClusterNode.prototype).filter((name) => name !== 'constructor' && name !== 'emit');
  assert.deepEqual(methods.sort(), [...own, '[Symbol.asyncDispose]'].sort());
  const namespace = source.statements.find((one) => ts.isVariableStatement(one) && one.getText(source).includes('const NodeId:'));
  const functions = namespace.declarationList.declarations[0].type.members.map((one) => one.name.getText(source));
  assert.deepEqual(functions.sort(), Object.keys(NodeId).sort());
});
