"""Frames are what botocore reads, and server-sent events what the standard says."""

import base64
import json
from typing import Any

from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from meterctl.simulate import frames

names = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=20)


@given(
    headers=st.dictionaries(names, st.text(st.characters(codec="utf-8"), max_size=40), max_size=4),
    payload=st.binary(max_size=300),
    size=st.integers(1, 50),
)
def test_botocore_reads_every_frame(headers: dict[str, str], payload: bytes, size: int) -> None:
    """Headers and payload come back, wherever the bytes are cut; botocore checks both checksums."""
    data = frames.event_frame(headers, payload) * 2
    buffer = EventStreamBuffer()
    found: list[Any] = []
    for start in range(0, len(data), size):
        buffer.add_data(data[start : start + size])
        found += [(message.headers, message.payload) for message in buffer]
    assert found == [(headers, payload)] * 2


def test_a_known_frame_has_known_bytes() -> None:
    """The frame without headers and payload that the encoding's own test vectors have."""
    assert frames.event_frame({}, b"").hex() == "000000100000000005c248eb7d98c8ff"


def test_a_chunk_holds_the_models_document() -> None:
    """The document is base64 beside the padding."""
    buffer = EventStreamBuffer()
    buffer.add_data(frames.chunk_event({"a": "é"}, padding="abc"))
    message: Any
    (message,) = list(buffer)
    payload = json.loads(message.payload)
    assert json.loads(base64.b64decode(payload["bytes"])) == {"a": "é"}
    assert payload["p"] == "abc"
    assert message.headers == {
        ":event-type": "chunk",
        ":content-type": "application/json",
        ":message-type": "event",
    }


@given(key=st.binary(max_size=8))
def test_padding_is_drawn(key: bytes) -> None:
    """The same key and place give the same padding, and its length varies."""
    lengths = [len(frames.padding(key, index)) for index in range(50)]
    assert lengths == [len(frames.padding(key, index)) for index in range(50)]
    assert 1 <= min(lengths) < max(lengths) <= 62


def test_server_sent_events() -> None:
    """The name may stand before the data, after it, or nowhere; an empty line ends the event."""
    assert frames.sse_event(b"1") == b"data: 1\n\n"
    assert frames.sse_event(b"1", name="a") == b"event: a\ndata: 1\n\n"
    assert frames.sse_event(b"1", name="a", data_first=True) == b"data: 1\nevent: a\n\n"
