"""What reading and writing a beat costs above libsodium and simdjson, and what a beating node allocates.

Reading is the session's whole work on a frame: its bounds, the signature, the JSON, the ids. The floor is libsodium's
HMAC-SHA256 (from a prepared key) and simdjson's DOM parse of the same bytes; writing stands beside the same HMAC and a
copy of the bytes. Product and floor take turns, batch by batch, and the figure is the median of their ratios.

Allocations are counted in a node among others on real sockets: the program that it runs in replaces malloc.
"""

import statistics
import subprocess

from harness.figures import Bench
from harness.processes import Expected, program


def output(bench: Bench, *words: str | int) -> list[list[str]]:
    done = subprocess.run([program("codec"), *map(str, words)], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Expected(f"codec {' '.join(map(str, words))}: {done.stderr.strip()}")
    return [line.split() for line in done.stdout.splitlines()]


def ratios(bench: Bench, what: str, name: str, target: float) -> None:
    for nodes in (0, 50, 500):
        batches = [tuple(map(float, line)) for line in output(bench, what, nodes, bench.times(200, 5))]
        product, floor = (statistics.median(column) for column in zip(*batches, strict=True))
        bench.median(
            f"{name}, {nodes} known nodes: ratio to its floor",
            [ours / theirs for ours, theirs in batches],
            "",
            target,
            note=f"{product / 1000:.2f} us, floor {floor / 1000:.2f} us",
        )


def run(bench: Bench) -> None:
    ratios(bench, "decode", "verify and parse", 1.5)
    ratios(bench, "encode", "encode and sign", 1.3)

    for peers in (2, 12):
        counts = {name: int(value) for name, value in output(bench, "allocations", peers, bench.times(10, 1))}
        if counts["frames_in"] < peers * 5 or counts["beats"] < 5:
            raise Expected(f"nearly nothing happened: {counts}")
        among = f"a node among {peers}"
        note = f"{counts['in_reading']} in {counts['frames_in']} frames"
        bench.figure(
            f"{among}: allocations per frame received", counts["in_reading"] / counts["frames_in"], "", 0, note=note
        )
        note = f"{counts['frames_out']} frames written in {counts['beats']} beats"
        bench.figure(f"{among}: frames encoded per beat", counts["encoded"] / counts["beats"], "", 1, note=note)
        bench.figure(
            f"{among}: allocations per beat, for all its frames", counts["in_beats"] / counts["beats"], "", None
        )
        rest = counts["in_thread"] - counts["in_reading"] - counts["in_beats"]
        note = "timers that looked after their members"
        bench.figure(f"{among}: allocations besides, per beat", rest / counts["beats"], "", None, note=note)
