"""Clusters for your own tests: some nodes of this process that form a mesh on 127.0.0.1, and go when the test is over.

::

    from noex_cluster.testing import start_mesh

    async def test_a_crash_is_noticed() -> None:
        async with start_mesh(3) as mesh:
            one, two, three = mesh
            downs = []
            one.on_node_down(lambda node_id, reason: downs.append((node_id, reason)))
            crashed = mesh.kill(three)
            await mesh.wait_until_down(crashed)
            assert downs == [(crashed, "connection_closed")]

``start_mesh_sync`` is the same for tests without an event loop, with nodes of ``noex_cluster.sync``. For pytest
there is the fixture ``noex_mesh``, a :class:`MeshFactory`, where a ``conftest.py`` says::

    pytest_plugins = ["noex_cluster.testing"]

Every node takes a free port of its own, so tests may run side by side. Beats are fast (``heartbeat_interval_ms`` 100,
down after two seconds of silence), and so are the attempts to reconnect. Times are in seconds here. Nothing in this
module needs pytest but the fixture. (PYTEST_DONT_REWRITE: pytest would warn where it is imported before; it has no
assertions.)
"""

import contextlib
from collections.abc import Generator, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from ._cluster import ClusterNode
from ._mesh import Mesh, MeshOptions, SyncMesh

__all__ = ["Mesh", "MeshFactory", "MeshOptions", "SyncMesh", "start_mesh", "start_mesh_sync"]

if TYPE_CHECKING:
    noex_mesh: object
    """The pytest fixture: a :class:`MeshFactory` whose meshes end with the test."""


class _Starting(contextlib.AbstractAsyncContextManager[Mesh]):
    """What :func:`start_mesh` returns: to be awaited, or to be entered."""

    def __init__(self, mesh: Mesh, names: Sequence[str | None], timeout_s: float) -> None:
        self._mesh = mesh
        self._names = names
        self._timeout_s = timeout_s

    async def _start(self) -> Mesh:
        try:
            for name in self._names:
                await self._mesh._add(name, {})
            await self._mesh.wait_until_full(self._timeout_s)
        except BaseException:
            await self._mesh.stop()
            raise
        return self._mesh

    def __await__(self) -> Generator[Any, None, Mesh]:
        return self._start().__await__()

    async def __aenter__(self) -> Mesh:
        return await self._start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._mesh.stop()


def start_mesh(
    count: int = 3, *, names: Sequence[str] | None = None, timeout_s: float = 10.0, **options: Unpack[MeshOptions]
) -> _Starting:
    """Starts `count` nodes in this process, each on a free port of 127.0.0.1, that all see each other.

    ``async with start_mesh(3) as mesh`` stops them in the end; ``mesh = await start_mesh(3)`` leaves that to
    :meth:`Mesh.stop`. The nodes are called ``node1``, ``node2`` and so on unless `names` says otherwise; `options` are
    for all of them.

    Raises:
        ValueError: not one node or more, or not one name for each.
        InvalidClusterConfigError: an option is unknown or invalid.
        TimeoutError: the mesh did not form within `timeout_s` seconds; says who does not see whom.
    """
    return _Starting(Mesh(_checked(options)), _checked_names(count, names), timeout_s)


def start_mesh_sync(
    count: int = 3, *, names: Sequence[str] | None = None, timeout_s: float = 10.0, **options: Unpack[MeshOptions]
) -> SyncMesh:
    """As :func:`start_mesh`, for programs without an event loop: returns the mesh when it is full. It is a context
    manager, too: ``with start_mesh_sync(3) as mesh`` stops it in the end."""
    mesh = SyncMesh(_checked(options))
    try:
        for name in _checked_names(count, names):
            mesh._add(name, {})
        mesh.wait_until_full(timeout_s)
    except BaseException:
        mesh.stop()
        raise
    return mesh


def _checked_names(count: int, names: Sequence[str] | None) -> Sequence[str | None]:
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"a mesh has one node or more, not {count!r}")
    if names is None:
        return [None] * count
    if isinstance(names, str) or len(names) != count:
        raise ValueError(f"names must be a list of {count}, one for each node, not {names!r}")
    return names


def _checked(options: MeshOptions) -> MeshOptions:
    ClusterNode(**Mesh(options).configured(None, options))  # a mistake shows where it is made, not where it is awaited
    return options


# -------------------------------------------------------------------------------------------------------------- pytest


class MeshFactory:
    """What the pytest fixture ``noex_mesh`` is: it makes meshes that are stopped when the test is over.

    ::

        async def test_with_a_loop(noex_mesh: MeshFactory) -> None:
            one, two, three = await noex_mesh(3)

        def test_without(noex_mesh: MeshFactory) -> None:
            one, two, three = noex_mesh.sync(3)

    The first form needs a plugin that runs coroutine tests on asyncio, such as pytest-asyncio or anyio; any will do,
    since the meshes are stopped without its loop. Handlers do not run then.
    """

    def __init__(self) -> None:
        self._meshes: list[Mesh] = []
        self._sync_meshes: list[SyncMesh] = []

    async def __call__(
        self,
        count: int = 3,
        *,
        names: Sequence[str] | None = None,
        timeout_s: float = 10.0,
        **options: Unpack[MeshOptions],
    ) -> Mesh:
        """As :func:`start_mesh`."""
        starting = start_mesh(count, names=names, timeout_s=timeout_s, **options)
        self._meshes.append(starting._mesh)
        return await starting

    def sync(
        self,
        count: int = 3,
        *,
        names: Sequence[str] | None = None,
        timeout_s: float = 10.0,
        **options: Unpack[MeshOptions],
    ) -> SyncMesh:
        """As :func:`start_mesh_sync`."""
        mesh = start_mesh_sync(count, names=names, timeout_s=timeout_s, **options)
        self._sync_meshes.append(mesh)
        return mesh

    def stop(self) -> None:
        """Stops all meshes that were made; the fixture calls it after the test."""
        for mesh in self._sync_meshes:
            mesh.stop()
        for started in self._meshes:
            started._stop_without_loop()


def _make_fixture() -> object:
    import pytest

    @pytest.fixture(name="noex_mesh")
    def noex_mesh() -> Iterator[MeshFactory]:
        """Makes clusters: `await noex_mesh(3)` or `noex_mesh.sync(3)` gives three connected nodes, which are stopped
        after the test."""
        factory = MeshFactory()
        try:
            yield factory
        finally:
            factory.stop()

    return noex_mesh


if not TYPE_CHECKING:  # to a type checker a module with __getattr__ would have every name

    def __getattr__(name):
        if name != "noex_mesh":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        fixture = globals()[name] = _make_fixture()
        return fixture

    def __dir__():  # pytest looks for fixtures here
        return [*globals(), "noex_mesh"]
