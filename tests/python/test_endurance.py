"""A thousand starts and stops in one process: memory, threads and descriptors stay as they are, in both styles."""

import gc
import os
from typing import Literal

import pytest
from noex_cluster import ClusterNode, sync
from support import options, until, until_sync

WARM_UP, RUNS = 200, 1000
# A kilobyte left behind by each run would be more.
GROWTH_KIB_MAX = 1024


def check_growth(before: int) -> None:
    if "NOEX_SANITIZER" not in os.environ:
        assert resident_kib() - before < GROWTH_KIB_MAX


def resident_kib() -> int:
    gc.collect()
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.timeout(120)
async def test_a_thousand_starts_and_stops_with_asyncio() -> None:
    seed = ClusterNode()
    await seed.start(**options("seed"))
    seen: list[str] = []
    seed.on_node_up(lambda info: seen.append("up"))
    seed.on_node_down(lambda node_id, reason: seen.append(str(reason)))
    seeds = [seed.get_local_node_id()]
    port: int | Literal["auto"] = "auto"
    guest = ClusterNode()

    async def live(run: int) -> None:
        nonlocal guest, port
        await guest.start(**options("guest", seeds=seeds, port=port))
        port = guest.get_local_node_info().port
        assert guest.is_node_connected(seeds[0])
        await guest.stop()
        if run % 2:
            guest = ClusterNode()

    for run in range(WARM_UP):
        await live(run)
    await until(lambda: len(seen) == 2 * WARM_UP, "the seed saw all of them")
    before = resident_kib(), threads(), descriptors()
    for run in range(RUNS):
        await live(run)
    await until(lambda: len(seen) == 2 * (WARM_UP + RUNS), "the seed saw all of them")
    assert seen == ["up", "graceful_shutdown"] * (WARM_UP + RUNS)
    seen.clear()
    await until(
        lambda: (threads(), descriptors()) <= before[1:],
        "threads and descriptors are gone",
    )
    assert descriptors() == before[2]
    check_growth(before[0])
    await seed.stop()


@pytest.mark.timeout(120)
def test_a_thousand_starts_and_stops_without_a_loop() -> None:
    with sync.ClusterNode(**options("seed")) as seed:
        seeds = [seed.get_local_node_id()]
        port: int | Literal["auto"] = "auto"

        def live() -> None:
            nonlocal port
            with sync.ClusterNode(**options("guest", seeds=seeds, port=port)) as guest:
                port = guest.get_local_node_info().port
                assert guest.is_node_connected(seeds[0])

        for _ in range(WARM_UP):
            live()
        before = resident_kib(), threads(), descriptors()
        for _ in range(RUNS):
            live()
        until_sync(
            lambda: threads() <= before[1] and descriptors() <= before[2],
            "threads and descriptors are gone",
        )
        check_growth(before[0])


def test_the_measure_sees_a_leak_of_three_kilobytes_a_run() -> None:
    before = resident_kib()
    leak = [bytes(3000) for _ in range(RUNS)]
    assert resident_kib() - before > GROWTH_KIB_MAX
    assert len(leak) == RUNS
