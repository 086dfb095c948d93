"""The size of an image from its first bytes."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_meter.estimate.images import size

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 640, 480) + b"\x08\x02\x00\x00\x00"
GIF = b"GIF89a" + struct.pack("<HH", 640, 480) + b"\x00\x00\x00"
FRAME = b"\xff\xc2\x00\x11\x08" + struct.pack(">HH", 480, 640) + b"\x03"
JPEG = b"\xff\xd8" + b"\xff\xe0\x00\x10JFIF" + b"\x00" * 10 + b"\xff\xff\xfe\x00\x04ab" + FRAME
RIFF = b"RIFF\x00\x00\x00\x00WEBP"
LOSSY = RIFF + b"VP8 \x00\x00\x00\x00\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 640 | 0x4000, 480)
LOSSLESS = RIFF + b"VP8L\x00\x00\x00\x00\x2f" + struct.pack("<I", 639 | 479 << 14)
EXTENDED = RIFF + b"VP8X\x0a\x00\x00\x00\x10\x00\x00\x00" + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")
FILES = {"png": PNG, "gif": GIF, "jpeg": JPEG, "lossy": LOSSY, "lossless": LOSSLESS, "extended": EXTENDED}


@pytest.mark.parametrize("name", FILES)
def test_the_size_is_read(name: str) -> None:
    """Each format says its size, as bytes, as base64 and as a data URL."""
    data = FILES[name]
    text = base64.b64encode(data + b"more" * 100).decode()
    assert size(data) == size(text) == size(f"data:image/{name};base64,{text}") == (640, 480)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_has_no_size(name: str) -> None:
    """No beginning of a file is too short to be handled, and what is too short has no size."""
    found = [size(FILES[name][:length]) for length in range(len(FILES[name]))]
    assert found[:10] == [None] * 10
    assert set(found) <= {None, (640, 480)}


@pytest.mark.parametrize("data", [b"", "", "data:,", "!!!!", "A", "é" * 9, b"%PDF-1.4", PNG[:16] + b"\x00" * 8])
def test_what_is_no_image_has_no_size(data: bytes | str) -> None:
    """Other files, odd text and an image without extent have no size."""
    assert size(data) is None


@given(st.sampled_from([b"\xff\xd8", RIFF, PNG[:8], b"GIF89a", b""]), st.binary())
def test_no_header_is_too_odd(start: bytes, rest: bytes) -> None:
    """Any bytes after a good beginning give a size or none."""
    found = size(start + rest)
    assert found is None or min(found) > 0
