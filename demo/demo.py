"""`./dev demo`: five processes in three languages form one cluster on 127.0.0.1, and live through what clusters live
through: a crash, a goodbye, a pause, a return, and strangers at the door.

Nothing here is staged: every line with a tick is an event that a process reported, or its own list of nodes. The exit
code is 0 only if all of it was seen, within 30 s.
"""

import os
import secrets
import shutil
import signal
import sys
import textwrap
import time
from collections.abc import Sequence

from node_process import Expected, NodeProcess, free_ports

BUDGET = 30.0  # seconds for everything
STEP = 10.0  # seconds for one expectation
INTERVAL_MS, THRESHOLD = 500, 3
WIDTH = max(60, min(120, shutil.get_terminal_size((100, 24)).columns))

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
NAME_COLOURS = {"seed": "35", "c-worker": "36", "py-worker": "33", "js-worker": "32", "js-far": "92"}
LANGUAGE_NAMES = {"cli": "C++", "c": "C", "python": "Python", "node": "Node"}


def paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if COLOUR and code else text


def bold(text: str) -> str:
    return paint(text, "1")


def dim(text: str) -> str:
    return paint(text, "2")


def name_of(node_id: str) -> str:
    return node_id.partition("@")[0]


def shown(names: Sequence[str]) -> str:
    painted = [paint(name, NAME_COLOURS.get(name, "31")) for name in names]
    return ", ".join(painted[:-1]) + (" and " if len(painted) > 1 else "") + painted[-1]


class Demo:
    def __init__(self) -> None:
        self.began = time.monotonic()
        self.secret = secrets.token_hex(16)
        self.nodes: dict[str, NodeProcess] = {}
        self.all: list[NodeProcess] = []
        self.marked_at = self.began
        names = ["seed", "c-worker", "py-worker", "js-worker", "js-far"]
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))

    # ------------------------------------------------------------------------------------------------- telling

    def title(self, text: str) -> None:
        print(f"\n{dim(f'{time.monotonic() - self.began:5.1f} s')}  {bold(text)}", flush=True)

    def line(self, text: str) -> None:
        print(f"         {text}", flush=True)

    def quote(self, name: str, message: str) -> None:
        self.tick(f"{shown([name])} says why:")
        for line in textwrap.wrap(message, WIDTH - 13, break_long_words=False):
            self.line(f"    {dim(line)}")

    def tick(self, text: str) -> None:
        self.line(f"{paint('✓', '32')} {text}")

    # ------------------------------------------------------------------------------------------------- waiting

    def patience(self) -> float:
        remaining = self.began + BUDGET - time.monotonic()
        if remaining <= 0:
            raise Expected(f"the demo took more than {BUDGET:.0f} s")
        return min(STEP, remaining)

    def others(self, *names: str) -> list[NodeProcess]:
        return [node for name, node in self.nodes.items() if name not in names and node.alive and not node.frozen]

    def marks(self) -> dict[str, int]:
        self.marked_at = time.monotonic()
        return {node.name: node.mark() for node in self.nodes.values()}

    def everybody_sees(
        self, watchers: Sequence[NodeProcess], kind: str, about: NodeProcess, marks: dict[str, int], **fields: str
    ) -> None:
        events = [
            watcher.wait(kind, self.patience(), mark=marks[watcher.name], node=about.id, **fields)
            for watcher in watchers
        ]
        word = fields.get("reason") or "up again"
        if kind == "down":
            word = f"down, {bold(word)}"
        last = max(event["seen_at"] for event in events) - self.marked_at
        who = shown([watcher.name for watcher in watchers])
        seconds = dim(f"after {last:.2f} s")
        self.tick(f"{who}: {shown([about.name])} is {word} {seconds}")

    # ------------------------------------------------------------------------------------------------- starting

    def spawn(self, language: str, name: str, seeds: Sequence[str], secret: str | None) -> NodeProcess:
        port = self.ports.get(name) or free_ports(1)[0]
        seed_ids = [self.nodes[seed].id for seed in seeds]
        node = NodeProcess(language, name, port, seed_ids, secret=secret, interval=INTERVAL_MS, threshold=THRESHOLD)
        self.all.append(node)
        return node

    def start(self, language: str, name: str, seeds: Sequence[str] = ()) -> NodeProcess:
        node = self.nodes[name] = self.spawn(language, name, seeds, self.secret)
        return node

    # ------------------------------------------------------------------------------------------------- the story

    def form(self) -> None:
        self.title("Five processes start, with one shared secret")
        self.start("cli", "seed")
        self.start("c", "c-worker", ["seed"])
        self.start("python", "py-worker", ["seed"])
        self.start("node", "js-worker", ["seed"])
        self.start("node", "js-far", ["py-worker"])
        what = {
            "seed": "the command noex-cluster run",
            "c-worker": "C11 against the public header; knows the seed",
            "py-worker": "asyncio; knows the seed",
            "js-worker": "event loop; knows the seed",
            "js-far": "knows only py-worker: it finds the rest by gossip",
        }
        for name, node in self.nodes.items():
            language = LANGUAGE_NAMES[node.language]
            painted = paint(f"{name:10}", NAME_COLOURS[name])
            self.line(f"{painted} {language:7} pid {node.process.pid:<8} port {node.port}  {dim(what[name])}")

    def agree(self) -> None:
        for node in self.nodes.values():
            node.wait_running(self.patience())
        for node in self.nodes.values():
            for other in self.nodes.values():
                if other is not node:
                    node.wait("up", self.patience(), node=other.id, expected=f"that {other.name} is up")
        self.title("Each node's own view, when all have found each other")
        ids = {node.id: node.name for node in self.nodes.values()}
        for node in self.nodes.values():
            view = node.view(self.patience())
            status = {entry["id"]: entry["status"] for entry in view["nodes"]}
            if view["self"] != node.id or status != {other: "connected" for other in ids if other != node.id}:
                raise Expected(f"the view of {node.name} is not the other four, connected: {view}")
            row = "  ".join(
                dim(f"({name})".ljust(12)) if other == node.id else paint(f"● {name}".ljust(12), NAME_COLOURS[name])
                for other, name in ids.items()
            )
            self.line(f"{paint(f'{node.name:10}', NAME_COLOURS[node.name])} sees  {row}")
        self.tick("all five agree")

    def crash(self) -> None:
        victim = self.nodes["c-worker"]
        self.title("kill -9 c-worker: a crash says no goodbye")
        marks = self.marks()
        victim.kill()
        self.everybody_sees(self.others(), "down", victim, marks, reason="connection_closed")

    def leave(self) -> None:
        leaver = self.nodes["js-worker"]
        self.title("js-worker stops politely")
        marks = self.marks()
        code = leaver.stop(self.patience())
        if code != 0:
            raise Expected(f"js-worker ended with code {code}")
        self.everybody_sees(self.others(), "down", leaver, marks, reason="graceful_shutdown")

    def pause(self) -> None:
        sleeper = self.nodes["py-worker"]
        timeout = INTERVAL_MS * THRESHOLD / 1000
        self.title(f"py-worker is frozen by SIGSTOP: no heartbeat for {timeout:g} s")
        marks = self.marks()
        sleeper.freeze()
        watchers = self.others()
        self.everybody_sees(watchers, "down", sleeper, marks, reason="heartbeat_timeout")
        time.sleep(INTERVAL_MS / 1000)  # it shall wake up with every deadline of its own passed

        self.title("py-worker is thawed")
        marks = self.marks()
        sleeper.thaw()
        self.everybody_sees(watchers, "up", sleeper, marks)
        time.sleep(2 * INTERVAL_MS / 1000)  # time enough for a wrong verdict to come out
        connected = sleeper.connected(self.patience())
        blamed = sleeper.downs(marks[sleeper.name])
        missing = {watcher.id for watcher in watchers} - connected
        if blamed or missing:
            raise Expected(f"py-worker blamed others for its own pause: {blamed}; not connected: {missing}")
        self.tick(f"{shown([sleeper.name])} reports nobody: the pause was its own, and it knows")

    def come_back(self) -> None:
        self.title("c-worker comes back under its old id")
        marks = self.marks()
        watchers = self.others()
        node = self.start("c", "c-worker", ["seed"])
        self.everybody_sees(watchers, "up", node, marks)
        for other in watchers:
            node.wait("up", self.patience(), node=other.id)
        self.tick(f"{shown([node.name])} sees {shown([other.name for other in watchers])}")

    def strangers(self) -> None:
        seed = self.nodes["seed"]
        for name, secret, what in (("impostor", "guessed", "a wrong secret"), ("naked", None, "no secret")):
            self.title(f"A stranger tries to join with {what}")
            marks = self.marks()
            stranger = self.spawn("node", name, ["seed"], secret)
            heard = seed.wait("error", self.patience(), mark=marks["seed"], kind="authentication")
            self.quote("seed", heard["message"])
            told = stranger.wait("error", self.patience(), kind="authentication")
            self.quote(name, told["message"])
            members = [entry for entry in stranger.view(self.patience())["nodes"] if entry["status"] == "connected"]
            admitted = [node.name for node in self.others() if node.since(marks[node.name], "up", stranger.id)]
            if members or admitted or stranger.since(0, "up"):
                raise Expected(f"{name} became a member: it sees {members}, and is seen by {admitted}")
            self.tick("never a member, on either side")
            stranger.stop(self.patience())

    def farewell(self) -> None:
        self.title("Everybody stops")
        running = self.others()
        for node in running:
            node.tell("stop")
        for node in running:
            code = node.wait_exit(self.patience())
            node.wait("status", self.patience(), status="stopped")
            if code != 0:
                raise Expected(f"{node.name} ended with code {code}")
        self.tick(f"{shown([node.name for node in running])} stopped, each with exit code 0")

    def run(self) -> None:
        print(bold("noex-cluster: five processes, three languages, one mesh"), flush=True)
        self.form()
        self.agree()
        self.crash()
        self.leave()
        self.pause()
        self.come_back()
        self.strangers()
        self.farewell()
        seconds = time.monotonic() - self.began
        print(f"\n{dim(f'{seconds:5.1f} s')}  {paint('Everything was seen.', '1;32')}", flush=True)

    def end(self) -> None:
        for node in self.all:
            node.end()


def main() -> int:
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal that knows no ticks
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    demo = Demo()
    try:
        demo.run()
    except Expected as error:
        demo.end()
        print(f"\n{paint('✗ Not seen:', '1;31')} {error}\n", flush=True)
        for node in demo.all:
            print(node.transcript(), flush=True)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", flush=True)
        return 130
    finally:
        demo.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
