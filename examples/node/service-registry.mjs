// Seeds from a service registry, here etcd: a node asks who is there, joins them, and registers itself.
//
//     etcd &
//     NODE_NAME=app1 CLUSTER_PORT=4369 node service-registry.mjs
//     NODE_NAME=app2 CLUSTER_PORT=4370 node service-registry.mjs
//
// An entry lasts as long as its lease. The node keeps the lease alive; it gives it back when it leaves, and when the
// process dies the lease runs out. etcd is asked through its JSON gateway (v3.4 and later): nothing is to be installed.
//
//     ETCD_URL           default: http://127.0.0.1:2379
//     REGISTRY_TTL_S     how long the entry of a dead process stays; default: 10
//     NODE_NAME, CLUSTER_PORT, CLUSTER_SECRET   as in environment.mjs

import { setInterval } from 'node:timers/promises';
import { Cluster } from 'noex-cluster';

const SERVICE = 'services/noex-cluster/';
const SERVICE_END = 'services/noex-cluster0'; // the first key behind all that begin with SERVICE
const LOCK = 'locks/noex-cluster';
const LOCK_TTL_S = 30; // a node that dies with the lock in its hands blocks others for so long

const encoded = (text) => Buffer.from(text).toString('base64');

class ServiceRegistry {
  #url;
  #ttlS;
  #endpoint;
  #lease;

  constructor(url, ttlS) {
    this.#url = url;
    this.#ttlS = ttlS;
  }

  async getEndpoints() {
    const { kvs = [] } = await this.#call('kv/range', { key: encoded(SERVICE), range_end: encoded(SERVICE_END) });
    return kvs.map(({ value }) => Buffer.from(value, 'base64').toString());
  }

  async register(endpoint) {
    this.#endpoint = endpoint;
    this.#lease = await this.#grant(this.#ttlS);
    await this.#call('kv/put', { key: encoded(SERVICE + endpoint), value: encoded(endpoint), lease: this.#lease });
  }

  async unregister() {
    await this.#call('lease/revoke', { ID: this.#lease }); // and with the lease goes the entry
  }

  /**
   * Runs until `signal` aborts it. The cluster does not need the registry, only newcomers do: whatever happens to
   * etcd, the node stays, and tries again.
   */
  async keepRegistered(signal) {
    try {
      for await (const _ of setInterval((this.#ttlS * 1000) / 3, undefined, { signal })) {
        await this.#renew().catch((error) => console.warn(error.message));
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #renew() {
    const { result } = await this.#call('lease/keepalive', { ID: this.#lease });
    if (Number(result?.TTL ?? 0) > 0) return;
    await this.register(this.#endpoint); // etcd was away for longer than the lease, or lost its data
    console.warn('registered anew');
  }

  /** One node at a time. Two that start at once would both find nobody, and be two clusters. */
  async withLock(body) {
    const lease = await this.#grant(LOCK_TTL_S);
    try {
      await this.#call('lock/lock', { name: encoded(LOCK), lease }, LOCK_TTL_S);
      return await body();
    } finally {
      await this.#call('lease/revoke', { ID: lease });
    }
  }

  async #grant(ttlS) {
    return (await this.#call('lease/grant', { TTL: ttlS })).ID;
  }

  async #call(method, message, timeoutS = 5) {
    try {
      const response = await fetch(`${this.#url}/v3/${method}`, {
        method: 'POST',
        body: JSON.stringify(message),
        signal: AbortSignal.timeout(timeoutS * 1000),
      });
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
      return await response.json();
    } catch (error) {
      throw new Error(`etcd, ${method}: ${error.cause?.message ?? error.message}`, { cause: error });
    }
  }
}

const shutdown = new Promise((resolve) => {
  process.once('SIGINT', resolve).once('SIGTERM', resolve);
});

Cluster.onNodeUp((node) => console.log(`up ${node.id}`));
Cluster.onNodeDown((nodeId, reason) => console.log(`down ${nodeId} (${reason})`));
const registry = new ServiceRegistry(
  process.env.ETCD_URL || 'http://127.0.0.1:2379',
  Number(process.env.REGISTRY_TTL_S || 10),
);
try {
  await registry.withLock(async () => {
    const seeds = await registry.getEndpoints();
    console.log(`seeds: ${seeds.join(', ') || 'none'}`);
    await Cluster.start({
      nodeName: process.env.NODE_NAME || `worker-${process.pid}`,
      port: Number(process.env.CLUSTER_PORT || 4369),
      seeds,
      clusterSecret: process.env.CLUSTER_SECRET,
    });
    await registry.register(Cluster.getLocalNodeId());
  });
  console.log(`running as ${Cluster.getLocalNodeId()}`);

  const keeping = new AbortController();
  const kept = registry.keepRegistered(keeping.signal);
  await shutdown;
  keeping.abort();
  await kept;
  await registry.unregister() // first: nobody is sent here any more
    .catch((error) => console.warn(`${error.message}; the lease will run out`));
} finally {
  await Cluster.stop();
}
