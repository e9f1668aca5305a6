"""How late heartbeats are while the program around the node does not let anything happen.

The host computes on twice as many threads as there are cores; keeps its event loop busy (Node) or holds the
interpreter's lock (Python) all the time; takes no event while a hundred thousand come. Four nodes to a process, an
interval of 100 ms. Beside them as many bare threads sleep and send a byte; the kernel stamps both while they are being
sent. What is judged is how much later the beats' p99 is than that of the bare threads, in the same scene.
"""

import os

from harness.beats import Host, Scene, difference, measure
from harness.figures import Bench
from harness.meshes import words_of
from harness.processes import Expected, Processes, javascript, program, python

TARGET = 3.0  # ms


def report(bench: Bench, what: str, scene: Scene, target: float | None = TARGET) -> None:
    bench.p99(f"{what}: beats late", scene.beats, "ms")
    bench.p99(f"{what}: bare threads late", scene.ticks, "ms")
    bench.figure(f"{what}: how much later, p99", difference(scene.beats, scene.ticks), "ms", target)
    bench.curve(what, "beats", scene.beats, x_label="ms late", style="cdf")
    bench.curve(what, "bare threads", scene.ticks, x_label="ms late", style="cdf")


def busy_threads(bench: Bench, count: int, seconds: int) -> None:
    threads = 2 * (os.cpu_count() or 1)
    with Processes(bench.out / "busy-threads") as processes:
        host = Host(processes, "host", program("host"), count=count)
        report(bench, "at rest", measure(processes, host, seconds), None)
        host.tell(f"burn {threads}")
        report(bench, f"{threads} threads compute", measure(processes, host, seconds))


def blocked(bench: Bench, what: str, command: list, count: int, seconds: int) -> None:
    with Processes(bench.out / what) as processes:
        host = Host(processes, "host", *command, count=count)
        host.tell(f"block {seconds + 4}")
        scene = measure(processes, host, seconds)
        if words_of(host.process, "free"):
            raise Expected(f"{what}: it was not blocked until the end")
        report(bench, what, scene)
        host.wait("free")


def unfetched(bench: Bench, count: int, seconds: int) -> None:
    """Nodes come and go at the first of the host's nodes, where nobody takes the events of it."""
    events = bench.times(100_000, 2000)
    rate = -(-events // (2 * seconds))
    with Processes(bench.out / "unfetched") as processes:
        host = Host(processes, "host", program("host"), count=count)
        scene = measure(processes, host, seconds, churn=rate, churn_ids=1000)
        queued, coalesced, ups, downs, _ = (int(word) for word in host.ask("stats", "stats"))
        if ups + downs < events:
            raise Expected(f"only {ups + downs} events came, {scene.churned} nodes came and went")
        what = f"{events:,} events that nobody takes"
        report(bench, what, scene)
        bench.figure(f"{what}: waiting in the end, of {ups + downs:,}", queued, "", 2048, note=f"{coalesced:,} folded")


def run(bench: Bench) -> None:
    count, seconds = bench.times(4), bench.times(60, 2)
    busy_threads(bench, count, seconds)
    blocked(bench, "Node's event loop is busy", javascript("blocked.mjs"), count, seconds)
    blocked(bench, "Python's lock is held", python("blocked.py"), count, seconds)
    unfetched(bench, count, seconds)
