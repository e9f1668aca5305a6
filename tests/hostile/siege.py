"""A working mesh under attack, and what must be as before: everybody's view and events, the victim's process, memory,
descriptors and counters, and how long it takes to join.

with Siege(secret="s") as siege:
    victim = siege.victims["python"]
    with siege.watched(victim, counted={"bad_signature": 10}):
        ...  # the attack
"""

import contextlib
import os
import re
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mesh"))

from harness import Mesh, NodeProcess, wait_up

SOAK = os.environ.get("NOEX_SOAK") == "1"
SECRET = "the secret of a besieged mesh"
SETTLE_TIMEOUT = 45.0  # identification takes 10 s, and the machine may be busy
JOIN_MAX = 2.0
MEMORY_MAX = 16 * 1024  # KiB
HEAVY = pytest.mark.timeout(1800 if SOAK else 300)
LINES_PER_SECOND_MAX = 12  # of the log: 10 errors, and a line now and then for what is no error

# With and without a secret; the attacker of the second kind of mesh needs none.
SECRETS = {"secret": SECRET, "open": None}


def scaled(count: int, factor: int = 10) -> int:
    """A number of attacks: the long form does more of the same."""
    return count * factor if SOAK else count


def raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def memory_kib(pid: int) -> int:
    """VmRSS."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def eventually(what: str, check: Callable[[], object], timeout: float = SETTLE_TIMEOUT) -> None:
    """Waits until `check` is true; an AssertionError of it counts as false until the time is over."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            if check():
                return
            error: AssertionError | None = None
        except AssertionError as failure:
            error = failure
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: not within {timeout:g} s") from error
        time.sleep(0.05)


class Siege:
    """Four members, three of which are attacked: one in each language that a node runs in."""

    def __init__(self, secret: str | None, interval: int = 500, threshold: int = 6) -> None:
        raise_descriptor_limit()
        self.secret = secret
        self.mesh = Mesh(secret=secret, interval=interval, threshold=threshold)
        self.joins = 0

    def __enter__(self) -> "Siege":
        self.mesh.__enter__()
        try:
            watch = self.mesh.start("cli", "watch")
            self.victims = {kind: self.mesh.spawn(kind, f"v-{kind}", [watch]) for kind in ("cli", "python", "node")}
            self.members = [watch, *self.victims.values()]
            self.mesh.wait_full(self.members)
        except BaseException:
            self.mesh.__exit__(*sys.exc_info())
            raise
        self.ids = {node.id for node in self.members}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.mesh.__exit__(kind, error, traceback)

    # ------------------------------------------------------------------------------------------------------- watching

    @contextlib.contextmanager
    def watched(
        self,
        *victims: NodeProcess,
        counted: Mapping[str, int] | None = None,
        at_least: Mapping[str, int] | None = None,
        guests: str = "guest",
        memory: bool = True,
    ) -> Iterator[None]:
        """Checks around an attack that nobody noticed it. `guests` are names of nodes that may come and go.

        `counted` is what each victim must have counted more by kind, exactly, `at_least` at least. The attack may fill
        them in while it runs.
        """
        victims = victims or tuple(self.victims.values())
        marks = {node: node.mark() for node in self.members}
        memory_before = {node: memory_kib(node.process.pid) for node in victims}
        descriptors_before = {node: descriptors(node.process.pid) for node in victims}
        rejected_before = {node: node.stats()["rejected_by_kind"] for node in victims if node.language != "cli"}
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        self.check_mesh(marks, guests)
        for node, before in rejected_before.items():
            self.check_counts(node, before, counted or {}, at_least or {})
        for node in victims:
            lines = len(node.since(marks[node], "log"))
            assert lines <= LINES_PER_SECOND_MAX * (seconds + 2), f"{node.name} logged {lines} lines in {seconds:.1f} s"
            errors = len(node.since(marks[node], "error"))
            assert errors <= 10 * (seconds + 2), f"{node.name} told {errors} errors in {seconds:.1f} s"
        for node in victims:
            self.wait_baseline(node, memory_before[node] if memory else None, descriptors_before[node])
        self.check_mesh(marks, guests)

    def check_counts(
        self, node: NodeProcess, before: Mapping[str, int], counted: Mapping[str, int], at_least: Mapping[str, int]
    ) -> None:
        """What was sent last may still be on its way; more than was sent is never right."""

        def agrees() -> bool:
            after = node.stats()["rejected_by_kind"]
            more = {kind: after[kind] - before[kind] for kind in after if after[kind] != before[kind]}
            assert set(more) <= set(counted) | set(at_least), f"{node.name} counted {more}"
            for kind, count in counted.items():
                assert more.get(kind, 0) == count, f"{node.name} counted {more}, sent was {dict(counted)}"
            for kind, count in at_least.items():
                assert more.get(kind, 0) >= count, f"{node.name} counted {more}, sent was {dict(at_least)}"
            return True

        eventually(f"{node.name} counts what was sent", agrees, 10)
        print(f"{node.name} counted {dict(counted)} {dict(at_least)}")

    def wait_baseline(self, node: NodeProcess, memory: int | None, fds: int) -> None:
        pid = node.process.pid
        eventually(
            f"{node.name} gives its descriptors back ({descriptors(pid)}, {fds} before)",
            lambda: descriptors(pid) <= fds,
        )
        if memory is not None:
            now = memory_kib(pid)
            eventually(
                f"{node.name} gives its memory back ({now} KiB, {memory} before)",
                lambda: memory_kib(pid) <= memory + MEMORY_MAX,
            )

    def check_mesh(self, marks: Mapping[NodeProcess, int], guests: str = "guest") -> None:
        """Nobody noticed anything: all live, nobody said a word of another member, everybody sees everybody."""
        allowed = re.compile(rf"(?:{guests}|joiner)[A-Za-z0-9_-]*@")
        for node in self.members:
            assert node.alive, f"{node.name} ended with code {node.process.returncode}"
            said = [event for kind in ("up", "down") for event in node.since(marks[node], kind)]
            strange = [event for event in said if not allowed.match(event["node"])]
            assert strange == [], f"{node.name} said {strange[:5]}"
        for node in self.members:
            seen = {peer for peer in node.connected() if not allowed.match(peer)}
            assert seen == self.ids - {node.id}, f"the view of {node.name}"

    # -------------------------------------------------------------------------------------------------------- joining

    def join(self, seed: NodeProcess) -> float:
        """Starts a node and ends it; the seconds until it and every member had said that the other is up."""
        self.joins += 1
        began = time.time()
        joiner = self.mesh.spawn("cli", f"joiner{self.joins}", [seed])
        for node in self.members:
            wait_up(joiner, node.id, 30)
            wait_up(node, joiner.id, 30)
        ups = [event for node in self.members for event in node.since(0, "up", joiner.id)]
        ups += [event for event in joiner.since(0, "up") if event["node"] in self.ids]
        taken = max(event["at"] for event in ups) / 1000 - began
        joiner.stop()
        for node in self.members:
            node.wait("down", node=joiner.id, reason="graceful_shutdown")
        return taken

    def assert_join_in_time(self, seed: NodeProcess, tries: int = 3) -> float:
        """The best of a few tries: the machine has other things to do, too."""
        taken: list[float] = []
        while len(taken) < tries and (not taken or min(taken) > JOIN_MAX):
            taken.append(self.join(seed))
        assert min(taken) <= JOIN_MAX, f"joining at {seed.name} took {taken} s"
        return min(taken)


class Background:
    """An attack beside the test: `attack(stop)` runs in a thread until `stop` is set. Its failure is ours."""

    def __init__(self, attack: Callable[[threading.Event], None]) -> None:
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self.attack = attack
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        try:
            self.attack(self.stop)
        except BaseException as error:
            self.error = error

    def __enter__(self) -> "Background":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive(), "the attack did not end"
        if self.error is not None:
            raise self.error
