// noex-cluster/testing, as an application's tests use it.

import { Cluster, ClusterNode, type NodeId } from 'noex-cluster';
import { startMesh, type MemberOptions, type Mesh, type MeshOptions, type MeshWorker, type WaitOptions } from 'noex-cluster/testing';

/** Fails to compile unless A and B are the same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

export async function main(): Promise<void> {
  await using mesh = await startMesh(3, { clusterSecret: process.env['SECRET'], names: ['a', 'b', 'c'], timeoutMs: 3000 });
  same<typeof mesh, Mesh>(true);
  same<typeof mesh.ids, readonly NodeId[]>(true);
  same<typeof mesh.nodes, readonly ClusterNode[]>(true);
  const [one, two] = mesh;
  one?.onNodeDown((id, reason) => console.log(id, reason));
  for (const node of mesh) same<typeof node, ClusterNode>(true);
  await Cluster.start({ nodeName: 'app', host: '127.0.0.1', port: 'auto', seeds: mesh.ids });
  await mesh.waitUntilUp(Cluster);
  await using worker = await mesh.addWorker('victim', { heartbeatIntervalMs: 200 });
  same<typeof worker, MeshWorker>(true);
  same<ReturnType<MeshWorker['kill']>, Promise<NodeId>>(true);
  await mesh.waitUntilDown(await worker.kill(), { timeoutMs: undefined });
  await mesh.waitUntilDown('a@h:1');
  if (two !== undefined) await mesh.waitUntilDown(two);
  same<typeof mesh.add extends () => Promise<ClusterNode> ? true : false, true>(true);
  await mesh.waitUntilFull({ timeoutMs: 5 });
  await startMesh();
}

export const options: Required<MeshOptions> extends Required<MemberOptions> & WaitOptions ? true : false = true;

// @ts-expect-error the mesh chooses the ports
void startMesh(3, { port: 4369 });
// @ts-expect-error a number
void startMesh('3');
// @ts-expect-error a promise
export const notAwaited: Mesh = startMesh();
// @ts-expect-error they are made by a mesh
export const made = new MeshWorker();
export function change(mesh: Mesh): void {
  // @ts-expect-error read-only
  mesh.nodes.push(new ClusterNode());
}
