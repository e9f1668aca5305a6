"""How long start() and stop() of one node take, in a cluster of fifty that rests.

The node knows three of the fifty, each a process of the command. start() resolves when the first attempt on each seed
has ended, so it has their lists by then. What it costs to be seen by all fifty, and to see them, is beside it.
"""

from harness.figures import Bench
from harness.processes import Expected, Processes, command, events, free_ports, program, wait_until


def run(bench: Bench) -> None:
    count, rounds = bench.times(50, 5), bench.times(200, 5)
    ports = free_ports(count)
    ids = [f"n{index}@127.0.0.1:{port}" for index, port in enumerate(ports)]
    with Processes(bench.out) as processes:
        nodes = [
            processes.start(command(f"n{index}", port, ids[:1] if index else [], interval=1000), f"n{index}")
            for index, port in enumerate(ports)
        ]
        wait_until(
            "the mesh is full",
            lambda: all(sum(event["event"] == "up" for event in events(node)) >= count - 1 for node in nodes),
            60,
        )
        words = [word for seed in ids[:3] for word in ("--seed", seed)]
        joiner = processes.start([program("starts"), "--rounds", str(rounds), "--wait", "50", *words], "joiner")
        wait_until("the rounds", lambda: joiner.process.poll() is not None, 60 + rounds)
        lines = [[float(word) for word in text.split()] for text in joiner.lines()]
        if len(lines) != rounds:
            raise Expected("the joiner said: " + " | ".join(joiner.lines()[-3:]))
    starts, fulls, stops, listed, _ = map(list, zip(*lines, strict=True))
    bench.p99(f"start() into {count} nodes", starts, "ms", 30)
    bench.median(f"start() into {count} nodes", starts, "ms")
    bench.figure("fewest nodes listed when it resolves, missing", count - min(listed), "", 0)
    bench.p99("from start() until connected to all", fulls, "ms")
    bench.p99("stop()", stops, "ms", 50)
    for label, samples in (("start()", starts), ("connected to all", fulls), ("stop()", stops)):
        bench.curve("start and stop", label, samples, x_label="ms", style="cdf")
