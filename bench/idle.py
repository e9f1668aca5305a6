"""What a cluster costs that has nothing to do: processor, bytes on the wire, memory.

At 1000 ms, with a secret. Each node is a process, but for the 300 that show how bytes grow: these are handles, a
hundred to a process. Processor time is the scheduler's own account of each thread. An empty process is one that sleeps.
"""

import json
import shutil
import statistics
import time

from harness.figures import Bench
from harness.meshes import Mesh, words_of
from harness.processes import Expected, Process, cpu_seconds, javascript, now, python, resident_kib, wait_until


def bytes_of(host: Process) -> tuple[float, int, int, int]:
    """When, how many nodes, frames and bytes sent so far: of all the nodes in a process."""
    before = len(words_of(host, "stats"))
    host.tell("stats")
    wait_until("statistics", lambda: len(words_of(host, "stats")) > before, 10, 0.01)
    at, nodes, frames, sent, *_ = words_of(host, "stats")[-1]
    return float(at), int(nodes), int(frames), int(sent)


def steady(host: Process, seconds: float) -> tuple[float, float]:
    """Bytes per node and second, and bytes per frame, that a process sends in a while."""
    at, nodes, frames, sent = bytes_of(host)
    time.sleep(seconds)
    later, _, more_frames, more_sent = bytes_of(host)
    return (more_sent - sent) / nodes / (later - at), (more_sent - sent) / (more_frames - frames)


def processor_share(hosts: list[Process], seconds: float) -> list[float]:
    """Per cent of a core that each process uses."""
    before = [cpu_seconds(host.pid) for host in hosts]
    began = now()
    time.sleep(seconds)
    return [100 * (cpu_seconds(host.pid) - used) / (now() - began) for host, used in zip(hosts, before, strict=True)]


def interpreter(bench: Bench, mesh: Mesh, language: str) -> None:
    """How much a process of Node or Python grows when it starts a node, with the package already loaded."""
    script = javascript("memory.mjs", mesh.seed) if language == "Node" else python("memory.py", mesh.seed)
    grown = []
    for index in range(bench.times(5)):
        process = mesh.processes.start(script, f"memory-{language}-{index}")
        wait_until(f"{language} has joined", lambda p=process: len(p.lines()) >= 1, 30)
        found = json.loads(process.lines()[0])
        if found["connected"] < mesh.count:
            raise Expected(f"{language} saw {found['connected']} of {mesh.count}")
        grown.append((found["after"] - found["before"]) / 1024)
        mesh.processes.all.remove(process)
        process.end()
    bench.median(f"{language}: growth of the process with a node, {mesh.count} peers", grown, "MiB", 6)


def run(bench: Bench) -> None:
    seconds = 20.0 if not bench.smoke else 1.0
    rest = (
        6.0 if not bench.smoke else 0.5
    )  # until the last list has been said, and every id has had its turn in the beats
    sleep = shutil.which("sleep")
    assert sleep
    counts, shares, rates = [], [], []
    for count, target in ((10, None), (25, None), (50, 0.25), (100, 0.5)) if not bench.smoke else ((4, 0.25),):
        with Mesh(bench.out / f"mesh-{count}", count) as mesh:
            empty = mesh.processes.start([sleep, "3600"], "empty")
            time.sleep(rest)
            used = processor_share(mesh.hosts, seconds)
            bench.figure(f"{count} nodes: share of a core per node, mean", statistics.mean(used), "%", target, used)
            per_second, per_frame = steady(mesh.hosts[1], min(seconds, 10.0))
            bench.figure(f"{count} nodes: bytes per peer and beat", per_frame, "B", 600)
            bench.figure(f"{count} nodes: bytes sent per node", per_second / 1000, "kB/s", None)
            over = [resident_kib(host.pid) - resident_kib(empty.pid) for host in mesh.hosts]
            bench.figure(
                f"{count} nodes: resident memory over an empty process, median",
                statistics.median(over),
                "KiB",
                3 * 1024 + 8 * (count - 1),
                over,
            )
            private = [resident_kib(host.pid, "RssAnon") for host in mesh.hosts]
            bench.figure(
                f"{count} nodes: of it anonymous memory, median", statistics.median(private), "KiB", None, private
            )
            counts.append(count)
            shares.append(statistics.mean(used))
            rates.append(per_second / 1000)
            if count in (50, 4):
                for language in ("Node", "Python"):
                    interpreter(bench, mesh, language)
    bench.curve("processor", "a node", counts, shares, x_label="nodes", y_label="% of a core, at 1000 ms")

    # In ten processes, for a node has a descriptor for each other one; and at the default interval, for what a beat
    # costs in bytes is the same at any.
    grown = {}
    interval = 5 if not bench.smoke else 1
    for count in (100, 300) if not bench.smoke else (4, 12):
        with Mesh(bench.out / f"handles-{count}", count, each=max(1, count // 10), interval=1000 * interval) as mesh:
            time.sleep(2 * rest)
            per_second, _ = steady(mesh.hosts[1], 2.0 * interval)
            grown[count] = per_second * interval
    (few, rate), (many, more) = grown.items()
    bench.figure(f"bytes per node and second, {many} nodes over {few}", more / rate, "times", 3.3)
    bench.curve(
        "bytes", "a node", [*counts, many], [*rates, more / 1000], x_label="nodes", y_label="kB/s sent, at 1000 ms"
    )
