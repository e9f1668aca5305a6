"""demo/ports.py: what it gives can be listened on, and is given to nobody else."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))
import ports  # noqa: E402

NODE_SUPPORT = ROOT / "tests" / "node" / "support.mjs"


def test_a_port_can_be_listened_on_while_a_child_that_is_starting_still_has_what_looked_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = socket.socket
    copies: list[socket.socket] = []

    class Copied(socket.socket):
        def close(self) -> None:
            copies.append(plain(fileno=os.dup(self.fileno())))  # as fork() makes one, until exec()
            super().close()

    monkeypatch.setattr(ports.socket, "socket", Copied)
    (port,) = ports.free_ports(1)
    monkeypatch.undo()
    assert [copy.getsockname()[1] for copy in copies if copy.type == socket.SOCK_STREAM] == [port]
    with socket.create_server(("127.0.0.1", port)):  # reuses addresses, as a node does
        pass
    for copy in copies:
        copy.close()


@pytest.mark.parametrize(
    "finder",
    [
        [
            sys.executable,
            "-c",
            "import ports, sys; ports.random.sample = lambda *_: map(int, sys.argv[1:]); print(*ports.free_ports(1))",
        ],
        [
            *("node", "--input-type=module", "-e"),
            "const wanted = process.argv.slice(1).map(Number);"
            "const { default: crypto } = await import('node:crypto');"
            "crypto.randomInt = () => wanted.shift();"
            "(await import('node:module')).syncBuiltinESMExports();"
            f"const {{ freePort }} = await import({str(NODE_SUPPORT)!r});"
            "console.log(await freePort());",
        ],
    ],
    ids=["python", "node"],
)
def test_no_other_process_is_given_it(finder: list[str]) -> None:
    mine, free = ports.free_ports(2)
    ports._kept.pop().close()  # the claim to the second
    found = subprocess.run(
        [*finder, str(mine), str(free)], capture_output=True, text=True, cwd=Path(ports.__file__).parent, timeout=60
    )
    assert found.stdout.split() == [str(free)], found.stderr
