"""The buffer between the delivery of events and whoever iterates over them."""

from collections import deque

from ._node_id import NodeId
from ._types import ClusterEvent, ClusterStatus, ErrorEvent, NodeDown, NodeUp, StatusChange

# Above so many waiting events they shrink to their net effect, as in the library's own queue: a node that came and went
# before anybody looked is news to nobody.
COALESCE_ABOVE = 1024


class Mailbox:
    """Events that wait for an iterator, oldest first. Not thread-safe. Complete once the node is stopped."""

    def __init__(self) -> None:
        self._events: deque[ClusterEvent] = deque()
        self._limit = COALESCE_ABOVE
        self.complete = False

    def __len__(self) -> int:
        return len(self._events)

    def push(self, event: ClusterEvent) -> None:
        if self.complete:
            return
        self._events.append(event)
        self.complete = isinstance(event, StatusChange) and event.status is ClusterStatus.STOPPED
        if len(self._events) > self._limit:
            self._coalesce()
            self._limit = max(COALESCE_ABOVE, 2 * len(self._events))

    def pop(self) -> ClusterEvent:
        event = self._events.popleft()
        if not self._events:
            self._limit = COALESCE_ABOVE
        return event

    def _coalesce(self) -> None:
        kept: dict[int, ClusterEvent] = {}
        last_up: dict[NodeId, int] = {}
        for number, event in enumerate(self._events):
            if isinstance(event, ErrorEvent):
                continue
            if isinstance(event, NodeUp):
                last_up[event.node.id] = number
            elif isinstance(event, NodeDown) and event.node_id in last_up:
                del kept[last_up.pop(event.node_id)]
                continue
            kept[number] = event
        self._events = deque(kept.values())
