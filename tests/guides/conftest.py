"""Fixtures: examples as processes and members that watch them; all of them end with the test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from support import Peer, Program, example


class Run(Protocol):
    def __call__(self, language: str, name: str, *, prefix: Any = (), **variables: object) -> Program: ...


class Start(Protocol):
    def __call__(self, *command: Any, cwd: Path = ..., **variables: object) -> Program: ...


class MakePeer(Protocol):
    def __call__(self, *seeds: str, **options: Any) -> Peer: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a command."""
    started: list[Program] = []

    def begin(*command: Any, **options: Any) -> Program:
        started.append(Program(tmp_path, list(command), **options))
        return started[-1]

    yield begin
    for program in started:
        program.end()


@pytest.fixture
def run(start: Start, tmp_path: Path) -> Run:
    """Starts an example, configured by its environment; a prefix is a command that starts the command."""

    def begin(language: str, name: str, *, prefix: Any = (), **variables: object) -> Program:
        return start(*prefix, *example(language, name, tmp_path), cwd=tmp_path, **variables)

    return begin


@pytest.fixture
def make_peer() -> Iterator[MakePeer]:
    """Starts a member that knows these seeds."""
    made: list[Peer] = []

    def make(*seeds: str, **options: Any) -> Peer:
        made.append(Peer(*seeds, **options))
        return made[-1]

    yield make
    for peer in made:
        peer.stop()


@pytest.fixture
def peer(make_peer: MakePeer) -> Peer:
    """A member without seeds: the seed of what the test starts."""
    return make_peer()
