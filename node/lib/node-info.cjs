'use strict';
// What the native module says of nodes, made into frozen objects here: each property that is set from the native side
// costs more than a whole object literal. So nodes cross in two pieces, all texts in one string and all numbers in one
// array, which the module uses again; and of a list after a change only what is not in the list before.

const TEXTS = 3; // of a node that is made anew: id, host, incarnation
// Of each node of a list that is made: its place; its place in the list before, or -1; port; status, or -1 if it is the
// same as before; processCount, lastHeartbeatAt, uptimeMs.
const NUMBERS = 7;
// Of each node that is renewed in its place: that; status, processCount, lastHeartbeatAt, uptimeMs.
const RENEWED_NUMBERS = 5;

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

  /** A list of `count` nodes: those of `former`, or with the texts that they had there, or all new. */
  function makeNodes(count, numbers, text, former) {
    const nodes = new Array(count);
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

  /** The list `former` with `count` of its nodes as they are now; the others are the same objects. */
  function renewNodes(count, numbers, text, former) {
    const nodes = [...former]; // slice() of a frozen array is slow
    for (let end = count * RENEWED_NUMBERS, n = 0; n < end; n += RENEWED_NUMBERS) {
      const place = numbers[n];
      const before = former[place];
      nodes[place] = Object.freeze({
        id: before.id,
        host: before.host,
        port: before.port,
        status: statuses[numbers[n + 1]],
        processCount: numbers[n + 2],
        lastHeartbeatAt: numbers[n + 3],
        uptimeMs: numbers[n + 4],
        incarnation: before.incarnation,
      });
    }
    return Object.freeze(nodes);
  }

  return [makeNodes, renewNodes];
}

module.exports = { createNodeFactories };
