"""Frames of wire v1 as the reference implementation reads and writes them: JSON in ECMAScript's spelling, HMAC over
re-spelt text.

It shares no code with the project on purpose: what both understand was then understood twice. Facts:
docs/protocol.md; proof: tests/vectors. Only what membership needs is kept of the special values: they are checked,
not turned into objects.
"""

import hashlib
import hmac
import json
import re
import struct
from typing import Any

FRAME_SIZE_MAX = 16 * 1024 * 1024
MARKER = "__noex_type__"


class FrameError(Exception):
    """A frame that the reference refuses."""


class OverlongPrefix(Exception):
    """A length prefix over the maximum: the reference dies of it, whatever listens."""


class Undefined:
    """ECMAScript's undefined."""


UNDEFINED = Undefined()

# ----------------------------------------------------------------------------------------------------------------- JSON


def number_text(value: float) -> str:
    """Number::toString of ECMAScript; JSON's null for what is no number."""
    if value != value or value in (float("inf"), float("-inf")):
        return "null"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)  # where the decimal point stands, counted from the first digit of `whole`
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    if 0 < point <= 21:
        if len(digits) <= point:
            return sign + digits.ljust(point, "0")
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = point - 1
    return f"{sign}{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}e{'+' if power > 0 else '-'}{abs(power)}"


SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
ESCAPED = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')


def string_text(value: str) -> str:
    return '"' + ESCAPED.sub(lambda match: SHORT_ESCAPES.get(match[0], f"\\u{ord(match[0]):04x}"), value) + '"'


def is_index(key: str) -> bool:
    """Whether ECMAScript keeps the key among the array indices, which come first in a property list."""
    return key.isascii() and key.isdigit() and (key == "0" or key[0] != "0") and int(key) < 2**32 - 1


def stringify(value: Any) -> str:
    """JSON.stringify of a parsed value."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(float(value))
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, list):
        return "[" + ",".join(map(stringify, value)) + "]"
    indices = sorted((key for key in value if is_index(key)), key=int)
    keys = indices + [key for key in value if not is_index(key)]
    return "{" + ",".join(f"{string_text(key)}:{stringify(value[key])}" for key in keys) + "}"


def parse(text: str) -> Any:
    """JSON.parse: every number is a double, the last of equal keys wins."""

    def constant(name: str) -> float:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_int=float, parse_float=float, parse_constant=constant)


def revive(value: Any) -> Any:
    """What the reader's special values do to membership: a bad one fails the frame, `undefined` takes its key away."""
    if isinstance(value, list):
        items = [revive(item) for item in value]
        return [None if item is UNDEFINED else item for item in items]
    if not isinstance(value, dict):
        return value
    value = {key: item for key, item in ((key, revive(item)) for key, item in value.items()) if item is not UNDEFINED}
    kind, inner = value.get(MARKER), value.get("value")
    if kind == "undefined":
        return UNDEFINED
    if kind == "BigInt" and not re.fullmatch(r"\s*-?[0-9]*\s*", inner if isinstance(inner, str) else "no"):
        raise FrameError(f"Cannot convert {inner} to a BigInt")
    if kind == "RegExp":
        try:
            re.compile(inner["source"])
        except (TypeError, KeyError, re.error) as error:
            raise FrameError(f"Invalid regular expression: {error}") from error
    if kind in ("Map", "Set") and not isinstance(inner, list | str):
        raise FrameError(f"{inner} is not iterable")
    if kind == "Error" and inner is None:
        raise FrameError("Cannot read properties of null (reading 'message')")
    return value


# ------------------------------------------------------------------------------------------------------------ envelopes


def sign(text: str, secret: str) -> str:
    return hmac.new(secret.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def encode(sender: str, timestamp: int, payload: dict[str, Any], secret: str) -> bytes:
    """One frame, length prefix and all. An empty secret is none."""
    envelope: dict[str, Any] = {"version": 1, "from": sender, "timestamp": timestamp, "payload": payload}
    if secret:
        envelope["signature"] = sign(stringify(envelope), secret)
    body = stringify(envelope).encode()
    if len(body) > FRAME_SIZE_MAX:
        raise FrameError(f"Message size {len(body)} exceeds maximum {FRAME_SIZE_MAX}")
    return struct.pack(">I", len(body)) + body


def hex_bytes(value: Any) -> bytes:
    """Buffer.from(value, 'hex'): stops at the first pair that is not hex."""
    if isinstance(value, list):
        return bytes(int(item) & 255 for item in value)
    digits = re.match(r"(?:[0-9a-fA-F]{2})*", str(value))
    return bytes.fromhex(digits[0] if digits else "")


def decode(body: bytes, secret: str) -> dict[str, Any]:
    """Reads and verifies one body: the signature is over the parsed value's own spelling, not over the bytes."""
    try:
        raw = parse(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise FrameError(f"not JSON: {error}") from error
    envelope = revive(raw)
    if secret:
        if envelope is None or envelope is UNDEFINED:
            raise FrameError("Cannot read properties of null (reading 'signature')")
        signature = envelope.get("signature") if isinstance(envelope, dict) else None
        if not signature:
            raise FrameError("Message signature is missing")
        expected = bytes.fromhex(
            sign(stringify({key: item for key, item in raw.items() if key != "signature"}), secret)
        )
        given = hex_bytes(signature)
        if len(given) != len(expected):
            raise FrameError("Input buffers must have the same byte length")
        if not hmac.compare_digest(given, expected):
            raise FrameError("Message signature verification failed")
    return envelope if isinstance(envelope, dict) else {}


class Unframer:
    """Cuts a stream into bodies."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that `data` completes. Raises OverlongPrefix."""
        self.buffer += data
        bodies = []
        while len(self.buffer) >= 4:
            (size,) = struct.unpack_from(">I", self.buffer)
            if size > FRAME_SIZE_MAX:
                raise OverlongPrefix(f"Message size {size} exceeds maximum {FRAME_SIZE_MAX}")
            if len(self.buffer) < 4 + size:
                break
            bodies.append(bytes(self.buffer[4 : 4 + size]))
            del self.buffer[: 4 + size]
        return bodies
