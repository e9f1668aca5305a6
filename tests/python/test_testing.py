"""noex_cluster.testing: what an application's own tests use."""

import asyncio
import contextlib
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from noex_cluster import (
    ClusterError,
    ClusterNode,
    ClusterNotStartedError,
    ClusterStatus,
    InvalidClusterConfigError,
    NodeId,
    StatusChange,
    sync,
    testing,
)
from noex_cluster.testing import Mesh, MeshFactory, SyncMesh, noex_mesh, start_mesh, start_mesh_sync  # noqa: F401
from support import until_sync

# -------------------------------------------------------------------------------------------------------------- asyncio


async def test_three_connected_nodes_that_end_with_the_block() -> None:
    async with start_mesh(3) as mesh:
        one, two, three = mesh
        assert mesh.ids == tuple(node.get_local_node_id() for node in (one, two, three))
        assert [node_id.name for node_id in mesh.ids] == ["node1", "node2", "node3"]
        assert {node_id.host for node_id in mesh.ids} == {"127.0.0.1"}
        for node in mesh:
            assert {other.id for other in node.get_connected_nodes()} == set(mesh.ids) - {node.get_local_node_id()}
        assert (len(mesh), mesh[1], mesh.nodes) == (3, two, (one, two, three))
    assert [node.get_status() for node in mesh.nodes] == [ClusterStatus.STOPPED] * 3


async def test_awaited_it_is_stopped_by_hand() -> None:
    mesh = await start_mesh(2, names=["left", "right"])
    assert [node_id.name for node_id in mesh.ids] == ["left", "right"]
    await mesh.stop()
    await mesh.stop()
    assert mesh.ids == ()
    assert [node.get_status() for node in mesh] == [ClusterStatus.STOPPED] * 2


async def test_an_exception_in_the_block_stops_it_too() -> None:
    with pytest.raises(KeyError, match="of the test"):
        async with start_mesh(2) as mesh:
            raise KeyError("of the test")
    assert [node.get_status() for node in mesh] == [ClusterStatus.STOPPED] * 2


async def test_cancelled_while_it_starts_it_leaves_nothing() -> None:
    mesh = Mesh({})
    starting = testing._Starting(mesh, [None, None, None], 10.0)
    task = asyncio.create_task(starting._start())
    await asyncio.sleep(0)
    assert mesh[0].get_status() is not ClusterStatus.STOPPED
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [node.get_status() for node in mesh] == [ClusterStatus.STOPPED] * len(mesh)


async def test_a_kill_is_a_crash_for_the_others() -> None:
    async with start_mesh(3) as mesh:
        one, two, three = mesh
        downs: list[tuple[str, str, str]] = []
        one.on_node_down(lambda node_id, reason: downs.append(("one", node_id, reason)))
        two.on_node_down(lambda node_id, reason: downs.append(("two", node_id, reason)))
        told: list[object] = []
        three.on_status_change(told.append)
        events = three.events()
        gone = mesh.kill(three)
        await mesh.wait_until_down(three)
        # The handlers have run by the time that the wait is over.
        assert sorted(downs) == [("one", gone, "connection_closed"), ("two", gone, "connection_closed")]
        assert mesh.ids == (one.get_local_node_id(), two.get_local_node_id())
        assert told == []
        assert three.get_status() is ClusterStatus.STOPPED
        with pytest.raises(ClusterNotStartedError):
            three.get_nodes()
        assert [event.status async for event in events if isinstance(event, StatusChange)] == [ClusterStatus.STOPPED]
        with pytest.raises(ValueError, match=f"{gone} is no running member of this mesh"):
            mesh.kill(three)
        with pytest.raises(ValueError, match="the node is no running member"):
            mesh.kill(ClusterNode())
        await mesh.wait_until_full()


async def test_who_was_killed_may_come_back_under_its_id() -> None:
    async with start_mesh(3) as mesh:
        ups: list[NodeId] = []
        mesh[0].on_node_up(lambda node: ups.append(node.id))
        gone = mesh.kill(mesh[1])
        await mesh.wait_until_down(gone)
        await mesh[1].start(port=gone.port)
        await mesh.wait_until_full()
        assert mesh.ids[1] == gone
        assert ups == [gone]


async def test_a_kill_ends_a_stop_under_way() -> None:
    async with start_mesh(2) as mesh:
        ended = mesh[1]._operate(None)
        mesh.kill(mesh[1])
        with pytest.raises(ClusterError, match="the node was killed"):
            await ended


async def test_who_has_stopped_before_it_is_told_to_run() -> None:
    """The loop is busy for the whole life of the node: its events come when there is no id any more."""
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    async with start_mesh(2) as mesh:
        await mesh[1].stop()
        starting = asyncio.create_task(mesh[1].start())
        await asyncio.sleep(0)
        link = mesh[1]._link
        assert link is not None
        until_sync(lambda: link.handle.status() == ClusterStatus.RUNNING, "it runs")
        link.handle.stop()
        assert link.handle.wait(5000)
        with contextlib.suppress(ClusterError):  # whichever came first
            await starting
        await mesh[1].stop()
        await mesh.wait_until_full()
        assert len(mesh.ids) == 1
    assert problems == []


async def test_a_stop_is_a_goodbye() -> None:
    async with start_mesh(3) as mesh:
        downs: list[tuple[str, str]] = []
        mesh[0].on_node_down(lambda node_id, reason: downs.append((node_id, reason)))
        left = mesh[2].get_local_node_id()
        await mesh[2].stop()
        await mesh.wait_until_down(left)
        assert downs == [(left, "graceful_shutdown")]


async def test_a_node_of_the_application_joins() -> None:
    async with start_mesh(2, cluster_secret="of the test") as mesh:
        app = ClusterNode(node_name="app", host="127.0.0.1", port="auto", seeds=mesh.ids, cluster_secret="of the test")
        ups: list[str] = []
        for node in mesh:
            node.on_node_up(lambda info: ups.append(info.id))
        async with app:
            await mesh.wait_until_up(app)
            app_id = app.get_local_node_id()
            assert ups == [app_id, app_id]
        await mesh.wait_until_down(app_id)
        with pytest.raises(ClusterNotStartedError):
            await mesh.wait_until_up(app)


async def test_one_more_member() -> None:
    async with start_mesh(2) as mesh:
        late = await mesh.add()
        assert late.get_local_node_id().name == "node3"
        assert late.get_connected_node_count() == 2
        await mesh.add("named")
        assert [node_id.name for node_id in mesh.ids] == ["node1", "node2", "node3", "named"]


async def test_a_mesh_that_does_not_form_says_who_misses_whom() -> None:
    async with start_mesh(2, cluster_secret="one") as mesh:
        with pytest.raises(TimeoutError) as caught:
            await mesh.add("stranger", cluster_secret="another", timeout_s=1.0)
        lines = str(caught.value).splitlines()
        assert lines[0] == "the mesh is not full within 1 s:"
        assert len(lines) == 4
        for line, node_id in zip(lines[1:3], mesh.ids, strict=True):
            assert line.startswith(f"  {node_id} does not see stranger@127.0.0.1:")
        assert lines[3].startswith("  stranger@127.0.0.1:")
        assert f"does not see {mesh.ids[0]}, {mesh.ids[1]}" in lines[3]
        assert "its last error: " in str(caught.value)  # of the secret
        # Who did not become a member is gone, and the others go on.
        assert [node_id.name for node_id in mesh.ids] == ["node1", "node2"]
        assert len(mesh) == 2
        await mesh.wait_until_full()
        with pytest.raises(
            TimeoutError, match=rf"^{mesh.ids[0]} is not down within 0\.05 s:\n  {mesh.ids[1]} still sees"
        ):
            await mesh.wait_until_down(mesh[0], timeout_s=0.05)
        with pytest.raises(TimeoutError, match=r"^nobody@127\.0\.0\.1:1 is not up within 0\.05 s:"):
            await mesh.wait_until_up("nobody@127.0.0.1:1", timeout_s=0.05)


async def test_options_are_checked_where_they_are_given() -> None:
    with pytest.raises(TypeError, match="a mesh chooses 'port' of its nodes itself"):
        start_mesh(2, port=4369)  # type: ignore[call-arg]
    with pytest.raises(InvalidClusterConfigError, match="cluster_secret"):
        start_mesh(2, cluster_secrt="x")  # type: ignore[call-arg]
    with pytest.raises(InvalidClusterConfigError, match="heartbeat_interval_ms"):
        await start_mesh(2, heartbeat_interval_ms=1)
    for count in (0, -1, True, 2.0):
        with pytest.raises(ValueError, match="one node or more"):
            start_mesh(count)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a list of 2"):
        start_mesh(2, names=["alone"])


async def test_the_environment_does_not_move_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOEX_ADVERTISE_HOST", "192.0.2.1")
    async with start_mesh(2, heartbeat_interval_ms=None) as mesh:
        assert {node_id.host for node_id in mesh.ids} == {"127.0.0.1"}


async def test_one_node_is_a_mesh() -> None:
    async with start_mesh(1) as mesh:
        assert mesh[0].get_connected_node_count() == 0


async def test_a_blocked_loop_takes_nobody_down() -> None:
    async with start_mesh(3) as mesh:
        downs: list[str] = []
        for node in mesh:
            node.on_node_down(lambda node_id, _: downs.append(node_id))
        time.sleep(2.5)  # noqa: ASYNC251  # longer than the timeout
        await mesh.wait_until_full()
        assert downs == []


# ------------------------------------------------------------------------------------------------------------- blocking


def test_three_blocking_nodes() -> None:
    with start_mesh_sync(3) as mesh:
        one, _two, three = mesh
        assert isinstance(mesh, SyncMesh)
        assert all(isinstance(node, sync.ClusterNode) for node in mesh)
        assert {node.id for node in one.get_connected_nodes()} == set(mesh.ids[1:])
        downs: list[tuple[str, str]] = []
        one.on_node_down(lambda node_id, reason: downs.append((node_id, reason)))
        gone = mesh.kill(three)
        mesh.wait_until_down(gone)
        assert downs == [(gone, "connection_closed")]
        three.start(port=gone.port)
        mesh.wait_until_full()
        assert mesh.ids[2] == gone
        four = mesh.add("four")
        assert four.get_connected_node_count() == 3
        mesh.wait_until_up(four)
        assert (len(mesh), mesh[3]) == (4, four)
    assert [node.get_status() for node in mesh.nodes] == [ClusterStatus.STOPPED] * 4


def test_handlers_of_blocking_nodes_have_run_when_a_wait_is_over() -> None:
    """They run on other threads, and the slowest of them counts."""
    with start_mesh_sync(2) as mesh:
        for _ in range(20):
            downs: list[str] = []
            unsubscribe = mesh[0].on_node_down(lambda node_id, _, downs=downs: downs.append(node_id))
            gone = mesh.kill(mesh[1])
            mesh.wait_until_down(gone)
            assert downs == [gone]
            unsubscribe()
            mesh[1].start(port=gone.port)
            mesh.wait_until_full()


def test_killing_a_blocking_node_leaves_no_thread_behind() -> None:
    with start_mesh_sync(2) as mesh:
        link = mesh[1]._link
        assert link is not None
        assert link.pump is not None
        thread = link.pump._poller.thread
        del link
        mesh.kill(mesh[1])
        until_sync(lambda: not thread.is_alive(), "the thread of its handlers ends")


def test_a_blocking_mesh_that_does_not_form() -> None:
    with start_mesh_sync(2, cluster_name="ours") as mesh:
        with pytest.raises(TimeoutError, match=r"^the mesh is not full within 1 s:\n  node1@.* does not see stranger@"):
            mesh.add("stranger", cluster_name="theirs", timeout_s=1.0)
        assert len(mesh) == 2
        with pytest.raises(TypeError, match="chooses 'seeds'"):
            mesh.add(seeds=["a@b:1"])  # type: ignore[call-arg]
        with pytest.raises(TimeoutError, match="is not down within"):
            mesh.wait_until_down(mesh[0], timeout_s=0.05)
        with pytest.raises(TimeoutError, match="is not up within"):
            mesh.wait_until_up("nobody@127.0.0.1:1", timeout_s=0.05)
    with pytest.raises(InvalidClusterConfigError, match="cluster_secret"):
        start_mesh_sync(2, cluster_secret="")


# --------------------------------------------------------------------------------------------------------------- pytest


async def test_the_fixture_with_a_loop(noex_mesh: MeshFactory) -> None:  # noqa: F811
    one, two, three = await noex_mesh(3)
    assert one.get_connected_node_count() == two.get_connected_node_count() == three.get_connected_node_count() == 2


def test_the_fixture_without(noex_mesh: MeshFactory) -> None:  # noqa: F811
    mesh = noex_mesh.sync(2, names=["a", "b"])
    assert mesh[0].is_node_connected(mesh.ids[1])


PLUGIN = 'pytest_plugins = ["noex_cluster.testing"]\n'
KEPT = """
import json, os
kept = []

def statuses():
    return [node.get_status() for mesh in kept for node in mesh]

def pytest_unconfigure():
    print("\\nSTATUSES", json.dumps(statuses()))
"""


def run_pytest(folder: Path, files: dict[str, str], *arguments: str) -> str:
    """What pytest says of files in a place of their own, with every warning an error."""
    for name, text in files.items():
        (folder / name).write_text(textwrap.dedent(text))
    asyncio_option = "" if "no:asyncio" in arguments else "asyncio_default_fixture_loop_scope = function\n"
    (folder / "pytest.ini").write_text(f"[pytest]\naddopts = -p no:cacheprovider\n{asyncio_option}")
    strict = ["-W", "error", "-W", "error::pytest.PytestWarning"]
    command = [sys.executable, "-m", "pytest", *strict, *arguments, str(folder)]
    env = {**os.environ, "PYTHONPATH": str(Path(testing.__file__).parents[1])}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=90, check=False)
    return f"{done.stdout}{done.stderr}\nexit code {done.returncode}"


def test_a_users_tests_without_pytest_asyncio(tmp_path: Path) -> None:
    files = {
        "conftest.py": PLUGIN + KEPT,
        "test_app.py": """
            import asyncio
            import conftest
            import pytest

            def test_blocking(noex_mesh):
                mesh = noex_mesh.sync(2)
                conftest.kept.append(mesh)
                assert mesh[0].is_node_connected(mesh.ids[1])

            def test_that_fails(noex_mesh):
                conftest.kept.append(noex_mesh.sync(2))
                assert False, "of the test"

            def test_loop_of_its_own(noex_mesh):
                async def main():
                    mesh = await noex_mesh(2)
                    conftest.kept.append(mesh)
                    assert mesh[0].is_node_connected(mesh.ids[1])

                asyncio.run(main())  # the loop is closed when the fixture ends
        """,
    }
    output = run_pytest(tmp_path, files, "-p", "no:asyncio", "-p", "no:timeout")
    assert "2 passed" in output, output
    assert "1 failed" in output, output
    assert "of the test" in output
    assert 'STATUSES ["stopped", "stopped", "stopped", "stopped", "stopped", "stopped"]' in output, output
    assert "arning" not in output, output


@pytest.mark.parametrize("scope", ["function", "session"])
def test_a_users_tests_with_pytest_asyncio(tmp_path: Path, scope: str) -> None:
    files = {
        # Imported for its types, too, before pytest makes a plugin of it.
        "conftest.py": "from noex_cluster.testing import MeshFactory\n" + PLUGIN + KEPT,
        "test_app.py": f"""
            import conftest
            import pytest
            from noex_cluster.testing import MeshFactory

            pytestmark = pytest.mark.asyncio(loop_scope="{scope}")

            async def test_crash(noex_mesh: MeshFactory):
                mesh = await noex_mesh(3)
                conftest.kept.append(mesh)
                downs = []
                mesh[0].on_node_down(lambda node_id, reason: downs.append((node_id, reason)))
                gone = mesh.kill(mesh[2])
                await mesh.wait_until_down(gone)
                assert downs == [(gone, "connection_closed")]

            async def test_that_fails(noex_mesh: MeshFactory):
                conftest.kept.append(await noex_mesh(2))
                assert False, "of the test"
        """,
    }
    output = run_pytest(tmp_path, files)
    assert "1 passed" in output, output
    assert "1 failed" in output, output
    assert 'STATUSES ["stopped", "stopped", "stopped", "stopped", "stopped"]' in output, output
    assert "arning" not in output, output


def test_pytest_shows_the_fixture_and_what_it_is(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, {"conftest.py": PLUGIN}, "--fixtures", "-q")
    assert "noex_mesh" in output
    assert "gives three connected nodes" in output


def test_without_pytest_all_but_the_fixture_works(tmp_path: Path) -> None:
    program = """
        import sys
        sys.modules["pytest"] = None  # as if it were not installed
        from noex_cluster import testing
        from noex_cluster.testing import *
        with start_mesh_sync(2) as mesh:
            print(mesh[0].get_connected_node_count())
        try:
            testing.noex_mesh
        except ModuleNotFoundError as error:
            print(error.name)
        try:
            testing.nothing
        except AttributeError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["1", "pytest", "module 'noex_cluster.testing' has no attribute 'nothing'"]


def test_the_package_itself_does_not_import_it() -> None:
    program = (
        "import sys, noex_cluster; print([name for name in sys.modules if name in ('noex_cluster.testing', 'pytest')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_everything_is_documented() -> None:
    assert testing.__doc__
    for name in testing.__all__:
        assert getattr(testing, name).__doc__, name
    for kind in (Mesh, SyncMesh, MeshFactory):
        for name, value in vars(kind).items():
            if callable(value) and not name.startswith("_"):
                assert value.__doc__, f"{kind.__name__}.{name}"
    methods = [{name for name in dir(kind) if not name.startswith("_")} for kind in (Mesh, SyncMesh)]
    assert methods[0] == methods[1]
