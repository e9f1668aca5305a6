// A node in Node: node.mjs NAME PORT INTERVAL_MS [SEED...]. Says what happens as the command does, stops when its input ends.
import { Cluster } from 'noex-cluster';

const [name, port, interval, ...seeds] = process.argv.slice(2);
const say = (event, fields) => process.stdout.write(`${JSON.stringify({ event, at: Date.now(), ...fields })}\n`);

Cluster.onNodeUp((node) => say('up', { node: node.id }));
Cluster.onNodeDown((node, reason) => say('down', { node, reason }));
process.stdin.on('end', () => void Cluster.stop().then(() => process.exit(0))).resume();
await Cluster.start({
  nodeName: name,
  host: '127.0.0.1',
  port: Number(port),
  seeds,
  clusterSecret: process.env.NOEX_CLUSTER_SECRET,
  heartbeatIntervalMs: Number(interval),
});
say('started', { id: Cluster.getLocalNodeId() });
