"""Each package is made, installed into an empty place and used there, with nothing of the checkout in reach."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("NOEX_BUILD_DIR", ROOT / "build" / "release"))

C_PROGRAM = r"""
#include <noex_cluster.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  noex_config config;
  noex_cluster *cluster;
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  noex_config_init(&config, sizeof config);
  config.node_name = "installed";
  config.host = "127.0.0.1";
  config.port_auto = true;
  if (noex_cluster_create(&cluster) != NOEX_OK || noex_cluster_start(cluster, &config) != NOEX_OK ||
      noex_cluster_local_id(cluster, id, sizeof id) != NOEX_OK || noex_cluster_stop(cluster) != NOEX_OK) {
    fprintf(stderr, "%s\n", noex_last_error());
    return 1;
  }
  noex_cluster_free(cluster);
  printf("%s %s\n", noex_version(), id);
  return 0;
}
"""

PYTHON_PROGRAM = """
import asyncio
import noex_cluster
from noex_cluster import ClusterNode

async def main():
    async with ClusterNode(node_name="installed", host="127.0.0.1", port="auto") as node:
        print(noex_cluster.__file__)
        print(node.get_local_node_id())

asyncio.run(main())
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """The command's output; with its errors in the failure if it fails. Nothing of the checkout is on a search path."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "NODE_PATH")} | environment
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", place, cwd=ROOT)
    return place


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "main.c").write_text(C_PROGRAM)
    return tmp_path


def library_folder(prefix: Path) -> Path:
    return next(prefix.rglob("libnoex_cluster.so")).parent


def test_c_by_pkg_config(prefix: Path, program: Path) -> None:
    search = {"PKG_CONFIG_PATH": str(library_folder(prefix) / "pkgconfig")}
    flags = run("pkg-config", "--cflags", "--libs", "noex_cluster", cwd=program, **search).split()
    run("cc", "-std=c11", "-pedantic", "-Werror", "main.c", "-o", "main", *flags, cwd=program)
    output = run("./main", cwd=program, LD_LIBRARY_PATH=str(library_folder(prefix)))
    assert "installed@127.0.0.1:" in output


def test_c_by_cmake(prefix: Path, program: Path) -> None:
    (program / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(user LANGUAGES C)\nfind_package(noex_cluster 0.1 REQUIRED)\n"
        "add_executable(main main.c)\ntarget_link_libraries(main PRIVATE noex::noex_cluster)\n"
    )
    run("cmake", "-S", ".", "-B", "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", cwd=program)
    run("cmake", "--build", "build", cwd=program)
    assert "installed@127.0.0.1:" in run("build/main", cwd=program)


def test_the_command_is_installed(prefix: Path) -> None:
    assert run(prefix / "bin" / "noex-cluster", "--version", cwd=prefix).strip().endswith("0.1.0")


def test_nothing_else_is_installed(prefix: Path) -> None:
    names = {file.name for file in prefix.rglob("*") if not file.is_dir()}
    extra = {name for name in names if "noex" not in name}
    assert not extra


@pytest.mark.timeout(800)
def test_python_wheel(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    # The venv has what the build needs, so nothing is fetched.
    run(*pip, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", wheels, ROOT / "python", cwd=tmp_path)
    (wheel,) = wheels.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert sum(name.startswith("noex_cluster/_native.") and name.endswith(".so") for name in names) == 1
    assert "noex_cluster/py.typed" in names
    assert not [name for name in names if not name.startswith(("noex_cluster/", "noex_cluster-"))]

    run(sys.executable, "-m", "venv", "place", cwd=tmp_path)
    python = tmp_path / "place" / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-index", "--no-deps", wheel, cwd=tmp_path)
    output = run(python, "-I", "-c", PYTHON_PROGRAM, cwd=tmp_path)
    assert str(tmp_path) in output
    assert "installed@127.0.0.1:" in output
