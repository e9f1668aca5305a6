"""What a call costs: getNodes() and isNodeConnected() in C, Node and Python, in a cluster of a hundred that beats.

99 nodes live in one process, the hundredth in the program that calls. Each beat of the 99 changes the list that
getNodes() returns: in Node and Python a call after a change is compared with building such a list in that language, in
the same process, in turns. That threads which call do not disturb the beats is measured here, too: eight of them read
without end while nodes come and go, and in turns eight threads only compute.
"""

import json

from harness.beats import Host, Scene, difference, measure
from harness.figures import Bench
from harness.meshes import words_of
from harness.processes import Expected, Process, Processes, free_ports, javascript, program, python, wait_until

SLOW = 240.0  # seconds; a program that takes longer hangs


def said(process: Process) -> dict[str, list[float]]:
    """What a program that ends with one line of JSON has measured."""
    wait_until(f"{process.log.name} ends", lambda: process.process.poll() is not None, SLOW)
    if process.process.returncode != 0:
        raise Expected(f"{process.log.name} said: " + " | ".join(process.lines()[-3:]))
    return json.loads(process.lines()[-1])


def of_c(bench: Bench, processes: Processes, seed: str, expect: int) -> None:
    samples = bench.times(500, 5)
    words = ["--expect", str(expect), "--samples", str(samples), "--seed", seed]
    process = processes.start([program("calls"), *words], "c")
    wait_until("the calls from C", lambda: process.process.poll() is not None, SLOW)
    times = {kind: [float(words[0]) for words in words_of(process, kind)] for kind in ("nodes", "connected")}
    if process.process.returncode != 0 or any(len(some) != samples for some in times.values()):
        raise Expected("the calls from C: " + " | ".join(process.lines()[-3:]))
    bench.median(f"C: nodes and free, {expect + 1} nodes", [time / 1000 for time in times["nodes"]], "us", 2)
    bench.median("C: is_node_connected", times["connected"], "ns", 100)


def of_node(bench: Bench, processes: Processes, seed: str, expect: int) -> None:
    for change, samples in (("some beat", 1500), ("all beat", 50), ("one restarts", 100)):
        count = bench.times(samples, 5)
        words = javascript("calls.mjs", seed, str(expect), str(count), change)
        times = said(processes.start(words, f"node-{change.replace(' ', '-')}"))
        micro = {kind: [time / 1000 for time in some] for kind, some in times.items()}
        changed = bench.median(f"Node: getNodes() after {change}", micro["changed"], "us")
        frozen = bench.median("Node: the same list, built in JavaScript", micro["frozen"], "us")
        plain = bench.median("Node: the same, not frozen", micro["plain"], "us")
        bench.figure(f"Node: getNodes() after {change}, times that list", changed / frozen, "x", 3)
        bench.figure("Node: the same, times the list that is not frozen", changed / plain, "x", None)
        if change == "some beat":
            bench.median("Node: getNodes(), nothing has changed", micro["unchanged"], "us", 1)


def of_python(bench: Bench, processes: Processes, seed: str, expect: int) -> None:
    times = said(processes.start(python("calls.py", seed, str(expect), str(bench.times(1500, 20))), "python"))
    micro = {kind: [time / 1000 for time in some] for kind, some in times.items()}
    changed = bench.median("Python: get_nodes() after a change", micro["changed"], "us")
    floor = bench.median("Python: the same list, built in Python", micro["floor"], "us")
    bench.figure("Python: get_nodes() after a change, times that list", changed / floor, "x", 3)
    bench.median("Python: get_nodes(), nothing has changed", micro["unchanged"], "us")


def readers(bench: Bench) -> None:
    """Judged by the difference of the beats' p99 in turns with eight threads that read and eight that compute: what the
    machine is given to do is the same, but for the locks and the memory that readers share with the node. A
    difference below one millisecond is within what such turns differ by among themselves."""
    threads, seconds, turns = 8, bench.times(15, 2), bench.times(6)
    found: dict[str, Scene] = {"burn": Scene(), "read": Scene()}
    with Processes(bench.out / "readers") as processes:
        host = Host(processes, "host", program("host"), count=1 if bench.smoke else 4)
        for _ in range(turns):
            for command, scene in found.items():
                host.tell(f"{command} {threads}")
                scene.add(measure(processes, host, seconds, churn=300, churn_ids=90))
                calls = host.ask("rest", "rested")[0]
                if (command == "read") != (int(calls) > 0):
                    raise Expected(f"{calls} calls while the threads should {command}")
    computing, reading = found["burn"], found["read"]
    bench.p99(f"beats late, {threads} threads compute, nodes come and go", computing.beats, "ms")
    bench.p99(f"beats late, {threads} threads read, nodes come and go", reading.beats, "ms")
    bench.p99(f"a bare thread late, {threads} threads compute", computing.ticks, "ms")
    bench.p99(f"a bare thread late, {threads} threads read", reading.ticks, "ms")
    bench.figure(
        "how much later beats are, p99, when the threads read",
        difference(reading.beats, computing.beats),
        "ms",
        1,
    )
    for label, samples in (("the threads read", reading.beats), ("the threads compute", computing.beats)):
        bench.curve("beats beside readers", label, samples, x_label="ms late", style="cdf")


def run(bench: Bench) -> None:
    expect = bench.times(99, 9)
    port = free_ports(1)[0]
    seed = f"n0-0@127.0.0.1:{port}"
    with Processes(bench.out) as processes:
        words = ["--name", "n0", "--count", str(expect), "--port", str(port), "--expect", str(expect - 1)]
        others = processes.start([program("nodes"), *words, "--interval", "1000", "--seed", seed], "others")
        wait_until("the mesh is full", lambda: len(words_of(others, "full")) == expect, 120)
        of_c(bench, processes, seed, expect)
        of_node(bench, processes, seed, expect)
        of_python(bench, processes, seed, expect)
    readers(bench)
