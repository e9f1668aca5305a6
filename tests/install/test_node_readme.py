"""The README of the package noex-cluster: every block of code and every command in it, run where the package is
installed from its tarball, as it is printed but for the ports.
"""

import json
import os
import re
import shlex
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from node_place import (
    CHECKS,
    ROOT,
    add_node_types,
    add_tools,
    document_blocks,
    document_commands,
    install,
    run,
    this_node,
)

sys.path.insert(0, str(ROOT / "demo"))

from ports import free_ports  # the path above
from program import DEADLINE_S, Program

README = ROOT / "node" / "README.md"
TEXT = README.read_text()
BLOCKS = document_blocks(README)
COMMANDS = document_commands(README)


Run = Callable[..., Program]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the package, the README's programs and the tools that it names."""
    place = install(tmp_path_factory.mktemp("readme"))
    add_tools(place, "esbuild", "jest")
    add_node_types(place, 20)
    for name, text in BLOCKS.items():
        (place / name).write_text(text)
    return place


@pytest.fixture
def start(place: Path) -> Iterator[Run]:
    with ExitStack() as stack:
        env = {**os.environ, "NOEX_ADVERTISE_HOST": "127.0.0.1"}
        yield lambda *arguments: stack.enter_context(Program([this_node(), *arguments], cwd=place, env=env))


def commands(beginning: str) -> list[str]:
    (found,) = [block for block in COMMANDS if block[0].startswith(beginning)]
    return found


def test_every_block_and_every_command_is_run_here() -> None:
    assert len(re.findall(r"^```\w", TEXT, re.MULTILINE)) == len(BLOCKS)
    here = Path(__file__).read_text()
    assert len(BLOCKS) >= 9
    assert [name for name in BLOCKS if f'"{name}"' not in here] == []
    assert [
        block[0]
        for block in COMMANDS
        if not any(f'commands("{" ".join(block[0].split()[:n])}")' in here for n in (2, 3, 4))
    ] == []


def test_the_package_is_installed_by_its_name() -> None:
    assert commands("npm install") == ["npm install noex-cluster"]  # which is what `install` did, with the tarball
    assert json.loads((ROOT / "node" / "package.json").read_text())["name"] == "noex-cluster"


def test_a_first_cluster(place: Path, start: Run) -> None:
    assert "app.mjs" in BLOCKS
    lines = commands("node app.mjs")
    assert len(lines) == 3
    ports = dict(zip(("4369", "4370", "4371"), map(str, free_ports(3)), strict=True))
    nodes: list[Program] = []
    ids: list[str] = []
    for line in lines:
        words = shlex.split(re.sub("|".join(ports), lambda port: ports[port[0]], line))
        assert words.pop(0) == "node"
        nodes.append(start(*words))
        ids.append(nodes[-1].line(r"I am (\S+@127\.0\.0\.1:\d+)")[1])
    for node, own in zip(nodes, ids, strict=True):
        for other in ids:
            if other != own:
                node.line(f"up {re.escape(other)}")
    assert nodes[2].end(signal.SIGINT) == 0  # Ctrl-C
    nodes[1].process.kill()
    nodes[0].line(f"down {re.escape(ids[2])} graceful_shutdown")
    nodes[0].line(f"down {re.escape(ids[1])} connection_closed")


def test_the_environment_as_configuration(place: Path) -> None:
    assert "environment.mjs" in BLOCKS
    (port,) = free_ports(1)
    given = {"NODE_NAME": "named", "CLUSTER_PORT": str(port), "CLUSTER_SEEDS": "", "CLUSTER_SECRET": "of the test"}
    assert run(this_node(), "environment.mjs", cwd=place, **given).stdout == f"named@127.0.0.1:{port}\n"
    empty = run(this_node(), "environment.mjs", cwd=place, fails=True, CLUSTER_PORT=str(port), CLUSTER_SECRET="")
    assert "InvalidClusterConfigError" in empty.stderr


def test_the_options_are_those_that_there_are(place: Path) -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", TEXT, re.MULTILINE))
    declared = re.search(
        r"^export interface ClusterConfig \{(.*?)^\}", (ROOT / "node/index.d.cts").read_text(), re.M | re.S
    )
    assert declared
    assert set(table) == set(re.findall(r"^  readonly (\w+)\??:", declared[1], re.MULTILINE))
    defaults = json.loads(
        run(this_node(), "-p", "JSON.stringify(require('noex-cluster').CLUSTER_DEFAULTS)", cwd=place).stdout
    )
    for option, value in table.items():
        constant = re.sub("[A-Z]", lambda letter: f"_{letter[0]}", option).upper()
        assert str(defaults.get(constant, value)) == value, option


def test_events_and_queries(place: Path, start: Run) -> None:
    with_a_peer = start("app.mjs", "peer", str(free_ports(1)[0]))
    peer = with_a_peer.line(r"I am (\S+)")[1]
    said = run(this_node(), "events.mjs", peer, cwd=place).stdout
    assert "starting\nrunning\n" in said
    assert f"up {peer}\n" in said
    assert re.search(rf"^{re.escape(peer)} connected \d+ \d+$", said, re.MULTILINE)
    assert re.search(r"^1 connected, [1-9]\d* frames sent$", said, re.MULTILINE)
    assert said.endswith("stopping\nstopped\n")
    with_a_peer.line(r"down app1@\S+ graceful_shutdown")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_health_and_shutdown(start: Run, number: signal.Signals) -> None:
    assert "service.mjs" in BLOCKS
    peer = start("app.mjs", "peer", str(free_ports(1)[0]))
    peer_id = peer.line(r"I am (\S+)")[1]
    service = start("service.mjs", peer_id)
    url = service.line(r"(http://\S+)")[1]
    with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
        health = json.load(answer)
    assert (health["status"], health["connected"]) == ("running", [peer_id])
    with urllib.request.urlopen(f"{url}/metrics", timeout=DEADLINE_S) as answer:
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert 'noex_cluster_members{state="connected"} 1\n' in answer.read().decode()
    assert service.end(number) == 0
    peer.line(rf"down {re.escape(health['id'])} graceful_shutdown")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=DEADLINE_S)


@pytest.mark.parametrize("compiler", ["typescript", "typescript-7"])
def test_typescript(place: Path, compiler: str) -> None:
    strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--skipLibCheck", "false"]
    options = ["--module", "nodenext", "--target", "es2022", "--types", "node", "--outDir", compiler]
    run(this_node(), CHECKS / compiler / "bin" / "tsc", *strict, *options, "app.mts", cwd=place)
    assert run(this_node(), f"{compiler}/app.mjs", cwd=place).stdout == "192.168.1.10 undefined 0\n"


def test_worker_threads(place: Path) -> None:
    said = run(this_node(), "threads.mjs", cwd=place).stdout
    assert re.fullmatch(r"worker@127\.0\.0\.1:\d+ connection_closed\n", said)


def test_the_sample_for_node_test(place: Path) -> None:
    said = run(this_node(), "--test", "--test-reporter=tap", "cluster.test.mjs", cwd=place).stdout
    assert re.search(r"^# pass 1$", said, re.MULTILINE), said


def test_the_sample_for_jest(place: Path) -> None:
    said = run("node_modules/.bin/jest", "--ci", "cluster.test.js", cwd=place).stderr
    assert "Tests:       1 passed, 1 total" in said
    assert "did not exit" not in said


def test_bundles(place: Path, start: Run) -> None:
    """The commands as they are printed; only what they make is moved to where there is nothing else."""
    for line in [*commands("npx esbuild app.mjs"), *commands("npx esbuild member.cjs")]:
        run("sh", "-c", line, cwd=place, npm_config_offline="true")
    bundled = start("dist/app.mjs", "bundled", str(free_ports(1)[0]))
    bundled.line(r"I am bundled@127\.0\.0\.1:\d+")
    elsewhere = place.parent / "elsewhere"
    (place / "dist").rename(elsewhere)
    assert sorted(file.name for file in elsewhere.iterdir()) == ["app.mjs", "member.cjs", "noex_cluster.node"]
    assert run(this_node(), "member.cjs", cwd=elsewhere).stdout.startswith("member@127.0.0.1:")


def test_the_code_of_a_failed_load(place: Path) -> None:
    source = (place / "node_modules/noex-cluster/lib/native.cjs").read_text()
    (code,) = set(re.findall(r"\bERR_NOEX_\w+", TEXT))
    assert f"'{code}'" in source
