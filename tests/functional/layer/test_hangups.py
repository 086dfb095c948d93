"""Callers that leave a stream or a body before its end: Bedrock bills it whole, so it is metered whole."""

import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.stub import Stubber
from tests.functional.layer.clients import CLAUDE, HELLO, AwaitedSink, only, plain_client
from tests.functional.layer.scripted import METADATA, OPENING, STOP, Scripted

import bedrock_meter
from bedrock_meter import Settings
from bedrock_meter.adapters import answer as answer_module
from bedrock_meter.domain import Certainty, Ending

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    """Switch the cycle collector off: what is recorded now was recorded without it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def is_exact(sink: AwaitedSink) -> bool:
    """Tell whether the one record has every count of the script."""
    record = sink.wait()
    usage = record.usage
    assert usage is not None
    return (usage.input, usage.output, record.outcome.certainty) == (11, 22, Certainty.EXACT)


@pytest.mark.usefixtures("no_garbage_collection")
def test_stopping_at_message_stop_is_exact(scripted_client: "BedrockRuntimeClient", sink: AwaitedSink) -> None:
    """A caller that stops at messageStop, one event before the counts, is metered exactly as it drops the stream."""

    def read() -> None:
        for event in scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]:
            if "messageStop" in event:
                break

    read()
    assert is_exact(sink)
    assert only(sink).outcome.ending is Ending.CLIENT_GONE


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("events", range(len(OPENING) + 2))
def test_dropping_a_stream_anywhere_is_exact(
    scripted_client: "BedrockRuntimeClient", sink: AwaitedSink, events: int
) -> None:
    """Wherever the caller drops the stream, also before the first event, every count is read."""
    stream = iter(scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])
    for _ in range(events):
        next(stream)
    del stream

    assert is_exact(sink)


def test_closing_a_stream_is_exact_and_counts_once(scripted_client: "BedrockRuntimeClient", sink: AwaitedSink) -> None:
    """Closing a stream reads the rest; closing it again, reading on and collecting it change nothing."""
    stream = scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]
    next(iter(stream))
    stream.close()
    stream.close()

    assert is_exact(sink)
    assert list(stream) == []
    del stream
    gc.collect()
    assert only(sink).outcome.ending is Ending.CLIENT_GONE


def test_closing_after_the_end_is_complete(scripted_client: "BedrockRuntimeClient", sink: AwaitedSink) -> None:
    """A stream that was read to its end and then closed is complete."""
    stream = scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]
    assert len(list(stream)) == len(OPENING) + 2
    stream.close()

    assert only(sink).outcome.ending is Ending.COMPLETE


def test_a_caller_that_took_the_last_event_did_not_leave(
    scripted_client: "BedrockRuntimeClient", sink: AwaitedSink
) -> None:
    """A caller that stops after the metadata event had the whole answer."""
    stream = iter(scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])
    while "metadata" not in next(stream):
        pass
    del stream

    assert is_exact(sink)
    assert only(sink).outcome.ending is Ending.COMPLETE


def test_an_exception_in_the_callers_loop_is_a_hang_up(
    scripted_client: "BedrockRuntimeClient", sink: AwaitedSink
) -> None:
    """An application that fails while it reads gets its own error, and the rest is read for the record."""

    def read() -> None:
        for _ in scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read()
    assert is_exact(sink)


def test_the_connection_is_used_again(
    scripted: Scripted, scripted_client: "BedrockRuntimeClient", sink: AwaitedSink
) -> None:
    """Reading the rest also saves the connection: the next calls of the client go over the same one."""
    scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"].close()
    assert is_exact(sink)
    for _ in range(2):
        list(scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])

    assert (scripted.requests, scripted.connections) == (3, 1)


def test_a_caller_is_not_kept_waiting(
    scripted: Scripted, scripted_client: "BedrockRuntimeClient", sink: AwaitedSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When Bedrock takes its time, close() returns, and the rest is read behind the caller's back."""
    monkeypatch.setattr(answer_module, "PATIENCE", 0.01)
    gate = scripted.gate()
    scripted.play(*OPENING, gate, STOP, METADATA)
    stream = scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]
    next(iter(stream))

    stream.close()
    assert sink.records == []
    gate.set()
    assert is_exact(sink)


@pytest.mark.parametrize(
    "bounds", [{"drain_bytes": 0}, {"drain_seconds": 0}, {"drain_seconds": 0.05}], ids=["bytes", "no time", "silence"]
)
def test_the_bounds_end_the_reading(scripted: Scripted, sink: AwaitedSink, bounds: dict[str, Any]) -> None:
    """At the bound in bytes or seconds the books are closed with what was read, and the record is not exact."""
    scripted.play(*OPENING, scripted.gate(), STOP, METADATA)
    settings = Settings(**bounds)
    client = bedrock_meter.instrument(plain_client(scripted.url), use_case="chatbot", sink=sink, settings=settings)
    stream = client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]
    next(iter(stream))
    stream.close()

    record = sink.wait()
    assert record.outcome.ending is Ending.CLIENT_GONE
    assert record.outcome.certainty is not Certainty.EXACT


def test_another_thread_may_close_a_stream_that_waits(
    scripted: Scripted, scripted_client: "BedrockRuntimeClient", sink: AwaitedSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream closed by another thread while its reader waits ends for the reader, and is metered exactly."""
    monkeypatch.setattr(answer_module, "PATIENCE", 0.01)
    gate = scripted.gate()
    scripted.play(*OPENING, gate, STOP, METADATA)
    stream = scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]
    got: list[Any] = []
    begun = threading.Event()

    def read() -> None:
        for event in stream:
            got.append(event)
            if len(got) == len(OPENING):
                begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(20)
    stream.close()
    gate.set()
    reader.join(20)

    assert not reader.is_alive()
    assert is_exact(sink)
    assert len(OPENING) <= len(got) <= len(OPENING) + 1


def test_an_interrupted_call_is_recorded(scripted: Scripted, sink: AwaitedSink) -> None:
    """Ctrl-C while boto3 waits for an answer leaves a record of unknown usage: the request had been sent."""
    client = plain_client(scripted.url)
    bedrock_meter.instrument(client, use_case="chatbot", sink=sink)

    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    client.meta.events.register_last("before-send.bedrock-runtime", interrupt)

    def call() -> None:
        with pytest.raises(KeyboardInterrupt):
            client.converse_stream(modelId=CLAUDE, messages=HELLO)

    call()
    gc.collect()
    record = only(sink)
    assert record.outcome.ending is Ending.CLIENT_GONE
    assert record.outcome.certainty is Certainty.UNKNOWN


def test_a_stubbed_answer_is_no_call(scripted: Scripted, sink: AwaitedSink) -> None:
    """Where botocore's Stubber or a hook answers, nothing is sent, and there is neither a record nor a fault."""
    client = bedrock_meter.instrument(plain_client(scripted.url), use_case="chatbot", sink=sink)

    def count() -> int:
        return client.count_tokens(modelId=CLAUDE, input={"converse": {"messages": HELLO}})["inputTokens"]

    with Stubber(client) as stubber:
        stubber.add_response("count_tokens", {"inputTokens": 3})
        assert count() == 3

    response: Any = AWSResponse
    answer: Any = lambda **_: (response(None, 200, {}, None), {"inputTokens": 4})  # noqa: E731 - the stubs forbid answers
    client.meta.events.register_last("before-call", answer)
    assert count() == 4
    client.meta.events.unregister("before-call", answer)

    list(client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])
    assert only(sink).faults == ()


@pytest.mark.parametrize(
    ("silent", "first_words", "last_words"),
    [
        (False, "", ""),
        (True, "", ""),
        (True, "", "stream.close()"),
        # Then the finalizers of the process run after everything that is registered later.
        (True, "import weakref; weakref.finalize(type('T', (), {}), print)", ""),
    ],
    ids=["whole", "silent", "closed", "late finalizers"],
)
def test_a_stream_that_is_open_when_the_process_ends_is_recorded(
    scripted: Scripted, *, silent: bool, first_words: str, last_words: str
) -> None:
    """A process that ends with a stream in hand, or still being read, writes its line, even if Bedrock is silent."""
    scripted.play(*OPENING, *([scripted.gate()] if silent else []), STOP, METADATA)
    program = f"""
{first_words}
import boto3, bedrock_meter
client = bedrock_meter.instrument(boto3.client("bedrock-runtime"), use_case="chatbot")
stream = client.converse_stream(modelId={CLAUDE!r}, messages={HELLO!r})["stream"]
events = iter(stream)
next(events)
{last_words}
"""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": scripted.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    )

    (line,) = result.stdout.split()
    document = json.loads(line)
    if silent:
        assert (document["usage_source"], document["certainty"]) == ("estimate", "at_least")
        assert document["UsageEstimated"] == 1
    else:
        assert (document["OutputTokenCount"], document["certainty"]) == (22, "exact")
    assert result.stderr == ""
