"""The meter: one record for each call, whatever happens, and nothing that reaches the transport."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY, Bench, a_call

import bedrock_meter.session
from bedrock_meter.domain import Certainty, Ending, Operation, Status, UsageSource
from bedrock_meter.errors import (
    AccessDenied,
    GatewayFault,
    Refusal,
    RequestTooLarge,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from bedrock_meter.session import READER_FAULT, Session
from bedrock_meter.usage import Reading

HEADERS = {
    "x-amzn-bedrock-input-token-count": "10",
    "x-amzn-bedrock-output-token-count": "3",
    "x-amzn-requestid": "b0d1",
}
BODY = b'{"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":3}}'


def test_a_good_call() -> None:
    """The record joins the call, the counts and the outcome."""
    bench = Bench()
    record = bench.exchange(BODY, headers=HEADERS)
    assert bench.sink.records == [record]
    assert record.call == a_call()
    assert record.usage is not None
    assert (record.usage.input, record.usage.output, record.usage.source) == (10, 3, UsageSource.HEADER)
    assert (record.outcome.status, record.outcome.certainty) == (Status.OK, Certainty.EXACT)
    assert (record.outcome.stop_reason, record.outcome.upstream_request_id) == ("end_turn", "b0d1")
    assert (record.cost, record.faults, record.disagreement) == (None, (), False)


def test_time_is_split_between_bedrock_and_the_meter() -> None:
    """Waiting for Bedrock is duration; what came before sending is overhead, the time before the session too."""
    bench = Bench()
    started = bench.clock.monotonic()
    bench.clock.advance(0.25)
    session = bench.meter.open(a_call(), started=started)
    bench.clock.advance(0.25)
    session.sending()
    bench.clock.advance(2)
    session.head(200, HEADERS)
    session.feed(BODY[:5])
    bench.clock.advance(1)
    session.feed(BODY[5:])
    record = session.close(Ending.COMPLETE, attempts=2)
    assert record is not None
    outcome = record.outcome
    assert (outcome.overhead_ms, outcome.first_byte_ms, outcome.duration_ms) == (500.0, 2000.0, 3000.0)
    assert outcome.attempts == 2


def test_reading_a_chunk_is_overhead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that a reader takes is ours, for each chunk and for the result."""
    bench = Bench()

    class SlowReader:
        content_started = True

        def feed(self, chunk: bytes) -> None:
            del chunk
            bench.clock.advance(0.25)

        def result(self) -> Reading:
            bench.clock.advance(0.5)
            return Reading()

    monkeypatch.setattr(bedrock_meter.session, "reader_for", lambda *_: SlowReader())
    assert bench.exchange(b"a", b"b").outcome.overhead_ms == 1000.0


def test_a_call_that_was_not_sent_has_no_duration() -> None:
    """All of its time is ours."""
    bench = Bench()
    session = bench.session()
    bench.clock.advance(0.125)
    record = session.close(Ending.REFUSED, answered=AccessDenied("no"))
    assert record is not None
    assert (record.outcome.duration_ms, record.outcome.first_byte_ms, record.outcome.overhead_ms) == (None, None, 125.0)


@pytest.mark.parametrize(
    ("ending", "http_status", "code", "status", "certainty"),
    [
        (Ending.COMPLETE, 200, "", Status.OK, Certainty.UNKNOWN),
        (Ending.COMPLETE, 400, "ValidationException", Status.CLIENT_ERROR, Certainty.EXACT),
        (Ending.COMPLETE, 403, "AccessDeniedException", Status.CLIENT_ERROR, Certainty.EXACT),
        (Ending.COMPLETE, 404, "ResourceNotFoundException", Status.CLIENT_ERROR, Certainty.EXACT),
        (Ending.COMPLETE, 408, "ModelTimeoutException", Status.CLIENT_ERROR, Certainty.UNKNOWN),
        (Ending.COMPLETE, 424, "ModelErrorException", Status.CLIENT_ERROR, Certainty.UNKNOWN),
        (Ending.COMPLETE, 429, "ThrottlingException", Status.THROTTLED, Certainty.EXACT),
        (Ending.COMPLETE, 429, "", Status.THROTTLED, Certainty.EXACT),
        (Ending.COMPLETE, 429, "ModelNotReadyException", Status.SERVER_ERROR, Certainty.EXACT),
        (Ending.COMPLETE, 500, "InternalServerException", Status.SERVER_ERROR, Certainty.UNKNOWN),
        (Ending.CLIENT_GONE, 200, "", Status.OK, Certainty.UNKNOWN),
        (Ending.TRUNCATED, 200, "", Status.SERVER_ERROR, Certainty.UNKNOWN),
        (Ending.TRUNCATED, 429, "ThrottlingException", Status.SERVER_ERROR, Certainty.EXACT),
        (Ending.TIMED_OUT, 200, "", Status.SERVER_ERROR, Certainty.UNKNOWN),
    ],
)
def test_status_and_certainty_of_an_answer(
    ending: Ending, http_status: int, code: str, status: Status, certainty: Certainty
) -> None:
    """The class follows Bedrock's status; what Bedrock did not process is known to have cost nothing."""
    record = Bench().exchange(status=http_status, headers={"x-amzn-errortype": code}, ending=ending)
    assert record.outcome.status is status
    assert record.outcome.certainty is certainty
    assert record.outcome.error_code == (code if http_status >= 400 and code else None)
    assert record.outcome.http_status == http_status


@pytest.mark.parametrize(
    ("ending", "answered", "status", "certainty"),
    [
        (Ending.REFUSED, AccessDenied("no"), Status.DENIED, Certainty.EXACT),
        (Ending.REFUSED, RequestTooLarge(size=2, limit=1), Status.DENIED, Certainty.EXACT),
        (Ending.REFUSED, GatewayFault("bug"), Status.SERVER_ERROR, Certainty.EXACT),
        (Ending.UNREACHABLE, UpstreamUnavailable("gone"), Status.SERVER_ERROR, Certainty.UNKNOWN),
        (Ending.TIMED_OUT, UpstreamTimeout("late"), Status.SERVER_ERROR, Certainty.UNKNOWN),
        (Ending.UNREACHABLE, None, Status.SERVER_ERROR, Certainty.UNKNOWN),
    ],
)
def test_a_call_that_bedrock_did_not_answer(
    ending: Ending, answered: Refusal | None, status: Status, certainty: Certainty
) -> None:
    """The record shows the answer that the caller got instead."""
    bench = Bench()
    session = bench.session()
    session.sending()
    record = session.close(ending, answered=answered)
    assert record is not None
    assert (record.outcome.status, record.outcome.certainty) == (status, certainty)
    assert record.outcome.http_status == (answered.http_status if answered else None)
    assert record.outcome.error_code == (answered.code if answered else None)
    assert record.usage is None


def test_an_answer_that_broke_off_keeps_bedrocks_status() -> None:
    """The caller got a 503, but Bedrock had said 200; the headers had counted the call already."""
    bench = Bench()
    session = bench.session()
    session.sending()
    session.head(200, HEADERS)
    session.feed(BODY[:20])
    record = session.close(Ending.TRUNCATED, answered=UpstreamUnavailable("broke off"))
    assert record is not None
    assert (record.outcome.bedrock_status, record.outcome.http_status) == (200, 503)
    assert record.outcome.error_code == "ServiceUnavailableException"
    assert (record.outcome.status, record.outcome.certainty) == (Status.SERVER_ERROR, Certainty.EXACT)
    assert record.faults == ()


def test_a_whole_answer_that_is_no_json_is_a_fault() -> None:
    """A complete answer has to be readable; one that broke off does not."""
    assert Bench().exchange(BODY[:20], headers=HEADERS).faults == ("answer_not_json",)
    assert Bench().exchange(BODY[:20], headers=HEADERS, ending=Ending.CLIENT_GONE).faults == ()


def test_half_a_usage_is_a_lower_bound() -> None:
    """One count of two is at least that much."""
    record = Bench().exchange(b'{"usage":{"input_tokens":10}}')
    assert record.outcome.certainty is Certainty.AT_LEAST


def test_a_second_close_returns_none() -> None:
    """Only the first close makes a record."""
    bench = Bench()
    session = bench.session()
    first = session.close(Ending.CLIENT_GONE)
    assert session.close(Ending.COMPLETE) is None
    assert bench.sink.records == [first]


def test_what_comes_after_close_is_ignored() -> None:
    """A late chunk, head or start neither raises nor changes the record."""
    bench = Bench()
    session = bench.session()
    record = session.close(Ending.CLIENT_GONE)
    session.sending()
    session.head(500, {})
    session.feed(BODY)
    assert session.close(Ending.COMPLETE) is None
    assert bench.sink.records == [record]


def test_bytes_before_a_head_are_not_read() -> None:
    """Without a head nobody knows what the bytes are; the call is recorded as unreachable."""
    bench = Bench()
    session = bench.session()
    session.feed(BODY)
    record = session.close(Ending.UNREACHABLE)
    assert record is not None
    assert (record.usage, record.outcome.http_status) == (None, None)


def test_threads_that_close_together_make_one_record() -> None:
    """However many close at once, one of them gets the record."""
    bench = Bench()
    session, start, closed = bench.session(), threading.Barrier(8), []

    def close() -> None:
        start.wait()
        closed.append(session.close(Ending.COMPLETE))

    threads = [threading.Thread(target=close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(closed) == 8
    assert [record for record in closed if record] == bench.sink.records
    assert len(bench.sink.records) == 1


def test_only_the_first_record_is_a_cold_start() -> None:
    """A new environment is counted once."""
    bench = Bench()
    assert [bench.exchange(BODY, headers=HEADERS).cold_start for _ in range(3)] == [True, False, False]


@given(
    chunks=st.lists(st.binary(max_size=40), max_size=6),
    status=st.integers(100, 599),
    headers=st.dictionaries(st.sampled_from([*HEADERS, "x-amzn-errortype"]), st.text(max_size=12)),
    operation=st.sampled_from(Operation),
    ending=st.sampled_from(Ending),
)
@PROPERTY
def test_any_exchange_gives_one_record(
    chunks: list[bytes], status: int, headers: dict[str, str], operation: Operation, ending: Ending
) -> None:
    """No bytes, status or headers make a session raise or lose its record."""
    bench = Bench()
    record = bench.exchange(*chunks, call=a_call(operation=operation), status=status, headers=headers, ending=ending)
    assert bench.sink.records == [record]
    assert READER_FAULT not in record.faults


STEPS: dict[str, Callable[[Session], object]] = {
    "sending": Session.sending,
    "head": lambda session: session.head(200, HEADERS),
    "feed": lambda session: session.feed(BODY),
    "close": lambda session: session.close(Ending.COMPLETE),
}


@given(steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=10))
@PROPERTY
def test_any_order_of_steps_gives_at_most_one_record(steps: list[str]) -> None:
    """A transport that mixes the steps up still cannot make the meter raise or count twice."""
    bench = Bench()
    session = bench.session()
    for step in steps:
        STEPS[step](session)
    assert len(bench.sink.records) == int("close" in steps)
