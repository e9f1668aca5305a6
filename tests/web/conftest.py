"""Fixtures: nodes that end with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Node


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Starts a node; the arguments are those of Node."""
    nodes: list[Node] = []

    def begin(name: str, *arguments: str, **options: Any) -> Node:
        nodes.append(Node(tmp_path, name, *arguments, **options))
        return nodes[-1]

    yield begin
    for node in nodes:
        node.end()
