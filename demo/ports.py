"""Ports for nodes that are about to be started."""

import contextlib
import random
import socket
from collections import deque

_KEPT_MAX = 400  # descriptors; by then the first have long been listened on
_kept: deque[socket.socket] = deque()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below the range that the system gives to outgoing connections.

    Until its node listens, nothing would keep another process that looks for ports from the same one. So this process
    keeps the port of the same number of UDP, and who finds that taken looks further. The socket that looks may
    live on for a moment in a child that another thread is just starting: a node can listen beside it, as it does not.
    """
    ports: list[int] = []
    probes = []
    for port in random.sample(range(12000, 32000), 20000):
        if len(ports) == count:
            break
        claim = socket.socket(type=socket.SOCK_DGRAM)
        probe = socket.socket()
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probes.append(probe)
        with contextlib.suppress(OSError):
            claim.bind(("127.0.0.1", port))
            probe.bind(("127.0.0.1", port))
            _kept.append(claim)
            ports.append(port)
            continue
        claim.close()
    for probe in probes:
        probe.close()
    while len(_kept) > _KEPT_MAX:
        _kept.popleft().close()
    return ports
