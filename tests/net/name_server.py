"""A name server for a test: answers A and AAAA questions over UDP from a table that the test may change."""

import contextlib
import ipaddress
import socket
import struct
import threading

from network import Host

TYPE_A, TYPE_AAAA = 1, 28
FLAGS_ANSWER, FLAGS_UNKNOWN_NAME = 0x8580, 0x8583  # authoritative, recursion desired and available


class NameServer:
    def __init__(self, host: Host) -> None:
        self.address = host.address
        self.answers: dict[str, list[str]] = {}  # name -> addresses; replace a list, do not change it
        self.asked: list[str] = []
        family = socket.AF_INET6 if ":" in host.address else socket.AF_INET
        self._socket = host.call(lambda: socket.socket(family, socket.SOCK_DGRAM))
        self._socket.bind((host.address, 53))
        self._socket.settimeout(0.2)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="name server")
        self._thread.start()

    def __enter__(self) -> "NameServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._ends.is_set():
            with contextlib.suppress(TimeoutError):
                question, sender = self._socket.recvfrom(4096)
                self._socket.sendto(self.answer(question), sender)

    def answer(self, message: bytes) -> bytes:
        labels, position = [], 12
        while size := message[position]:
            labels.append(message[position + 1 : position + 1 + size].decode())
            position += 1 + size
        question = message[12 : position + 5]
        (wanted,) = struct.unpack("!H", question[-4:-2])
        name = ".".join(labels).lower()
        self.asked.append(name)
        addresses = [ipaddress.ip_address(text) for text in self.answers.get(name, [])]
        records = [
            # The name is the one of the question; class IN, to be kept for 0 s.
            struct.pack("!HHHIH", 0xC00C, wanted, 1, 0, len(address.packed)) + address.packed
            for address in addresses
            if wanted == {4: TYPE_A, 6: TYPE_AAAA}[address.version]
        ]
        flags = FLAGS_ANSWER if name in self.answers else FLAGS_UNKNOWN_NAME
        return message[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)
