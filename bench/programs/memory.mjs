// memory.mjs SEED: the resident memory of this process before it starts a node and after it has joined a mesh, in KiB.
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Cluster } from 'noex-cluster';

const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);

await setTimeout(200); // what the interpreter does at its start is over
resident();
const before = resident();
await Cluster.start({
  nodeName: 'memory',
  host: '127.0.0.1',
  port: 'auto',
  seeds: [process.argv[2]],
  clusterSecret: process.env.NOEX_CLUSTER_SECRET,
  heartbeatIntervalMs: 1000,
});
await setTimeout(3000); // a few beats of everybody
console.log(JSON.stringify({ before, after: resident(), connected: Cluster.getConnectedNodeCount() }));
process.stdin.on('end', () => void Cluster.stop().then(() => process.exit(0))).resume();
