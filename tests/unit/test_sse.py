"""Framing of server-sent events: what the decoder reads, and what it survives."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY

from bedrock_meter import sse
from bedrock_meter.sse import EVENT_TOO_LARGE, SseDecoder


def read(*parts: bytes) -> tuple[list[bytes], SseDecoder]:
    """Decode a stream that arrives in these parts."""
    decoder = SseDecoder()
    return [event for part in parts for event in decoder.feed(part)], decoder


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes at the given places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\r\n\r\n", [b"a"]),
        (b"data: a\r\r", [b"a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"event: x\ndata: a\n\n", [b"a"]),
        (b"data: a\nevent: x\n\n", [b"a"]),
        (b": comment\n\nid: 7\nretry: 5\ndata: a\n\n\n\n", [b"a"]),
        (b"database: a\n\n", []),
        (b"event: x\n\n", []),
        (b"data: a\n", []),
        (b"data: a", []),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: \xff\x85\x0b\xe2\x80\xa8\n\n", [b"\xff\x85\x0b\xe2\x80\xa8"]),
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"", []),
    ],
)
@given(places=st.lists(st.integers(0, 100), max_size=10))
@PROPERTY
def test_events(stream: bytes, events: list[bytes], places: list[int]) -> None:
    """However a stream is cut, its events carry the same data; an event that did not end is none."""
    assert read(*cut(stream, places))[0] == events


@given(
    texts=st.lists(st.binary(max_size=30).map(lambda text: text.translate(None, b"\r\n"))),
    end=st.sampled_from([b"\n", b"\r", b"\r\n"]),
)
@PROPERTY
def test_a_stream_byte_by_byte(texts: list[bytes], end: bytes) -> None:
    """Every line end works, cut in two as well, and what was sent comes out."""
    stream = b"".join(b"event: x" + end + b"data: " + text + end + end for text in texts)
    found, decoder = read(*(bytes([byte]) for byte in stream))
    assert found == texts
    assert (decoder.pending, decoder.faults) == (0, [])


def test_a_return_and_its_newline_cut_in_two_are_one_line_end() -> None:
    """The empty line after them is not swallowed."""
    assert read(b"data: a\r", b"\n", b"\n")[0] == [b"a"]
    assert read(b"data: a\r", b"", b"\n", b"", b"\r", b"\n", b"data: b\r\n\r\n")[0] == [b"a", b"b"]


@given(parts=st.lists(st.binary(max_size=40)))
@PROPERTY
def test_noise_never_raises(parts: list[bytes]) -> None:
    """Any bytes are read without a fault, and read the same in one piece."""
    assert read(*parts)[0] == read(b"".join(parts))[0]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_line_that_never_ends_is_dropped(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded, the fault is named once, and the next event is read."""
    monkeypatch.setattr(sse, "MAX_EVENT", 100)
    decoder = SseDecoder()
    for _ in range(3000 // size):
        assert decoder.feed(b"data: x"[:7] * (size // 7) + b"x" * (size % 7)) == []
        assert decoder.pending <= 100 + size
    assert decoder.feed(b"\ndata: of the same event\n\ndata: next\n\n") == [b"next"]
    assert decoder.faults == [EVENT_TOO_LARGE]


def test_an_event_of_too_many_lines_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many short lines are as much as one long one, even when they are empty."""
    monkeypatch.setattr(sse, "MAX_EVENT", 100)
    found, decoder = read(b"data: 123456789\n" * 20, b"data: rest\n\n", b"data: next\n\n")
    assert (found, decoder.faults) == ([b"next"], [EVENT_TOO_LARGE])
    assert read(b"data:\n" * 200)[1].faults == [EVENT_TOO_LARGE]


def test_an_event_at_the_bound_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound itself is allowed."""
    monkeypatch.setattr(sse, "MAX_EVENT", 100)
    assert read(b"data: " + b"x" * 93 + b"\n\n")[0] == [b"x" * 93]
    assert read(*(bytes([byte]) for byte in b"data: " + b"x" * 93 + b"\n\n"))[0] == [b"x" * 93]


def test_a_cut_stream_is_noticed() -> None:
    """Bytes of an event without an end are pending."""
    assert read(b"data: a\n\ndata: b")[1].pending > 0
    assert read(b"data: a\n")[1].pending > 0
    assert read(b"data: a\n\n")[1].pending == 0
