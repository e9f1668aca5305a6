// calls.mjs SEED EXPECT SAMPLES CHANGE: what getNodes() costs in a cluster of EXPECT other nodes that beats. Says, as
// JSON, nanoseconds of one call each: `changed` when the list is another than at the call before, `unchanged` when
// nothing has happened; and in between of building a list of objects with the same fields and values, in JavaScript:
// `frozen` as the package's are, and `plain`.
import { setTimeout } from 'node:timers/promises';
import { Cluster, ClusterNode } from 'noex-cluster';

const [seed, expect, samples, change] = process.argv.slice(2);
const kBatch = 100; // calls in a row whose time is taken together: the clock itself costs half of such a call

const options = {
  host: '127.0.0.1',
  seeds: [seed],
  clusterSecret: process.env.NOEX_CLUSTER_SECRET,
  heartbeatIntervalMs: 1000,
};
await Cluster.start({ ...options, nodeName: 'caller', port: 'auto' });
const connected = async (count) => {
  while (Cluster.getConnectedNodeCount() !== count) await setTimeout(10);
};
await connected(Number(expect));

// What happens to the cluster before each call.
const another = new ClusterNode();
let port = 'auto'; // and then the same each time, so that it is the same node
const changes = {
  'some beat': () => setTimeout(2),
  'all beat': () => setTimeout(1100),
  'one restarts': async () => {
    await another.stop();
    await another.start({ ...options, nodeName: 'another', port });
    port = Number(another.getLocalNodeId().split(':')[1]);
    await connected(Number(expect) + 1);
  },
};

const build = (node) => ({
  id: node.id,
  host: node.host,
  port: node.port,
  status: node.status,
  processCount: node.processCount,
  lastHeartbeatAt: node.lastHeartbeatAt,
  uptimeMs: node.uptimeMs,
  incarnation: node.incarnation,
});
const floors = {
  frozen: (nodes) => {
    const list = new Array(nodes.length);
    for (let index = 0; index < nodes.length; index += 1) list[index] = Object.freeze(build(nodes[index]));
    return Object.freeze(list);
  },
  plain: (nodes) => {
    const list = new Array(nodes.length);
    for (let index = 0; index < nodes.length; index += 1) list[index] = build(nodes[index]);
    return list;
  },
};

const times = { changed: [], unchanged: [], frozen: [], plain: [] };
let kept = Cluster.getNodes();
let built; // is read at the end, so that building it is not optimised away
const measured = [
  ['changed', () => Cluster.getNodes()],
  ['frozen', () => floors.frozen(kept)],
  ['plain', () => floors.plain(kept)],
];
for (let round = 0; times.changed.length < Number(samples); round += 1) {
  await changes[change]();
  // In turns another one is first, while the processor still remembers something else.
  const took = {};
  let nodes;
  for (let step = 0; step < measured.length; step += 1) {
    const [name, action] = measured[(round + step) % measured.length];
    const began = process.hrtime.bigint();
    built = action();
    took[name] = Number(process.hrtime.bigint() - began);
    if (name === 'changed') nodes = built;
  }
  if (nodes !== kept) for (const [name, time] of Object.entries(took)) times[name].push(time);
  kept = nodes;
  if (round % 5 !== 0) continue;
  const began = process.hrtime.bigint();
  for (let call = 0; call < kBatch; call += 1) built = Cluster.getNodes();
  const all = Number(process.hrtime.bigint() - began);
  if (built === kept) times.unchanged.push(all / kBatch);
  kept = built;
}
await another.stop();
if (built.length < Number(expect)) throw new Error('not whole any more');
await Cluster.stop();
console.log(JSON.stringify(times));
