"""Streams over real sockets, through the server of ``meterctl serve``."""

import http.client
import json
import socket
import threading
from collections.abc import Callable

import pytest
from tests.functional.gateway.calls import CLAUDE, CONVERSE_BODY
from tests.functional.gateway.door import client_of
from tests.functional.gateway.local import WAIT_SECONDS, serve
from tests.functional.gateway.streams import (
    CONVERSE_STREAM_PATH,
    EVENT_STREAM,
    INPUT,
    OUTPUT,
    converse_frames,
    counts,
)
from tests.functional.gateway.stub import RESET, Reply, StubUpstream
from tests.functional.gateway.stub import http as http_head

from bedrock_meter.domain import Certainty, Ending, UsageSource
from bedrock_meter.estimate import Estimator

HEAD = http_head(200, {"Content-Type": EVENT_STREAM, "Transfer-Encoding": "chunked"}, b"")
FRAMES = converse_frames()
STREAM = b"".join(FRAMES)
END = b"0\r\n\r\n"


def chunked(data: bytes) -> bytes:
    """Frame one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def sends_then_waits(first: bytes, event: threading.Event, rest: bytes) -> Reply:
    """Send a part of the answer, and the rest only after the event; without it the answer ends early."""

    def reply(connection: socket.socket) -> None:
        connection.sendall(first)
        if event.wait(WAIT_SECONDS):
            connection.sendall(rest)
        connection.close()

    return reply


def test_the_first_chunk_arrives_before_bedrock_has_made_the_last() -> None:
    """The caller holds the first frame while Bedrock still waits for the caller to say so."""
    arrived = threading.Event()
    reply = sends_then_waits(HEAD + chunked(FRAMES[0]), arrived, chunked(b"".join(FRAMES[1:])) + END)
    with StubUpstream(reply) as upstream, serve(upstream.url) as served:
        answer = served.post(CONVERSE_STREAM_PATH, CONVERSE_BODY)
        first = answer.read(len(FRAMES[0]))
        arrived.set()
        rest = answer.read()
        record = served.record()

    assert (first, first + rest) == (FRAMES[0], STREAM)
    assert answer.headers["content-type"] == EVENT_STREAM
    assert answer.headers["content-length"] is None
    assert answer.headers["x-bedrock-meter-request-id"] == record.call.id
    assert record.outcome.ending is Ending.COMPLETE
    assert counts(record) == (INPUT, OUTPUT)


def test_boto3_sees_the_first_event_before_bedrock_has_made_the_last() -> None:
    """The same with an unmodified SDK: its iterator gives an event as soon as Bedrock has sent it."""
    arrived = threading.Event()
    reply = sends_then_waits(HEAD + chunked(FRAMES[0]), arrived, chunked(b"".join(FRAMES[1:])) + END)
    with StubUpstream(reply) as upstream, serve(upstream.url) as served:
        answer = client_of(served.url).converse_stream(
            modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": "hi"}]}]
        )
        kinds: list[str] = []
        for event in answer["stream"]:
            kinds += event
            arrived.set()
        record = served.record()

    assert (kinds[0], kinds[-1]) == ("messageStart", "metadata")
    assert counts(record) == (INPUT, OUTPUT)


def test_a_stream_that_breaks_off_is_not_ended_in_form() -> None:
    """The caller of a stream that Bedrock cuts sees a cut message too, and not one that merely looks short."""
    sent = threading.Event()
    sent.set()
    reply = sends_then_waits(HEAD + chunked(b"".join(FRAMES[:4])), sent, b"")
    with StubUpstream(reply) as upstream, serve(upstream.url) as served:
        answer = served.post(CONVERSE_STREAM_PATH, CONVERSE_BODY)
        with pytest.raises(http.client.IncompleteRead) as cut:
            answer.read()
        record = served.record()

    assert cut.value.partial == b"".join(FRAMES[:4])
    assert (record.outcome.ending, record.outcome.http_status) == (Ending.TRUNCATED, 200)


def resets(caller: socket.socket) -> None:
    """End a connection as a process does that is killed with data unread."""
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    caller.close()


@pytest.mark.parametrize("hang_up", [socket.socket.close, resets], ids=["fin", "reset"])
@pytest.mark.parametrize("frames", [0, 1, 10])
def test_a_caller_that_hangs_up_is_metered_to_the_end(hang_up: Callable[[socket.socket], None], frames: int) -> None:
    """Bedrock sends the rest only after the gateway knows that nobody waits; the record has every token."""
    with StubUpstream() as upstream, serve(upstream.url) as served:
        first, rest = b"".join(FRAMES[:frames]), b"".join(FRAMES[frames:])
        head = HEAD + (chunked(first) if first else b"")
        upstream.replies_with(sends_then_waits(head, served.noticed, chunked(rest) + END))
        caller = served.open(CONVERSE_STREAM_PATH, CONVERSE_BODY)
        got = b""
        while first not in got or b"\r\n\r\n" not in got:
            got += caller.recv(65536)
        hang_up(caller)
        record = served.record()

    assert record.outcome.ending is Ending.CLIENT_GONE
    assert record.outcome.certainty is Certainty.EXACT
    assert counts(record) == (INPUT, OUTPUT)


def test_a_silent_bedrock_is_given_up_after_the_callers_end() -> None:
    """When Bedrock says nothing more, the wait after a hang-up ends with its bound and not with the read timeout."""
    never = threading.Event()

    def reply(connection: socket.socket) -> None:
        connection.sendall(HEAD + chunked(FRAMES[0]))
        served.noticed.wait(WAIT_SECONDS)
        connection.sendall(chunked(FRAMES[1]))  # lets the gateway see that its caller has gone
        connection.recv(1)  # until the gateway hangs up
        connection.close()
        never.set()

    with StubUpstream(reply) as upstream, serve(upstream.url, drain_seconds=0.2) as served:
        caller = served.open(CONVERSE_STREAM_PATH, CONVERSE_BODY)
        while FRAMES[0][-20:] not in caller.recv(65536):
            pass
        caller.close()
        record = served.record()
        assert never.wait(WAIT_SECONDS)

    assert record.outcome.ending is Ending.CLIENT_GONE
    assert record.outcome.certainty is Certainty.AT_LEAST
    assert record.usage is not None
    assert record.usage.source is UsageSource.ESTIMATE
    assert record.usage.input == Estimator().request(record.call.model, json.loads(CONVERSE_BODY)).tokens


def test_leaving_the_server_waits_for_the_last_record() -> None:
    """A gateway that is stopped while a stream is under way reads it to its end first."""
    with StubUpstream() as upstream:
        with serve(upstream.url) as served:
            rest = chunked(b"".join(FRAMES[1:])) + END
            upstream.replies_with(sends_then_waits(HEAD + chunked(FRAMES[0]), served.noticed, rest))
            answer = served.post(CONVERSE_STREAM_PATH, CONVERSE_BODY)
            answer.read(len(FRAMES[0]))
        record = served.sink.records.get_nowait()
        answer.close()

    assert record.outcome.ending is Ending.CLIENT_GONE
    assert counts(record) == (INPUT, OUTPUT)
