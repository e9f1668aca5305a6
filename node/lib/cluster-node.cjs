'use strict';
// ClusterNode: the documented interface over one native handle. Membership, timing and sockets are the native library's, on its own
// threads; here is only what is JavaScript's: promises, handlers, and what keeps the process alive.

const { EventEmitter, errorMonitor } = require('node:events');
const { debuglog } = require('node:util');
const native = require('./native.cjs');

const WARNING = { type: 'NoexClusterWarning' };
const debug = debuglog('noex-cluster'); // NODE_DEBUG=noex-cluster
const LOG_LEVELS = Object.freeze({ debug: 1, info: 2, warning: 3, error: 4 });

function requireFunction(handler) {
  if (typeof handler !== 'function') {
    throw new TypeError(`the handler must be a function, not ${handler === null ? 'null' : typeof handler}`);
  }
}

class ClusterNode extends EventEmitter {
  #handle = new native.Handle();
  #operations = new Map(); // starts and stops under way: number -> {resolve, reject}
  #stopping; // the promise that concurrent calls of stop() share
  #status = 'stopped'; // as handlers were last told
  #referenced = true;
  #name = ''; // of the last start, for NODE_DEBUG
  #debugLogs = 0; // onLog handlers that want debug records
  #lastError; // the message of the last error that a handler got
  #connected = { of: undefined, nodes: undefined }; // getConnectedNodes() of that list
  #ids = { of: undefined, ids: undefined };

  constructor() {
    super();
    this.setMaxListeners(0); // handlers come from all over an application
    this.#handle.onEvent = (kind, first, second) => this.#receive(kind, first, second);
    if (debug.enabled) this.#countDebugLogs(1);
  }

  // ------------------------------------------------------------------------------------------------------------ lifecycle

  async start(config) {
    const operation = this.#handle.start(config);
    this.#name = config.nodeName;
    try {
      await this.#end(operation);
    } catch (error) {
      Error.captureStackTrace(error, ClusterNode.prototype.start); // made on the event loop; this shows who called
      throw error;
    }
  }

  stop() {
    this.#stopping ??= this.#leave().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  async #leave() {
    const operation = this.#handle.stop();
    if (operation !== undefined) await this.#end(operation);
  }

  /** Waits for the end of a native operation, which comes through the event queue, after the handlers of all earlier events. */
  #end(operation) {
    return new Promise((resolve, reject) => {
      this.#operations.set(operation, { resolve, reject });
      this.#keepAlive();
    });
  }

  ref() {
    this.#referenced = true;
    this.#keepAlive();
    return this;
  }

  unref() {
    this.#referenced = false;
    this.#keepAlive();
    return this;
  }

  /** A node that runs and is not unref'd, or has a start or stop under way, keeps the process alive and is not garbage. */
  #keepAlive() {
    if (this.#operations.size > 0 || (this.#referenced && this.#status !== 'stopped')) {
      this.#handle.hold();
    } else {
      this.#handle.release();
    }
  }

  // -------------------------------------------------------------------------------------------------------------- queries

  getStatus() {
    return this.#handle.status();
  }

  getLocalNodeId() {
    return this.#handle.localId();
  }

  getLocalNodeInfo() {
    return this.#handle.localNode();
  }

  getNodes() {
    return this.#handle.nodes(); // the same frozen array while nothing has changed
  }

  getConnectedNodes() {
    const all = this.#handle.nodes();
    if (this.#connected.of !== all) {
      this.#connected = { of: all, nodes: Object.freeze(all.filter((node) => node.status === 'connected')) };
    }
    return this.#connected.nodes;
  }

  getNodeIds() {
    const all = this.#handle.nodes();
    if (this.#ids.of !== all) this.#ids = { of: all, ids: Object.freeze(all.map((node) => node.id)) };
    return this.#ids.ids;
  }

  getNode(nodeId) {
    return this.#handle.find(nodeId);
  }

  isNodeConnected(nodeId) {
    return this.#handle.isNodeConnected(nodeId);
  }

  getConnectedNodeCount() {
    return this.#handle.connectedCount();
  }

  getUptimeMs() {
    return this.#handle.uptimeMs();
  }

  getStats() {
    return this.#handle.stats();
  }

  getMetrics() {
    return this.#handle.metrics();
  }

  setProcessCount(count) {
    this.#handle.setProcessCount(count);
  }

  // --------------------------------------------------------------------------------------------------------------- events

  onNodeUp(handler) {
    return this.#subscribe('nodeUp', handler);
  }

  onNodeDown(handler) {
    return this.#subscribe('nodeDown', handler);
  }

  onStatusChange(handler) {
    return this.#subscribe('statusChange', handler);
  }

  onError(handler) {
    return this.#subscribe('error', handler);
  }

  onLog(handler, level = 'info') {
    requireFunction(handler);
    const least = Object.hasOwn(LOG_LEVELS, level) ? LOG_LEVELS[level] : undefined;
    if (least === undefined) throw new RangeError(`the level must be one of ${Object.keys(LOG_LEVELS).join(', ')}, not '${String(level)}'`);
    const debug = level === 'debug' ? 1 : 0;
    this.#countDebugLogs(debug);
    const unsubscribe = this.#subscribe('log', (record) => {
      if (LOG_LEVELS[record.level] >= least) handler(record);
    });
    let subscribed = true;
    return () => {
      if (!subscribed) return;
      subscribed = false;
      unsubscribe();
      this.#countDebugLogs(-debug);
    };
  }

  #countDebugLogs(change) {
    const before = this.#debugLogs > 0;
    this.#debugLogs += change;
    if (this.#debugLogs > 0 !== before) this.#handle.selectLogLevel(before ? LOG_LEVELS.info : LOG_LEVELS.debug);
  }

  /** Each subscription is a listener of its own, so that the same function may be registered twice and ended one by one. */
  #subscribe(event, handler) {
    requireFunction(handler);
    const listener = (...args) => handler(...args);
    this.on(event, listener);
    return () => {
      this.off(event, listener);
    };
  }

  /**
   * Like EventEmitter's, but every listener runs: what one throws is rethrown when all have run, as an uncaught exception, which is
   * where an exception thrown in an event belongs. And an 'error' that nobody listens to is no exception.
   */
  emit(event, ...args) {
    if (event === 'error' && this.listenerCount(errorMonitor) > 0) this.emit(errorMonitor, ...args);
    const listeners = this.rawListeners(event); // a copy; with the wrappers that take a once() listener off
    for (const listener of listeners) {
      try {
        Reflect.apply(listener, this, args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return listeners.length > 0;
  }

  /** What the native handle calls, one event at a time, in order. */
  #receive(kind, first, second) {
    switch (kind) {
      case 'completion':
        this.#complete(first, second);
        break;
      case 'log':
        debug('%s %s: %s', this.#name, first.level, first.message);
        if (!this.emit('log', first) && LOG_LEVELS[first.level] >= LOG_LEVELS.warning) this.#warn(first.message);
        break;
      case 'error':
        if (this.emit('error', first)) this.#lastError = first.message;
        break;
      case 'statusChange':
        this.#status = first;
        this.#keepAlive();
        this.emit(kind, first);
        break;
      default:
        this.emit(kind, first, ...(second === undefined ? [] : [second]));
    }
  }

  #complete(operation, error) {
    const waiting = this.#operations.get(operation);
    this.#operations.delete(operation);
    this.#keepAlive();
    if (error === undefined) waiting?.resolve();
    else waiting?.reject(error);
  }

  /** An error event is logged right before it is reported; where a handler takes the error, it need not be told twice. */
  #warn(message) {
    if (this.listenerCount('error') === 0) {
      process.emitWarning(message, WARNING);
      return;
    }
    setTimeout(() => {
      if (this.#lastError !== message) process.emitWarning(message, WARNING);
    }, 100);
  }
}

if (Symbol.asyncDispose !== undefined) {
  Object.defineProperty(ClusterNode.prototype, Symbol.asyncDispose, {
    value: async function asyncDispose() {
      await this.stop();
    },
    writable: true,
    configurable: true,
  });
}

module.exports = { ClusterNode };
