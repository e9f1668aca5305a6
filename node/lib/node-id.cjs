'use strict';
// NodeId: functions on ids, which are plain strings "name@host:port" in canonical form. The rules live in the native library.

const native = require('./native.cjs');
const { InvalidNodeIdError } = require('./errors.cjs');

const FORM = "expected 'name@host:port', as in 'app1@192.168.1.1:4369'";

function requireString(value) {
  if (typeof value !== 'string') throw new InvalidNodeIdError(value, `it is ${kindOf(value)}; ${FORM}`);
  return value;
}

function kindOf(value) {
  if (value === null || value === undefined) return String(value);
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function isNodeId(value) {
  return typeof value === 'string' && native.isNodeId(value);
}

const NodeId = Object.freeze({
  parse(value) {
    return native.canonicalNodeId(requireString(value));
  },

  tryParse(value) {
    return isNodeId(value) ? native.canonicalNodeId(value) : undefined;
  },

  create(name, host, port) {
    if (typeof name !== 'string' || typeof host !== 'string' || typeof port !== 'number') {
      const given = `${kindOf(name)}, ${kindOf(host)} and ${kindOf(port)}`;
      throw new InvalidNodeIdError([name, host, port], `name and host must be strings and port a number, not ${given}`);
    }
    return native.createNodeId(name, host, port);
  },

  isValid: isNodeId,

  getName(nodeId) {
    return NodeId.components(nodeId).name;
  },

  getHost(nodeId) {
    return NodeId.components(nodeId).host;
  },

  getPort(nodeId) {
    return NodeId.components(nodeId).port;
  },

  components(nodeId) {
    return native.parseNodeId(requireString(nodeId));
  },

  equals(a, b) {
    return isNodeId(a) && isNodeId(b) && native.canonicalNodeId(a) === native.canonicalNodeId(b);
  },
});

module.exports = { NodeId, isNodeId };
