"""What TCP alone makes of a line a second, to compare a cluster's heartbeats with: connections between each two hosts,
on which both ends send a line each second. Names the silences that lasted too long.

    bare_beat.py INTERVAL SILENCE CONNECTIONS FD=ADDRESS...

CONNECTIONS for each two hosts; the descriptors are those of the hosts' network namespaces.

Says {"ready": ...} when all are connected; at the end of stdin {"gaps": [...]}: for each direction of each connection,
the seconds of every silence that reached SILENCE, the last one included.
"""

import json
import selectors
import socket
import sys
import time

from network import Host

PORT = 7000


def connect(one: Host, other: Host) -> tuple[socket.socket, socket.socket]:
    listener = other.call(lambda: socket.create_server((other.address, PORT), family=family(other)))
    here = one.call(lambda: socket.create_connection((other.address, PORT), 10))
    there, _ = listener.accept()
    listener.close()
    return here, there


def family(host: Host) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host.address else socket.AF_INET


def main() -> None:
    interval, silence, connections = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    hosts = [Host(address, int(fd), address) for fd, address in (text.split("=", 1) for text in sys.argv[4:])]
    ends = [
        end
        for index, one in enumerate(hosts)
        for other in hosts[index + 1 :]
        for _ in range(connections)
        for end in connect(one, other)
    ]
    selector = selectors.DefaultSelector()
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(end, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    print(json.dumps({"ready": len(ends)}), flush=True)

    began = time.monotonic()
    heard = dict.fromkeys(ends, began)
    next_beat = {end: began + interval * index / len(ends) for index, end in enumerate(ends)}
    gaps: list[float] = []
    over = False
    while not over:
        ready = selector.select(max(0.0, min(next_beat.values()) - time.monotonic()))
        now = time.monotonic()
        for key, _ in ready:
            if key.fileobj is sys.stdin:
                over = True
            elif isinstance(key.fileobj, socket.socket) and key.fileobj.recv(65536):
                gaps.append(now - heard[key.fileobj])
                heard[key.fileobj] = now
        for end in ends:
            if next_beat[end] <= now:
                next_beat[end] += interval
                end.send(
                    b"a line, about as long as a heartbeat with its signature and eight ids is" + b"." * 400 + b"\n"
                )
    gaps += [time.monotonic() - last for last in heard.values()]
    print(json.dumps({"gaps": sorted((round(gap, 2) for gap in gaps if gap >= silence), reverse=True)}), flush=True)


main()
