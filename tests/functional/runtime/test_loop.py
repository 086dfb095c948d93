"""The loop against the Runtime API, with apps of a few lines in the place of the gateway."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from tests.functional.runtime.emulator import Emulator, Posted
from tests.functional.runtime.runtimes import looping

from bedrock_meter.errors import UpstreamTimeout
from gateway.http import Request, Response

EVENT: dict[str, Any] = {"httpMethod": "GET", "path": "/x", "headers": {}, "body": None, "requestContext": {}}
SECRET = "canary of a prompt"


def answering(*chunks: bytes, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Callable[..., Response]:
    """Make an app that answers every request so."""
    return lambda _: Response(status=status, headers=headers, body=list(chunks))


def streaming(body: Callable[[], Iterator[bytes]]) -> Callable[..., Response]:
    """Make an app that answers with a generator."""
    return lambda _: Response(status=200, headers=(), body=body())


def error_trailers(posted: Posted) -> tuple[str, dict[str, Any]]:
    """Give the type and the decoded body of a late failure."""
    body = json.loads(base64.b64decode(posted.trailers["lambda-runtime-function-error-body"]))
    return posted.trailers["lambda-runtime-function-error-type"], body


def test_a_post_is_declared_as_a_stream() -> None:
    """The post says that it streams, what form it has, and which trailers may come; it has no length."""
    emulator = Emulator()
    with looping(emulator, answering(b"hello")):
        posted = emulator.invoke(EVENT).posted()
    assert posted.path == "/invocation/invocation-1/response"
    assert posted.all("lambda-runtime-function-response-mode") == ["streaming"]
    assert posted.all("content-type") == ["application/vnd.awslambda.http-integration-response"]
    assert posted.all("transfer-encoding") == ["chunked"]
    assert posted.all("trailer") == ["Lambda-Runtime-Function-Error-Type", "Lambda-Runtime-Function-Error-Body"]
    assert posted.all("content-length") == []
    assert posted.trailers == {}


def test_an_answer_begins_with_its_head_and_eight_nul_bytes() -> None:
    """Status and headers come as JSON in a chunk of their own; those that frame a message are left out."""
    headers = (
        ("Content-Type", "text/event-stream"),
        ("Content-Length", "5"),
        ("transfer-encoding", "chunked"),
        ("Connection", "keep-alive"),
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
    )
    emulator = Emulator()
    with looping(emulator, answering(b"hello", status=429, headers=headers)):
        posted = emulator.invoke(EVENT).posted()
    assert posted.head() == {
        "statusCode": 429,
        "headers": {"Content-Type": "text/event-stream"},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
    }
    assert posted.chunks[0].endswith(b"}" + bytes(8))
    assert posted.chunks[1:] == (b"hello",)


def test_bytes_arrive_as_they_were_given() -> None:
    """Chunks are neither joined nor split nor changed, NUL bytes among them; empty ones do not end the stream."""
    given = [b"\x00" * 8, b"", b"{}\x00" * 8, bytes(range(256)) * 300, b"\r\n0\r\n\r\n"]
    emulator = Emulator()
    with looping(emulator, answering(*given)):
        posted = emulator.invoke(EVENT).posted()
    assert posted.chunks[1:] == tuple(chunk for chunk in given if chunk)
    assert posted.payload() == b"".join(given)


def test_an_answer_without_a_body_still_has_a_chunk() -> None:
    """An answer of no bytes is a head and an end, not a post that never ends."""
    emulator = Emulator()
    with looping(emulator, answering(status=204)):
        posted = emulator.invoke(EVENT).posted()
    assert len(posted.chunks) == 1
    assert (posted.head(), posted.payload()) == ({"statusCode": 204}, b"")


def test_a_chunk_leaves_before_the_next_one_is_there() -> None:
    """The second chunk is made only after the first has arrived; a runtime that collects would wait for ever."""
    first_arrived = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"first"
        assert first_arrived.wait(10)
        yield b"second"

    emulator = Emulator()
    with looping(emulator, streaming(body)):
        exchange = emulator.invoke(EVENT)
        assert exchange.chunk().endswith(bytes(8))
        assert exchange.chunk() == b"first"
        first_arrived.set()
        assert exchange.chunk() == b"second"
        assert exchange.posted().trailers == {}


def test_a_late_failure_goes_into_the_trailers() -> None:
    """What fails once the head is out ends the stream in form, with the error behind the last byte."""

    def body() -> Iterator[bytes]:
        yield b"half"
        raise UpstreamTimeout("Bedrock did not answer in time.")

    emulator = Emulator()
    with looping(emulator, streaming(body)) as loop:
        posted = emulator.invoke(EVENT).posted()
        emulator.wait_for("next", 2)
    assert posted.payload() == b"half"
    assert error_trailers(posted) == (
        "Runtime.UpstreamTimeout",
        {"errorType": "Runtime.UpstreamTimeout", "errorMessage": "Bedrock did not answer in time."},
    )
    assert emulator.kinds()[:5] == ["next", "response", "response-end", "done", "next"]
    assert loop.faults.told == []


def test_a_late_failure_of_unknown_text_is_not_quoted() -> None:
    """The text of an error that is not ours may hold what a caller sent, so only its type is told."""

    def body() -> Iterator[bytes]:
        yield b"half"
        raise ValueError(SECRET)

    emulator = Emulator()
    with looping(emulator, streaming(body)):
        posted = emulator.invoke(EVENT).posted()
    kind, fact = error_trailers(posted)
    assert kind == "Runtime.ValueError"
    assert SECRET not in json.dumps(fact)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        pytest.param({"not": "an HTTP request"}, "Runtime.MeterError", id="another-event"),
        pytest.param(f'{{"{SECRET}"'.encode(), "Runtime.JSONDecodeError", id="no-json"),
    ],
)
def test_a_failure_before_the_first_byte_is_an_error(event: Any, kind: str) -> None:
    """An invocation that cannot be answered is reported as an error, without content; the next one is served."""
    emulator = Emulator()
    with looping(emulator, answering(b"hello")):
        posted = emulator.invoke(event, headers={"Lambda-Runtime-Invocation-Id": "opaque-1"}).posted()
        assert emulator.invoke(EVENT).posted().payload() == b"hello"
    assert posted.path == "/invocation/invocation-1/error"
    assert posted.all("lambda-runtime-function-error-type") == [kind]
    assert posted.all("lambda-runtime-invocation-id") == ["opaque-1"]
    fact = json.loads(posted.body)
    assert fact["errorType"] == kind
    assert fact["stackTrace"]
    assert SECRET not in posted.body.decode()
    assert emulator.kinds()[:4] == ["next", "error", "error-end", "done"]


def test_an_app_that_raises_is_an_error() -> None:
    """What the app raises before it has an answer is an error of the invocation, not the end of the runtime."""

    def app(_: Request) -> Response:
        raise RuntimeError(SECRET)

    emulator = Emulator()
    with looping(emulator, app):
        posted = emulator.invoke(EVENT).posted()
    assert json.loads(posted.body)["errorMessage"] == "The gateway failed with RuntimeError."
    assert SECRET not in posted.body.decode()


def test_what_has_to_be_done_is_done_between_the_answer_and_the_next_invocation() -> None:
    """Two invocations in a row: the answer is taken, then comes our own work, then the next invocation is asked for."""
    numbers = count(1)
    emulator = Emulator()
    with looping(emulator, lambda _: answering(b"%d" % next(numbers))(None)):
        first, second = emulator.invoke(EVENT), emulator.invoke(EVENT)
        assert (first.posted().payload(), second.posted().payload()) == (b"1", b"2")
        emulator.wait_for("next", 3)
    one = ["next", "response", "response-end", "done"]
    assert emulator.kinds()[:9] == [*one, *one, "next"]
    assert [event.id for event in emulator.events if event.kind == "response"] == ["invocation-1", "invocation-2"]


def test_what_lambda_says_of_an_invocation_reaches_the_app_and_comes_back() -> None:
    """Id, deadline, trace and invocation id are passed on or back; the trace of one call does not stay for the next."""
    requests: list[tuple[Request, str | None]] = []
    emulator = Emulator()

    def app(request: Request) -> Response:
        requests.append((request, loop.environ.get("_X_AMZN_TRACE_ID")))
        return answering(b"x")(request)

    with looping(emulator, app) as loop:
        headers = {"Lambda-Runtime-Invocation-Id": "opaque-7", "Lambda-Runtime-Trace-Id": "Root=1-2-3"}
        posted = emulator.invoke(EVENT, seconds=100, headers=headers).posted()
        assert emulator.invoke(EVENT, seconds=5).posted().all("lambda-runtime-invocation-id") == []
    assert posted.all("lambda-runtime-invocation-id") == ["opaque-7"]
    (long, trace), (short, other_trace) = requests
    assert (long.id, short.id) == ("invocation-1", "invocation-2")
    assert long.deadline is not None
    assert short.deadline is not None
    assert 90 < long.deadline - short.deadline < 96
    assert (trace, other_trace) == ("Root=1-2-3", "Root=1-5759e988-invocation-2")


def test_no_trace_is_left_behind() -> None:
    """An invocation without a trace does not run under the one before."""
    emulator = Emulator()
    with looping(emulator, answering(b"x")) as loop:
        emulator.invoke(EVENT).posted()
        exchange = emulator.invoke(EVENT)
        exchange.headers = {name: value for name, value in exchange.headers.items() if "Trace" not in name}
        exchange.posted()
        assert "_X_AMZN_TRACE_ID" not in loop.environ


def test_a_post_that_fails_closes_the_answer() -> None:
    """When the Runtime API hangs up, the body is told, has time to read on, and the next invocation is served."""
    told: list[str] = []

    def body() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(64 * 1024)
        finally:
            told.append("closed")

    # Held here, so that it ends because it was closed and not because nobody knew it any more.
    answer = body()
    emulator = Emulator(observe=lambda: list(told))
    with looping(emulator, streaming(lambda: answer)) as loop:
        emulator.invoke(EVENT, hang_up_after=3)
        emulator.wait_for("next", 2)
    assert [event.seen for event in emulator.events if event.kind in {"done", "next"}] == [[], ["closed"], ["closed"]]
    ((code, _),) = loop.faults.told
    assert code == "answer_not_taken"


def test_a_post_that_nobody_reads_is_given_up_before_the_deadline() -> None:
    """When nothing is taken any more, the loop gives up while there is time to write the records."""
    told: list[str] = []

    def body() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(1024 * 1024)
        finally:
            told.append("closed")

    emulator = Emulator()
    with looping(emulator, streaming(body)) as loop:
        emulator.invoke(EVENT, seconds=1.0, stalls=True)
        emulator.wait_for("next", 2)
    assert told == ["closed"]
    assert loop.faults.told == [("answer_not_taken", "TimeoutError")]


def test_a_refused_answer_is_logged_and_the_loop_goes_on() -> None:
    """An answer that Lambda does not accept, such as one that is too large, ends this invocation and no more."""
    emulator = Emulator()
    with looping(emulator, answering(b"x")) as loop:
        emulator.invoke(EVENT, status=413).posted()
        assert emulator.invoke(EVENT).posted().payload() == b"x"
    assert loop.faults.told == [("answer_not_taken", "RuntimeApiError")]


def test_a_lost_environment_ends_the_runtime() -> None:
    """A 500 of the Runtime API says that the environment is lost: our work is done, and the runtime ends."""
    emulator = Emulator()
    with looping(emulator, answering(b"x")) as loop:
        emulator.invoke(EVENT, status=500).posted()
        emulator.wait_for("done")
    assert type(loop.ended_by).__name__ == "RuntimeApiError"
    assert emulator.kinds() == ["next", "response", "response-end", "done"]
