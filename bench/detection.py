"""How soon the end of a node is known to all: frozen, killed, stopped. And how soon a handler in Node or Python runs.

Each node is a process. Frozen: the time from the last heartbeat that an observer received to its report; killed and
stopped: from the signal, or the word, that ends it to the report. Reports are taken where a program takes them, from
the event descriptor. A handler's delay is from the receipt of the frame that made a node up to the handler's first
line.
"""

import signal
import statistics

from harness.figures import Bench
from harness.meshes import Mesh, id_of, words_of
from harness.processes import Expected, Process, free_ports, javascript, now, program, python, wait_until

TIMEOUT = 3.0  # 1000 ms x 3


def end_one(mesh: Mesh, victim: Process, how: str) -> list[tuple[float, float]]:
    """Ends a node; what each other said: seconds from the deed, seconds since it had heard a heartbeat of it."""
    observers = [host for host in mesh.hosts if host is not victim]
    peer = id_of(victim)
    marks = {observer.pid: len(observer.lines()) for observer in observers}
    began = now()
    if how == "stopped":
        victim.tell("stop")
    else:
        victim.signal(signal.SIGSTOP if how == "frozen" else signal.SIGKILL)

    def told() -> bool:
        return len(mesh.downs_of(peer, observers, marks)) == len(observers)

    wait_until(f"all know that {peer} is {how}", told, 20, 0.25 if how == "frozen" else 0.05)
    reason = {"frozen": "heartbeat_timeout", "killed": "connection_closed", "stopped": "graceful_shutdown"}[how]
    downs = mesh.downs_of(peer, observers, marks)
    if {words[3] for words in downs} != {reason}:
        raise Expected(f"{peer} was {how}, and they say {sorted({words[3] for words in downs})}")
    return [(float(words[0]) - began, float(words[4])) for words in downs]


def replace(mesh: Mesh, victim: Process, name: str) -> None:
    """A new node in the place of one that has ended; until all have it."""
    mesh.hosts.remove(victim)
    mesh.processes.all.remove(victim)
    victim.end()
    before = {host.pid: len(words_of(host, "up")) for host in mesh.hosts}
    others = list(mesh.hosts)
    mesh.join(name)
    mesh.wait(f"all have {name}", lambda: all(len(words_of(host, "up")) > before[host.pid] for host in others), 30)


def detection(bench: Bench, count: int, rounds: dict[str, int], targets: dict[str, float | None]) -> None:
    with Mesh(bench.out / f"mesh-{count}", count, ups=True) as mesh:
        for how, times in rounds.items():
            found: list[tuple[float, float]] = []
            for index in range(times):
                victim = mesh.hosts[1 + index % (count - 1)]
                found += end_one(mesh, victim, how)
                replace(mesh, victim, f"{how}{index}")
            if how == "frozen":
                delays = [(silence - TIMEOUT) * 1000 for _, silence in found]
                bench.p99(f"{count} nodes: frozen, beyond the 3.0 s of silence", delays, "ms", targets[how])
                # The receipt is known to the millisecond, rounded down.
                bench.figure(f"{count} nodes: frozen, reported too early", sum(delay < 0 for delay in delays), "", 0)
            else:
                delays = [since * 1000 for since, _ in found]
                bench.p99(f"{count} nodes: {how}", delays, "ms", targets[how])
            bench.figure(f"{count} nodes: {how}, median", statistics.median(delays), "ms", None)
            label = f"{how}, {count} nodes"
            bench.curve(
                "frozen" if how == "frozen" else "killed and stopped",
                label,
                delays,
                style="cdf",
                x_label="ms after 3.0 s of silence" if how == "frozen" else "ms",
            )


def handler(bench: Bench, language: str, rounds: int) -> None:
    """A program whose loop is idle is joined by nodes that come and go."""
    port = free_ports(1)[0]
    with Mesh(bench.out / f"handler-{language}", 2) as mesh:
        words = ["listener", str(port), mesh.seed]
        argv = javascript("handler.mjs", *words) if language == "Node" else python("handler.py", *words)
        listener = mesh.processes.start(argv, "listener")
        wait_until("the listener runs", lambda: "running" in listener.lines(), 20)
        mark = len(words_of(listener, "up"))
        comer = [program("starts"), "--rounds", str(rounds), "--wait", "30", "--seed", f"listener@127.0.0.1:{port}"]
        mesh.processes.start(comer, "comer")
        wait_until(
            "the handler has seen them all", lambda: len(words_of(listener, "up")) - mark >= rounds, 30 + rounds, 0.5
        )
        delays = [float(words[0]) for words in words_of(listener, "up")[mark:]]
    bench.p99(f"{language}: from the frame to the handler", delays, "ms", 5)
    bench.curve("handlers", language, delays, x_label="ms from the receipt of the frame", style="cdf")


def run(bench: Bench) -> None:
    if bench.smoke:
        detection(bench, 4, {"frozen": 1, "killed": 1, "stopped": 1}, {"frozen": 100, "killed": 10, "stopped": 20})
    else:
        detection(bench, 4, {"killed": 40, "stopped": 40}, {"killed": 10, "stopped": 20})
        detection(bench, 50, {"frozen": 8, "killed": 20, "stopped": 20}, {"frozen": 100, "killed": 50, "stopped": 20})
    for language in ("Node", "Python"):
        handler(bench, language, bench.times(200, 5))
