'use strict';
// What the native module says of nodes, made into frozen objects here: each property that is set from the native side
// costs more than a whole object literal. So nodes cross in two pieces, all texts in one string and all numbers in one
// array, which the module uses again.

const TEXTS = 3; // of each node: id, host, incarnation
const NUMBERS = 6; // of each node: its place in the list, port, status, processCount, lastHeartbeatAt, uptimeMs

/** @param {string[]} statuses the names of the states, by their numbers */
function createNodeFactories(statuses) {
  /** A list of `count` nodes. */
  function makeNodes(count, numbers, text) {
    const texts = text.split('\n');
    const nodes = new Array(count);
    for (let index = 0, t = 0, n = 0; index < count; index += 1, t += TEXTS, n += NUMBERS) {
      nodes[index] = Object.freeze({
        id: texts[t],
        host: texts[t + 1],
        port: numbers[n + 1],
        status: statuses[numbers[n + 2]],
        processCount: numbers[n + 3],
        lastHeartbeatAt: numbers[n + 4],
        uptimeMs: numbers[n + 5],
        incarnation: texts[t + 2] || undefined,
      });
    }
    return Object.freeze(nodes);
  }

  /** The list `former` with `count` of its nodes as they are now; the others are the same objects. */
  function renewNodes(count, numbers, former) {
    const nodes = [...former]; // slice() of a frozen array is slow
    for (let end = count * NUMBERS, n = 0; n < end; n += NUMBERS) {
      const place = numbers[n];
      const { id, host, port, incarnation } = former[place];
      nodes[place] = Object.freeze({
        id,
        host,
        port,
        status: statuses[numbers[n + 2]],
        processCount: numbers[n + 3],
        lastHeartbeatAt: numbers[n + 4],
        uptimeMs: numbers[n + 5],
        incarnation,
      });
    }
    return Object.freeze(nodes);
  }

  return [makeNodes, renewNodes];
}

module.exports = { createNodeFactories };
