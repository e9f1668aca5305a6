"""What an operator uses: metrics for the application's own server, the control socket, the logger."""

import asyncio
import json
import logging
import os
import socket
import stat
from pathlib import Path

import pytest
from noex_cluster import METRICS_CONTENT_TYPE, ClusterBindError, ClusterNode, ClusterNotStartedError
from noex_cluster import sync as noex_sync
from support import DEADLINE_S, Child, options, running, until


def ask(path: Path | str, request: str) -> dict[str, object]:
    """One request to a control socket, and its answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE_S)
        client.connect(str(path))
        client.sendall(request.encode() + b"\n")
        with client.makefile(encoding="utf-8") as lines:
            answer = json.loads(lines.readline())
    assert isinstance(answer, dict)
    return answer


async def test_metrics_tell_of_the_cluster() -> None:
    async with running("one") as one:
        before = one.get_metrics()
        assert before.endswith("# EOF\n")
        assert 'noex_cluster_members{state="connected"} 0\n' in before
        async with running("two", seeds=[one.get_local_node_id()]) as two:
            await until(lambda: one.is_node_connected(two.get_local_node_id()))
            assert 'noex_cluster_members{state="connected"} 1\n' in one.get_metrics()
            assert f'noex_cluster_peer_silence_seconds{{peer="{two.get_local_node_id()}"}} ' in one.get_metrics()
        await until(lambda: 'noex_cluster_node_downs_total{reason="graceful_shutdown"} 1\n' in one.get_metrics())
    assert METRICS_CONTENT_TYPE.startswith("application/openmetrics-text; version=1.0.0")


def test_metrics_need_a_running_node() -> None:
    with pytest.raises(ClusterNotStartedError):
        ClusterNode().get_metrics()
    with noex_sync.ClusterNode(**options("one")) as node:
        assert "noex_cluster_uptime_seconds" in node.get_metrics()


async def test_statistics_tell_come_backs_and_round_trips() -> None:
    async with running("one") as one:
        two = ClusterNode(**options("two", seeds=[one.get_local_node_id()]))
        await two.start()
        port = two.get_local_node_info().port
        await until(lambda: one.get_connected_node_count() == 1)
        (peer,) = one.get_stats().peers
        assert peer.silence_ms >= 0
        await until(lambda: one.get_stats().peers[0].round_trip_us is not None)
        await two.stop()
        await two.start(port=port)
        await until(lambda: one.get_stats().node_restarts == 1)
        assert one.get_stats().node_reconnects == 0
        await two.stop()


async def test_a_control_socket_answers_while_the_node_runs(tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    async with running("one", control_socket=str(path)) as one:
        assert stat.S_IMODE(os.lstat(path).st_mode) == 0o600
        async with running("two", seeds=[one.get_local_node_id()]) as two:
            await until(lambda: one.is_node_connected(two.get_local_node_id()))
            status = await asyncio.to_thread(ask, path, "status")
            assert status["id"] == one.get_local_node_id()
            assert status["pid"] == os.getpid()
            await until(lambda: ask(path, "members")["members"][0]["sees"] == [one.get_local_node_id()])  # type: ignore[index]
            (member,) = ask(path, "members")["members"]  # type: ignore[misc]
            assert member["id"] == two.get_local_node_id()
            assert member["outbound"] is False
            assert ask(path, "metrics")["metrics"].startswith("# TYPE ")  # type: ignore[attr-defined]
    assert not path.exists()


async def test_a_control_socket_that_cannot_be_opened_ends_the_start(tmp_path: Path) -> None:
    node = ClusterNode(**options("one"))
    with pytest.raises(ClusterBindError, match="its directory must exist") as caught:
        await node.start(control_socket=str(tmp_path / "none" / "node.sock"))
    assert isinstance(caught.value, OSError)
    await node.start()
    await node.stop()


HOLDER = """
    import asyncio, ctypes, sys
    from noex_cluster import Cluster

    async def main():
        await Cluster.start(node_name="holder", host="127.0.0.1", port="auto", control_socket=sys.argv[1])
        print("holding", flush=True)
        sys.stdin.readline()  # blocks the event loop
        sleep = ctypes.PyDLL(None).usleep  # PyDLL keeps the GIL during the call
        for _ in range(20):
            sleep(900_000)

    asyncio.run(main())
"""


def test_it_answers_while_the_interpreter_is_held(tmp_path: Path) -> None:
    path = tmp_path / "holder.sock"
    with Child(HOLDER, str(path)) as child:
        child.line("holding")
        child.tell("hold the GIL")
        for _ in range(20):
            assert ask(path, "status")["name"] == "holder"


async def test_each_down_is_logged_with_its_evidence(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "noex_cluster"):
        async with running("one") as one:
            async with running("two", seeds=[one.get_local_node_id()]) as two:
                gone = two.get_local_node_id()
                await until(lambda: one.is_node_connected(gone))
            await until(lambda: any(record.message.startswith(f"down {gone}") for record in caplog.records))
    (line,) = [record.message for record in caplog.records if record.message.startswith(f"down {gone}")]
    assert "(graceful_shutdown): it said goodbye; last frame at 2" in line
    assert any(record.message.startswith(f"up {gone} (127.0.0.1:") for record in caplog.records)
