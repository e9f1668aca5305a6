'use strict';
// Loads the native module: one prebuilt file by platform, built by the project's CMake, never at installation.

const fs = require('node:fs');
const path = require('node:path');

const place = `${process.platform}-${process.arch}`;
const prebuilds = path.join(__dirname, '..', 'prebuilds');
const file = path.join(prebuilds, place, 'noex_cluster.node');

/** Whether this node runs on musl (Alpine), for which no module is built yet. The report is slow, so only a failure asks. */
function isMusl() {
  if (process.platform !== 'linux' || typeof process.report?.getReport !== 'function') return false;
  process.report.excludeNetwork = true;
  return !process.report.getReport().header.glibcVersionRuntime;
}

function builtPlaces() {
  try {
    return fs.readdirSync(prebuilds).filter((name) => fs.existsSync(path.join(prebuilds, name, 'noex_cluster.node')));
  } catch {
    return [];
  }
}

function explain(problem) {
  const built = builtPlaces();
  const here = isMusl() ? `${place} with musl` : place;
  return [
    `noex-cluster has no native module for this system (${here}): ${problem}.`,
    `Looked for: ${file}`,
    `There is one for: ${built.length > 0 ? `${built.join(', ')} (glibc)` : 'no system at all'}`,
    'Supported is Linux on x86-64 with glibc. In a checkout of noex-cluster, "./dev build" builds the module for this machine.',
  ].join('\n');
}

function load() {
  if (!fs.existsSync(file)) {
    throw Object.assign(new Error(explain('the file is not there')), { code: 'ERR_NOEX_NO_NATIVE_MODULE' });
  }
  try {
    // Not require(), which hands out one copy: each load of this package has a module, and so error classes, of its own.
    const loaded = { exports: {} };
    process.dlopen(loaded, file);
    return loaded.exports;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw Object.assign(new Error(explain(`it cannot be loaded (${reason})`), { cause }), { code: 'ERR_NOEX_NO_NATIVE_MODULE' });
  }
}

module.exports = load();
