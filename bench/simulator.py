"""How fast the simulator plays clusters: events per second, mass starts, and 1,000 nodes against real time.

One thread plays all of it with the shipped driver, session, codec and membership. Equal bytes under one secret are
verified and read once, not by each receiver of a beat: what libsodium and simdjson alone would take for that is told as
well. All times are of the core that the program had: what else the machine does is not the simulator's. Memory comes
in large pages where the system gives them (glibc's tunable): in gigabytes, every access else costs two.
"""

import os
import re
import resource
import statistics
import subprocess

from harness.figures import Bench
from harness.processes import BUILD, Expected, program


def play(name: str, *words: str | int) -> tuple[str, float]:
    """What the program said, and the seconds of a core that it took."""
    path = BUILD / "tests" / name
    if not path.exists():
        raise Expected(f"there is no {path}: ./dev build makes it")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    done = subprocess.run([path, *map(str, words)], capture_output=True, text=True, timeout=1500, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise Expected(f"{name} {' '.join(map(str, words))}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def read(pattern: str, text: str) -> list[float]:
    """The numbers in what it said; `#` in the pattern stands for one."""
    found = re.search(re.escape(pattern).replace(r"\#", r"([\d.]+)"), text)
    if found is None:
        raise Expected(f"no '{pattern}' in: {text}")
    return [float(number) for number in found.groups()]


def floor_of_reading() -> float:
    """Seconds that libsodium's HMAC and simdjson's parse take for a beat that names eight ids."""
    words = [program("codec"), "decode", "8", "50"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    return statistics.median(float(line.split()[1]) for line in done.stdout.splitlines()) * 1e-9


def run(bench: Bench) -> None:
    lives = bench.times(200, 5)
    text, core = play("noex_sim", "--seeds", lives)
    virtual, events = read("reference; # virtual seconds, # events", text)
    bench.figure(f"{lives} lives of 3 to 12 nodes with faults: events per second", events / core, "", None)
    bench.figure(f"{lives} lives: virtual seconds per second", virtual / core, "", None)

    counts = (100, 300, 1000) if not bench.smoke else (30,)
    join, rate, memory, speed = [], [], [], []
    for count in counts:
        text, _ = play("noex_mass_start", "--nodes", count, "--limit", 5, "--beats", 2)
        full, core, events, per_second = read("mesh after # virtual s, # s of a core; # events, # events/s", text)
        frames, sent, megabytes = read("# frames, # MB sent; # MB of memory", text)
        of_real_time, beats_per_second = read("(# of real time), # events/s", text)
        join.append(core)
        rate.append(beats_per_second)
        memory.append(megabytes)
        speed.append(of_real_time)
        bench.figure(f"{count} nodes at once: virtual time to the full mesh", full * 1000, "ms", None)
        note = f"{events:.0f} events, {per_second:.0f} a second; {frames:.0f} frames, {sent:.0f} MB"
        bench.figure(f"{count} nodes at once: to the full mesh", core, "s", None, note=note)
        bench.figure(f"{count} nodes at once: memory", megabytes, "MB", None)
        bench.figure(f"{count} nodes in full mesh: events per second", beats_per_second, "", None)
        # At most so many seconds of a core for a second of theirs.
        target = 1.0 if count == 1000 else None
        note = f"{of_real_time:.2f} times real time, at a beat every 5 s"
        bench.figure(
            f"{count} nodes in full mesh: a core's seconds per second", 1 / of_real_time, "", target, note=note
        )
        alone = floor_of_reading() * count * (count - 1) / 5
        note = "libsodium and simdjson alone, each beat at each receiver"
        bench.figure(f"{count} nodes in full mesh: verifying and parsing all, per second", alone, "s", None, note=note)
    bench.curve("simulator, joining", "full mesh", counts, join, x_label="nodes", y_label="s of a core")
    bench.curve("simulator, beating", "full mesh", counts, speed, x_label="nodes", y_label="times real time")
    bench.curve("simulator, events", "beats", counts, rate, x_label="nodes", y_label="events per second")
    bench.curve("simulator, memory", "full mesh", counts, memory, x_label="nodes", y_label="MB")
