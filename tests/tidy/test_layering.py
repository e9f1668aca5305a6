"""Includes go one way: bindings -> capi -> cluster -> {session, transport, membership, wire}, session -> {wire,
crypto}.
"""

import re
from pathlib import Path

import pytest
from repository import ROOT, sources, without_comments

LAYERS = {
    "base": set(),
    "model": {"base"},
    "membership": {"model", "base"},
    "wire": {"model", "base"},
    "crypto": {"model", "base"},
    "session": {"wire", "crypto", "model", "base"},
    "transport": {"model", "base"},
    "cluster": {"session", "transport", "membership", "wire", "model", "base"},
}
# Header of a third party -> the only layer that may include it.
THIRD_PARTY = {r"uv(/.*)?\.h": "transport", r"sodium(/.*)?\.h": "crypto", r"simdjson\.h": "wire"}
# What a pure layer has no use for: time, chance, threads and sockets are given to it as values.
IMPURE = (
    r"thread|mutex|shared_mutex|condition_variable|future|random|ctime|fstream|iostream"
    r"|(sys|netinet)/.*|(netdb|unistd|pthread|time)\.h"
)
IMPURE_NAMES = r"\b(system_clock|steady_clock|high_resolution_clock|random_device|getenv|clock_gettime|gettimeofday)\b"

C_SUFFIXES = (".h", ".cc", ".c")


def includes(file: Path) -> list[tuple[str, str]]:
    """(bracket, path) of each #include; the bracket is < or \"."""
    return re.findall(r"^\s*#\s*include\s*([<\"])([^>\"]+)[>\"]", without_comments(file.read_text()), re.MULTILINE)


def layer_files(layer: str) -> list[Path]:
    return sources(f"core/{layer}", *C_SUFFIXES)


def test_the_layers_are_the_folders_of_core() -> None:
    folders = {folder.name for folder in (ROOT / "core").iterdir() if folder.is_dir()}
    assert folders == set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_core_layer_includes_only_what_is_below_it(layer: str) -> None:
    assert layer_files(layer), f"core/{layer} has no source"
    wrong = []
    for file in layer_files(layer):
        for bracket, path in includes(file):
            if bracket == "<":
                continue
            target = path.split("/")[0]
            if not (ROOT / "core" / path).exists():
                wrong.append(f'{file.relative_to(ROOT)}: "{path}" is no path below core/')
            elif target != layer and target not in LAYERS[layer]:
                wrong.append(f"{file.relative_to(ROOT)}: {layer} must not include {path}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", ["core", "capi", "bindings", "cli", "examples"])
def test_third_party_headers_stay_in_their_layer(folder: str) -> None:
    wrong = []
    for file in sources(folder, *C_SUFFIXES):
        layer = file.relative_to(ROOT).parts[1] if folder == "core" else ""
        for _, path in includes(file):
            for header, owner in THIRD_PARTY.items():
                if re.fullmatch(header, path) and layer != owner:
                    wrong.append(f"{file.relative_to(ROOT)} includes {path}: only core/{owner} may")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("layer", ["model", "membership", "wire", "session"])
def test_pure_layers_have_no_clock_thread_or_socket(layer: str) -> None:
    wrong = []
    for file in layer_files(layer):
        wrong += [
            f"{file.relative_to(ROOT)} includes <{path}>" for _, path in includes(file) if re.fullmatch(IMPURE, path)
        ]
        wrong += [
            f"{file.relative_to(ROOT)} names {name}"
            for name in re.findall(IMPURE_NAMES, without_comments(file.read_text()))
        ]
    assert not wrong, "\n".join(wrong)


def test_capi_reaches_the_core_through_cluster() -> None:
    allowed = {"cluster", "model", "base"}
    wrong = []
    for file in sources("capi", *C_SUFFIXES):
        for bracket, path in includes(file):
            if bracket == '"' and "/" in path and path.split("/")[0] not in allowed:
                wrong.append(f"{file.relative_to(ROOT)} includes {path}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", ["bindings/python", "bindings/node", "cli", "examples/c"])
def test_outside_the_library_only_the_public_header_is_used(folder: str) -> None:
    files = sources(folder, *C_SUFFIXES)
    assert files, f"{folder} has no source"
    wrong = []
    for file in files:
        for bracket, path in includes(file):
            if bracket == '"' and (path == "noex_cluster.h" or (file.parent / path).exists()):
                continue  # the interface, or a neighbour
            ours = (ROOT / "core" / path).exists() or (ROOT / "capi" / "src" / path).exists()
            if ours or bracket == '"':
                wrong.append(f"{file.relative_to(ROOT)} includes {path}")
    assert not wrong, "\n".join(wrong)
    assert any(path == "noex_cluster.h" for file in files for _, path in includes(file))


def test_the_include_parser_sees_what_it_must(tmp_path: Path) -> None:
    file = tmp_path / "a.cc"
    file.write_text('#include <uv.h>\n  # include "wire/x.h"\n// #include <sodium.h>\n/* #include "b.h" */\n')
    assert includes(file) == [("<", "uv.h"), ('"', "wire/x.h")]
