// Seeds from DNS: every address that a name has (its A records) is one. A look-up at start, as here, is for who wants
// to see, choose or complete what it gives:
//
//     CLUSTER_DNS_NAME=cluster-seeds.internal NODE_NAME=worker1 node dns-seeds.mjs
//
// Shorter, and better where addresses change: hand the name itself to the node, `seeds: ['cluster-seeds.internal:4369']`.
// It then dials every address, and looks the name up anew at each attempt; environment.mjs does so when it is started
// with CLUSTER_SEEDS=cluster-seeds.internal:4369.
//
//     CLUSTER_DNS_NAME  the name to look up; default: cluster-seeds.internal
//     CLUSTER_DNS_PORT  the port of the nodes there; default: 4369
//     CLUSTER_SEEDS     what is taken if the name has no address
//     NODE_NAME, CLUSTER_PORT, CLUSTER_SECRET   as in environment.mjs

import { lookup } from 'node:dns/promises';
import { Cluster } from 'noex-cluster';

/**
 * `seed@address:port` for each address of the name. Whatever the nodes there are called: at a seed's address any name
 * is welcome. `lookup` asks as all programs of the machine do, /etc/hosts included; `resolve4` asks the DNS server alone.
 */
async function discoverSeeds() {
  const name = process.env.CLUSTER_DNS_NAME || 'cluster-seeds.internal';
  const port = process.env.CLUSTER_DNS_PORT || 4369;
  try {
    const records = await lookup(name, { family: 4, all: true });
    return records.map(({ address }) => `seed@${address}:${port}`);
  } catch (error) {
    console.warn(`${name}: ${error.code}; taking CLUSTER_SEEDS`);
    return process.env.CLUSTER_SEEDS?.split(',').filter(Boolean) ?? [];
  }
}

const shutdown = new Promise((resolve) => {
  process.once('SIGINT', resolve).once('SIGTERM', resolve);
});

const seeds = await discoverSeeds();
console.log(`seeds: ${seeds.join(', ') || 'none'}`);
Cluster.onNodeUp((node) => console.log(`up ${node.id}`));
Cluster.onNodeDown((nodeId, reason) => console.log(`down ${nodeId} (${reason})`));
await Cluster.start({
  nodeName: process.env.NODE_NAME || `worker-${process.pid}`,
  port: Number(process.env.CLUSTER_PORT || 4369),
  seeds,
  clusterSecret: process.env.CLUSTER_SECRET,
});
console.log(`running as ${Cluster.getLocalNodeId()}`);

await shutdown;
await Cluster.stop();
