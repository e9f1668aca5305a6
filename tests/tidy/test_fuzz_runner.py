"""The runner of the fuzz targets: it tells what was done, a find ends red and names the command that shows it again."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from repository import ROOT

DONE = "#1234\tDONE   cov: 56 ft: 78 corp: 9/10b lim: 11 exec/s: 12 rss: 13Mb"


@pytest.fixture
def fuzz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_run", ROOT / "tests" / "fuzz" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fuzz_run", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "HERE", tmp_path / "tests" / "fuzz")
    monkeypatch.setattr(module, "BUILD", tmp_path / "build" / "fuzz")
    return module


@pytest.fixture
def target(tmp_path: Path) -> Callable[[str, str], None]:
    """Makes a target whose program is a shell script; it finds its prefix for finds in $prefix."""

    def make(name: str, script: str) -> None:
        source = tmp_path / "tests" / "fuzz" / f"{name}.cc"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.touch()
        program = tmp_path / "build" / "fuzz" / "tests" / "fuzz" / f"fuzz_{name}"
        program.parent.mkdir(parents=True, exist_ok=True)
        prefix = 'for a in "$@"; do case $a in -artifact_prefix=*) prefix=${a#*=};; esac; done'
        program.write_text(f"#!/bin/sh\n{prefix}\n{script}\n")
        program.chmod(0o755)

    return make


def run(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
    return int(fuzz.main())


Target = Callable[[str, str], None]


def test_what_was_done_is_told(
    fuzz: ModuleType, target: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target("one", f"echo '{DONE}'")
    target("two", f"echo '{DONE}'")
    assert run(fuzz, monkeypatch) == 0
    said = capsys.readouterr().out
    assert "✓ one" in said
    assert "✓ two" in said
    assert "1,234 executions" in said
    assert "cov 56, ft 78, corpus 9" in said


def test_a_find_is_red_and_can_be_replayed(
    fuzz: ModuleType, target: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target("good", f"echo '{DONE}'")
    target("bad", f"echo '{DONE}'; echo 'the driver lies' >&2; echo x > \"${{prefix}}crash-abc\"; exit 77")
    assert run(fuzz, monkeypatch) == 1
    said = capsys.readouterr().out
    assert "✓ good" in said
    assert "✗ bad" in said
    assert "the driver lies" in said
    assert "again with: build/fuzz/tests/fuzz/fuzz_bad build/fuzz/artifacts/bad-crash-abc" in said


@pytest.mark.parametrize("script", ["exit 1", ":"], ids=["it ends badly", "it executes nothing"])
def test_a_target_that_does_not_fuzz_is_red(
    fuzz: ModuleType, target: Target, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    target("one", script)
    assert run(fuzz, monkeypatch, "one") == 1


def test_an_unknown_target_is_refused(fuzz: ModuleType, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    target("one", "exit 0")
    with pytest.raises(SystemExit):
        run(fuzz, monkeypatch, "tow")
