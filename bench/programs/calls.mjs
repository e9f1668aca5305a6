// calls.mjs SEED EXPECT SAMPLES: what getNodes() costs in a cluster of EXPECT other nodes that beats. Says, as JSON,
// nanoseconds of one call each: `changed` when a beat has changed the list since the call before, `unchanged` when nothing has;
// and in between of building a list of objects with the same fields and values, in JavaScript: `frozen` as the
// package's are, and `plain`.
import { setTimeout } from 'node:timers/promises';
import { Cluster } from 'noex-cluster';

const [seed, expect, samples] = process.argv.slice(2);
const kBatch = 100; // calls in a row whose time is taken together: the clock itself costs half of such a call

await Cluster.start({
  nodeName: 'caller',
  host: '127.0.0.1',
  port: 'auto',
  seeds: [seed],
  clusterSecret: process.env.NOEX_CLUSTER_SECRET,
  heartbeatIntervalMs: 1000,
});
while (Cluster.getConnectedNodeCount() < Number(expect)) await setTimeout(10);

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
const since = (began) => Number(process.hrtime.bigint() - began);
let kept = Cluster.getNodes();
let built; // is read at the end, so that building it is not optimised away
for (let asked = 1; times.changed.length < Number(samples); asked += 1) {
  let began = process.hrtime.bigint();
  const nodes = Cluster.getNodes();
  const took = since(began);
  if (nodes !== kept) {
    times.changed.push(took);
    kept = nodes;
    for (const [name, floor] of Object.entries(floors)) {
      began = process.hrtime.bigint();
      built = floor(nodes);
      times[name].push(since(began));
    }
  } else if (asked % kBatch === 0) {
    began = process.hrtime.bigint();
    for (let call = 0; call < kBatch; call += 1) built = Cluster.getNodes();
    const all = since(began);
    if (built === kept) times.unchanged.push(all / kBatch);
    kept = built;
    await setTimeout(1); // elsewhere a program would do something else until the next beat
  }
}
const isWhole = built.length === kept.length && Cluster.getConnectedNodeCount() === Number(expect);
if (!isWhole) throw new Error('not whole any more');
await Cluster.stop();
console.log(JSON.stringify({ ...times, unchanged: times.unchanged.slice(-10000) }));
