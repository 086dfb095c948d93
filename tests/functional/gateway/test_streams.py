"""Streams through the gateway, without a socket: bytes untouched, one record, and what happens when they break."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY
from tests.functional.gateway.streams import (
    CHAT_PATH,
    CONVERSE_STREAM_PATH,
    INPUT,
    INVOKE_STREAM_PATH,
    OUTPUT,
    SSE,
    FakeAnswer,
    Rig,
    converse_frames,
    counts,
    cut,
    frame,
    invoke_frames,
)

from bedrock_meter.domain import Certainty, Ending, Status
from bedrock_meter.errors import Refusal, UpstreamTimeout, UpstreamUnavailable
from gateway.http import render

STREAM = b"".join(converse_frames())
OFFSETS = st.lists(st.integers(0, len(STREAM)), max_size=40)


@given(offsets=OFFSETS)
@PROPERTY
def test_any_chunking_is_relayed_as_it_arrives(offsets: list[int]) -> None:
    """Each chunk is handed on as the same chunk, and however the frames are cut, the counts are the same."""
    chunks = cut(STREAM, offsets)
    rig = Rig(FakeAnswer(chunks))

    response = rig.ask()

    assert list(response.body) == chunks
    assert counts(rig.record) == (INPUT, OUTPUT)
    assert rig.record.outcome.certainty is Certainty.EXACT
    assert rig.record.outcome.ending is Ending.COMPLETE
    assert rig.record.faults == ()


@given(chunks=st.lists(st.binary(min_size=1), max_size=8), path=st.sampled_from([CONVERSE_STREAM_PATH, CHAT_PATH]))
@PROPERTY
def test_any_bytes_are_relayed_unchanged(chunks: list[bytes], path: str) -> None:
    """Whatever a stream holds, it reaches the caller as it is, and leaves one record."""
    content_type = SSE if path == CHAT_PATH else "application/vnd.amazon.eventstream"
    rig = Rig(FakeAnswer(chunks, headers=(("Content-Type", content_type),)))

    response = rig.ask(path, b'{"model":"m.x","stream":true,"stream_options":{"include_usage":true}}')

    assert list(response.body) == chunks
    assert rig.record.outcome.http_status == 200
    assert rig.record.outcome.ending is Ending.COMPLETE


def test_the_head_goes_out_before_the_body() -> None:
    """The caller has status and headers before the first chunk is asked for; ours is the request id, and no count."""
    answer = FakeAnswer([STREAM])
    rig = Rig(answer)

    response = rig.ask()

    assert answer.given == 0
    assert response.status == 200
    assert response.headers == (*answer.headers, ("x-bedrock-meter-request-id", "call-1"))
    assert rig.records == []
    assert b"".join(response.body) == STREAM
    assert len(rig.records) == 1


def test_a_chunk_is_metered_before_it_is_handed_on() -> None:
    """A caller that has the last chunk has been metered in full, even if it never asks for more."""
    rig = Rig(FakeAnswer(converse_frames()))
    body = iter(rig.ask().body)
    for _ in converse_frames():
        next(body)

    rig.clock.advance(10**6)  # nothing may be read any more
    close(body)

    assert counts(rig.record) == (INPUT, OUTPUT)


@pytest.mark.parametrize("content_type", ["application/vnd.amazon.eventstream", "TEXT/Event-Stream; charset=utf-8"])
def test_the_content_type_of_the_answer_makes_a_stream(content_type: str) -> None:
    """What streams is decided by what Bedrock answers, not by the route: an error on a stream route is a whole body."""
    streaming = Rig(FakeAnswer([b"abc"], headers=(("content-type", content_type),))).ask()
    assert not isinstance(streaming.body, list)
    rig = Rig(FakeAnswer([b'{"message":"no"}'], status=400, headers=(("content-type", "application/json"),)))
    assert rig.ask().body == [b'{"message":"no"}']
    assert rig.record.outcome.http_status == 400


def test_invoke_streams_are_metered() -> None:
    """The other stream operation gives its counts in the last chunk."""
    frames = invoke_frames()
    rig = Rig(FakeAnswer(frames))

    body = b'{"anthropic_version":"bedrock-2023-05-31","max_tokens":5,"messages":[]}'
    assert list(rig.ask(INVOKE_STREAM_PATH, body).body) == frames
    assert counts(rig.record) == (INPUT, OUTPUT)
    assert rig.record.outcome.stop_reason == "end_turn"
    assert rig.record.call.streaming


@pytest.mark.parametrize(
    ("error", "ending", "raised"),
    [
        (UpstreamUnavailable("it broke off"), Ending.TRUNCATED, UpstreamUnavailable),
        (UpstreamTimeout("it was too slow"), Ending.TIMED_OUT, UpstreamTimeout),
        (RuntimeError("canary"), Ending.TRUNCATED, Refusal),
    ],
)
def test_a_stream_that_breaks_off(error: Exception, ending: Ending, raised: type[Refusal]) -> None:
    """What came is handed on, then the iterator raises, so that no transport takes the message for whole."""
    frames = converse_frames()
    rig = Rig(FakeAnswer([*frames[:5], error]))
    body = iter(rig.ask().body)

    got = [next(body) for _ in range(5)]
    with pytest.raises(raised) as caught:
        next(body)

    assert got == frames[:5]
    assert "canary" not in caught.value.message
    outcome = rig.record.outcome
    assert (outcome.ending, outcome.http_status, outcome.status) == (ending, 200, Status.SERVER_ERROR)
    assert outcome.certainty is not Certainty.EXACT
    assert rig.record.faults == (("gateway_fault",) if isinstance(error, RuntimeError) else ())


def test_a_stream_that_breaks_off_after_its_counts_is_exact() -> None:
    """The counts come last; once they are there, a connection that is not ended in form changes nothing about them."""
    rig = Rig(FakeAnswer([STREAM, UpstreamUnavailable("reset")]))
    with pytest.raises(UpstreamUnavailable):
        list(rig.ask().body)
    assert counts(rig.record) == (INPUT, OUTPUT)
    assert (rig.record.outcome.ending, rig.record.outcome.certainty) == (Ending.TRUNCATED, Certainty.EXACT)


def test_an_exception_in_the_stream_is_relayed_and_recorded() -> None:
    """Bedrock fails after its 200: the frame passes as it is, and the record has the name of the error."""
    error = frame("throttlingException", {"message": "slow down"}, message_type="exception")
    data = [*converse_frames()[:3], error]
    rig = Rig(FakeAnswer(data))

    assert list(rig.ask().body) == data
    outcome = rig.record.outcome
    assert (outcome.error_code, outcome.bedrock_status, outcome.status) == (
        "ThrottlingException",
        200,
        Status.THROTTLED,
    )


def corrupt(frames: list[bytes]) -> bytes:
    """Flip a bit in the payload of one frame."""
    bad = bytearray(frames[4])
    bad[-6] ^= 1
    return b"".join([*frames[:4], bytes(bad), *frames[5:]])


@pytest.mark.parametrize(
    ("data", "counted"),
    [
        pytest.param(corrupt(converse_frames()), True, id="a corrupt checksum before the counts"),
        pytest.param(STREAM[:300] + b"\xff\xff\xff\xf0" + STREAM[300:], False, id="a frame of 4 GB"),
        pytest.param(STREAM + b"garbage after the last frame", True, id="garbage at the end"),
        pytest.param(b"garbage" * 500, False, id="nothing but garbage"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_corrupt_stream_is_relayed_and_counted_as_a_fault(data: bytes, counted: bool, size: int) -> None:
    """The caller gets every byte of it; the record says that the meter could not read it all."""
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    rig = Rig(FakeAnswer(chunks))

    assert list(rig.ask().body) == chunks
    assert rig.record.faults != ()
    assert counts(rig.record) == ((INPUT, OUTPUT) if counted else (None, None))
    assert rig.record.outcome.certainty is (Certainty.AT_LEAST if counted else Certainty.UNKNOWN)


def test_a_buffered_transport_gets_the_stream_whole_and_with_its_counts() -> None:
    """Where nothing leaves before the end, the answer is read first and its headers tell the counts."""
    rig = Rig(FakeAnswer(cut(STREAM, range(0, len(STREAM), 100))))

    response = rig.ask(buffered=True)

    assert isinstance(response.body, list)
    assert b"".join(response.body) == STREAM
    assert ("x-bedrock-meter-output-tokens", str(OUTPUT)) in response.headers
    assert render(response)["isBase64Encoded"]


def test_a_buffered_transport_gets_an_error_for_a_stream_that_breaks_off() -> None:
    """Nothing has left yet, so the caller is told instead of being given half a stream."""
    rig = Rig(FakeAnswer([STREAM[:400], UpstreamUnavailable("it broke off")]))

    response = rig.ask(buffered=True)

    assert response.status == 503
    assert json.loads(b"".join(response.body)) == {"message": "it broke off"}
    assert (rig.record.outcome.ending, rig.record.outcome.bedrock_status) == (Ending.TRUNCATED, 200)


def close(body: Iterator[bytes]) -> None:
    """Close a generator whose type says no more than that it is an iterator."""
    body.close()  # type: ignore[attr-defined]
