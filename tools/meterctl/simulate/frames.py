"""Stream framing: `vnd.amazon.eventstream` frames with their checksums, and server-sent events.

Written from the AWS event stream encoding (Amazon Transcribe developer guide, "Event stream encoding") and the HTML
standard's server-sent events; it shares nothing with the readers that it is the witness for.
"""

import base64
import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final

from meterctl.simulate.answer import encode
from meterctl.simulate.tokens import fingerprint

_STRING: Final = 7
_PRELUDE_BYTES: Final = 12
_CHECKSUM_BYTES: Final = 4
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def event_frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return one event-stream message: prelude, prelude CRC, headers, payload, message CRC."""
    block = b"".join(_header(name, value) for name, value in headers.items())
    total = _PRELUDE_BYTES + len(block) + len(payload) + _CHECKSUM_BYTES
    prelude = struct.pack(">II", total, len(block))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    encoded_name, encoded = name.encode(), value.encode()
    return struct.pack(">B", len(encoded_name)) + encoded_name + struct.pack(">BH", _STRING, len(encoded)) + encoded


def event(name: str, payload: bytes) -> bytes:
    """Return a frame with an event of the stream."""
    return event_frame(
        {":event-type": name, ":content-type": "application/json", ":message-type": "event"},
        payload,
    )


def exception(name: str, document: Mapping[str, Any]) -> bytes:
    """Return a frame with a modelled exception.

    Args:
        name: In lowerCamel, such as `throttlingException`.
        document: The error body.
    """
    return event_frame(
        {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"},
        encode(document),
    )


def converse_event(name: str, document: Mapping[str, Any], *, padding: str) -> bytes:
    """Return a ConverseStream event: its members and the padding `p`."""
    return event(name, encode({"p": padding, **document}))


def chunk_event(document: Mapping[str, Any], *, padding: str) -> bytes:
    """Return an InvokeModelWithResponseStream chunk: the model's JSON in base64 and the padding `p`."""
    return event("chunk", encode({"bytes": base64.b64encode(encode(document)).decode(), "p": padding}))


def padding(key: bytes, index: int) -> str:
    """Return the `p` of the frame number `index`: 1 to 62 characters, drawn from `key`.

    Bedrock pads frames at random so that their size does not tell the length of a token.
    """
    drawn = int.from_bytes(fingerprint(key, b"padding", str(index).encode())[:4], "big")
    return _ALPHABET[: 1 + drawn % len(_ALPHABET)]


def sse_event(data: bytes, *, name: str | None = None, data_first: bool = False) -> bytes:
    """Return one server-sent event.

    Args:
        data: What stands after `data:`; has no line break.
        name: What stands after `event:`; None leaves that line out.
        data_first: The `data:` line stands before the `event:` line, as bedrock-mantle sends it.
    """
    lines = [b"data: " + data]
    if name is not None:
        lines.insert(1 if data_first else 0, b"event: " + name.encode())
    return b"\n".join(lines) + b"\n\n"
