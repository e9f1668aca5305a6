"""Wheels, and fresh venvs that have one."""

import shutil
import sys
import zipfile
from pathlib import Path

from places import ROOT, VENV, run

SLOW = 900.0  # seconds: a whole build on one core
PROGRAM = """
import asyncio
import noex_cluster
from noex_cluster import ClusterNode

async def main():
    async with ClusterNode(node_name="installed", host="127.0.0.1", port="auto") as node:
        print(noex_cluster.__file__)
        print(noex_cluster.__version__, node.get_local_node_id())

asyncio.run(main())
"""
# A build takes the compiler's cache if there is one: what is proved is where the sources come from.
CACHE = {f"CMAKE_{one}_COMPILER_LAUNCHER": "ccache" for one in ("C", "CXX") if shutil.which("ccache")}


def version() -> str:
    return run(ROOT / "dev", "version", cwd=ROOT).strip()


def make_wheel(source: Path, folder: Path, cwd: Path, **environment: str) -> Path:
    """The venv has what the build needs: nothing is fetched by pip."""
    pip = [VENV / "python", "-m", "pip", "--disable-pip-version-check", "wheel", "--no-build-isolation", "--no-deps"]
    run(*pip, "--no-index", "--wheel-dir", folder, source, cwd=cwd, timeout=SLOW, **CACHE, **environment)
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_venv(folder: Path, wheel: Path) -> Path:
    """The interpreter of a fresh venv that has the wheel and nothing else."""
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-index", "--no-deps", wheel, cwd=folder)
    return python


def check_works(python: Path) -> None:
    output = run(python, "-I", "-c", PROGRAM, cwd=python.parent)
    assert str(python.parents[1]) in output
    assert f"\n{version()} installed@127.0.0.1:" in output


def names_in(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
