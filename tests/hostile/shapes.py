"""Bodies that are wrong in one way each, and what a node calls it. What is here is built from a heartbeat and a goodbye
that are right, so that the one fault is all that is wrong with them."""

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from attack import Payload, beat, envelope, goodbye, hello, wire

DEPTH_MAX = 20_000  # of the limits page


@dataclass(frozen=True)
class Shape:
    what: str
    text: bytes  # unsigned
    kind: str
    stays: bool = False  # it is counted, and the connection goes on


def text_of(value: Any) -> bytes:
    return wire.stringify(value).encode("utf-8", "surrogatepass")


def right_messages(sender: str) -> dict[str, Payload]:
    """What the faults are put into: the messages that a node reads."""
    ext = hello("0123456789abcdef", "00112233445566778899aabbccddeeff", echo="00112233445566778899aabbccddeeff")
    return {
        "heartbeat": envelope(sender, beat(sender, [sender], ext)),
        "node_down": envelope(sender, goodbye("guest-other@127.0.0.1:1")),
    }


# ------------------------------------------------------------------------------------------------------- no JSON at all


def not_json(sender: str) -> Iterator[Shape]:
    right = text_of(right_messages(sender)["heartbeat"])
    bodies = {
        "nothing": b"",
        "a space": b" ",
        "null": b"null",
        "true": b"true",
        "a number": b"1",
        "a string": b'"heartbeat"',
        "a list": b"[]",
        "a list of messages": b"[" + right + b"]",
        "an opened brace": b"{",
        "a byte order mark": b"\xef\xbb\xbf" + right,
        "UTF-16": right.decode().encode("utf-16"),
        "a trailing letter": right + b"x",
        "a trailing NUL": right + b"\0",
        "two messages in one frame": right + right,
        "a NUL before it": b"\0" + right,
        "a trailing comma": right[:-1] + b",}",
        "single quotes": right.replace(b'"', b"'"),
        "a comment": b"/* hello */" + right,
        "half of it": right[: len(right) // 2],
        "a bare key": b"{version:1}",
        "a raw newline in a string": b'{"from":"a\n"}',
        "a raw NUL in a string": b'{"from":"a\0"}',
        "a bad escape": b'{"from":"\\x41"}',
        "half a unicode escape": b'{"from":"\\u12"}',
        "an unclosed string": b'{"from":"' + b"a" * 60_000,
        "brackets as deep as may be": b"[" * DEPTH_MAX + b"]" * DEPTH_MAX,
        "brackets deeper than may be": b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1),
        "100,000 brackets": b"[" * 100_000,
        "objects too deep": b'{"a":' * (DEPTH_MAX + 1) + b"1" + b"}" * (DEPTH_MAX + 1),
        "objects that are never closed": b'{"a":' * 40_000,
    }
    for what, body in bodies.items():
        yield Shape(what, body, "malformed")
    numbers = [b"NaN", b"Infinity", b"-Infinity", b"-", b"+1", b"01", b"1.", b".5", b"1e", b"0x10", b"1_000", b"1e+-1"]
    for number in numbers:
        yield Shape(f"the number {number!r}", right.replace(b'"version":1', b'"version":' + number), "malformed")
    bad_utf8 = {
        "a lone continuation byte": b"\x80",
        "an overlong slash": b"\xc0\xaf",
        "an overlong NUL": b"\xe0\x80\x80",
        "a surrogate": b"\xed\xa0\x80",
        "beyond U+10FFFF": b"\xf4\x90\x80\x80",
        "a cut sequence": b"\xe2\x82",
        "the byte FF": b"\xff",
        "Latin-1": b"\xe9",
    }
    for what, data in bad_utf8.items():
        yield Shape(f"{what} in a value", right.replace(b"connected", b"connec" + data), "malformed")
        yield Shape(f"{what} in a key", right.replace(b'"version"', b'"' + data + b'":1,"version"'), "malformed")


# ------------------------------------------------------------------------------------------------ JSON of a wrong shape

# Values of every type; for each field those of another type than its own are put in.
TYPES: dict[str, list[bytes]] = {
    "null": [b"null"],
    "bool": [b"true", b"false"],
    "number": [b"1.5", b"1e400", b"-1e999", b"9007199254740994", b"1" * 400, b"1e-7"],
    "string": [b'""', b'"1"', b'"' + b"x" * 5000 + b'"', b'"\\ud800"', b'"\\u0000"'],
    "list": [b"[]", b"[[[]]]", b"[null]"],
    "object": [b"{}", b'{"a":{"b":{}}}'],
}

HEARTBEAT_FIELDS: dict[tuple[str, ...], str] = {
    ("version",): "number",
    ("from",): "string",
    ("timestamp",): "number",
    ("payload",): "object",
    ("payload", "type"): "type",
    ("payload", "nodeInfo"): "object",
    ("payload", "nodeInfo", "id"): "string",
    ("payload", "nodeInfo", "status"): "string",
    ("payload", "nodeInfo", "processCount"): "number",
    ("payload", "nodeInfo", "lastHeartbeatAt"): "number",
    ("payload", "nodeInfo", "uptimeMs"): "number",
    ("payload", "knownNodes"): "ids",
    ("payload", "ext"): "object",
    ("payload", "ext", "inc"): "string",
    ("payload", "ext", "nonce"): "string",
    ("payload", "ext", "echo"): "string",
    ("payload", "ext", "interval"): "number",
    ("payload", "ext", "cluster"): "any string",
    ("payload", "ext", "caps"): "words",
}
GOODBYE_FIELDS: dict[tuple[str, ...], str] = {
    ("payload", "nodeId"): "string",
    ("payload", "detectedAt"): "number",
    ("payload", "reason"): "string",
}
OPTIONAL = {("payload", "ext"), *(path for path in HEARTBEAT_FIELDS if path[:2] == ("payload", "ext") and path[2:])}
KINDS = {("version",): "version", ("from",): "invalid_sender"}  # all others: invalid_message


def wrong_values(kind: str) -> list[bytes]:
    """JSON texts that a field of this kind must not have."""
    if kind == "object":
        return [text for name in TYPES if name != "object" for text in TYPES[name]]
    if kind == "number":
        return [text for values in TYPES.values() for text in values]
    if kind in ("string", "type"):
        return [text for values in TYPES.values() for text in values]
    if kind == "any string":
        return [text for name in TYPES if name != "string" for text in TYPES[name]] + [
            b'"\\ud800"',
            b'"' + b"x" * 256 + b'"',
        ]
    return [text for name in TYPES if name != "list" for text in TYPES[name]] + [b"[null]", b"[1]", b"[[]]", b"[{}]"]


HOLE = "the place of the fault"


def with_text(message: Payload, path: tuple[str, ...], text: bytes) -> bytes:
    """The message with a JSON text of any kind in one place."""
    message = copy.deepcopy(message)
    inner = message
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = HOLE
    return text_of(message).replace(text_of(HOLE), text)


def without(message: Payload, path: tuple[str, ...]) -> bytes:
    message = copy.deepcopy(message)
    inner = message
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return text_of(message)


def doubled(message: Payload, path: tuple[str, ...]) -> bytes:
    inner: Any = message
    for key in path:
        inner = inner[key]
    value, key_text = text_of(inner), text_of(path[-1])
    return with_text(message, path, value + b"," + key_text + b":" + value)


def fields_of(sender: str) -> Iterator[tuple[Payload, tuple[str, ...], str]]:
    right = right_messages(sender)
    for path, kind in HEARTBEAT_FIELDS.items():
        yield right["heartbeat"], path, kind
    for path, kind in GOODBYE_FIELDS.items():
        yield right["node_down"], path, kind


def wrong_fields(sender: str) -> Iterator[Shape]:
    for message, path, field in fields_of(sender):
        name = ".".join(path)
        kind = KINDS.get(path, "invalid_message")
        for text in wrong_values(field):
            unknown = field == "type" and text.startswith(b'"') and text != b'"\\ud800"'
            if unknown:
                yield Shape(f"{name} is {text[:40]!r}", with_text(message, path, text), "unknown_type", stays=True)
            else:
                yield Shape(f"{name} is {text[:40]!r}", with_text(message, path, text), kind)
        yield Shape(f"{name} twice", doubled(message, path), "malformed")
        if path not in OPTIONAL:
            yield Shape(f"no {name}", without(message, path), kind)


def wrong_refusals(sender: str) -> Iterator[Shape]:
    right = right_messages(sender)["heartbeat"]
    for text in [*wrong_values("string"), b'"no such reason"']:
        ext = b'{"refused":' + text + b"}"
        yield Shape(f"ext.refused is {text[:40]!r}", with_text(right, ("payload", "ext"), ext), "invalid_message")


def huge(sender: str) -> Iterator[Shape]:
    """Of the right JSON, and too much of it."""
    right = right_messages(sender)["heartbeat"]
    yield Shape(
        "a sender of 60,000 letters", with_text(right, ("from",), b'"' + b"a" * 60_000 + b'"'), "invalid_sender"
    )
    yield Shape(
        "a type of 200,000 letters",
        with_text(right, ("payload", "type"), b'"' + b"t" * 200_000 + b'"'),
        "unknown_type",
        stays=True,
    )
    many = b",".join(b'"k%d":%d' % (i, i) for i in range(15_000))
    yield Shape(
        "15,000 keys and no payload", b'{"version":1,"from":"x@h:1","timestamp":1,' + many + b"}", "invalid_message"
    )
    versions = b",".join(itertools.repeat(b'"version":1', 10_000))
    yield Shape("10,000 versions", b"{" + versions + b"}", "malformed")
    yield Shape(
        "a field 10,000 deep",
        with_text(right, ("payload", "nodeInfo"), b"[" * 10_000 + b"]" * 10_000),
        "invalid_message",
    )


INVALID_IDS = [
    "", "a", "@", ":", "a@", "@h:1", "a@h", "a@h:", "a@:1", "a@h:0", "a@h:65536", "a@h:-1", "a@h:+1", "a@h:1x",
    "a@h: 1", "a@h:01", "1a@h:1", "-a@h:1", "a b@h:1", "a.b@h:1", "ä@h:1", "a@h h:1", "a@-h:1", "a@h_:1", "a@[::1:1",
    "a@[]:1", "a@[g::]:1", "a@256.1.1.1:1", "a@h:99999999999999999999",
    "a" * 65 + "@h:1", "a@" + "h" * 64 + ":1", "a@" + "h." * 200 + "h:1",
    "a@h:1\n", "a@h:1\0", "\0", "a@h:1\u2028", "<script>@h:1", "../../etc@h:1", "%s%n@h:1", "a@@h:1", "a@h:1@h:1",
]  # fmt: skip


def invalid_ids(sender: str) -> Iterator[Shape]:
    right = right_messages(sender)
    for node_id in INVALID_IDS:
        text = text_of(node_id)
        yield Shape(f"from {node_id[:30]!r}", with_text(right["heartbeat"], ("from",), text), "invalid_sender")
        for message, path in (
            (right["heartbeat"], ("payload", "nodeInfo", "id")),
            (right["node_down"], ("payload", "nodeId")),
        ):
            yield Shape(f"{path[-1]} {node_id[:30]!r}", with_text(message, path, text), "invalid_message")


def all_shapes(sender: str) -> list[Shape]:
    return [*not_json(sender), *wrong_fields(sender), *wrong_refusals(sender), *huge(sender), *invalid_ids(sender)]


# What the reference sends beside heartbeat and node_down, with all the keys that any of them has. A node of ours reads
# nothing of these but the type.
OTHER_TYPES = [
    "call", "call_reply", "call_error", "cast", "registry_sync", "spawn_request", "spawn_reply", "spawn_error",
    "monitor_request", "monitor_ack", "demonitor_request", "process_down", "link_request", "link_ack", "unlink_request",
    "exit_signal",
]  # fmt: skip
OTHER_KEYS = [
    "callId", "ref", "msg", "timeoutMs", "sentAt", "result", "errorType", "message", "context", "entries", "fullSync",
    "spawnId", "behaviorName", "options", "serverId", "nodeId", "monitorId", "monitoringRef", "monitoredRef", "success",
    "reason", "linkId", "fromRef", "toRef",
]  # fmt: skip


def other_messages(sender: str) -> list[bytes]:
    """Every other type, each of its keys with a value of every type, and twice."""
    texts = []
    values = [text for values in TYPES.values() for text in values]
    for index, kind in enumerate(OTHER_TYPES):
        for shift in range(len(values)):
            fields = [
                text_of(key) + b":" + values[(index + position + shift) % len(values)]
                for position, key in enumerate(OTHER_KEYS)
            ]
            payload = b'{"type":' + text_of(kind) + b"," + b",".join([*fields, fields[0]]) + b"}"
            texts.append(text_of(envelope(sender, {})).replace(b"{}", payload))
    return texts
