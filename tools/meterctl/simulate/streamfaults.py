"""What can go wrong with the bytes of a stream. Each function takes a healthy stream and returns a faulty one.

Where a kind of stream cannot have a fault, the stream comes back as it was.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from meterctl.simulate.answer import Frame, Stream

ENDLESS_LINE_BYTES: Final = 2 << 20
_CLAIM: Final = (2 << 30) - 1
_GARBAGE: Final = bytes(range(256))


def cut(stream: Stream) -> Stream:
    """End inside the frame in the middle."""
    middle = _middle(stream)
    frame = stream.frames[middle]
    half = replace(frame, data=frame.data[: len(frame.data) // 2])
    return replace(stream, frames=(*stream.frames[:middle], half))


def shorten(stream: Stream) -> Stream:
    """End between two frames."""
    return replace(stream, frames=stream.frames[: _middle(stream)])


def corrupt(stream: Stream) -> Stream:
    """Turn a bit of the middle frame's message CRC."""
    return _change_middle(stream, lambda data: data[:-1] + bytes([data[-1] ^ 1])) if stream.wire.checked else stream


def corrupt_prelude(stream: Stream) -> Stream:
    """Turn a bit of the middle frame's length, so that its prelude CRC is wrong."""
    return _change_middle(stream, lambda data: bytes([data[0] ^ 1]) + data[1:]) if stream.wire.checked else stream


def oversize(stream: Stream) -> Stream:
    """Let the middle frame claim 2 GiB under a right prelude CRC."""

    def claim(data: bytes) -> bytes:
        prelude = struct.pack(">I", _CLAIM) + data[4:8]
        return prelude + struct.pack(">I", zlib.crc32(prelude)) + data[12:]

    return _change_middle(stream, claim) if stream.wire.checked else stream


def add_unknown(stream: Stream) -> Stream:
    """Put an event of unknown type into the middle."""
    return _insert(stream, stream.wire.unknown)


def add_broken(stream: Stream) -> Stream:
    """Put an event with cut JSON into the middle."""
    return _insert(stream, stream.wire.broken)


def add_garbage(stream: Stream) -> Stream:
    """Put bytes that are no frame behind the last one."""
    return replace(stream, frames=(*stream.frames, Frame(data=_GARBAGE)))


def add_endless_line(stream: Stream) -> Stream:
    """End with a line that does not end."""
    if stream.wire.checked:
        return stream
    return replace(
        stream,
        frames=(*stream.frames[: _middle(stream)], Frame(data=b"data: " + b"x" * ENDLESS_LINE_BYTES)),
    )


def _middle(stream: Stream) -> int:
    return len(stream.frames) // 2


def _change_middle(stream: Stream, change: Callable[[bytes], bytes]) -> Stream:
    middle = _middle(stream)
    frame = stream.frames[middle]
    changed = replace(frame, data=change(frame.data))
    return replace(stream, frames=(*stream.frames[:middle], changed, *stream.frames[middle + 1 :]))


def _insert(stream: Stream, data: bytes) -> Stream:
    middle = _middle(stream)
    return replace(stream, frames=(*stream.frames[:middle], Frame(data=data), *stream.frames[middle:]))
