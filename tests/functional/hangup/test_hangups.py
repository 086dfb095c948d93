"""Callers that hang up: Bedrock bills the whole answer, so it is read to its end, in bounds, and metered."""

import gc
import random
from typing import Any

import pytest
from tests.functional.gateway.streams import (
    CONVERSE_STREAM_PATH,
    INPUT,
    INVOKE_STREAM_PATH,
    OUTPUT,
    SSE,
    FakeAnswer,
    Rig,
    chat_events,
    converse_frames,
    counts,
    cut,
    invoke_frames,
)

from bedrock_meter.domain import Certainty, Ending, Status
from bedrock_meter.errors import UpstreamTimeout, UpstreamUnavailable
from gateway.http import Response

STREAM = b"".join(converse_frames())


def read(response: Response, size: int) -> bytes:
    """Read at least so many bytes, as a caller does that then hangs up."""
    got = b""
    for chunk in response.body:
        got += chunk
        if len(got) >= size:
            break
    return got


def test_a_thousand_hang_ups_are_a_thousand_exact_records() -> None:
    """At whatever byte a caller goes away, and however the answer was cut, the record has every token."""
    dice = random.Random(20261123)  # noqa: S311 - no secret
    streams = [STREAM, b"".join(invoke_frames())]
    answers, stops = [], []
    for number in range(1000):
        data = streams[number % 2]
        answers.append(FakeAnswer(cut(data, [dice.randrange(len(data)) for _ in range(dice.randrange(30))])))
        stops.append(dice.randrange(len(data)))
    rig = Rig(*answers)

    for number, stop in enumerate(stops):
        response = rig.ask((CONVERSE_STREAM_PATH, INVOKE_STREAM_PATH)[number % 2])
        got = read(response, stop) if stop else b""
        response.close()
        assert streams[number % 2].startswith(got)

    assert len(rig.records) == 1000
    assert {counts(record) for record in rig.records} == {(INPUT, OUTPUT)}
    assert {record.outcome.certainty for record in rig.records} == {Certainty.EXACT}
    assert {record.outcome.ending for record in rig.records} == {Ending.CLIENT_GONE}
    assert {record.outcome.status for record in rig.records} == {Status.OK}
    assert all(answer.closed for answer in answers)


def test_a_caller_that_goes_before_the_first_chunk() -> None:
    """An answer that nobody ever began to read is metered all the same."""
    answer = FakeAnswer(converse_frames())
    rig = Rig(answer)

    rig.ask().close()

    assert answer.given == len(STREAM)
    assert counts(rig.record) == (INPUT, OUTPUT)
    assert rig.record.outcome.ending is Ending.CLIENT_GONE


def test_a_caller_that_forgets_the_answer() -> None:
    """A body that is dropped instead of closed is metered when it is collected."""
    rig = Rig(FakeAnswer(converse_frames()))
    response = rig.ask()
    next(iter(response.body))

    del response
    gc.collect()

    assert counts(rig.record) == (INPUT, OUTPUT)


def test_closing_twice_and_after_the_end_is_harmless() -> None:
    """There is one record, however often a transport says that it is done."""
    rig = Rig(FakeAnswer(converse_frames()))
    response = rig.ask()
    assert b"".join(response.body) == STREAM
    response.close()
    response.close()
    assert rig.record.outcome.ending is Ending.COMPLETE


def test_the_time_for_reading_on_is_bounded() -> None:
    """When the seconds are over, the rest is let go; the record is a lower bound and its connection is closed."""
    frames = converse_frames()
    seconds = 30.0
    answer = FakeAnswer([])
    rig = Rig(answer, drain_seconds=seconds)
    answer.parts = [
        part
        for number, one in enumerate(frames)
        for part in (one, lambda: rig.clock.advance(seconds / 4 - 0.1))
        if number >= 0
    ]
    response = rig.ask()
    read(response, 1)
    response.close()

    assert answer.hurried == seconds
    assert answer.given == sum(map(len, frames[:6]))
    assert answer.closed
    assert rig.record.outcome.certainty is not Certainty.EXACT
    assert rig.record.outcome.ending is Ending.CLIENT_GONE


def test_the_bytes_that_are_read_on_are_bounded() -> None:
    """When the bytes are over, the rest is let go."""
    frames = converse_frames()
    answer = FakeAnswer(frames)
    rig = Rig(answer, drain_bytes=len(frames[1]) + len(frames[2]))
    response = rig.ask()
    read(response, 1)
    response.close()

    assert answer.given == sum(map(len, frames[:3]))
    assert answer.closed
    assert rig.record.outcome.certainty is not Certainty.EXACT


def test_what_was_counted_before_the_bound_is_a_lower_bound() -> None:
    """Claude tells its input at the start, so a record that the bound cut short has at least that."""
    rig = Rig(FakeAnswer(invoke_frames()), drain_bytes=1)
    response = rig.ask(INVOKE_STREAM_PATH)
    read(response, 1)
    response.close()

    assert counts(rig.record)[0] == INPUT
    assert rig.record.outcome.certainty is Certainty.AT_LEAST


@pytest.mark.parametrize("settings", [{"drain_seconds": 0.0}, {"drain_bytes": 0}])
def test_reading_on_can_be_switched_off(settings: dict[str, Any]) -> None:
    """A bound of 0 reads nothing."""
    frames = converse_frames()
    answer = FakeAnswer(frames)
    rig = Rig(answer, **settings)
    response = rig.ask()
    read(response, 1)
    response.close()

    assert answer.given == len(frames[0])
    assert rig.record.outcome.certainty is Certainty.UNKNOWN


@pytest.mark.parametrize("error", [UpstreamUnavailable("reset"), UpstreamTimeout("too slow"), RuntimeError("bug")])
def test_a_fault_while_reading_on_reaches_nobody(error: Exception) -> None:
    """The caller has gone, so there is nobody to tell; the record is still written, once."""
    answer = FakeAnswer([*converse_frames()[:4], error])
    rig = Rig(answer)
    response = rig.ask()
    read(response, 1)
    response.close()

    assert rig.record.outcome.ending is Ending.CLIENT_GONE
    assert rig.record.outcome.certainty is not Certainty.EXACT
    assert rig.record.faults == (("gateway_fault",) if isinstance(error, RuntimeError) else ())
    assert answer.closed


def test_a_hang_up_on_a_stream_whose_usage_is_hidden() -> None:
    """The counts that the caller would not have been shown are read all the same."""
    first, usage, done = chat_events()
    rig = Rig(FakeAnswer([*first, usage, done], headers=(("content-type", SSE),)))
    response = rig.ask("/v1/chat/completions", b'{"model":"openai.gpt-oss-120b-1:0","stream":true}')
    read(response, 1)
    response.close()
    assert counts(rig.record) == (INPUT, OUTPUT)
    assert rig.record.outcome.certainty is Certainty.EXACT
