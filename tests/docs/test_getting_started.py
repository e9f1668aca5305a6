"""docs/getting-started.md, played: its programs in four languages and the command, with the commands that are printed,
are one cluster with a secret; who leaves, who is killed and who has another secret is seen as the page says.
"""

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import BUILD, ROOT, environment, libraries, run, write_page
from pages import blocks
from ports import free_ports
from program import Program

PAGE = ROOT / "docs" / "getting-started.md"
TEXT = PAGE.read_text()
FIRST = {"app1": "python node.py", "app2": "node node.mjs", "app3": "./node-c", "app4": "./node-cc"}


def printed_commands() -> list[str]:
    """All lines of shell of the page."""
    return [line for block in blocks(TEXT) if block.language == "sh" for line in block.text.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs, compiled as the page says, but that pkg-config's answer is that of the tree; and the secret."""
    folder = tmp_path_factory.mktemp("getting-started")
    write_page(PAGE, folder)
    flags = f"-I{ROOT / 'capi' / 'include'} {' '.join(libraries())}"
    for line in printed_commands():
        if line.startswith(("cc ", "c++ ")):
            assert "$(pkg-config --cflags --libs noex_cluster)" in line
            run("sh", "-c", line.replace("$(pkg-config --cflags --libs noex_cluster)", flags), cwd=folder)
        elif line.startswith("openssl "):
            run("sh", "-c", line, cwd=folder)
    assert len((folder / "secret").read_text().strip()) == 44
    return folder


def start(command: str, folder: Path, secret: str) -> Program:
    return Program(command, cwd=folder, env=environment(CLUSTER_SECRET=secret))


@pytest.fixture
def cluster(folder: Path) -> Iterator[dict[str, Program]]:
    secret = (folder / "secret").read_text().strip()
    ports = dict(zip((f"43{n}" for n in (69, 70, 71, 72, 73)), map(str, free_ports(5)), strict=True))
    starts = [line for line in printed_commands() if re.search(r"\bapp\d\b", line)]
    assert len(starts) == 5
    running: dict[str, Program] = {}
    with contextlib.ExitStack() as stack:
        for number, line in enumerate(starts, 1):
            name = f"app{number}"
            assert f" {name} " in line
            command = re.sub("|".join(ports), lambda port: ports[port[0]], line)
            command = command.replace("noex-cluster run", f"{BUILD / 'bin' / 'noex-cluster'} run")
            running[name] = stack.enter_context(start(command, folder, secret))
            running[name].wait(rf"(I am |up .*|running .*|status .*){name}@127\.0\.0\.1" if number < 5 else "app1@")
        yield running


def test_the_cluster_of_the_page(cluster: dict[str, Program]) -> None:
    for name, program in cluster.items():
        for other in cluster:
            if other != name:
                program.wait(rf"\bup +{other}@127\.0\.0\.1:\d+")
    # Ctrl-C in one of each language: it says who was there, and leaves.
    for name in ("app3", "app4", "app2"):
        assert cluster[name].end(signal.SIGINT) == 0, cluster[name].lines
        assert re.search(r"app1@127\.0\.0\.1:\d+ connected", "\n".join(cluster[name].lines))
        cluster["app1"].wait(rf"^down {name}@\S+ graceful_shutdown$")
        cluster["app5"].wait(rf"\bdown +{name}@\S+ +graceful_shutdown")
    # kill -9 for one.
    cluster["app5"].end(signal.SIGKILL)
    cluster["app1"].wait(r"^down app5@\S+ connection_closed$")
    assert cluster["app1"].end(signal.SIGTERM) == 0
    assert re.search(r"^app5@\S+ disconnected$", "\n".join(cluster["app1"].lines), re.MULTILINE)


@pytest.mark.parametrize("name", ["app2", "app3", "app4"])
def test_a_wrong_secret(folder: Path, name: str) -> None:
    one, two = free_ports(2)
    with start(f"python node.py app1 {one}", folder, "of the first") as first:
        first.wait("I am app1@")
        with start(f"{FIRST[name]} {name} {two} app1@localhost:{one}", folder, "another") as other:
            other.wait(f"I am {name}@")
            # It is in the log of the first that somebody has another secret.
            first.wait(r"(?i)signature|secret")
            assert other.end(signal.SIGTERM) == 0
            assert not [line for line in other.lines if line.startswith("up ")]
        assert first.end(signal.SIGTERM) == 0
        assert not [line for line in first.lines if line.startswith("up ")]


def test_the_samples_for_tests_pass(folder: Path) -> None:
    pytest_ini = ["-c", str(ROOT / "tests" / "pytest.ini"), "--rootdir", str(folder)]
    assert "1 passed" in run("python", "-m", "pytest", "-q", *pytest_ini, "test_node.py", cwd=folder)
    assert re.search(r"^# pass 1$", run("node", "--test", "--test-reporter=tap", "node.test.mjs", cwd=folder), re.M)


def test_every_block_of_the_page_is_played() -> None:
    """Programs by their names above; commands by what they begin with."""
    here = Path(__file__).read_text()
    names = [block.name for block in blocks(TEXT) if block.language != "sh"]
    assert len(names) == 6
    assert all(name and (name in here or name.replace("node.c", "./node-c") in here) for name in names)
    known = (
        "pip install",
        "npm install",
        "tar -xzf",
        "export ",
        "openssl ",
        "cc ",
        "c++ ",
        *FIRST.values(),
        "noex-cluster run",
    )
    assert [line for line in printed_commands() if not line.startswith(known)] == []
    # What installs is tested in tests/install; that the page has the right names, here.
    archive = re.search(r"dist/(noex_cluster-\$version-linux-\$\(uname -m\)\.tar\.gz)", (ROOT / "dev").read_text())
    assert archive
    version = run(ROOT / "dev", "version", cwd=ROOT).strip()
    assert archive[1].replace("$version", version).replace("$(uname -m)", "x86_64") in TEXT
    assert os.path.normpath(f"/opt/noex_cluster-{version}/lib/pkgconfig") in TEXT
