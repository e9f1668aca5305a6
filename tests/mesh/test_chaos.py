"""Half a minute of bad luck: nodes of all languages are killed, stopped, frozen and started again at random,
several at a time. What holds throughout is the grammar of events; and when the bad luck ends, the mesh is whole
again.
"""

import itertools
import os
import random
import time

import pytest
from harness import LANGUAGES, Mesh, NodeProcess, hold

SOAK = os.environ.get("NOEX_SOAK") == "1"
BAD_LUCK_S = 1200 if SOAK else 30
FROZEN_S = (0.2, 6.0)  # on both sides of the timeout, which is 1.5 s


class Chaos:
    """Which node is in which state, and what is due to end it."""

    def __init__(self, mesh: Mesh, rng: random.Random) -> None:
        self.mesh = mesh
        self.rng = rng
        self.nodes: dict[str, NodeProcess] = {}
        self.seeds: dict[str, list[NodeProcess]] = {}
        self.ended: list[NodeProcess] = []  # former lives, whose events must be in order, too
        self.due: dict[str, float] = {}  # name -> when it is thawed or started again
        self.done: list[str] = []

    def add(self, language: str, name: str, seeds: list[NodeProcess]) -> NodeProcess:
        node = self.nodes[name] = self.mesh.start(language, name, seeds)
        self.seeds[name] = seeds
        return node

    def strike(self) -> None:
        healthy = [name for name in self.nodes if name not in self.due]
        if len(healthy) < 2:
            return
        name = self.rng.choice(healthy)
        node, blow = self.nodes[name], self.rng.choice(["kill", "stop", "freeze", "freeze"])
        self.done.append(f"{blow} {name}")
        if blow == "freeze":
            node.freeze()
            self.due[name] = time.monotonic() + self.rng.uniform(*FROZEN_S)
            return
        if blow == "kill":
            node.kill()
        else:
            assert node.stop() == 0, node.transcript()
        self.due[name] = time.monotonic() + self.rng.uniform(0, 4)

    def mend(self, *, everything: bool = False) -> None:
        for name in [name for name, when in self.due.items() if everything or when <= time.monotonic()]:
            node = self.nodes[name]
            del self.due[name]
            if node.frozen:
                node.thaw()
                continue
            self.ended.append(node)
            self.nodes[name] = self.mesh.spawn(node.language, name, self.seeds[name], port=node.port)


def check_grammar(node: NodeProcess, others: set[str]) -> None:
    """By node and run: [connection_refused] (up down)* [up]."""
    for other in others - {node.id}:
        told = [event for event in node.since(0, None, other) if event["event"] in ("up", "down")]
        words = [event["event"] if event["event"] == "up" else event["reason"] for event in told]
        if words[:1] == ["connection_refused"]:
            words = words[1:]
        assert words[0::2] == ["up"] * len(words[0::2]), f"{node.name} about {other}: {words}"
        assert "up" not in words[1::2], f"{node.name} about {other}: {words}"
        assert "connection_refused" not in words, f"{node.name} about {other}: {words}"


def settle(mesh: Mesh, nodes: list[NodeProcess]) -> float:
    """Waits until everybody sees everybody, but for what reference nodes make of each other; returns the seconds."""
    began = time.monotonic()
    for node in nodes:
        node.wait_running(30)
    for one, other in itertools.combinations(nodes, 2):
        if "reference" not in (one.language, other.language) or one.language != other.language:
            mesh.wait_full_pair(one, other, 60)
    return time.monotonic() - began


@pytest.mark.timeout(BAD_LUCK_S + 210)
@pytest.mark.parametrize("strangers", [[], ["reference", "reference"]], ids=["ours", "mixed"])
def test_bad_luck_ends_in_a_whole_mesh(strangers: list[str]) -> None:
    number = random.SystemRandom().randrange(2**32)
    print(f"seed {number}")
    with Mesh(interval=500, threshold=3) as mesh:
        chaos = Chaos(mesh, random.Random(number))
        first = chaos.add("cli", "first", [])
        second = chaos.add("python", "second", [first])
        for index, language in enumerate([*LANGUAGES[1:], *(strangers or ["cli", "node"])]):
            chaos.add(language, f"{language}-{index}", [first, second])
        ids = {node.id for node in chaos.nodes.values()}
        settle(mesh, list(chaos.nodes.values()))

        end = time.monotonic() + BAD_LUCK_S
        while time.monotonic() < end:
            chaos.mend()
            chaos.strike()
            time.sleep(chaos.rng.uniform(0.1, 1.2))
        chaos.mend(everything=True)
        print(f"{len(chaos.done)} blows: {', '.join(chaos.done)}")

        nodes = list(chaos.nodes.values())
        ours = [node for node in nodes if node.language != "reference"]
        print(f"whole again after {settle(mesh, nodes):.1f} s")
        for node in ours:
            assert node.connected() == ids - {node.id}, node.name
        for node in [*ours, *chaos.ended]:
            if node.language == "reference":
                continue
            check_grammar(node, ids)
            # Who is killed while another greets it hangs up on that greeting: that may be asked about, nothing else.
            assert [event for event in node.since(0, "error") if "closed it on our hello" not in event["message"]] == []

        marks = {node.name: node.mark() for node in nodes}
        hold(10, nodes)
        for one, other in itertools.permutations(nodes, 2):
            if "reference" not in (one.language, other.language) or one.language != other.language:
                assert one.downs(marks[one.name], other.id) == [], f"{one.name} about {other.name}"
