"""The size of an image from the first bytes of its file: ``size(data) -> (width, height) | None``. Pure, never raises.

Formats are those that Converse takes: PNG, JPEG, WebP and GIF
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html).
"""

import binascii
import struct
from itertools import pairwise

HEAD_BYTES = 256 * 1024
"""How far into a file is looked. In a JPEG the size stands behind metadata, which may hold a thumbnail."""

_PNG = b"\x89PNG\r\n\x1a\n"
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def size(data: bytes | str) -> tuple[int, int] | None:
    """Read width and height in pixels.

    Args:
        data: The file, or its base64 text as it stands in a request body, with or without a ``data:`` prefix.

    Returns:
        The size, or None where it cannot be read.
    """
    try:
        found = _size(decoded(data, HEAD_BYTES))
    except (struct.error, IndexError, ValueError):
        return None
    return found if found is not None and min(found) > 0 else None


def decoded(data: bytes | str, limit: int) -> bytes:
    """Give at most `limit` first bytes of a file that may be base64 text.

    Raises:
        ValueError: The text is not base64.
    """
    if not isinstance(data, str):
        return bytes(data[:limit])
    if data.startswith("data:"):
        data = data[data.find(",", 0, 256) + 1 :]
    quads = min(len(data), limit * 4 // 3) // 4 * 4
    return binascii.a2b_base64(data[:quads])


def _size(head: bytes) -> tuple[int, int] | None:
    if head.startswith(_PNG):
        width, height = struct.unpack_from(">II", head, 16)
        return width, height
    if head.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack_from("<HH", head, 6)
        return width, height
    if head.startswith(b"\xff\xd8"):
        return _jpeg(head)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _webp(head)
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    """Walk the segments to the start of a frame; each says its own length, so every step moves forward."""
    at = 2
    while at + 4 <= len(head) and head[at] == 0xFF:  # noqa: PLR2004 - every marker begins so
        marker = head[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        elif marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        else:
            (length,) = struct.unpack_from(">H", head, at + 2)
            at += 2 + max(length, 2)
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        ends = (24, 27, 30)
        width, height = (int.from_bytes(head[start:end], "little") + 1 for start, end in pairwise(ends))
        return (width, height) if len(head) >= ends[-1] else None
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None
