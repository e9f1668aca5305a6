// blocked.mjs COUNT INTERVAL: so many nodes in one process; says `started ID` of each. At the line `block SECONDS`
// its event loop is busy for so long with one piece of JavaScript. The end of its input ends it.
import { createInterface } from 'node:readline';
import { ClusterNode } from 'noex-cluster';

const [count, interval] = process.argv.slice(2).map(Number);
const nodes = [];
for (let index = 0; index < count; index += 1) {
  const node = new ClusterNode();
  await node.start({
    nodeName: `blocked-${index}`,
    host: '127.0.0.1',
    port: 'auto',
    heartbeatIntervalMs: interval,
    heartbeatMissThreshold: 30,
  });
  nodes.push(node);
  console.log('started', node.getLocalNodeId());
}
for await (const line of createInterface({ input: process.stdin })) {
  const until = performance.now() + Number(line.split(' ')[1]) * 1000;
  while (performance.now() < until);
  console.log('free', line);
}
await Promise.all(nodes.map((node) => node.stop()));
