"""What the tests of docs/migrating-from-noex.md share: its programs, tables and commands, and places to run them in."""

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from harness import ROOT, Expected

DOCUMENT = (ROOT / "docs" / "migrating-from-noex.md").read_text()
PROSE = re.sub(r"^```\w+\n.*?^```$", "", DOCUMENT, flags=re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^    (\S.*)$", PROSE, re.MULTILINE)
NODE = os.environ.get("NOEX_NODE", "node")
ENVIRONMENT = {**os.environ, "NOEX_ADVERTISE_HOST": "127.0.0.1"}
DEADLINE_S = 30.0


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise Expected(f"not within {DEADLINE_S:g} s: {what}")
        time.sleep(0.02)


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"{len(found)} blocks of {language}"
    return str(found[0])


def rows(first_heading: str) -> list[list[str]]:
    """The cells of the table that begins so."""
    found = re.search(rf"^\| {re.escape(first_heading)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", DOCUMENT, re.MULTILINE)
    assert found, f"no table {first_heading}"
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in found[1].splitlines()]


def install(folder: Path) -> Path:
    """Makes it a user's folder: the package is there under its own name and, as by an alias, under noex's."""
    for name in ("noex-cluster", "@hamicek/noex", "noex"):
        place = folder / "node_modules" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(ROOT / "node")
    return folder


def run_node(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([NODE, str(file), *words], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
