'use strict';
// Clusters for an application's own tests: nodes of this process that form a mesh on 127.0.0.1. The interface is described in
// testing.d.cts. Times come from node:timers, which a test's fake clock does not replace, and are only deadlines: what is waited for are
// events.

const path = require('node:path');
const { clearTimeout, setTimeout } = require('node:timers');
const { Worker } = require('node:worker_threads');

const { ClusterNode, NodeId } = require('./index.cjs');

const TIMEOUT_MS = 10_000;
// Quick to notice and to mend; and two seconds are far more than a busy machine keeps a native thread waiting.
const FAST = { heartbeatIntervalMs: 100, heartbeatMissThreshold: 20, reconnectBaseDelayMs: 50, reconnectMaxDelayMs: 200 };
const CHOSEN_HERE = ['nodeName', 'host', 'advertiseHost', 'port', 'seeds', 'controlSocket'];

/** What the handlers of a member were told. */
class View {
  id; // of the last run
  running = false;
  up = new Set();
  lastError;

  note(member, event, first) {
    if (event === 'nodeUp') this.up.add(first.id);
    else if (event === 'nodeDown') this.up.delete(first);
    else if (event === 'error') this.lastError = first.message;
    else if (event === 'statusChange') {
      this.up.clear();
      this.running = false;
      if (first !== 'running') return;
      try {
        this.id = member.getLocalNodeId();
        this.running = true;
      } catch {
        // It has stopped since, and will be told so.
      }
    }
  }
}

/** A node that says what its handlers were told once they all have run: whoever then goes on finds that the application knows it. */
class Member extends ClusterNode {
  #told;

  constructor(told) {
    super();
    this.#told = told;
  }

  emit(event, ...args) {
    const listened = super.emit(event, ...args);
    this.#told(this, event, args[0]);
    return listened;
  }
}

/** A member in a thread of its own, of which only the id is here. */
class MeshWorker {
  #id;
  #running = false;
  #worker;
  #started;
  #exited;

  constructor(config, changed) {
    this.#worker = new Worker(path.join(__dirname, 'lib', 'testing-worker.cjs'), { workerData: config });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#running = false;
        resolve();
        changed();
      });
    });
    this.#started = new Promise((resolve, reject) => {
      this.#worker.once('error', reject);
      this.#worker.once('exit', () => reject(new Error('the worker ended before its node was started')));
      this.#worker.once('message', (id) => {
        this.#id = id;
        this.#running = true;
        resolve();
      });
    });
  }

  /** Settles when the node of `worker` is started, or could not be. */
  static started(worker) {
    return worker.#started;
  }

  get id() {
    return this.#id;
  }

  get running() {
    return this.#running;
  }

  async kill() {
    this.#running = false;
    await this.#worker.terminate();
    return this.#id;
  }

  async stop() {
    this.#running = false;
    this.#worker.postMessage('stop');
    await this.#exited;
  }
}

class Mesh {
  #config;
  #views = new Map(); // member -> View
  #workers = new Set();
  #added = 0;
  #waiting = new Set(); // functions that look again

  constructor(config) {
    this.#config = config;
  }

  static async start(count, options) {
    const { names, timeoutMs, config } = read(options);
    const mesh = new Mesh(config);
    try {
      for (const name of checkedNames(count, names)) await mesh.#start(name, {});
      await mesh.waitUntilFull({ timeoutMs });
    } catch (error) {
      await mesh.stop();
      throw error;
    }
    return mesh;
  }

  // ------------------------------------------------------------------------------------------------------------ members

  get nodes() {
    return Object.freeze([...this.#views.keys()]);
  }

  get ids() {
    return Object.freeze(this.#running().map(({ id }) => id));
  }

  [Symbol.iterator]() {
    return this.nodes[Symbol.iterator]();
  }

  async add(name, options = {}) {
    const { timeoutMs, config } = read(options);
    const member = await this.#start(name, config);
    try {
      await this.waitUntilFull({ timeoutMs });
    } catch (error) {
      await member.stop();
      this.#views.delete(member);
      throw error;
    }
    return member;
  }

  async addWorker(name, options = {}) {
    const { timeoutMs, config } = read(options);
    const worker = new MeshWorker(this.#next(name, config), () => this.#look());
    this.#workers.add(worker);
    try {
      await MeshWorker.started(worker);
      await this.waitUntilUp(worker, { timeoutMs });
    } catch (error) {
      await worker.kill();
      this.#workers.delete(worker);
      throw error;
    }
    return worker;
  }

  async stop() {
    await Promise.all([...this.nodes, ...this.#workers].map((each) => each.stop()));
  }

  async #start(name, config) {
    const next = this.#next(name, config);
    const view = new View();
    const member = new Member((...told) => {
      view.note(...told);
      this.#look();
    });
    this.#views.set(member, view);
    try {
      await member.start(next);
    } catch (error) {
      this.#views.delete(member);
      throw error;
    }
    return member;
  }

  /** What the next node is started with. */
  #next(name, config) {
    this.#added += 1;
    return {
      ...FAST,
      ...this.#config,
      ...config,
      nodeName: name ?? `node${this.#added}`,
      host: '127.0.0.1',
      advertiseHost: '127.0.0.1', // whatever the environment says
      port: 'auto',
      seeds: this.ids,
    };
  }

  #running() {
    return [...this.#views.values()].filter((view) => view.running);
  }

  // -------------------------------------------------------------------------------------------------------------- waits

  async waitUntilFull(options) {
    await this.#wait('the mesh is not full', () => this.#missing(), options);
  }

  async waitUntilUp(node, options) {
    const id = this.#idOf(node);
    await this.#wait(`${id} is not up`, () => this.#blind(id, true), options);
  }

  async waitUntilDown(node, options) {
    const id = this.#idOf(node);
    await this.#wait(`${id} is not down`, () => this.#blind(id, false), options);
  }

  #idOf(node) {
    if (typeof node === 'string') return NodeId.parse(node);
    if (node instanceof MeshWorker) return node.id;
    return this.#views.get(node)?.id ?? node.getLocalNodeId();
  }

  /** Who does not see whom: one line for each member that does not see all the others. */
  #missing() {
    const expected = [...this.#running(), ...this.#workers].filter((each) => each.running).map(({ id }) => id);
    return this.#running().flatMap((view) => {
      const others = expected.filter((id) => id !== view.id && !view.up.has(id));
      return others.length > 0 ? [line(view, 'does not see', others)] : [];
    });
  }

  /** The members that do not see that node as up, or not as down. */
  #blind(id, up) {
    return this.#running()
      .filter((view) => view.id !== id && view.up.has(id) !== up)
      .map((view) => line(view, up ? 'does not see' : 'still sees', [id]));
  }

  #look() {
    for (const look of [...this.#waiting]) look();
  }

  /** Waits until `lines()`, which say what is still missing, are none. */
  #wait(what, lines, { timeoutMs } = {}) {
    const limit = checkedTimeout(timeoutMs);
    if (lines().length === 0) return undefined;
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle(value);
      };
      const look = () => {
        if (lines().length === 0) end(resolve);
      };
      const timer = setTimeout(() => {
        const error = new Error([`${what} within ${limit} ms:`, ...lines()].join('\n  '));
        end(reject, Object.assign(error, { code: 'ERR_NOEX_MESH_TIMEOUT' }));
      }, limit);
      this.#waiting.add(look);
    });
  }
}

function line(view, words, ids) {
  const said = view.lastError === undefined ? '' : ` (its last error: ${view.lastError})`;
  return `${view.id} ${words} ${ids.join(', ')}${said}`;
}

/** The options of a mesh, and apart from them those of its nodes, without what is undefined. */
function read(options) {
  if (options === null || typeof options !== 'object') throw new TypeError(`the options must be an object, not ${String(options)}`);
  const { names, timeoutMs, ...config } = options;
  for (const name of CHOSEN_HERE) {
    if (config[name] !== undefined) throw new TypeError(`a mesh chooses '${name}' of its nodes itself`);
  }
  const given = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
  return { names, timeoutMs: checkedTimeout(timeoutMs), config: given };
}

function checkedTimeout(timeoutMs = TIMEOUT_MS) {
  if (typeof timeoutMs === 'number' && timeoutMs >= 0 && timeoutMs < 2 ** 31) return timeoutMs;
  throw new RangeError(`timeoutMs must be a number of milliseconds, not ${String(timeoutMs)}`);
}

function checkedNames(count, names) {
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`a mesh has one node or more, not ${String(count)}`);
  if (names === undefined) return Array.from({ length: count }, () => undefined);
  if (Array.isArray(names) && names.length === count) return names;
  throw new RangeError(`names must be a list of ${count}, one for each node, not ${String(names)}`);
}

for (const each of [Mesh, MeshWorker]) {
  if (Symbol.asyncDispose === undefined) continue;
  Object.defineProperty(each.prototype, Symbol.asyncDispose, {
    value: async function asyncDispose() {
      await this.stop();
    },
    writable: true,
    configurable: true,
  });
}

async function startMesh(count = 3, options = {}) {
  return Mesh.start(count, options);
}

module.exports = { startMesh };
