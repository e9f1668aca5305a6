"""Places in which the tarball of the package noex-cluster is installed, as a user would: an empty folder, npm without
network and cache, a PATH with nothing on it but Node, npm and a shell. The tools that it is then used with come from
tests/install/node, which ./dev sets up, and from node/node_modules.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tests" / "install" / "node" / "node_modules"
CHECKS = ROOT / "node" / "node_modules"  # TypeScript and the types of Node
VERSIONS = (18, 20, 22, 24)


def node(version: int) -> Path:
    """The program of that version."""
    program = TOOLS / f"node{version}" / "bin" / "node"
    assert program.exists(), f"there is no {program}: `./dev test --all` or `./dev test install` sets it up"
    return program


def this_node() -> str:
    """The machine's own."""
    found = os.environ.get("NOEX_NODE") or shutil.which("node")
    assert found, "there is no node"
    return found


def run(
    *command: str | Path, cwd: Path, timeout: float = 60, fails: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs it to its end; what it said is in the failure if it does not end as it should. Nothing of the checkout is on
    a search path."""
    hidden = ("PYTHONPATH", "NODE_PATH", "NODE_OPTIONS", "NODE_TEST_CONTEXT")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    env |= {"NOEX_ADVERTISE_HOST": "127.0.0.1", **environment}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    assert (done.returncode != 0) == fails, (
        f"{words} in {cwd}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done


def pack(folder: Path) -> Path:
    """`npm pack`: the tarball."""
    run("npm", "pack", "--pack-destination", folder, cwd=ROOT / "node", npm_config_cache=str(folder / "cache"))
    (package,) = folder.glob("*.tgz")
    return package


def bare_path(folder: Path) -> str:
    """A PATH with Node, npm and a shell, and nothing else: no compiler, no Python, no make."""
    place = folder / "bin"
    place.mkdir()
    for name in ("node", "npm", "sh"):
        program = shutil.which(name)
        assert program, f"there is no {name}"
        (place / name).symlink_to(program)
    return str(place)


def install(folder: Path, *options: str) -> Path:
    """A project that has the package and nothing else."""
    package = pack(folder)
    place = folder / "place"
    place.mkdir()
    (place / "package.json").write_text('{ "name": "place", "private": true }\n')
    cache = str(folder / "empty-cache")
    words = ["npm", "install", "--offline", "--no-audit", "--no-fund", *options, str(package)]
    run(*words, cwd=place, npm_config_cache=cache, PATH=bare_path(folder), npm_config_update_notifier="false")
    module = place / "node_modules" / "noex-cluster"
    assert module.is_dir()
    assert not module.is_symlink()
    assert [entry.name for entry in (place / "node_modules").iterdir() if not entry.name.startswith(".")] == [
        "noex-cluster"
    ]
    return place


def add_tools(place: Path, *names: str) -> None:
    """Puts programs of tests/install/node into a place, beside the package."""
    modules = place / "node_modules"
    (modules / ".bin").mkdir(exist_ok=True)
    for name in names:
        link = TOOLS / ".bin" / name
        assert link.exists(), f"there is no {name}: `./dev test install` sets it up"
        (modules / name).symlink_to(TOOLS / name)
        (modules / ".bin" / name).symlink_to(link.resolve())


def add_node_types(place: Path, version: int) -> None:
    """Puts the types of that version of Node into a place, in place of others."""
    link = place / "node_modules" / "@types" / "node"
    source = CHECKS / "@types" / "node" if version == 20 else TOOLS / f"types-node{version}"
    assert f'"version": "{version}.' in (source / "package.json").read_text()
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(source)


def document_blocks(document: Path) -> dict[str, str]:
    """The blocks of code that stand under a file name, by that name."""
    return dict(re.findall(r"^`([\w.-]+)`:\n\n```\w+\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL))


def document_commands(document: Path) -> list[list[str]]:
    """The indented blocks of commands."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"(?:^    \S.*\n)+", text, re.MULTILINE)
    return [[line.strip() for line in block.splitlines()] for block in blocks]
