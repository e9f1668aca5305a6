"""ClusterConfig: what a node is started with."""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Literal, Self, TypedDict

from . import _native
from ._errors import InvalidClusterConfigError

__all__ = ["ClusterConfig", "ClusterOptions"]

_DEFAULTS = _native.option_defaults()


class ClusterOptions(TypedDict, total=False):
    """The options of a node by name, as ``start()`` takes them; :class:`ClusterConfig` says what they mean. None counts
    as absent, so that ``cluster_secret=os.environ.get("CLUSTER_SECRET")`` may be written."""

    node_name: str | None
    host: str | None
    advertise_host: str | None
    port: int | Literal["auto"] | None
    seeds: Iterable[str] | None
    cluster_secret: str | None
    cluster_name: str | None
    heartbeat_interval_ms: int | None
    heartbeat_miss_threshold: int | None
    reconnect_base_delay_ms: int | None
    reconnect_max_delay_ms: int | None
    forget_after_ms: int | None
    control_socket: str | None


@dataclasses.dataclass(frozen=True, slots=True, init=False)
class ClusterConfig:
    """What a node is started with. Values are checked by ``start()``, or by :meth:`validate`.

    To every argument but the name None may be given: the default then holds.
    """

    node_name: str
    """Name of this node: a letter, then letters, digits, ``_`` and ``-``, 64 at most. Required."""
    host: str = _DEFAULTS["host"]
    """Address to listen on; by default all of the machine's."""
    advertise_host: str | None = None
    """Address that others dial, part of the node id. None: the environment's ``NOEX_ADVERTISE_HOST``, else ``host``
    unless that is a wildcard, else an address of this machine."""
    port: int | Literal["auto"] = _DEFAULTS["port"]
    """Port to listen on, 1 to 65535; ``'auto'`` takes any free one (``get_local_node_id`` tells)."""
    seeds: tuple[str, ...] = ()
    """Where to find the cluster: ``name@host:port``, or ``host:port`` with a DNS name. They need not be up."""
    cluster_secret: str | None = dataclasses.field(default=None, repr=False)
    """Secret shared by the nodes of the cluster, not empty. None: no authentication."""
    cluster_name: str = ""
    """Nodes of another name are refused."""
    heartbeat_interval_ms: int = _DEFAULTS["heartbeat_interval_ms"]
    """Milliseconds between heartbeats, at least 100."""
    heartbeat_miss_threshold: int = _DEFAULTS["heartbeat_miss_threshold"]
    """Missed heartbeats after which a node is down, at least 1."""
    reconnect_base_delay_ms: int = _DEFAULTS["reconnect_base_delay_ms"]
    """Milliseconds before the first attempt to reconnect; the delay doubles each time."""
    reconnect_max_delay_ms: int = _DEFAULTS["reconnect_max_delay_ms"]
    """The longest delay between attempts, in milliseconds."""
    forget_after_ms: int = _DEFAULTS["forget_after_ms"]
    """A node that is down for so many milliseconds leaves the list of nodes."""
    control_socket: str | None = None
    """Path of a Unix socket, made with mode 0600, on which the node answers ``noex-cluster status``, ``members`` and
    ``watch`` while it runs, also while the interpreter is busy. None: no socket."""

    def __init__(
        self,
        node_name: str,
        *,
        host: str | None = None,
        advertise_host: str | None = None,
        port: int | Literal["auto"] | None = None,
        seeds: Iterable[str] | None = None,
        cluster_secret: str | None = None,
        cluster_name: str | None = None,
        heartbeat_interval_ms: int | None = None,
        heartbeat_miss_threshold: int | None = None,
        reconnect_base_delay_ms: int | None = None,
        reconnect_max_delay_ms: int | None = None,
        forget_after_ms: int | None = None,
        control_socket: str | None = None,
    ) -> None:
        given: dict[str, object] = {
            "node_name": "" if node_name is None else node_name,
            "host": host,
            "advertise_host": advertise_host,
            "port": port,
            "seeds": _frozen(seeds),
            "cluster_secret": cluster_secret,
            "cluster_name": cluster_name,
            "heartbeat_interval_ms": heartbeat_interval_ms,
            "heartbeat_miss_threshold": heartbeat_miss_threshold,
            "reconnect_base_delay_ms": reconnect_base_delay_ms,
            "reconnect_max_delay_ms": reconnect_max_delay_ms,
            "forget_after_ms": forget_after_ms,
            "control_socket": control_socket,
        }
        for field in dataclasses.fields(self):
            value = given[field.name]
            object.__setattr__(self, field.name, field.default if value is None else value)

    @classmethod
    def from_dict(cls, options: Mapping[str, object]) -> Self:
        """The configuration in a dict, such as a parsed JSON file. Keys are written as here (``node_name``) or as in
        the documentation of the JavaScript interface (``nodeName``); a value None counts as absent.

        Raises:
            InvalidClusterConfigError: an unknown key (the message names the nearest known one), or one option twice.
        """
        if not isinstance(options, Mapping):
            raise InvalidClusterConfigError(f"it must be a mapping of options, not {type(options).__name__}")
        found: dict[str, object] = {}
        spelled: dict[str, str] = {}
        for key, value in options.items():
            name = _snake_case(key) if isinstance(key, str) else ""
            if name not in _NAMES or key not in (name, _camel_case(name)):
                camel_case = isinstance(key, str) and any(c.isupper() for c in key)
                raise unknown_option(key, camel_case=camel_case)
            if name in spelled:
                raise InvalidClusterConfigError(f"'{spelled[name]}' and '{key}' are the same option: give one of them")
            spelled[name] = key
            found[name] = value
        return cls(**{"node_name": "", **found})  # type: ignore[arg-type]

    def validate(self) -> None:
        """Checks the configuration as ``start()`` does, without starting anything.

        Raises:
            InvalidClusterConfigError: says which option is wrong, its value, and what would be right.
        """
        _native.validate_config(self._as_options())

    def _as_options(self) -> dict[str, object]:
        """What the native module takes."""
        return {name: getattr(self, name) for name in _NAMES}


_NAMES = frozenset(field.name for field in dataclasses.fields(ClusterConfig))


def merge(base: ClusterConfig | None, config: ClusterConfig | None, options: Mapping[str, object]) -> ClusterConfig:
    """The configuration of a start: `config`, else `base`, with `options` in place of what they say."""
    if config is not None and not isinstance(config, ClusterConfig):
        hint = " (ClusterConfig.from_dict makes one)" if isinstance(config, Mapping) else ""
        raise InvalidClusterConfigError(f"it must be a ClusterConfig, not {type(config).__name__}{hint}")
    for name in options:
        if name not in _NAMES:
            raise unknown_option(name, camel_case=False)
    chosen = config if config is not None else base
    if chosen is not None and not options:
        return chosen
    before = chosen._as_options() if chosen is not None else {"node_name": ""}
    given = {name: value for name, value in options.items() if value is not None}
    return ClusterConfig(**{**before, **given})  # type: ignore[arg-type]


def unknown_option(name: object, *, camel_case: bool) -> InvalidClusterConfigError:
    """The error for an option that does not exist; the native library knows which one may be meant."""
    if isinstance(name, str) and "\0" not in name:
        try:
            _native.check_option(name, camel_case)
        except InvalidClusterConfigError as error:
            return error
    return InvalidClusterConfigError(f"unknown option {name!r}")


def _frozen(seeds: object) -> object:
    """A tuple of what can be iterated over; anything else as it is: start() says what is wrong with it."""
    if isinstance(seeds, Iterable) and not isinstance(seeds, str | bytes | bytearray | Mapping):
        return tuple(seeds)
    return seeds


def _snake_case(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def _camel_case(name: str) -> str:
    return re.sub("_([a-z])", lambda letter: letter[1].upper(), name)
