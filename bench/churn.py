"""Whether a node stays as it is while others come and go: half an hour in which one joins or leaves every two seconds.

Ten nodes stay, each a process; up to ten more come under new names and ports, some politely gone, some killed. What is
measured is the memory, descriptors and threads of those that stay, after the first two minutes and at the end.
`forgetAfterMs` is a minute, or the list of those who were here would grow, as it should.
"""

import os
import random
import signal
import statistics
import time

from harness.figures import Bench
from harness.meshes import Mesh, words_of
from harness.processes import Process, cpu_seconds, now, resident_kib

STAYING = 10
COMING = 10


def sizes(hosts: list[Process]) -> dict[str, float]:
    def mean(values: list[int]) -> float:
        return statistics.mean(values)

    return {
        "KiB of anonymous memory": mean([resident_kib(host.pid, "RssAnon") for host in hosts]),
        "descriptors": mean([len(os.listdir(f"/proc/{host.pid}/fd")) for host in hosts]),
        "threads": mean([len(os.listdir(f"/proc/{host.pid}/task")) for host in hosts]),
    }


def run(bench: Bench) -> None:
    minutes, warm_up = (30.0, 2.0) if not bench.smoke else (0.15, 0.05)
    rng = random.Random(1)
    with Mesh(bench.out, STAYING, options=["--forget", "60000"]) as mesh:
        staying = list(mesh.hosts)
        coming: list[Process] = []
        began = now()
        first: dict[str, float] = {}
        times, memory = [], []
        steps = 0
        while now() - began < minutes * 60:
            steps += 1
            if len(coming) < 2 or (len(coming) < COMING and rng.random() < 0.5):
                coming.append(mesh.join(f"c{steps}"))
            else:
                leaver = coming.pop(rng.randrange(len(coming)))
                mesh.hosts.remove(leaver)
                mesh.processes.all.remove(leaver)
                if rng.random() < 0.5:
                    leaver.signal(signal.SIGKILL)
                leaver.end()
            time.sleep(max(0.0, began + 2 * steps - now()) if not bench.smoke else 0.2)
            for host in staying:
                host.check_alive()
            found = sizes(staying)
            times.append((now() - began) / 60)
            memory.append(found["KiB of anonymous memory"])
            if not first and now() - began > warm_up * 60:
                first = found
                used = [cpu_seconds(host.pid) for host in staying]
                since = now()
        # The comers leave: what is left is what was there before.
        for leaver in coming:
            mesh.hosts.remove(leaver)
            mesh.processes.all.remove(leaver)
            leaver.end()
        last = sizes(staying)
        share = statistics.mean(cpu_seconds(host.pid) - before for host, before in zip(staying, used, strict=True))
        among_themselves = {words[1] for words in words_of(staying[0], "started")}
        ids = {words_of(host, "started")[0][1] for host in staying} | among_themselves
        downs = sum(words[2] in ids for host in staying for words in words_of(host, "down"))
    bench.figure(f"comings and goings in {minutes:g} min", steps, "", None)
    targets = {"KiB of anonymous memory": 256, "descriptors": 0, "threads": 0}
    for what, value in last.items():
        growth = value - first[what]
        bench.figure(
            f"growth of {what} per node", max(growth, 0.0), "", targets[what], note=f"{first[what]:.1f} to {value:.1f}"
        )
    bench.figure("share of a core per node meanwhile", 100 * share / (now() - since), "%", None)
    bench.figure("false downs among those that stay", downs, "", 0)
    bench.curve(
        "memory", "a node that stays", times, memory, x_label="minutes", y_label="KiB of anonymous memory", style="line"
    )
