"""Framing of event streams: what the decoder reads, what it survives, and that it agrees with botocore's."""

from itertools import pairwise
from struct import pack
from typing import cast
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY
from tests.golden.generate import exception, frame

from bedrock_meter import eventstream
from bedrock_meter.eventstream import (
    CORRUPT_MESSAGE,
    LOST,
    MAX_MESSAGE,
    UNREADABLE_HEADERS,
    EventStreamDecoder,
    Message,
)

TWO = frame("chunk", b"first") + frame("metadata", b"")


def read(*parts: bytes) -> tuple[list[Message], EventStreamDecoder]:
    """Decode a stream that arrives in these parts."""
    decoder = EventStreamDecoder()
    return [message for part in parts for message in decoder.feed(part)], decoder


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes at the given places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def raw(headers: bytes, payload: bytes = b"x") -> bytes:
    """Frame a header block as it is."""
    prelude = pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + pack(">I", crc32(prelude)) + headers + payload
    return message + pack(">I", crc32(message))


def header(name: str, kind: int, value: bytes) -> bytes:
    """Encode one header of any type."""
    return bytes([len(name)]) + name.encode() + bytes([kind]) + value


messages = st.lists(
    st.tuples(
        st.sampled_from(["event", "exception"]), st.text("abcXYZ", min_size=1, max_size=12), st.binary(max_size=300)
    ),
    max_size=6,
)


@given(sent=messages, places=st.lists(st.integers(0, 5000), max_size=12))
@PROPERTY
def test_any_stream_is_read_as_botocore_reads_it(sent: list[tuple[str, str, bytes]], places: list[int]) -> None:
    """However it is cut, every message comes out as botocore's own decoder gives it, in order."""
    stream = b"".join(frame(name, payload, kind=kind) for kind, name, payload in sent)
    theirs = EventStreamBuffer()
    theirs.add_data(stream)
    expected = []
    for message in theirs:
        headers = cast("dict[str, str]", message.headers)  # the stubs take them for numbers
        kind = headers[":message-type"]
        expected.append(Message(kind, headers[f":{kind}-type"], message.payload))
    found, decoder = read(*cut(stream, places))
    assert found == expected
    assert (decoder.faults, decoder.pending, decoder.lost) == ([], 0, False)


@given(values=st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 8, 9]), max_size=8), places=st.lists(st.integers(0, 500)))
@PROPERTY
def test_headers_of_every_type_are_passed_over(values: list[int], places: list[int]) -> None:
    """Numbers, times, ids and bytes among the headers hide neither the type nor the payload."""
    sizes = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
    block = b"".join(header(f"h{number}", kind, bytes(sizes[kind])) for number, kind in enumerate(values))
    block += header("raw", 6, b"\x00\x03abc") + header(":event-type", 7, b"\x00\x05chunk")
    found, decoder = read(*cut(raw(block), places))
    assert found == [Message("", "chunk", b"x")]
    assert decoder.faults == []


@given(noise=st.lists(st.binary(max_size=60), max_size=8))
@PROPERTY
def test_noise_never_raises(noise: list[bytes]) -> None:
    """No bytes raise; once the framing is lost nothing is kept."""
    found, decoder = read(*noise)
    assert found == []
    assert decoder.pending == (0 if decoder.lost else sum(map(len, noise)))
    assert decoder.lost == (sum(map(len, noise)) >= 12)


@given(place=st.integers(0, len(TWO) - 1), bit=st.integers(0, 7), places=st.lists(st.integers(0, 500), max_size=5))
@PROPERTY
def test_a_flipped_bit_loses_messages_and_invents_none(place: int, bit: int, places: list[int]) -> None:
    """Whatever bit is wrong, it is noticed, and no message comes out that was not sent."""
    broken = bytearray(TWO)
    broken[place] ^= 1 << bit
    found, decoder = read(*cut(bytes(broken), places))
    assert set(found) < {Message("event", "chunk", b"first"), Message("event", "metadata", b"")}
    assert decoder.faults
    assert decoder.faults in ([LOST], [CORRUPT_MESSAGE])


def test_the_message_after_a_corrupt_one_is_read() -> None:
    """A wrong checksum costs one message."""
    first = frame("chunk", b"first")
    found, decoder = read(first[:-1] + bytes([first[-1] ^ 1]) + frame("metadata", b"second"))
    assert found == [Message("event", "metadata", b"second")]
    assert decoder.faults == [CORRUPT_MESSAGE]


@pytest.mark.parametrize(
    "block",
    [b"\x05ab", header("a", 42, b""), header("a", 7, b"\x00\x09abc"), header("a", 7, b"\x00\x01\xff"), b"\x01\xff\x00"],
)
def test_headers_that_cannot_be_read(block: bytes) -> None:
    """A message whose headers make no sense is left out; the framing holds."""
    found, decoder = read(raw(block) + TWO)
    assert [message.type for message in found] == ["chunk", "metadata"]
    assert decoder.faults == [UNREADABLE_HEADERS]


def test_a_message_of_an_unmodelled_error() -> None:
    """An error names its code."""
    block = header(":message-type", 7, b"\x00\x05error") + header(":error-code", 7, b"\x00\x03Bad")
    assert read(raw(block))[0] == [Message("error", "Bad", b"x")]
    assert read(exception("throttlingException"))[0][0][:2] == ("exception", "throttlingException")


@pytest.mark.parametrize("total", [MAX_MESSAGE + 1, 0xFFFFFFFF, 15, 0])
def test_an_impossible_length_is_not_waited_for(total: int) -> None:
    """A claim beyond the bound, or below the frame itself, loses the framing at once, though its checksum is right."""
    prelude = pack(">II", total, 0)
    found, decoder = read(TWO + prelude + pack(">I", crc32(prelude)), bytes(1000), TWO)
    assert len(found) == 2
    assert (decoder.lost, decoder.pending, decoder.faults) == (True, 0, [LOST])


def test_a_message_at_the_bound_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound itself is allowed."""
    message = frame("chunk", bytes(1000))
    monkeypatch.setattr(eventstream, "MAX_MESSAGE", len(message))
    assert len(read(message)[0]) == 1
    monkeypatch.setattr(eventstream, "MAX_MESSAGE", len(message) - 1)
    assert read(message)[1].lost


def test_memory_is_bounded_by_one_message() -> None:
    """While a long message arrives, exactly its bytes are kept, and nothing once it is whole."""
    message = frame("chunk", bytes(200_000))
    decoder, given_out = EventStreamDecoder(), 0
    for start in range(0, len(message), 1000):
        given_out += len(decoder.feed(message[start : start + 1000]))
        assert decoder.pending == (0 if given_out else min(start + 1000, len(message)))
    assert given_out == 1


@pytest.mark.parametrize("count", [50, 500])
def test_the_work_grows_with_the_bytes_and_not_with_the_waiting(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message in many small parts is checked once, not once for each part."""
    checked: list[int] = []

    def counted(data: bytes) -> int:
        checked.append(len(data))
        return crc32(data)

    monkeypatch.setattr(eventstream, "crc32", counted)
    message = frame("chunk", bytes(100 * count))
    found, _ = read(*(message[start : start + 100] for start in range(0, len(message), 100)))
    assert len(found) == 1
    assert sum(checked) <= len(message) + 64


def test_what_comes_after_the_loss_is_ignored() -> None:
    """Nobody can say where the next message starts, so none is guessed."""
    decoder = EventStreamDecoder()
    assert decoder.feed(b"HTTP/1.1 502 Bad Gateway") == []
    assert decoder.feed(TWO) == []
    assert decoder.faults == [LOST]
