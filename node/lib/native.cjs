'use strict';
// Loads the native module: one prebuilt file by platform, built by the project's CMake, never at installation.

const fs = require('node:fs');
const path = require('node:path');

const NAME = 'noex_cluster.node';
const place = `${process.platform}-${process.arch}`;
const prebuilds = path.join(__dirname, '..', 'prebuilds');
// In the package; or, where a bundler has put the package's code into a file of its own, beside that file.
const files = [path.join(prebuilds, place, NAME), path.join(__dirname, NAME)];

/** The C library of this system, such as `glibc 2.36`. The report that tells is slow, so only a failure asks. */
function libc() {
  if (process.platform !== 'linux' || typeof process.report?.getReport !== 'function') return undefined;
  process.report.excludeNetwork = true;
  const version = process.report.getReport().header.glibcVersionRuntime;
  return version === undefined ? 'musl' : `glibc ${version}`; // node knows the version of no other library
}

function builtPlaces() {
  try {
    return fs.readdirSync(prebuilds).filter((name) => fs.existsSync(path.join(prebuilds, name, NAME)));
  } catch {
    return [];
  }
}

/** What whoever reads it can do on this system. */
function advice(library) {
  const build =
    'in a checkout of noex-cluster, "cmake --preset release && cmake --build build/release --target noex_cluster_node" builds it' +
    ' and puts it into node/prebuilds ("./dev build" does that with all it needs on Debian)';
  if (library === 'musl') {
    return `For musl (Alpine) there is none yet: run on a system with glibc, such as the images node:22 and node:22-slim, or try to build it: ${build}.`;
  }
  return `Supported is Linux on x86-64 with glibc 2.34 or later. For another system it has to be built: ${build}.`;
}

function explain(problem) {
  const library = libc();
  const built = builtPlaces();
  return [
    `noex-cluster has no native module for this system (${library === undefined ? place : `${place}, ${library}`}): ${problem}.`,
    `Looked for: ${files.join(', ')}`,
    `There is one for: ${built.length > 0 ? `${built.join(', ')} (glibc)` : 'no system at all'}`,
    advice(library),
  ].join('\n');
}

function failure(problem, options) {
  return Object.assign(new Error(explain(problem), options), { code: 'ERR_NOEX_NO_NATIVE_MODULE' });
}

function load() {
  const file = files.find((one) => fs.existsSync(one));
  if (file === undefined) throw failure('the file is not there');
  try {
    // Not require(), which hands out one copy: each load of this package has a module, and so error classes, of its own.
    const loaded = { exports: {} };
    process.dlopen(loaded, file);
    return loaded.exports;
  } catch (cause) {
    throw failure(`it cannot be loaded (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
}

module.exports = load();
