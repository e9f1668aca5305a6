'use strict';
// What the native module says of nodes, made into frozen objects here: each property that is set from the native side
// costs more than a whole object literal. So nodes cross in two pieces, all texts in one string and all numbers in one
// array, which the module uses again; and of a list after a change only what is not in the list before.

const TEXTS = 3; // of a node that is made anew: id, host, incarnation
// Of each node: its place; its place in the list before, or -1; port; status, or -1 if it is the same as before;
// processCount, lastHeartbeatAt, uptimeMs.
const NUMBERS = 7;

/** @param {string[]} statuses the names of the states, by their numbers */
function createNodeFactories(statuses) {
  const make = (numbers, n, id, host, incarnation) =>
    Object.freeze({
      id,
      host,
      port: numbers[n + 2],
      status: statuses[numbers[n + 3]],
      processCount: numbers[n + 4],
      lastHeartbeatAt: numbers[n + 5],
      uptimeMs: numbers[n + 6],
      incarnation,
    });

  /** Puts `count` nodes into `nodes`: those of `former`, or with the texts that they had there, or all new. */
  function put(nodes, count, numbers, text, former) {
    const texts = text === '' ? [] : text.split('\n');
    for (let end = count * NUMBERS, n = 0, t = 0; n < end; n += NUMBERS) {
      const place = numbers[n];
      const before = numbers[n + 1];
      if (before >= 0 && numbers[n + 3] < 0) {
        nodes[place] = former[before];
      } else if (before >= 0) {
        const { id, host, incarnation } = former[before];
        nodes[place] = make(numbers, n, id, host, incarnation);
      } else {
        nodes[place] = make(numbers, n, texts[t], texts[t + 1], texts[t + 2] || undefined);
        t += TEXTS;
      }
    }
    return Object.freeze(nodes);
  }

  /** A list of `count` nodes, for which `former` is only a source. */
  const makeNodes = (count, numbers, text, former) => put(new Array(count), count, numbers, text, former);

  /** The list `former` with `count` of its nodes as they are now; the others are the same objects. */
  function renewNodes(count, numbers, text, former) {
    return put([...former], count, numbers, text, former); // slice() of a frozen array is slow
  }

  return [makeNodes, renewNodes];
}

module.exports = { createNodeFactories };
