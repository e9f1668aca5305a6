"""How soon many nodes that are started at once all see each other.

Processes of the command, and of Node, each a node; and handles, many to a process. A view is full when it has every
other node up; its time is that of the last up, by the node itself. A down of any kind in any run is a failure of the
run, for all of them live.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.figures import Bench
from harness.processes import (
    Expected,
    Process,
    Processes,
    command,
    events,
    free_ports,
    javascript,
    now,
    program,
    wait_until,
)

INTERVAL = 1000
PATIENCE = 60.0
HOSTS = 6  # processes for 300 handles: each handle has 300 descriptors, and a process may have 20,000 or so


@dataclass
class Run:
    """Seconds from the last process's spawn (`after_spawn`), from the last start() that resolved (`after_start`)."""

    after_spawn: float
    after_start: float
    first_spawn_to_full: float
    fills: list[float]  # each node's, after the last spawn
    downs: int


def wall_offset() -> float:
    """What is to be taken from a time of the wall clock, in seconds, to have one of the monotonic clock."""
    return time.time() - now()


def said(process: Process, offset: float) -> tuple[float, list[float], int]:
    """When a command's start() resolved, its ups, and how many downs it reported."""
    started, ups, downs = 0.0, [], 0
    for event in events(process):
        at = event["at"] / 1000 - offset
        if event["event"] == "started":
            started = at
        elif event["event"] == "up":
            ups.append(at)
        elif event["event"] == "down":
            downs += 1
    return started, ups, downs


def play(
    bench: Bench,
    name: str,
    count: int,
    start: Callable[[Processes, int, int, list[str]], Process],
    seeds_of: Callable[[int, list[str]], Sequence[str]],
    *,
    order: Sequence[int] | None = None,
    pause: float = 0.0,
    hold: float = 0.0,
) -> Run:
    ports = free_ports(count)
    ids = [f"n{index}@127.0.0.1:{port}" for index, port in enumerate(ports)]
    with Processes(bench.out / name) as processes:
        nodes: list[Process] = []
        for index in order or range(count):
            nodes.append(start(processes, index, ports[index], list(seeds_of(index, ids))))
            time.sleep(pause)
        last_spawn = nodes[-1].spawned_at
        offset = wall_offset()

        def full() -> bool:
            processes.check_alive()
            return all(len(said(node, offset)[1]) >= count - 1 for node in nodes)

        wait_until(f"{count} nodes see each other", full, PATIENCE, 0.1)
        time.sleep(hold)
        told = [said(node, offset) for node in nodes]
        if not all(started for started, _, _ in told):
            raise Expected("a start() has not resolved")
        fills = [sorted(ups)[count - 2] for _, ups, _ in told]
        return Run(
            after_spawn=max(fills) - last_spawn,
            after_start=max(fills) - max(started for started, _, _ in told),
            first_spawn_to_full=max(fills) - nodes[0].spawned_at,
            fills=[fill - last_spawn for fill in fills],
            downs=sum(downs for _, _, downs in told),
        )


def start_command(processes: Processes, index: int, port: int, seeds: list[str]) -> Process:
    return processes.start(command(f"n{index}", port, seeds, interval=INTERVAL), f"n{index}")


def start_javascript(processes: Processes, index: int, port: int, seeds: list[str]) -> Process:
    words = [f"n{index}", str(port), str(INTERVAL), *seeds]
    return processes.start(javascript("node.mjs", *words), f"n{index}")


def first(index: int, ids: list[str]) -> Sequence[str]:
    return ids[:1] if index else []


def predecessor(index: int, ids: list[str]) -> Sequence[str]:
    return ids[index - 1 : index]


def report(
    bench: Bench, what: str, runs: Sequence[Run], spawn_target: float | None, start_target: float | None
) -> None:
    bench.median(f"{what}: full after the last start()", [run.after_start * 1000 for run in runs], "ms", start_target)
    bench.median(f"{what}: full after the last spawn", [run.after_spawn * 1000 for run in runs], "ms", spawn_target)
    bench.figure(f"{what}: false downs in {len(runs)} runs", sum(run.downs for run in runs), "", 0)


def seed_last(bench: Bench, count: int, late: float, number: int) -> tuple[float, float, int]:
    """All but the seed run; `late` seconds later it comes. Seconds to the full mesh from the first re-dial that reaches
    it, and from the last node's: the re-dials themselves are spread by their backoff. And the false downs."""
    ports = free_ports(count)
    seed = f"n0@127.0.0.1:{ports[0]}"
    with Processes(bench.out / f"seed-{late}-{number}") as processes:
        nodes = [start_command(processes, index, ports[index], [seed]) for index in range(1, count)]
        offset = wall_offset()
        wait_until("all run", lambda: all(said(node, offset)[0] for node in nodes), PATIENCE)
        time.sleep(late)
        nodes.append(start_command(processes, 0, ports[0], []))

        def full() -> bool:
            processes.check_alive()
            return all(len(said(node, offset)[1]) >= count - 1 for node in nodes)

        wait_until(f"{count} nodes see each other", full, PATIENCE, 0.1)
        told = [said(node, offset) for node in nodes]
        # That the seed was refused to them until it came is what they say of it, and right.
        refusals = sum(
            event["event"] == "down" and event["reason"] == "connection_refused"
            for node in nodes
            for event in events(node)
        )
        fulls = [sorted(ups)[count - 2] for _, ups, _ in told]
        met = [
            event["at"] / 1000 - offset
            for node in nodes[:-1]
            for event in events(node)
            if event["event"] == "up" and event["node"] == seed
        ]
        return max(fulls) - min(met), max(fulls) - max(met), sum(downs for _, _, downs in told) - refusals


def handles(bench: Bench, count: int, processes_count: int) -> tuple[float, int]:
    """Handles in a few processes, all started at once; seconds from the last start() to the last full view."""
    each = count // processes_count
    port = free_ports(1)[0]
    with Processes(bench.out / f"handles-{count}") as processes:
        hosts = []
        for index in range(processes_count):
            words = ["--count", str(each), "--name", f"p{index}", "--expect", str(count - 1), "--interval", "5000"]
            words += ["--port", str(port)] if index == 0 else []
            hosts.append(processes.start([program("nodes"), *words, "--seed", f"p0-0@127.0.0.1:{port}"], f"p{index}"))
        began = hosts[0].spawned_at

        def full() -> bool:
            processes.check_alive()
            return sum(text.startswith("full ") for host in hosts for text in host.lines()) == count

        wait_until(f"{count} handles see each other", full, 120, 0.2)
        lines = [text.split() for host in hosts for text in host.lines()]
        last = max(float(words[1]) for words in lines if words[0] == "full")
        return last - began, sum(words[0] == "down" for words in lines)


def run(bench: Bench) -> None:
    counts = (10, 25, 50, 100) if not bench.smoke else (6,)
    curve = []
    for count in counts:
        times = bench.times(20 if count == 50 else 5)
        runs = [play(bench, f"{count}-{index}", count, start_command, first) for index in range(times)]
        curve.append(sorted(run.after_spawn for run in runs)[len(runs) // 2])
        targets = {50: (1000.0, 300.0), 100: (3000.0, None)}.get(count, (None, None))
        report(bench, f"{count} processes at once", runs, *targets)
        if count == 50:
            bench.curve(
                "50 at once",
                "each node's view is full",
                [fill * 1000 for run in runs for fill in run.fills],
                x_label="ms after the last spawn",
                style="cdf",
            )
    bench.curve(
        "growth", "processes at once", counts, curve, x_label="nodes", y_label="s from the last spawn to the full mesh"
    )
    count = bench.times(50, 5)
    report(
        bench,
        f"{count} Node processes at once",
        [play(bench, f"node-{index}", count, start_javascript, first) for index in range(bench.times(5))],
        None,
        300.0,
    )
    report(
        bench,
        f"{count} processes, one every 20 ms",
        [play(bench, f"staggered-{i}", count, start_command, first, pause=0.02) for i in range(bench.times(5))],
        None,
        300.0,
    )
    report(
        bench,
        f"{count} processes, each knows its predecessor",
        [play(bench, f"chained-{index}", count, start_command, predecessor) for index in range(bench.times(5))],
        None,
        300.0,
    )
    # At once, and when the quick tries of the first two seconds are over: then backoff has spread the re-dials.
    for late in (0.0, 2.5):
        what = f"{count} processes, seed {late:g} s after the others"
        runs_late = [seed_last(bench, count, late, index) for index in range(bench.times(9))]
        target = 300 if late == 0 else None
        bench.median(f"{what}: full after the first re-dial", [first * 1000 for first, _, _ in runs_late], "ms", target)
        bench.median(f"{what}: full after everyone's first", [last * 1000 for _, last, _ in runs_late], "ms", 300)
        bench.figure(f"{what}: false downs in {len(runs_late)} runs", sum(downs for *_, downs in runs_late), "", 0)
    count = bench.times(300, 12)
    many = [handles(bench, count, HOSTS) for _ in range(bench.times(3))]
    bench.median(
        f"{count} handles in {HOSTS} processes, from the first spawn", [seconds for seconds, _ in many], "s", 15
    )
    bench.figure(f"{count} handles: false downs in {len(many)} runs", sum(downs for _, downs in many), "", 0)
