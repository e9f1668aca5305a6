"""examples/*/dns_seeds: each address of a name is a seed.

`localhost` is a name that needs no DNS. For one with two addresses, and for one that nobody knows, the program runs
in a mount namespace with an /etc/hosts of the test's: the system resolver answers from that as it would from DNS. What
this does not show is the answer of a DNS server; the library's own look-ups are tried against one in `net`.
"""

import subprocess
from pathlib import Path

import pytest
from conftest import MakePeer, Run
from support import LANGUAGES, Peer, free_ports

NAME = "cluster-seeds.internal"
HOSTS = f"""127.0.0.1 localhost
127.0.0.2 {NAME}
127.0.0.3 {NAME}
"""
FILES = {
    "hosts": HOSTS,
    "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",  # where none listens: it says no at once
    "host.conf": "multi on\n",
    "nsswitch.conf": "hosts: files dns\n",
}


@pytest.fixture
def resolver(tmp_path: Path) -> tuple[str, ...]:
    """The beginning of a command that runs where the name has these addresses."""
    unshare = ["unshare", "--mount", "--map-root-user"]
    tried = subprocess.run([*unshare, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip("no mount namespace can be made here")
    mounts = []
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
        if Path("/etc", name).exists():
            mounts.append(f"mount --bind '{tmp_path / name}' /etc/{name}")
    return (*unshare, "sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh")


@pytest.fixture
def two_seeds(make_peer: MakePeer) -> list[Peer]:
    """Two members at the addresses of the name, one of which does not know the other."""
    [port] = free_ports(1)
    hosts = ("127.0.0.2", "127.0.0.3")
    return [make_peer(node_name=f"app{host[-1]}", host=host, advertise_host=host, port=port) for host in hosts]


@pytest.mark.parametrize("language", LANGUAGES)
def test_localhost(language: str, run: Run, peer: Peer) -> None:
    [port] = free_ports(1)
    variables = {"CLUSTER_DNS_NAME": "localhost", "CLUSTER_DNS_PORT": peer.port, "CLUSTER_SEEDS": "not@taken:1"}
    program = run(language, "dns_seeds", NODE_NAME="worker1", CLUSTER_PORT=port, **variables)
    program.line(f"seeds: seed@127.0.0.1:{peer.port}")
    program.line(f"up {peer.id}")
    node_id = f"worker1@127.0.0.1:{port}"
    program.line(f"running as {node_id}")
    assert peer.saw_up("worker1@") == node_id
    assert program.stop() == 0, program.output
    assert peer.saw_down(node_id) == "graceful_shutdown"
    assert "down" not in program.output.replace(f"down {peer.id}", ""), "the seed's name is no node"


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_addresses(language: str, run: Run, two_seeds: list[Peer], resolver: tuple[str, ...]) -> None:
    [port] = free_ports(1)
    seeds = [f"seed@127.0.0.2:{two_seeds[0].port}", f"seed@127.0.0.3:{two_seeds[0].port}"]
    variables = {"CLUSTER_DNS_PORT": two_seeds[0].port, "CLUSTER_PORT": port}
    program = run(language, "dns_seeds", prefix=resolver, NODE_NAME="worker1", **variables)
    assert sorted(program.line("seeds: ").split("seeds: ")[1].split(", ")) == seeds
    node_id = f"worker1@127.0.0.1:{port}"
    for seed in two_seeds:
        program.line(f"up {seed.id}")
        assert seed.saw_up("worker1@") == node_id
    assert program.stop() == 0, program.output
    for seed in two_seeds:
        assert seed.saw_down(node_id) == "graceful_shutdown"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_name_itself_is_a_seed(language: str, run: Run, two_seeds: list[Peer], resolver: tuple[str, ...]) -> None:
    """The shorter way that the example tells of."""
    [port] = free_ports(1)
    variables = {"CLUSTER_SEEDS": f"{NAME}:{two_seeds[0].port}", "CLUSTER_PORT": port}
    program = run(language, "environment", prefix=resolver, NODE_NAME="worker1", **variables)
    for seed in two_seeds:
        program.line(f"up {seed.id}")
        assert seed.saw_up("worker1@") == f"worker1@127.0.0.1:{port}"
    assert program.stop() == 0, program.output
    for seed in two_seeds:
        assert seed.saw_down(f"worker1@127.0.0.1:{port}") == "graceful_shutdown"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_name_without_an_address(language: str, run: Run, peer: Peer, resolver: tuple[str, ...]) -> None:
    [port] = free_ports(1)
    variables = {"CLUSTER_DNS_NAME": "nobody.internal", "CLUSTER_SEEDS": peer.id, "CLUSTER_PORT": port}
    program = run(language, "dns_seeds", prefix=resolver, NODE_NAME="worker1", **variables)
    assert "nobody.internal" in program.line("taking CLUSTER_SEEDS")
    program.line(f"seeds: {peer.id}")
    program.line(f"up {peer.id}")
    assert program.stop() == 0, program.output
    assert peer.saw_down(f"worker1@127.0.0.1:{port}") == "graceful_shutdown"
