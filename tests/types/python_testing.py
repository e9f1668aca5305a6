"""noex_cluster.testing as a type checker sees it. Checked with `mypy --strict`, never run."""

from typing import assert_type

from noex_cluster import ClusterNode, NodeId, sync
from noex_cluster.testing import Mesh, MeshFactory, MeshOptions, SyncMesh, noex_mesh, start_mesh, start_mesh_sync

__all__ = ["noex_mesh"]  # a conftest.py may import it


async def with_a_loop() -> None:
    async with start_mesh(3) as mesh:
        assert_type(mesh, Mesh)
        one, _two = mesh
        assert_type(one, ClusterNode)
        assert_type(mesh.nodes, tuple[ClusterNode, ...])
        assert_type(mesh[0], ClusterNode)
        assert_type(mesh.ids, tuple[NodeId, ...])
        assert_type(mesh.kill(one), NodeId)
        assert_type(await mesh.add("late", cluster_secret=None, timeout_s=3), ClusterNode)
        await mesh.wait_until_full()
        await mesh.wait_until_up(sync.Cluster, timeout_s=1.5)
        await mesh.wait_until_down("a@h:1")
        await ClusterNode(node_name="app").start(seeds=mesh.ids)
    options: MeshOptions = {"cluster_name": "blue", "heartbeat_interval_ms": 100}
    assert_type(await start_mesh(names=["a", "b", "c"], **options), Mesh)
    start_mesh(3, port=4369)  # type: ignore[call-arg]
    start_mesh("3")  # type: ignore[arg-type]
    with start_mesh(3):  # type: ignore[attr-defined]
        pass


def without() -> None:
    with start_mesh_sync(2, heartbeat_interval_ms=100) as mesh:
        assert_type(mesh, SyncMesh)
        assert_type(mesh[0], sync.ClusterNode)
        assert_type(mesh.add(), sync.ClusterNode)
        mesh.wait_until_down(mesh.kill(mesh[1]))


async def test_fixture(noex_mesh: MeshFactory) -> None:
    assert_type(await noex_mesh(3), Mesh)
    assert_type(noex_mesh.sync(3, names=("a", "b", "c")), SyncMesh)
