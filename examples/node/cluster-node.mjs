// One node of a cluster: says who joins and who leaves, and every ten seconds who is there. In three terminals:
//
//     node cluster-node.mjs seed1 4369
//     node cluster-node.mjs worker1 4370 seed1@localhost:4369
//     node cluster-node.mjs worker2 4371 worker1@localhost:4370     (finds seed1 by gossip)
//
// In your own project, `npm install` the package noex-cluster.

import { Cluster } from 'noex-cluster/distribution';

async function startNode(config) {
  console.log(`Starting node: ${config.name}`);

  // Set up event handlers before starting
  Cluster.onNodeUp((node) => {
    console.log(`[${config.name}] Node joined: ${node.id}`);
  });

  Cluster.onNodeDown((nodeId, reason) => {
    console.log(`[${config.name}] Node left: ${nodeId} (${reason})`);
  });

  Cluster.onStatusChange((status) => {
    console.log(`[${config.name}] Cluster status: ${status}`);
  });

  // Start the cluster
  await Cluster.start({
    nodeName: config.name,
    port: config.port,
    seeds: config.seeds,
    heartbeatIntervalMs: 2000, // Fast for demo
    heartbeatMissThreshold: 2,
  });

  console.log(`[${config.name}] Started as ${Cluster.getLocalNodeId()}`);

  // Periodic status report
  setInterval(() => {
    const connected = Cluster.getConnectedNodes();
    console.log(`[${config.name}] Connected to ${connected.length} nodes:`);
    for (const node of connected) {
      console.log(`  - ${node.id} (${node.processCount} processes)`);
    }
  }, 10000);
}

// Parse command line args
const args = process.argv.slice(2);
const name = args[0] || 'node1';
const port = parseInt(args[1] || '4369', 10);
const seeds = args.slice(2);

startNode({ name, port, seeds }).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});

// Graceful shutdown
async function shutDown() {
  console.log('\nShutting down...');
  await Cluster.stop();
  process.exit(0);
}

process.on('SIGINT', shutDown);
process.on('SIGTERM', shutDown);
