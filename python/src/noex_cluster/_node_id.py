"""NodeId: ``name@host:port`` as a kind of str. The rules live in the native library."""

from typing import Self

from . import _native
from ._errors import InvalidNodeIdError

__all__ = ["NodeId"]

_FORM = "expected 'name@host:port', as in 'app1@192.168.1.1:4369'"


class NodeId(str):
    """The identity of a node: ``name@host:port``.

    A ``str`` in canonical form (an IPv6 host is in brackets and in its shortest form), so it compares, hashes and
    prints as its text. The name starts with a letter and holds letters, digits, ``_`` and ``-``, 64 at most; the port
    is 1 to 65535.

    Every way of making one checks it and raises :class:`InvalidNodeIdError`.
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        return str.__new__(cls, _native.canonical_node_id(_require_text(value)))

    @classmethod
    def parse(cls, value: str) -> Self:
        """The node id that a text holds.

        Raises:
            InvalidNodeIdError: the text is none.
        """
        return cls(value)

    @classmethod
    def try_parse(cls, value: object) -> Self | None:
        """The node id that a text holds; None if it is none, or if `value` is no str."""
        return cls(value) if isinstance(value, str) and _native.is_node_id(value) else None

    @classmethod
    def create(cls, name: str, host: str, port: int) -> Self:
        """The node id with these parts; an IPv6 host with or without brackets.

        Raises:
            InvalidNodeIdError: a part is invalid.
        """
        if not (isinstance(name, str) and isinstance(host, str) and isinstance(port, int)) or isinstance(port, bool):
            given = f"{_kind_of(name)}, {_kind_of(host)} and {_kind_of(port)}"
            raise InvalidNodeIdError(
                f"{name}@{host}:{port}", f"name and host must be strings and port an int, not {given}"
            )
        if "\0" in name or "\0" in host:
            raise InvalidNodeIdError(f"{name}@{host}:{port}", "it contains a NUL character")
        return str.__new__(cls, _native.create_node_id(name, host, port))

    @classmethod
    def is_valid(cls, value: object) -> bool:
        """Whether `value` is the text of a node id."""
        return isinstance(value, str) and _native.is_node_id(value)

    @classmethod
    def _trusted(cls, text: str) -> Self:
        """Of a text that the native library made."""
        return str.__new__(cls, text)

    @property
    def name(self) -> str:
        """What stands before the ``@``."""
        return _native.parse_node_id(self)[0]

    @property
    def host(self) -> str:
        """The host; an IPv6 address without its brackets."""
        return _native.parse_node_id(self)[1]

    @property
    def port(self) -> int:
        """The port."""
        return _native.parse_node_id(self)[2]

    def __repr__(self) -> str:
        return f"NodeId({str.__repr__(self)})"


def _require_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise InvalidNodeIdError(repr(value), f"it is {_kind_of(value)}; {_FORM}")


def _kind_of(value: object) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
