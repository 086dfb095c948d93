"""Bedrock misbehaves: the caller gets a true answer in bounded time, and the record says what is known."""

import gc
import io
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from tests.functional.gateway.answers import BODY, CHUNKED, HALF, HEAD, WHOLE, has_counts
from tests.functional.gateway.calls import CLAUDE_BODY, CLAUDE_PATH, CONVERSE_BODY, CONVERSE_PATH
from tests.functional.gateway.door import USE_CASE, HttpAnswer, open_door
from tests.functional.gateway.stub import (
    Reply,
    StubUpstream,
    http,
    sends,
    sends_then_closes,
    sends_then_resets,
    stays_silent,
)

from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.config import Settings
from bedrock_meter.domain import Certainty, Ending, Record, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A way in which Bedrock fails to give a whole answer, and what becomes of the call."""

    reply: Reply
    ending: Ending
    status: int = 503
    code: str = "ServiceUnavailableException"
    says: str = "Try again"
    head: bool = True
    """Whether the head of the answer arrived, with the token counts in it."""


def timed_out(reply: Reply, *, head: bool) -> Fault:
    """Make the case of an answer that does not come in time."""
    return Fault(
        reply=reply,
        ending=Ending.TIMED_OUT,
        status=408,
        code="ModelTimeoutException",
        says="within the time",
        head=head,
    )


BROKEN: Mapping[str, Fault] = {
    "reset-before-head": Fault(reply=sends_then_resets(b""), ending=Ending.UNREACHABLE, head=False),
    "closed-before-head": Fault(reply=sends_then_closes(b""), ending=Ending.UNREACHABLE, head=False),
    "half-a-head": Fault(reply=sends_then_closes(HEAD[:40]), ending=Ending.UNREACHABLE, head=False),
    "no-http": Fault(reply=sends_then_closes(b"SSH-2.0-x\r\n\r\n"), ending=Ending.UNREACHABLE, head=False),
    "reset-after-head": Fault(reply=sends_then_resets(HEAD), ending=Ending.TRUNCATED),
    "reset-mid-body": Fault(reply=sends_then_resets(HALF), ending=Ending.TRUNCATED),
    "truncated-length": Fault(reply=sends_then_closes(HALF), ending=Ending.TRUNCATED),
    "truncated-chunks": Fault(reply=sends_then_closes(CHUNKED), ending=Ending.TRUNCATED),
    "silent": timed_out(stays_silent(), head=False),
    "silent-after-half-a-head": timed_out(stays_silent(HEAD[:40]), head=False),
    "silent-after-head": timed_out(stays_silent(HEAD), head=True),
    "silent-mid-body": timed_out(stays_silent(HALF), head=True),
}


def check_error(answer: HttpAnswer, record: Record, *, status: int, code: str) -> str:
    """Check an error in the gateway's own words; give the message."""
    assert (answer.status, answer.header("x-amzn-errortype")) == (status, code)
    assert answer.header("x-bedrock-meter-request-id") == record.call.id
    assert record.outcome.error_code == code
    assert record.outcome.status is Status.SERVER_ERROR
    assert b"canary" not in answer.body
    return str(json.loads(answer.body)["message"])


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_breaks_off_is_an_error_with_what_was_counted(fault: Fault) -> None:
    """A broken answer gives 503, a late one 408; tokens that the head named are billed, and are on the record."""
    with StubUpstream(fault.reply) as upstream, open_door(upstream.url, settings={"read_timeout_seconds": 0.2}) as door:
        answer = door.send("POST", CLAUDE_PATH, CLAUDE_BODY)

        record = door.record
        message = check_error(answer, record, status=fault.status, code=fault.code)
        assert fault.says in message
        assert record.outcome.ending is fault.ending
        assert record.outcome.duration_ms is not None
        assert record.faults == ()
        if fault.head:
            assert has_counts(record)
            assert record.outcome.bedrock_status == 200
            assert record.outcome.certainty is Certainty.EXACT
        else:
            assert record.usage is None
            assert record.outcome.http_status == fault.status
            assert record.outcome.certainty is Certainty.UNKNOWN
        assert len(upstream.seen) == 1, "a request that was sent must not be sent again: AWS would bill it twice"
        gc.collect()  # a connection that was left open becomes a warning, and so a failure, here


def test_a_broken_answer_without_counts_in_its_head_is_unknown() -> None:
    """A Converse answer that breaks off before its usage leaves the counts unknown, not 0."""
    reply = sends_then_closes(http(200, {"Content-Type": "application/json"}, BODY[:50], length=500))
    with StubUpstream(reply) as upstream, open_door(upstream.url) as door:
        answer = door.send("POST", CONVERSE_PATH, CONVERSE_BODY)

        check_error(answer, door.record, status=503, code="ServiceUnavailableException")
        assert door.record.usage is None
        assert door.record.outcome.certainty is Certainty.UNKNOWN


def test_the_connection_after_a_broken_one_is_a_new_one() -> None:
    """A connection on which something went wrong is never used for the next call."""
    with (
        StubUpstream(stays_silent(HALF), sends(WHOLE)) as upstream,
        open_door(upstream.url, settings={"read_timeout_seconds": 0.2}) as door,
    ):
        statuses = [door.send("POST", CLAUDE_PATH, CLAUDE_BODY).status for _ in range(3)]

        assert statuses == [408, 200, 200]
        assert [seen.connection for seen in upstream.seen] == [0, 1, 1]


def test_a_refused_connection_is_unavailable() -> None:
    """When nothing listens where Bedrock should be, the caller gets 503 and may try again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port, and it refuses connections
        with open_door(f"http://127.0.0.1:{taken.getsockname()[1]}") as door:
            answer = door.send("POST", CLAUDE_PATH, CLAUDE_BODY)

            message = check_error(answer, door.record, status=503, code="ServiceUnavailableException")
            assert message == "The connection to Bedrock failed (ConnectionRefusedError). Try again."
            assert door.record.outcome.ending is Ending.UNREACHABLE
            assert door.record.usage is None


@contextmanager
def full_listener() -> Iterator[str]:
    """Give the URL of a server that accepts no connection: its backlog is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_connection_that_cannot_be_made_in_time_is_unavailable() -> None:
    """When no connection comes about, nothing was sent, so the caller gets 503 and may safely try again."""
    with full_listener() as url, open_door(url, settings={"read_timeout_seconds": 0.2}) as door:
        answer = door.send("POST", CLAUDE_PATH, CLAUDE_BODY)

        check_error(answer, door.record, status=503, code="ServiceUnavailableException")
        assert door.record.outcome.ending is Ending.UNREACHABLE


def test_the_deadline_of_the_function_comes_before_the_read_timeout() -> None:
    """A silent Bedrock is given up one second before Lambda would end the function, so that a record is written."""
    with StubUpstream(stays_silent()) as upstream, open_door(upstream.url, timeout=1.2) as door:
        answer = door.send("POST", CLAUDE_PATH, CLAUDE_BODY)

        check_error(answer, door.record, status=408, code="ModelTimeoutException")
        duration = door.record.outcome.duration_ms
        assert duration is not None
        assert duration < 1000


def test_a_call_that_comes_too_late_is_not_sent() -> None:
    """With no time left for an answer, nothing is sent to Bedrock, so nothing is billed."""
    with StubUpstream(sends(WHOLE)) as upstream, open_door(upstream.url, timeout=0.9) as door:
        answer = door.send("POST", CLAUDE_PATH, CLAUDE_BODY)

        check_error(answer, door.record, status=408, code="ModelTimeoutException")
        assert upstream.seen == []
        assert door.record.usage is None


def test_a_model_that_bedrock_never_heard_of_makes_no_series() -> None:
    """A call that was never sent is no invocation, and its model id, which may be made up, becomes no dimension."""
    with StubUpstream(sends(WHOLE)) as upstream, open_door(upstream.url, timeout=0.9) as door:
        door.send("POST", "/model/made.up/invoke", CLAUDE_BODY)

    stream = io.StringIO()
    StreamSink.for_settings(Settings(use_cases=frozenset({USE_CASE})), stream).emit(door.record)
    line = json.loads(stream.getvalue())
    assert line["ModelId"] == "other"
    assert "Invocations" not in line
    assert line["InvocationServerErrors"] == 1
