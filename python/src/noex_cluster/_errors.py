"""The exceptions that the package raises."""

from collections.abc import Callable
from typing import Any

__all__ = [
    "ClusterBindError",
    "ClusterError",
    "ClusterNotStartedError",
    "InvalidClusterConfigError",
    "InvalidNodeIdError",
]

_SHOWN_MAX = 128


class ClusterError(Exception):
    """Base of every exception of this package. Raised itself for what has no class of its own, such as a second start
    (``Cluster is already running``)."""


class ClusterNotStartedError(ClusterError, RuntimeError):
    """The cluster was asked for something before it was started, or after it was stopped."""

    def __init__(self, message: str = "Cluster is not started: call start() first") -> None:
        super().__init__(message)


class InvalidClusterConfigError(ClusterError, ValueError):
    """The configuration is invalid. ``reason`` says which option is wrong, its value, and what would be right."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Invalid cluster configuration: {self.reason}"


class InvalidNodeIdError(ClusterError, ValueError):
    """A text is no node id. ``value`` is what was given, ``reason`` what is wrong with it."""

    def __init__(self, value: str, reason: str) -> None:
        super().__init__(value, reason)
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= _SHOWN_MAX else f"{self.value[:_SHOWN_MAX]}..."
        shown = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in shown)
        return f"Invalid node id '{shown}': {self.reason}"


class ClusterBindError(ClusterError, OSError):
    """The node cannot listen on its address. As every OSError it has ``errno`` (None if the system gave none, as for a
    host name that cannot be resolved) and ``strerror``.

    Attributes:
        message: one sentence.
        address: the host that could not be bound.
        port: the port.
        code: the name of the error, such as ``EADDRINUSE``, ``EACCES``, ``EADDRNOTAVAIL`` or ``ENOTFOUND``.
        syscall: what failed: ``bind``, ``listen`` or ``getaddrinfo``.
    """

    def __init__(
        self, message: str, *, errno: int | None = None, address: str, port: int, code: str, syscall: str
    ) -> None:
        OSError.__init__(self, *((message,) if errno is None else (errno, message)))
        self.message = message
        self.address = address
        self.port = port
        self.code = code
        self.syscall = syscall

    def __str__(self) -> str:
        return self.message if self.errno is None else f"[Errno {self.errno}] {self.message}"

    def __reduce__(self) -> tuple[Callable[..., "ClusterBindError"], tuple[Any, ...]]:
        return _make_bind_error, (self.message, self.errno, self.address, self.port, self.code, self.syscall)


def _make_bind_error(
    message: str, errno: int | None, address: str, port: int, code: str, syscall: str
) -> ClusterBindError:
    return ClusterBindError(message, errno=errno, address=address, port=port, code=code, syscall=syscall)
