"""Streams in the meter: the time to the first token, errors after a 200, and streams that end early."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY, Bench, a_call
from tests.golden.cases import PLAIN, WHOLE
from tests.golden.generate import chunks, exception

from bedrock_meter.domain import Call, Certainty, Ending, Operation, Status
from bedrock_meter.session import CUT_SHORT
from bedrock_meter.usage import EVENT_STREAM

HEADERS = {"content-type": EVENT_STREAM}


def a_stream_call() -> Call:
    """Give the call of a Claude stream."""
    return a_call(operation=Operation.INVOKE_MODEL_STREAM, streaming=True)


def test_time_to_the_first_token() -> None:
    """The opening of a stream is no token; the first piece of the answer is, and later ones change nothing."""
    bench = Bench()
    session = bench.session(a_stream_call())
    session.sending()
    bench.clock.advance(1)
    session.head(200, HEADERS)
    for document in PLAIN:
        session.feed(chunks(document))
        bench.clock.advance(0.5)
    record = session.close(Ending.COMPLETE)
    assert record is not None
    assert (record.outcome.first_byte_ms, record.outcome.duration_ms) == (2000.0, 3500.0)


@pytest.mark.parametrize(("status", "body"), [(200, b""), (200, chunks(*PLAIN[:2])), (429, b'{"message":"m"}')])
def test_a_stream_without_an_answer_has_no_first_token(status: int, body: bytes) -> None:
    """Neither an opening nor an error is a token."""
    record = Bench().exchange(body, call=a_stream_call(), status=status, headers=HEADERS)
    assert record.outcome.first_byte_ms is None


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [
        ("throttlingException", "ThrottlingException", Status.THROTTLED),
        ("validationException", "ValidationException", Status.CLIENT_ERROR),
        ("modelTimeoutException", "ModelTimeoutException", Status.CLIENT_ERROR),
        ("modelStreamErrorException", "ModelStreamErrorException", Status.CLIENT_ERROR),
        ("internalServerException", "InternalServerException", Status.SERVER_ERROR),
        ("serviceUnavailableException", "ServiceUnavailableException", Status.SERVER_ERROR),
        ("noveltyException", "NoveltyException", Status.SERVER_ERROR),
        ("a sentence of somebody", "InternalServerException", Status.SERVER_ERROR),
        ("", "InternalServerException", Status.SERVER_ERROR),
    ],
)
def test_an_exception_in_a_stream(name: str, code: str, status: Status) -> None:
    """The class is that of the modelled status, while Bedrock's answer and the caller's stay 200."""
    record = Bench().exchange(chunks(*PLAIN), exception(name), call=a_stream_call(), headers=HEADERS)
    assert (record.outcome.error_code, record.outcome.status) == (code, status)
    assert (record.outcome.bedrock_status, record.outcome.http_status) == (200, 200)
    assert record.outcome.certainty is Certainty.AT_LEAST


def test_an_exception_after_the_counts_leaves_them_exact() -> None:
    """What Bedrock has counted, it has counted."""
    record = Bench().exchange(WHOLE, exception("internalServerException"), call=a_stream_call(), headers=HEADERS)
    assert (record.outcome.status, record.outcome.certainty) == (Status.SERVER_ERROR, Certainty.EXACT)


@given(
    size=st.integers(0, len(WHOLE) - 1),
    ending=st.sampled_from([Ending.CLIENT_GONE, Ending.TRUNCATED, Ending.TIMED_OUT]),
)
@PROPERTY
def test_a_stream_that_breaks_off_is_no_fault_of_the_meter(size: int, ending: Ending) -> None:
    """A beginning gives a lower bound or nothing, and no fault: the ending tells why."""
    record = Bench().exchange(WHOLE[:size], call=a_stream_call(), headers=HEADERS, ending=ending)
    assert record.faults == ()
    if record.usage is None:
        assert record.outcome.certainty is Certainty.UNKNOWN
    elif record.usage.output == 2:
        assert record.outcome.certainty is Certainty.AT_LEAST


@pytest.mark.parametrize("ending", [Ending.CLIENT_GONE, Ending.TRUNCATED])
def test_a_caller_who_left_is_counted_to_the_token(ending: Ending) -> None:
    """When the stream was read to its counts all the same, they are exact."""
    record = Bench().exchange(WHOLE, call=a_stream_call(), headers=HEADERS, ending=ending)
    assert record.usage is not None
    assert (record.usage.input, record.usage.output, record.outcome.certainty) == (14, 9, Certainty.EXACT)


def test_a_stream_that_ends_well_in_the_middle_of_a_message() -> None:
    """The transport saw a good end, so what is missing is a fault; nothing after it can be ruled out."""
    record = Bench().exchange(WHOLE, b"\x00\x00", call=a_stream_call(), headers=HEADERS)
    assert (record.faults, record.outcome.certainty) == ((CUT_SHORT,), Certainty.AT_LEAST)
    nothing = Bench().exchange(b"\x00\x00", call=a_stream_call(), headers=HEADERS)
    assert (nothing.faults, nothing.outcome.certainty) == ((CUT_SHORT,), Certainty.UNKNOWN)


BLOCKED = chunks({"outputText": "Sorry.", "amazon-bedrock-guardrailAction": "INTERVENED", "inputTextTokenCount": 28.0})


@pytest.mark.parametrize(
    ("ending", "certainty"), [(Ending.COMPLETE, Certainty.EXACT), (Ending.CLIENT_GONE, Certainty.UNKNOWN)]
)
def test_a_blocked_prompt_is_exact_only_when_the_stream_was_whole(ending: Ending, certainty: Certainty) -> None:
    """Without metrics no model worked; but metrics may come as long as the stream has not ended."""
    record = Bench().exchange(BLOCKED, call=a_stream_call(), headers=HEADERS, ending=ending)
    assert (record.usage, record.outcome.certainty) == (None, certainty)
    assert record.outcome.stop_reason == "guardrail_intervened"
