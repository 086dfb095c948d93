"""Streams through an instrumented client: what the application iterates, and what is recorded."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.eventstream import EventStream
from botocore.exceptions import EventStreamError
from tests.functional.layer.clients import (
    CLAUDE,
    HELLO,
    NOVA,
    PROMPT,
    AwaitedSink,
    assert_billed_as_served,
    only,
    plain_client,
)
from tests.functional.layer.scripted import CUT, METADATA, OPENING, STOP, THROTTLED, Scripted

import bedrock_meter
from bedrock_meter.domain import Certainty, Ending, Operation, Status, UsageSource
from bedrock_meter.estimate import Estimator
from meterctl.simulate import Simulator

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

CLAUDE_BODY = json.dumps(
    {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": [{"role": "user", "content": PROMPT}]}
)


def text_of(events: Any) -> list[str]:
    """Give the text pieces of a ConverseStream."""
    return [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_converse_stream_is_metered(
    client: "BedrockRuntimeClient", simulator: Simulator, sink: AwaitedSink, model: str
) -> None:
    """A ConverseStream that is read to its end leaves one exact record, and the events are those of a plain client."""
    expected = plain_client(simulator.url).converse_stream(modelId=model, messages=HELLO)
    answer = client.converse_stream(modelId=model, messages=HELLO)

    assert type(answer["stream"]) is type(expected["stream"]) is EventStream
    assert answer.keys() == expected.keys()
    events = list(answer["stream"])
    assert text_of(events) == text_of(expected["stream"]) != []
    record = only(sink)
    assert record.call.operation is Operation.CONVERSE_STREAM
    assert record.call.streaming
    assert (record.outcome.ending, record.outcome.certainty) == (Ending.COMPLETE, Certainty.EXACT)
    assert record.usage is not None
    assert record.usage.source is UsageSource.STREAM
    assert record.outcome.first_byte_ms is not None
    assert record.faults == ()
    assert_billed_as_served(record, simulator)


def test_invoke_model_with_response_stream_is_metered(
    client: "BedrockRuntimeClient", simulator: Simulator, sink: AwaitedSink
) -> None:
    """InvokeModelWithResponseStream likewise, under the name ``body``."""
    expected = plain_client(simulator.url).invoke_model_with_response_stream(modelId=CLAUDE, body=CLAUDE_BODY)
    answer = client.invoke_model_with_response_stream(modelId=CLAUDE, body=CLAUDE_BODY)

    chunks, plain = ([json.loads(event["chunk"]["bytes"]) for event in each["body"]] for each in (answer, expected))
    assert [chunk["type"] for chunk in chunks] == [chunk["type"] for chunk in plain]
    record = only(sink)
    assert record.call.operation is Operation.INVOKE_MODEL_STREAM
    assert record.call.max_output_tokens == 64
    assert record.outcome.certainty is Certainty.EXACT
    assert_billed_as_served(record, simulator)


def test_events_arrive_as_bedrock_sends_them(
    scripted: Scripted, scripted_client: "BedrockRuntimeClient", sink: AwaitedSink
) -> None:
    """The application has an event in hand while Bedrock has not yet sent the next: nothing is collected."""
    gate = scripted.gate()
    scripted.play(*OPENING, gate, STOP, METADATA)
    events = iter(scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])

    assert text_of(next(events) for _ in OPENING) == ["Hello", " there"]
    assert sink.records == []
    gate.set()
    assert [list(event) for event in events] == [["messageStop"], ["metadata"]]
    usage = only(sink).usage
    assert usage is not None
    assert (usage.input, usage.output) == (11, 22)


def test_an_exception_in_the_stream_is_raised_and_recorded(
    scripted: Scripted, scripted_client: "BedrockRuntimeClient", sink: AwaitedSink
) -> None:
    """An exception frame reaches the application as botocore's own error, and one record names it."""
    scripted.play(*OPENING, THROTTLED)

    def read() -> None:
        for _ in scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]:
            pass

    with pytest.raises(EventStreamError, match="slow down"):
        read()
    record = sink.wait()
    assert record.outcome.error_code == "ThrottlingException"
    assert record.outcome.status is Status.THROTTLED
    assert record.outcome.ending is Ending.COMPLETE


def test_a_stream_that_breaks_off_is_recorded(
    scripted: Scripted, scripted_client: "BedrockRuntimeClient", sink: AwaitedSink
) -> None:
    """A connection that ends within the stream raises what it always raised; the record does not claim to be exact."""
    scripted.play(*OPENING, CUT)

    with pytest.raises(Exception, match=r"(?i)prematurely|broken|incomplete"):
        list(scripted_client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])
    record = only(sink)
    assert record.outcome.ending is Ending.TRUNCATED
    assert record.outcome.certainty is Certainty.AT_LEAST
    estimator, usage = Estimator(), record.usage
    assert usage is not None
    assert usage.source is UsageSource.ESTIMATE
    assert usage.input == estimator.request(record.call.model, {"messages": HELLO}).tokens
    assert usage.output == estimator.text(record.call.model, "Hello there").tokens


def test_a_stream_that_falls_silent_times_out(scripted: Scripted, sink: AwaitedSink) -> None:
    """The client's own read timeout ends a silent stream, and the record says that the time ran out."""
    scripted.play(*OPENING, scripted.gate(), STOP, METADATA)
    client = bedrock_meter.instrument(plain_client(scripted.url, read_timeout=0.2), use_case="chatbot", sink=sink)

    with pytest.raises(Exception, match="timed out"):
        list(client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])
    record = only(sink)
    assert record.outcome.ending is Ending.TIMED_OUT
    assert record.outcome.certainty is not Certainty.EXACT


def test_a_retried_stream_is_one_record(scripted: Scripted, sink: AwaitedSink) -> None:
    """A stream that begins at the second attempt is one record that says two attempts."""
    scripted.statuses.append(503)
    client = bedrock_meter.instrument(plain_client(scripted.url, attempts=3), use_case="chatbot", sink=sink)

    list(client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])

    record = only(sink)
    assert record.outcome.attempts == scripted.requests == 2
    assert (record.outcome.status, record.outcome.certainty) == (Status.OK, Certainty.EXACT)


def test_an_error_before_the_stream_is_recorded(scripted: Scripted, sink: AwaitedSink) -> None:
    """A streaming call that is answered with an error status is one record, with its attempts."""
    scripted.statuses.extend([503, 503])
    client = bedrock_meter.instrument(plain_client(scripted.url, attempts=2), use_case="chatbot", sink=sink)

    with pytest.raises(client.exceptions.ServiceUnavailableException):
        client.converse_stream(modelId=CLAUDE, messages=HELLO)
    record = only(sink)
    assert (record.outcome.http_status, record.outcome.attempts) == (503, 2)
    assert record.usage is None


def test_concurrent_streams_do_not_mix(client: "BedrockRuntimeClient", simulator: Simulator, sink: AwaitedSink) -> None:
    """Two streams of one client, read in turns, are two exact records of their own."""
    first, second = (
        client.converse_stream(modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": text}]}])["stream"]
        for text in ("short", PROMPT * 40)
    )
    for _ in zip(first, second, strict=False):
        pass
    list(first), list(second)

    assert len(sink.records) == 2
    for record in sink.records:
        assert record.outcome.certainty is Certainty.EXACT
        assert_billed_as_served(record, simulator)
