"""Clocks that jump under running nodes. The wall clock is set by an hour, forth and back: nobody may notice. The clock
that runs on in sleep jumps while the others stand still, as after a suspend: the one whose clock it is was away itself,
and blames nobody. The clocks are moved by a small library that is preloaded into the node (clock_shift.c).
"""

import functools
import mmap
import shutil
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

from harness import LANGUAGES, Mesh, NodeProcess, SideBySide, hold

HOUR = 3600

scenarios = SideBySide(secret="what time is it", at_once=3)


one_at_a_time = threading.Lock()  # the scenes run side by side; `cache` alone would let each make its own


@functools.cache
def folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="noex-clocks-")  # removed when the tests end


@functools.cache
def library() -> Path:
    compiler = shutil.which("cc")
    assert compiler, "there is no C compiler"
    out = Path(folder().name) / "clock_shift.so"
    source = Path(__file__).with_name("clock_shift.c")
    subprocess.run(
        [
            compiler,
            "-shared",
            "-fPIC",
            "-O1",
            "-Wall",
            "-Werror",
            "-o",
            out,
            source,
            "-ldl",
        ],
        check=True,
    )
    return out


class Clocks:
    """The offsets of the clocks of one or more nodes, in seconds."""

    def __init__(self) -> None:
        with one_at_a_time:
            preloaded = library()
        with tempfile.NamedTemporaryFile(dir=folder().name, delete=False) as file:
            file.write(bytes(16))
            file.flush()
            self.mapped = mmap.mmap(file.fileno(), 16)
        self.environment = {"LD_PRELOAD": str(preloaded), "NOEX_TEST_CLOCKS": file.name}

    def set_wall(self, seconds: int) -> None:
        struct.pack_into("=q", self.mapped, 0, seconds)

    def set_boot(self, seconds: int) -> None:
        struct.pack_into("=q", self.mapped, 8, seconds)


def start(mesh: Mesh, *, shared: bool = False) -> dict[str, tuple[NodeProcess, Clocks]]:
    """A node in each language, each with clocks of its own, or all with the same."""
    nodes: dict[str, tuple[NodeProcess, Clocks]] = {}
    seeds: list[NodeProcess] = []
    one = Clocks()
    for language in LANGUAGES:
        own = one if shared else Clocks()
        nodes[language] = (
            mesh.start(language, language, seeds[:1], environment=own.environment),
            own,
        )
        seeds.append(nodes[language][0])
    mesh.wait_full(seeds)
    return nodes


def beat_times(node: NodeProcess) -> dict[str, int]:
    return {entry["id"]: entry["last_heartbeat_at"] for entry in node.view()["nodes"]}


@scenarios
def the_wall_clock_is_set_and_nobody_notices(mesh: Mesh) -> None:
    pairs = start(mesh)
    nodes = [node for node, _ in pairs.values()]
    marks = {node.name: node.mark() for node in nodes}
    observer, observers_clocks = pairs["cli"]
    other, others_clocks = pairs["python"]
    before = beat_times(observer)[other.id]
    for wall in (HOUR, -HOUR, 0):
        others_clocks.set_wall(-wall)
        hold(2.5, nodes)
        observers_clocks.set_wall(wall)
        hold(2.5, nodes)
        # Beats are stamped by the clock of who received them: it did move.
        moved = (beat_times(observer)[other.id] - before) / 1000
        assert wall - 60 < moved < wall + 60
    hold(4, nodes)
    for node in nodes:
        said = [event for event in node.since(marks[node.name]) if event["event"] in ("up", "down", "error")]
        assert said == [], node.name
    mesh.assert_agreed(nodes)
    newcomer = mesh.start("cli", "newcomer", [observer])
    mesh.wait_full([*nodes, newcomer])


def a_leap_blames_nobody(whose: str, mesh: Mesh) -> None:
    pairs = start(mesh, shared=whose == "all")
    nodes = [node for node, _ in pairs.values()]
    marks = {node.name: node.mark() for node in nodes}
    leaper, clocks = pairs["node" if whose == "all" else whose]
    for boot in (10, HOUR, 20 * HOUR):
        clocks.set_boot(boot)
        hold(4.5, nodes)
    for node in nodes:
        said = [event for event in node.since(marks[node.name]) if event["event"] in ("up", "down", "error")]
        assert said == [], node.name
    mesh.assert_agreed(nodes)
    if leaper.language in ("python", "node"):  # those programs show their statistics
        assert leaper.stats()["pauses"] >= 3, "it did not notice that it leapt"
    # And it still tells who is really gone.
    victim = next(node for node in reversed(nodes) if node is not leaper)
    victim.freeze()
    leaper.wait("down", 20, node=victim.id, reason="heartbeat_timeout")


for chosen in (*LANGUAGES, "all"):
    scenarios.case(
        f"a_leap_blames_nobody_{chosen}",
        functools.partial(a_leap_blames_nobody, chosen),
    )

outcomes, test_clocks = scenarios.as_tests()
