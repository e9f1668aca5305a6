'use strict';
// What a thread of Mesh.addWorker runs: one node, until it is told to stop, or the thread is ended.

const { parentPort, workerData } = require('node:worker_threads');

const { Cluster } = require('../index.cjs');

Cluster.start(workerData).then(() => {
  parentPort.once('message', () => Cluster.stop()); // the thread then has nothing left to do, and ends
  parentPort.postMessage(Cluster.getLocalNodeId());
});
