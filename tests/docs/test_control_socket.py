"""What docs/control-socket.md shows of the documents: their keys are those of a node that runs, and so are those of its
events. What the answers mean is tested where the socket is (tests/capi, tests/cluster).
"""

import asyncio
import json
import socket
import time
from pathlib import Path
from typing import Any

from documents import ROOT
from pages import blocks

PAGE = ROOT / "docs" / "control-socket.md"
SHOWN = [json.loads(block.text) for block in blocks(PAGE.read_text()) if block.language == "json"]


def shape(value: Any) -> Any:
    """Objects by their keys, lists by their first entry."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return None


class Client:
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rw", encoding="utf-8")

    def ask(self, request: str) -> Any:
        print(request, file=self.file, flush=True)
        return self.line()

    def line(self) -> Any:
        return json.loads(self.file.readline())

    def close(self) -> None:
        self.file.close()
        self.socket.close()


async def test_the_documents_have_the_keys_that_are_shown(tmp_path: Path) -> None:
    from noex_cluster import ClusterNode

    status, members, up, down = SHOWN
    path = tmp_path / "node.sock"
    options = {"host": "127.0.0.1", "port": "auto", "heartbeat_interval_ms": 100, "heartbeat_miss_threshold": 50}
    async with ClusterNode(node_name="app2", **options) as two:
        seeds = [two.get_local_node_id()]
        async with ClusterNode(node_name="app1", seeds=seeds, control_socket=str(path), **options):
            client = Client(path)
            try:
                answer = client.ask("status")
                assert list(answer) == list(status)
                assert shape(answer) == shape(status)
                answer = client.ask("members")
                deadline = time.monotonic() + 30
                while not answer["members"][0]["sees"] and time.monotonic() < deadline:  # told with a heartbeat
                    await asyncio.sleep(0.02)
                    answer = client.ask("members")
                assert shape(answer["members"]) == shape(members["members"])
                assert list(answer["local"]) == list(members["local"])
                assert list(client.ask("metrics")) == ["metrics"]
                assert list(client.ask("no such thing")) == ["error"]
                event = client.ask("events")
                while event["event"] != "up":
                    event = client.line()
                assert list(event) == list(up)
                await two.stop()
                while event["event"] != "down":
                    event = client.line()
                assert list(event) == list(down)
            finally:
                client.close()
