// A node that its environment configures, as containers and service managers do it. In two terminals:
//
//     NODE_NAME=seed1 node environment.mjs
//     NODE_NAME=worker1 CLUSTER_PORT=4370 CLUSTER_SEEDS=seed1@localhost:4369 node environment.mjs
//
//     NODE_NAME        name of this node; default: worker- and the process id
//     CLUSTER_BIND_IP  address to listen on; default: all of the machine's
//     CLUSTER_PORT     port to listen on; default: 4369
//     CLUSTER_SEEDS    nodes to join, with commas between: name@host:port, or host:port with a DNS name, of which every
//                      address is tried, and looked up anew at each attempt. The first node of a cluster needs none
//     CLUSTER_SECRET   the same for all nodes; without it everybody who can connect is a member

import { Cluster } from 'noex-cluster';

function getClusterConfig() {
  return {
    nodeName: process.env.NODE_NAME || `worker-${process.pid}`,
    host: process.env.CLUSTER_BIND_IP,
    port: Number(process.env.CLUSTER_PORT || 4369),
    seeds: process.env.CLUSTER_SEEDS?.split(',').filter(Boolean),
    // Not set: no secret. Set to an empty text: an error, rather than a cluster that is open to all.
    clusterSecret: process.env.CLUSTER_SECRET,
  };
}

const shutdown = new Promise((resolve) => {
  process.once('SIGINT', resolve).once('SIGTERM', resolve);
});

Cluster.onNodeUp((node) => console.log(`up ${node.id}`));
Cluster.onNodeDown((nodeId, reason) => console.log(`down ${nodeId} (${reason})`));
try {
  await Cluster.start(getClusterConfig());
} catch (error) { // a wrong option, a port that is taken
  console.error(`cannot start: ${error.message}`);
  process.exit(1);
}
console.log(`running as ${Cluster.getLocalNodeId()}`);

await shutdown;
await Cluster.stop(); // says goodbye: the others see graceful_shutdown instead of a crash
