'use strict';
// The error classes of the package, and the one function that turns a failure of the native module into one of them.

const { inspect } = require('node:util');

// The name stands on the prototype, not on each error, so that it is not printed again among an error's properties.
function named(errorClass, name) {
  Object.defineProperty(errorClass.prototype, 'name', { value: name, writable: true, configurable: true });
}

class ClusterNotStartedError extends Error {
  constructor(message = 'Cluster is not started: call Cluster.start() first') {
    super(message);
  }
}
named(ClusterNotStartedError, 'ClusterNotStartedError');

class InvalidClusterConfigError extends Error {
  constructor(reason) {
    super(`Invalid cluster configuration: ${reason}`);
    this.reason = reason;
  }
}
named(InvalidClusterConfigError, 'InvalidClusterConfigError');

class InvalidNodeIdError extends Error {
  constructor(given, reason) {
    const value = typeof given === 'string' ? given : inspect(given);
    super(`Invalid node id '${printable(value)}': ${reason}`);
    this.value = value;
    this.reason = reason;
  }
}
named(InvalidNodeIdError, 'InvalidNodeIdError');

class ClusterError extends Error {
  constructor(message, { kind, nodeId, address }) {
    super(message);
    this.kind = kind;
    this.nodeId = nodeId;
    this.address = address;
  }
}
named(ClusterError, 'ClusterError');

/** `value` for a message: as it is, but short and on one line. */
function printable(value) {
  const shown = value.length > 128 ? `${value.slice(0, 128)}...` : value;
  return shown.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The native sentence is "invalid node id 'VALUE': REASON"; the class has the two apart. */
function nodeIdReason(message) {
  const end = message.startsWith("invalid node id '") ? message.lastIndexOf("': ") : -1;
  return end < 0 ? message : message.slice(end + 3);
}

function bindError({ message, code, syscall, address, port, osError }) {
  const error = new Error(message);
  if (osError !== 0) error.errno = -osError; // as node's own system errors have it
  return Object.assign(error, { code, syscall, address, port });
}

/** Makes the error for a native failure; `status` is a name of the C header's status table. */
function makeError(status, details) {
  switch (status) {
    case 'NOEX_OK': // no call failed: this is an error event
      return new ClusterError(details.message, {
        kind: details.kind,
        nodeId: details.nodeId || undefined,
        address: details.address || undefined,
      });
    case 'NOEX_ENOTSTARTED':
      return new ClusterNotStartedError();
    case 'NOEX_ECONFIG':
      return new InvalidClusterConfigError(details.message);
    case 'NOEX_ENODEID':
      return new InvalidNodeIdError(details.nodeId, nodeIdReason(details.message));
    case 'NOEX_ERUNNING':
      return Object.assign(new Error('Cluster is already running'), { code: status });
    case 'NOEX_EBIND':
      return bindError(details);
    case 'NOEX_EINVAL':
      return Object.assign(new RangeError(details.message), { code: status });
    default:
      return Object.assign(new Error(details.message), { code: status });
  }
}

module.exports = { ClusterError, ClusterNotStartedError, InvalidClusterConfigError, InvalidNodeIdError, makeError };
