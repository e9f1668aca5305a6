"""A mesh for a test: starts nodes in any language, waits by their events, and ends every process it started.

with Mesh() as mesh:
    seed = mesh.start("cli", "seed")
    worker = mesh.start("python", "worker", [seed])
    mesh.wait_full([seed, worker])
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))

from node_process import BUILD, ROOT, Event, Expected, NodeProcess, free_ports

__all__ = [
    "BUILD",
    "LANGUAGES",
    "ROOT",
    "Event",
    "Expected",
    "Mesh",
    "NodeProcess",
    "SideBySide",
    "flaps",
    "free_ports",
    "hold",
]

LANGUAGES = ("cli", "c", "python", "node")  # every way to be a node of ours
START_TIMEOUT = 30.0  # the machine may be compiling something beside us
SETTLE_TIMEOUT = 30.0


class Mesh:
    """The nodes of one test. On a failure their last words are printed, so that the report has them."""

    def __init__(self, *, secret: str | None = "mesh test secret", interval: int = 1000, threshold: int = 3) -> None:
        self.secret = secret
        self.interval = interval
        self.threshold = threshold
        self.nodes: list[NodeProcess] = []
        self.started_at = time.monotonic()

    def __enter__(self) -> "Mesh":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.end()
        if error is not None:
            for node in self.nodes:
                print(node.transcript())

    def spawn(self, language: str, name: str, seeds: Sequence["NodeProcess | str"] = (), **options: Any) -> NodeProcess:
        """Starts a process and does not wait for it."""
        options.setdefault("secret", self.secret)
        options.setdefault("interval", self.interval)
        options.setdefault("threshold", self.threshold)
        port = options.pop("port", None) or free_ports(1)[0]
        texts = [seed if isinstance(seed, str) else seed.id for seed in seeds]
        node = NodeProcess(language, name, port, texts, **options)
        self.nodes.append(node)
        return node

    def start(self, language: str, name: str, seeds: Sequence["NodeProcess | str"] = (), **options: Any) -> NodeProcess:
        return self.spawn(language, name, seeds, **options).wait_running(START_TIMEOUT)

    def restart(self, node: NodeProcess, seeds: Sequence["NodeProcess | str"] = (), **options: Any) -> NodeProcess:
        """The same id again, in a new process; the old one must have ended."""
        assert not node.alive, f"{node.name} still runs"
        return self.start(node.language, node.name, seeds, port=node.port, **options)

    def wait_full(self, nodes: Iterable[NodeProcess], timeout: float = SETTLE_TIMEOUT) -> float:
        """Waits until each of `nodes` said that all the others are up; returns the seconds that it took."""
        nodes = list(nodes)
        began = time.monotonic()
        for node in nodes:
            for other in nodes:
                if other is not node:
                    wait_up(node, other.id, max(0.1, began + timeout - time.monotonic()))
        return time.monotonic() - began

    def wait_full_pair(self, one: NodeProcess, other: NodeProcess, timeout: float = SETTLE_TIMEOUT) -> None:
        """Waits until each of the two said that the other is up."""
        wait_up(one, other.id, timeout)
        wait_up(other, one.id, timeout)

    def assert_agreed(self, nodes: Iterable[NodeProcess]) -> None:
        """Every node's own list shows exactly the others as connected."""
        nodes = list(nodes)
        everyone = {node.id for node in nodes}
        for node in nodes:
            assert node.connected() == everyone - {node.id}, f"the view of {node.name}"


def wait_up(node: NodeProcess, peer: str, timeout: float) -> None:
    """Waits until the last that `node` said of `peer` is that it is up."""
    deadline = time.monotonic() + timeout
    mark = 0
    while peer not in node.up_now():
        event = node.wait("up", max(0.1, deadline - time.monotonic()), mark=mark, node=peer)
        mark = node.events.index(event) + 1


def hold(seconds: float, nodes: Iterable[NodeProcess]) -> None:
    """Lets the mesh live for a while: the one place where time itself is waited for. Ends early if a process does."""
    nodes = list(nodes)
    deadline = time.monotonic() + seconds
    while (remaining := deadline - time.monotonic()) > 0:
        for node in nodes:
            if not node.frozen:
                with contextlib.suppress(Exception):
                    node.process.wait(0)
                assert node.alive, f"{node.name} ended with code {node.process.returncode}"
        time.sleep(min(remaining, 0.25))


def flaps(node: NodeProcess, peer: NodeProcess, mark: int = 0) -> list[Event]:
    """The downs of a peer that had been up, as `node` reported them after `mark`."""
    up = peer.id in {event["node"] for event in node.since(0, "up")}
    return [event for event in node.downs(mark, peer.id) if up and event["reason"] != "connection_refused"]


class SideBySide:
    """Scenarios that mostly wait, run at the same time: each gets a mesh of its own, and each is one test.

    scenarios = SideBySide(secret="s")

    @scenarios
    def a_seed_starts_last(mesh: Mesh) -> None: ...

    outcomes, test_scenario = scenarios.as_tests()
    """

    def __init__(self, *, at_once: int = 8, **mesh_options: Any) -> None:
        self.at_once = at_once
        self.mesh_options = mesh_options
        self.scenarios: dict[str, Callable[[Mesh], None]] = {}

    def __call__(self, scenario: Callable[[Mesh], None]) -> Callable[[Mesh], None]:
        self.scenarios[scenario.__name__] = scenario
        return scenario

    def case(self, name: str, scenario: Callable[[Mesh], None]) -> None:
        self.scenarios[name] = scenario

    def _run(self, scenario: Callable[[Mesh], None]) -> None:
        with Mesh(**self.mesh_options) as mesh:
            scenario(mesh)

    def as_tests(self) -> tuple[Any, Any]:
        """A module fixture that begins them all, and a test for each."""

        @pytest.fixture(scope="module", name="outcomes")
        def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[None]]]:
            tests = [item for item in request.session.items if getattr(item, "module", None) is request.module]
            names = [item.callspec.params["name"] for item in tests if hasattr(item, "callspec")]
            with ThreadPoolExecutor(self.at_once) as pool:
                yield {name: pool.submit(self._run, self.scenarios[name]) for name in names}

        @pytest.mark.timeout(400)
        @pytest.mark.parametrize("name", list(self.scenarios))
        def test_scenario(name: str, outcomes: dict[str, Future[None]]) -> None:
            outcomes[name].result()

        return outcomes, test_scenario
