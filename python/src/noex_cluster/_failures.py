"""Turns a failure of the native library into an exception of the package; the native module calls it."""

from typing import Any

from ._errors import (
    ClusterBindError,
    ClusterError,
    ClusterNotStartedError,
    InvalidClusterConfigError,
    InvalidNodeIdError,
)
from ._node_id import NodeId
from ._types import ClusterPeerError, ErrorKind


def make_error(status: str, message: str, details: dict[str, Any]) -> Exception:
    """The exception for a failure of the native library; `status` is a name of the C header's status table."""
    match status:
        case "NOEX_OK":  # no call failed: this is an error event
            return _peer_error(message, details)
        case "NOEX_ENOTSTARTED":
            return ClusterNotStartedError()
        case "NOEX_ECONFIG":
            return InvalidClusterConfigError(message)
        case "NOEX_ENODEID":
            return InvalidNodeIdError(details.get("value", ""), _node_id_reason(message))
        case "NOEX_EBIND":
            os_error = details.pop("os_error")
            return ClusterBindError(message, errno=os_error or None, **details)
        case "NOEX_EINVAL":
            return ValueError(message)
        case "NOEX_ENOMEM":
            return MemoryError(message)
        case _:
            return ClusterError(message)


def _peer_error(message: str, details: dict[str, Any]) -> ClusterPeerError:
    kind = details["kind"]
    known = ErrorKind(kind) if kind in list(ErrorKind) else ErrorKind.INTERNAL
    node_id = NodeId.try_parse(details["node_id"])
    return ClusterPeerError(message, known, node_id, details["address"] or None)


def _node_id_reason(message: str) -> str:
    """The native sentence is "invalid node id 'VALUE': REASON"; the exception has the two apart."""
    before, separator, reason = message.rpartition("': ")
    return reason if separator and before.startswith("invalid node id '") else message
