"""The samples in comments and docstrings, which the reference shows: each compiles, strictly. They are sketches without
their surroundings, so they are given some.
"""

import ast
import importlib
import inspect
import json
import re
import subprocess
import textwrap
from pathlib import Path

import pytest
from documents import DOCS_PYTHON, INCLUDE, ROOT, compiler, environment, run

MODULES = ("noex_cluster", "noex_cluster.sync", "noex_cluster.testing")


def docstrings() -> list[tuple[str, str]]:
    """Of the modules, of their classes, functions and methods."""
    found = []
    for name in MODULES:
        module = importlib.import_module(name)
        found.append((name, module.__doc__ or ""))
        for public in module.__all__:
            value = getattr(module, public)
            if not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            found.append((f"{name}.{public}", inspect.getdoc(value) or ""))
            for member in dir(value) if inspect.isclass(value) else []:
                if not member.startswith("_"):
                    found.append((f"{name}.{public}.{member}", inspect.getdoc(getattr(value, member)) or ""))
    return found


def python_samples() -> list[tuple[str, str]]:
    samples = []
    for name, text in docstrings():
        for block in re.findall(r"::\n\n((?:(?:    .*)?\n)*(?:    .*))", inspect.cleandoc(text)):
            samples.append((name, textwrap.dedent(block)))
    return samples


SAMPLES = python_samples()


def test_there_are_samples() -> None:
    names = {name for name, _ in SAMPLES}
    assert {*MODULES, "noex_cluster.ClusterNode", "noex_cluster.ClusterNode.events"} <= names


@pytest.mark.parametrize(
    ("name", "sample"), SAMPLES, ids=[f"{number}-{name}" for number, (name, _) in enumerate(SAMPLES)]
)
def test_python_samples_compile_and_name_what_there_is(name: str, sample: str) -> None:
    tree = compile(sample, name, "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("noex_cluster"):
            module = importlib.import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def header_sample(file: str, comment: str) -> str:
    """The indented lines of the comment at the top."""
    top = (INCLUDE / file).read_text().split("#ifndef")[0]
    lines = [match[1] for match in re.finditer(rf"^ ?{re.escape(comment)} {{5}}(.*)$", top, re.MULTILINE)]
    assert len(lines) > 3
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("file", "language", "comment"), [("noex_cluster.h", "c", "*"), ("noex_cluster.hpp", "cpp", "//")]
)
def test_header_samples_compile(file: str, language: str, comment: str, tmp_path: Path) -> None:
    includes = "#include <stdio.h>" if language == "c" else "#include <iostream>"
    program = f"{includes}\n#include <{file}>\nint main(void) {{\n{header_sample(file, comment)}\nreturn 0;\n}}\n"
    source = tmp_path / f"sample.{'c' if language == 'c' else 'cc'}"
    source.write_text(program)
    run(*compiler(language), "-fsyntax-only", source, cwd=tmp_path)


def test_typescript_samples_compile(tmp_path: Path) -> None:
    """Of all @example tags, read as the reference reads them."""
    program = f"import sys, json; sys.path.insert(0, {str(ROOT / 'docs' / 'site')!r}); import node_api\n"
    program += "print(json.dumps(node_api.read_declarations()))"
    done = subprocess.run([DOCS_PYTHON, "-c", program], env=environment(), capture_output=True, text=True, check=True)
    tags = []
    for file in json.loads(done.stdout):
        for one in [file["comment"], *file["declarations"].values()]:
            tags += [
                tag["text"]
                for part in [one, *one.get("members", [])]
                for tag in part["tags"]
                if tag["name"] == "example"
            ]
    samples = [re.sub(r"^```ts\n|\n```$", "", text) for text in tags]
    assert len(samples) >= 2
    imports = "import test from 'node:test';\nimport { Cluster, ClusterNode, NodeId } from 'noex-cluster';\n"
    imports += (
        "import { startMesh } from 'noex-cluster/testing';\nvoid [test, Cluster, ClusterNode, NodeId, startMesh];\n"
    )
    (tmp_path / "node_modules" / "@types").mkdir(parents=True)
    (tmp_path / "node_modules" / "noex-cluster").symlink_to(ROOT / "node")
    for package in (ROOT / "node" / "node_modules" / "@types").iterdir():
        (tmp_path / "node_modules" / "@types" / package.name).symlink_to(package)
    undici = ROOT / "node" / "node_modules" / "undici-types"
    if undici.exists():
        (tmp_path / "node_modules" / "undici-types").symlink_to(undici)
    for number, sample in enumerate(samples):
        (tmp_path / f"sample{number}.mts").write_text(f"{imports}{{\n{sample}\n}}\n")
    compile_ = [
        ROOT / "node" / "node_modules" / "typescript" / "bin" / "tsc",
        "--noEmit",
        "--strict",
        "--types",
        "node",
    ]
    options = ["--module", "nodenext", "--target", "es2022", "--lib", "esnext", "--skipLibCheck"]
    run("node", *compile_, *options, *[f"sample{number}.mts" for number in range(len(samples))], cwd=tmp_path)
