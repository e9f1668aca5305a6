// handler.mjs NAME PORT SEED: a node whose handler says how long ago, in milliseconds, the frame came that made a node up.
import { Cluster } from 'noex-cluster';

const [nodeName, port, seed] = process.argv.slice(2);
Cluster.onNodeUp((node) => {
  const now = performance.timeOrigin + performance.now();
  process.stdout.write(`up ${(now - node.lastHeartbeatAt).toFixed(3)} ${node.id}\n`);
});
process.stdin.on('end', () => void Cluster.stop().then(() => process.exit(0))).resume();
await Cluster.start({
  nodeName,
  host: '127.0.0.1',
  port: Number(port),
  seeds: [seed],
  clusterSecret: process.env.NOEX_CLUSTER_SECRET,
  heartbeatIntervalMs: 1000,
});
console.log('running');
