// A node of the demo and of the mesh tests, in Node: says what happens as JSON lines, takes `view`, `stats`, `stop` and `block SECONDS` on
// stdin. The end of stdin is a stop: a worker does not outlive the program that started it.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Cluster } from 'noex-cluster';

const { values: options } = parseArgs({
  options: {
    name: { type: 'string' },
    host: { type: 'string' },
    port: { type: 'string', default: 'auto' },
    seed: { type: 'string', multiple: true, default: [] },
    interval: { type: 'string', default: '5000' },
    threshold: { type: 'string', default: '3' },
  },
});

const say = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, at: Date.now(), ...fields })}\n`);

Cluster.onNodeUp((node) => say('up', { node: node.id }));
Cluster.onNodeDown((nodeId, reason) => say('down', { node: nodeId, reason }));
Cluster.onError((error) => say('error', { kind: error.kind, message: error.message, node: error.nodeId, address: error.address }));
Cluster.onStatusChange((status) => {
  say('status', status === 'running' ? { status, node: Cluster.getLocalNodeId() } : { status });
});

/** Blocks the event loop, as a long computation would. */
function block(seconds) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end);
  say('unblocked');
}

function view() {
  const nodes = Cluster.getNodes().map(({ id, status }) => ({ id, status }));
  say('view', { self: Cluster.getLocalNodeId(), status: Cluster.getStatus(), nodes });
}

/** The numbers under the names that the other languages give them. */
function stats() {
  const { peers, rejectedByKind, ...numbers } = Cluster.getStats();
  const snake = ([name, value]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value];
  say('stats', { ...Object.fromEntries(Object.entries(numbers).map(snake)), rejected_by_kind: rejectedByKind });
}

await Cluster.start({
  nodeName: options.name,
  host: options.host,
  port: options.port === 'auto' ? 'auto' : Number(options.port),
  seeds: options.seed,
  clusterSecret: process.env.NOEX_CLUSTER_SECRET,
  heartbeatIntervalMs: Number(options.interval),
  heartbeatMissThreshold: Number(options.threshold),
});

const commands = createInterface({ input: process.stdin });
commands.on('line', (line) => {
  const [command, argument] = line.trim().split(' ');
  if (command === 'view') view();
  else if (command === 'stats') stats();
  else if (command === 'block') block(Number(argument));
  else if (command === 'stop') commands.close();
});
commands.on('close', () => {
  process.stdin.destroy();
  void Cluster.stop();
});
