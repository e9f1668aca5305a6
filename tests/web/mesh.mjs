// A real mesh of nodes that serve HTTP, and a browser to look at it: for the tests of the page, and for its picture.

import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { chromium } from 'playwright-core';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const command = path.join(process.env.NOEX_BUILD_DIR ?? path.join(root, 'build/release'), 'bin/noex-cluster');
const deadlineMs = 30000;

// `noex-cluster run --json`, with what it says as objects.
export class Node {
  constructor(name, ...options) {
    this.name = name;
    this.events = [];
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('NOEX_')));
    this.process = spawn(command, ['run', '--json', '--no-control-socket', '--name', name, '--host', '127.0.0.1', '--interval', '200', ...options], {
      env: { ...env, NOEX_ADVERTISE_HOST: '127.0.0.1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let rest = '';
    this.process.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) this.events.push(JSON.parse(line));
      this.process.emit('told');
    });
    this.ended = once(this.process, 'exit');
  }

  async event(kind, fields = {}) {
    const until = AbortSignal.timeout(deadlineMs);
    for (;;) {
      const found = this.events.find((event) => event.event === kind && Object.entries(fields).every(([key, value]) => event[key] === value));
      if (found) return found;
      await once(this.process, 'told', { signal: until });
    }
  }

  async id() {
    return (await this.event('started')).id;
  }

  async url() {
    return (await this.event('http')).url;
  }

  kill(signal = 'SIGKILL') {
    this.process.kill(signal);
    return this.ended;
  }
}

// `names[0]` is the seed of the others, and the one that serves HTTP. All see each other.
export async function startMesh(names, ...options) {
  const [first, ...others] = names;
  const nodes = [new Node(first, '--port', 'auto', '--http', '127.0.0.1:auto', ...options)];
  const seed = await nodes[0].id();
  for (const name of others) nodes.push(new Node(name, '--port', 'auto', '--seed', seed, ...options));
  const ids = await Promise.all(nodes.map((node) => node.id()));
  await Promise.all(nodes.flatMap((node, index) => ids.filter((_, other) => other !== index).map((id) => node.event('up', { node: id }))));
  return { nodes, ids, url: await nodes[0].url() };
}

export function launch() {
  const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) => existsSync(file));
  if (!executablePath) throw new Error('there is no Chromium: apt-get install chromium');
  return chromium.launch({ executablePath, args: process.getuid() === 0 ? ['--no-sandbox'] : [] });
}

// A server that gives the real page with documents of the test's own, as no mesh on one machine has them.
export async function serveDocuments(page, documents) {
  const server = createServer((request, response) => {
    const name = request.url.slice(1);
    if (name === '') {
      response.writeHead(200, page.headers).end(page.body);
    } else if (name === 'events') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      documents.events.forEach((event, index) => response.write(`id: ${index}\ndata: ${JSON.stringify(event)}\n\n`));
    } else {
      const status = documents.failure ? 503 : 200;
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(documents.failure ?? documents[name]));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close(server.closeAllConnections()) };
}

// The documents of a cluster of `count`, all well.
export function documentsOf(count) {
  const ids = Array.from({ length: count }, (_, index) => `node-${String(index + 1).padStart(3, '0')}@10.0.0.${index + 1}:4369`);
  const member = (id, index) => ({
    id, status: 'connected', process_count: index, last_heartbeat_at: Date.now() - 100, uptime_ms: 100000 + index, incarnation: String(index + 1),
    address: index ? id.split('@')[1] : null, outbound: index ? true : null, rtt_us: index ? 150 + index : null, sees: ids.filter((other) => other !== id),
  });
  const [local, ...members] = ids.map(member);
  return {
    members: { at: Date.now(), local, members },
    status: { id: local.id, name: 'node-001', cluster_name: '', status: 'running', version: '0.0.0', pid: 1, uptime_ms: 100000, authenticated: false, heartbeat_interval_ms: 5000 },
    events: [],
  };
}
