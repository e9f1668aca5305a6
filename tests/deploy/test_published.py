"""A container whose port is published by its machine, as docs/deploying.md says: the machine's address is advertised,
and nodes elsewhere reach it there, those that only heard of it, too.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers import DEADLINE_S, until
from network import Host, Network, new_namespace, why_not
from scenes import Player, Stage

INSIDE = "172.31.0.2"

pytestmark = pytest.mark.skipif(bool(reason := why_not()), reason=reason)


def behind(machine: Host) -> Host:
    """A network of its own behind a machine, which publishes 4369 as 4369 and hides what comes from inside."""
    inner = Host("container", new_namespace(), INSIDE)
    machine.run(
        *("ip", "-batch", "-"),
        text=f"link add inside type veth peer name eth0 netns /proc/self/fd/{inner.fd}\n"
        "addr add 172.31.0.1/24 dev inside\nlink set inside up\n",
        inherit=[inner.fd],
    )
    inner.run(
        *("ip", "-batch", "-"),
        text=f"link set lo up\naddr add {INSIDE}/24 dev eth0\nlink set eth0 up\nroute add default via 172.31.0.1\n",
    )
    machine.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    rules = [
        "*nat",
        f"-A PREROUTING -d {machine.address} -p tcp --dport 4369 -j DNAT --to-destination {INSIDE}:4369",
        "-A POSTROUTING -s 172.31.0.0/24 -o eth0 -j MASQUERADE",
        "COMMIT",
    ]
    machine.run("iptables-restore", "-w", text="\n".join([*rules, ""]))
    return inner


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def start(stage: Stage, host: Host, name: str, *options: str) -> Player:
    fresh = ["env", "--unset=NOEX_ADVERTISE_HOST"]
    node = ["--name", name, "--heartbeat-interval-ms", "500", *options]
    return stage.started(*node, launcher=[*host.enter(), *fresh], fds=[host.fd])


def test_a_published_port_is_reached_under_the_machine_s_address(stage: Stage) -> None:
    with Network(3) as network:
        machine, one, other = network.hosts
        inner = behind(machine)
        network.hosts.append(inner)  # closed with the others
        network.inodes.append(os.fstat(inner.fd).st_ino)
        try:
            inside = start(stage, inner, "inside", "--advertise-host", machine.address)
            seed = start(stage, one, "seed", "--seed", f"inside@{machine.address}:4369")
            heard = start(stage, other, "heard", "--seed", f"seed@{one.address}:4369")
            for node in (seed, heard):
                node.wait(f"up     inside@{machine.address}:4369")
            for name, host in (("seed", one), ("heard", other)):
                inside.wait(f"up     {name}@{host.address}:4369")
            inside.process.terminate()
            for node in (seed, heard):
                node.wait("graceful_shutdown")
            until(lambda: inside.process.poll() is not None, lambda: stage.output, DEADLINE_S)
            assert INSIDE not in stage.output
        finally:
            stage.close()
