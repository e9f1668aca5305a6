"""What the built libraries show to and want from the outside.

A uv_* symbol that is exported or left undefined would be bound to the copy inside the node executable, whose thread
pool is not ours; and a symbol version newer than the floor would keep the library from loading on older systems.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import BUILD, ROOT, declared_functions

FLOORS = {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13)}
FOREIGN = re.compile(r"^uv_|simdjson|^crypto_|^sodium_|^randombytes_")


def only(found: Iterator[Path]) -> Path:
    files = list(found)
    assert len(files) == 1, f"expected one built library, found {files}"
    return files[0]


def shared_library() -> Path:
    return (BUILD / "lib" / "libnoex_cluster.so").resolve()


def node_module() -> Path:
    return only((ROOT / "node" / "prebuilds").glob("linux-*/noex_cluster.node"))


def python_module() -> Path:
    return only((ROOT / "python" / "src" / "noex_cluster").glob("_native.*.so"))


def command() -> Path:
    return BUILD / "bin" / "noex-cluster"


LIBRARIES = {"shared library": shared_library, "node module": node_module, "python module": python_module}
ENTRIES = {
    "node module": {"napi_register_module_v1", "node_api_module_get_api_version_v1"},
    "python module": {"PyInit__native"},
}


def symbols(file: Path, *options: str) -> list[str]:
    assert file.exists(), f"{file} was not built"
    output = subprocess.run(["nm", "-D", *options, str(file)], capture_output=True, text=True, check=True).stdout
    return [line.split()[-1] for line in output.splitlines() if line.split()[-2] != "A"]


def exported(file: Path) -> set[str]:
    return {symbol.split("@")[0] for symbol in symbols(file, "--defined-only")}


def imported(file: Path) -> list[str]:
    return symbols(file, "--undefined-only")


def test_the_shared_library_exports_the_header_and_nothing_else() -> None:
    assert exported(shared_library()) == set(declared_functions())


@pytest.mark.parametrize("name", ENTRIES)
def test_a_module_exports_only_its_entry(name: str) -> None:
    found = exported(LIBRARIES[name]())
    assert found
    assert found <= ENTRIES[name], f"also exported: {sorted(found - ENTRIES[name])[:20]}"


@pytest.mark.parametrize("name", LIBRARIES)
def test_no_symbol_of_a_third_party_crosses_the_border(name: str) -> None:
    file = LIBRARIES[name]()
    crossing = [symbol for symbol in [*exported(file), *imported(file)] if FOREIGN.search(symbol)]
    assert not crossing


@pytest.mark.parametrize("name", [*LIBRARIES, "command"])
def test_symbol_versions_stay_below_the_floor(name: str) -> None:
    file = LIBRARIES.get(name, command)()
    wanted = imported(file)
    assert any("@GLIBC_" in symbol for symbol in wanted)
    too_new = []
    for symbol in wanted:
        match = re.search(r"@+(GLIBC|GLIBCXX|CXXABI)_([\d.]+)$", symbol)
        if match and tuple(int(part) for part in match[2].split(".")) > FLOORS[match[1]]:
            too_new.append(symbol)
    assert not too_new


@pytest.mark.parametrize("name", LIBRARIES)
def test_only_system_libraries_are_needed(name: str) -> None:
    output = subprocess.run(
        ["readelf", "-d", "-W", str(LIBRARIES[name]())], capture_output=True, text=True, check=True
    ).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.+?)\]", output))
    allowed = {
        "libc.so.6",
        "libm.so.6",
        "libpthread.so.0",
        "libdl.so.2",
        "libstdc++.so.6",
        "libgcc_s.so.1",
        "ld-linux-x86-64.so.2",
    }
    assert needed, "nothing needed: is this a shared library?"
    assert needed <= allowed
    flags = " ".join(line for line in output.splitlines() if "FLAGS" in line)
    assert "NOW" in flags
    assert "NODELETE" in flags
