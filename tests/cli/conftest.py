"""Fixtures of all tests of the command."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import RUNTIME, FakeNode, Running


@pytest.fixture(scope="session", autouse=True)
def runtime_folder() -> Iterator[None]:
    yield
    shutil.rmtree(RUNTIME, ignore_errors=True)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    running: list[Running] = []

    def begin(*arguments: str, **options: Any) -> Running:
        running.append(Running(tmp_path, *arguments, **options))
        return running[-1]

    yield begin
    for one in running:
        one.end()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Any]:
    nodes: list[FakeNode] = []

    def begin(name: str = "fake", **options: Any) -> FakeNode:
        nodes.append(FakeNode(name, **options))
        return nodes[-1]

    yield begin
    for one in nodes:
        one.close()
