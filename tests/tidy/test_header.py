"""The public header: it compiles alone, and each function is documented, exported and used from every face."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from repository import HEADER, ROOT, declared_functions

EXEMPTIONS = tomllib.loads((Path(__file__).parent / "exemptions.toml").read_text())
FACES = {
    "c": ("tests/capi", (".c",)),
    "python": ("bindings/python", (".cc", ".h")),
    "node": ("bindings/node", (".cc", ".h")),
}


@pytest.mark.parametrize(("compiler", "standard"), [("gcc", "c11"), ("g++", "c++11"), ("g++", "c++20")])
def test_the_header_compiles_alone(compiler: str, standard: str) -> None:
    language = "c" if compiler == "gcc" else "c++"
    warnings = ["-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Wshadow", "-Werror"]
    command = [compiler, f"-std={standard}", "-x", language, *warnings, "-fsyntax-only", "-I", str(HEADER.parent), "-"]
    done = subprocess.run(command, input="#include <noex_cluster.h>\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_header_declares_functions() -> None:
    assert "noex_version" in declared_functions()
    assert len(declared_functions()) == len(set(declared_functions()))


@pytest.mark.parametrize("function", declared_functions())
def test_each_function_has_a_comment(function: str) -> None:
    """Right before the declaration; it begins with the function's name and says which threads may call it."""
    text = HEADER.read_text()
    declaration = re.search(rf"(/\*(?:[^*]|\*(?!/))*\*/)\s*\nNOEX_API\b[^;{{]*?\b{function}\s*\(", text)
    assert declaration, f"{function} has no comment right before it"
    comment = declaration[1]
    assert re.match(rf"/\* {function}\b", comment), f"the comment of {function} does not begin with its name"
    assert "Thread" in comment, f"the comment of {function} does not say which threads may call it"


def test_the_export_map_lists_the_header() -> None:
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "capi" / "noex_cluster.map").read_text(), flags=re.DOTALL)
    listed = re.findall(r"\b(noex_\w+);", text)
    assert sorted(listed) == sorted(declared_functions())


@pytest.mark.parametrize("face", FACES)
def test_each_function_is_used_from_each_face(face: str) -> None:
    folder, suffixes = FACES[face]
    text = "\n".join(file.read_text() for file in sorted((ROOT / folder).rglob("*")) if file.suffix in suffixes)
    used = set(re.findall(r"\bnoex_\w+", text))
    exempt = EXEMPTIONS[face]
    unused = [function for function in declared_functions() if function not in used and function not in exempt]
    assert not unused, f"not used in {folder}, and no reason in exemptions.toml"
    stale = [function for function in exempt if function in used or function not in declared_functions()]
    assert not stale, "exempted, but used or gone"


@pytest.mark.parametrize("face", FACES)
def test_each_exemption_has_a_reason(face: str) -> None:
    assert all(isinstance(reason, str) and len(reason) > 15 for reason in EXEMPTIONS[face].values())
