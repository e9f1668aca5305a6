// What the tests of the Node face share: nodes on the loopback interface, waiting for events with a deadline, child processes that talk
// in lines of JSON. The package is imported by its place in the tree, as it is laid out when installed.

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { ClusterNode } from '../../node/index.mjs';

export * from '../../node/index.mjs';

/** How long a test waits for what must happen; generous, since machines may be busy. */
export const DEADLINE_MS = 20_000;

/** Fast beats, for tests that wait for ups and downs. */
export const FAST = { heartbeatIntervalMs: 200, heartbeatMissThreshold: 5, reconnectBaseDelayMs: 50, reconnectMaxDelayMs: 200 };

/** Waits until `condition()` gives something truthy, and returns that. */
export async function eventually(condition, what = String(condition), deadlineMs = DEADLINE_MS) {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Makes a node of its own on 127.0.0.1 and any port, starts it, and stops it when the test `t` is over. */
export async function startNode(t, nodeName, options = {}) {
  const node = new ClusterNode();
  t.after(() => node.stop());
  await node.start({ nodeName, host: '127.0.0.1', port: 'auto', ...FAST, ...options });
  return node;
}

/** Waits until `node` sees `other` (a node or an id) as connected. */
export async function connected(node, other) {
  const id = typeof other === 'string' ? other : other.getLocalNodeId();
  await eventually(() => node.isNodeConnected(id), `${id} is connected`);
}

/** Keeps all events of `node` as arrays [name, ...arguments]. */
export function record(node) {
  const events = [];
  node.onStatusChange((status) => events.push(['statusChange', status]));
  node.onNodeUp((info) => events.push(['nodeUp', info.id]));
  node.onNodeDown((id, reason) => events.push(['nodeDown', id, reason]));
  node.onError((error) => events.push(['error', error]));
  return events;
}

/**
 * A port that nobody listens on, below the range that the system gives to outgoing connections and nodes on any port. This process keeps the
 * port of the same number of UDP, so that no other test process finds it too: demo/ports.py does the same.
 */
export async function freePort() {
  for (;;) {
    const where = { port: randomInt(12_000, 32_000), address: '127.0.0.1', host: '127.0.0.1', exclusive: true };
    const claim = createSocket('udp4').unref();
    const claimed = await new Promise((resolve) => claim.once('error', () => resolve(false)).bind(where, () => resolve(true)));
    if (!claimed) continue;
    const probe = createServer();
    const free = await new Promise((resolve) => probe.once('error', () => resolve(false)).listen(where, () => resolve(true)));
    if (free) return new Promise((resolve) => probe.close(() => resolve(where.port)));
    claim.close();
  }
}

/** Takes a port until the test is over. */
export async function takenPort(t) {
  const server = createServer();
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  return server.address().port;
}

/** A file of tests/node/fixtures. */
export function fixture(name) {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
}

/** A child process: a file run by this node, with its lines, its exit, and its end when the test is over. */
export class Child {
  lines = [];
  errors = '';
  #process;

  constructor(t, file, args = [], { execArgv = [], env = {} } = {}) {
    this.#process = spawn(process.execPath, [...execArgv, file, ...args.map(String)], {
      env: { ...process.env, NOEX_ADVERTISE_HOST: '127.0.0.1', NODE_OPTIONS: '', NODE_TEST_CONTEXT: '', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.lines.push(line));
    this.#process.stderr.setEncoding('utf8').on('data', (text) => {
      this.errors += text;
    });
    this.exited = new Promise((resolve) => {
      this.#process.once('close', (code, signal) => {
        this.ended = { code, signal };
        resolve(this.ended);
      });
    });
    t.after(async () => {
      this.kill('SIGKILL');
      await this.exited;
    });
  }

  get pid() {
    return this.#process.pid;
  }

  kill(signal) {
    if (this.ended === undefined) this.#process.kill(signal);
  }

  send(line) {
    this.#process.stdin.write(`${line}\n`);
  }

  /** The first line that `matches` (a function or a text that it holds). */
  async line(matches, deadlineMs = DEADLINE_MS) {
    const test = typeof matches === 'function' ? matches : (line) => line.includes(matches);
    return eventually(
      () => {
        const found = this.lines.find(test);
        if (found === undefined && this.ended !== undefined) {
          throw new Error(`ended (${JSON.stringify(this.ended)}) without the line ${matches}\n${this.output}`);
        }
        return found;
      },
      `the line ${matches} of\n${this.output}`,
      deadlineMs,
    );
  }

  /** Waits for its end, for `deadlineMs` at most. */
  async end(deadlineMs = DEADLINE_MS) {
    await eventually(() => this.ended, `the end of process ${this.pid}\n${this.output}`, deadlineMs);
    return this.ended;
  }

  get output() {
    return [...this.lines, this.errors].join('\n');
  }
}
