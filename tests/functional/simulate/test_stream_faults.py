"""What goes wrong in the middle of a stream reaches boto3 as the real thing would, and the ledger knows."""

import json
import time
from contextlib import closing
from typing import Any

import pytest
from botocore.eventstream import ChecksumMismatch, InvalidPayloadLength
from botocore.exceptions import EventStreamError
from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
from tests.functional.simulate.conftest import MakeClient
from tests.functional.simulate.natives import SPEAKING
from tests.functional.simulate.test_streams import CLAUDE, HELLO, METRICS, chunks_of, events_of
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from meterctl.simulate import Served, Simulator, fault_model_id

TITAN = "amazon.titan-text-express-v1"
MIDWAY = {
    "stream-throttling": "throttlingException",
    "stream-validation": "validationException",
    "stream-internal": "internalServerException",
    "stream-unavailable": "serviceUnavailableException",
    "stream-model-timeout": "modelTimeoutException",
    "stream-model-error": "modelStreamErrorException",
}


def read(stream: Any) -> tuple[list[Any], Exception | None]:
    """Return the events that came, and what ended them."""
    events: list[Any] = []
    with closing(stream):
        try:
            events.extend(stream)
        except Exception as error:  # noqa: BLE001 - the test looks at whatever boto3 raises
            return events, error
    return events, None


def invoke(client: BedrockRuntimeClient, fault: str) -> tuple[list[Any], Exception | None]:
    """Read InvokeModelWithResponseStream of a Claude with this fault."""
    response = client.invoke_model_with_response_stream(
        modelId=fault_model_id(fault), body=json.dumps(SPEAKING[CLAUDE])
    )
    return read(response["body"])


def converse(client: BedrockRuntimeClient, fault: str) -> tuple[list[Any], Exception | None]:
    """Read ConverseStream of a Claude with this fault."""
    return read(client.converse_stream(modelId=fault_model_id(fault), messages=HELLO)["stream"])


@pytest.mark.parametrize("operation", [invoke, converse])
@pytest.mark.parametrize("fault", MIDWAY)
def test_exceptions_in_the_middle(bedrock: Simulator, client: BedrockRuntimeClient, fault: str, operation: Any) -> None:
    """boto3 gives half of the events and raises; the HTTP status stays 200 and what was said is billed."""
    events, error = operation(client, fault)
    (served,) = bedrock.ledger
    if fault == "stream-model-timeout" and operation is converse:
        # ConverseStream has no such exception, so the call stays healthy.
        assert error is None
        assert (served.fault, served.error_code) == (None, None)
        return
    assert isinstance(error, EventStreamError)
    assert error.response["Error"]["Code"] == MIDWAY[fault]
    assert events
    code = MIDWAY[fault][0].upper() + MIDWAY[fault][1:]
    assert (served.http_status, served.error_code, served.fault, served.complete) == (200, code, fault, True)
    assert served.input_tokens == 3
    assert 0 < served.output_tokens < 300


@pytest.mark.parametrize("operation", [invoke, converse])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset-mid-body", ProtocolError),
        ("truncated", ProtocolError),
        ("corrupt-crc", ChecksumMismatch),
        ("corrupt-prelude", ChecksumMismatch),
        ("oversized-frame", InvalidPayloadLength),
    ],
)
def test_broken_bytes(
    bedrock: Simulator, client: BedrockRuntimeClient, fault: str, error: type, operation: Any
) -> None:
    """boto3 gives some events, then an error; the whole answer is billed."""
    events, raised = operation(client, fault)
    assert isinstance(raised, error), raised
    assert events
    (served,) = bedrock.ledger
    assert (served.fault, served.error_code) == (fault, None)
    assert served.output_tokens >= 20
    if error is ProtocolError:
        assert not served.complete


@pytest.mark.parametrize("operation", [invoke, converse])
@pytest.mark.parametrize("fault", ["stream-cut", "stream-short"])
def test_an_orderly_end_too_early(client: BedrockRuntimeClient, fault: str, operation: Any) -> None:
    """boto3 takes a stream without its end for whole, and there is no usage."""
    events, error = operation(client, fault)
    assert error is None
    assert events
    assert METRICS.encode() not in b"".join(event["chunk"]["bytes"] for event in events if "chunk" in event)
    assert not any("metadata" in event for event in events)


@pytest.mark.parametrize("operation", [invoke, converse])
def test_garbage_after_the_last_frame(client: BedrockRuntimeClient, operation: Any) -> None:
    """All events arrive before boto3 stumbles over what follows."""
    events, error = operation(client, "garbage-after")
    assert isinstance(error, ChecksumMismatch)
    last = events[-1]
    assert "metadata" in last or METRICS.encode() in last["chunk"]["bytes"]


@pytest.mark.parametrize("operation", [invoke, converse])
@pytest.mark.parametrize("fault", ["unknown-event", "broken-event"])
def test_strange_events_arrive(client: BedrockRuntimeClient, fault: str, operation: Any) -> None:
    """A well framed event that makes no sense does not end the stream, and the counts still come."""
    events, error = operation(client, fault)
    assert error is None
    last = events[-1]
    assert "usage" in last.get("metadata", {}) or METRICS.encode() in last["chunk"]["bytes"]


@pytest.mark.parametrize("operation", [invoke, converse])
def test_silence_lasts_until_the_client_goes(make_client: MakeClient, operation: Any) -> None:
    """Half of the stream comes and then nothing; when the client gives up, the call is billed and not complete."""
    with Simulator() as bedrock:
        client = make_client(bedrock.url, read_timeout=0.3)
        events, error = operation(client, "silence")
        assert events
        assert isinstance(error, ReadTimeoutError)
        (served,) = bedrock.ledger
        assert (served.complete, served.http_status) == (False, 200)
        assert served.output_tokens >= 20


def wait_for(bedrock: Simulator, seconds: float = 10) -> Served:
    """Return the only entry as soon as there is one."""
    deadline = time.monotonic() + seconds
    while not bedrock.ledger and time.monotonic() < deadline:
        time.sleep(0.005)
    (served,) = bedrock.ledger
    return served


def test_a_client_that_hangs_up_pays_for_the_whole_answer(make_client: MakeClient) -> None:
    """The ledger has every token of a stream that nobody read to its end, and says so."""
    with Simulator() as whole:
        events_of(make_client(whole.url))
        (expected,) = whole.ledger
    with Simulator(tokens_per_second=50) as bedrock:
        client = make_client(bedrock.url)
        with closing(client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]) as stream:
            next(iter(stream))
        served = wait_for(bedrock)
    assert served.output_tokens == expected.output_tokens
    assert not served.complete


def test_a_stream_is_complete_only_when_its_end_is_sent(make_client: MakeClient) -> None:
    """While a stream runs, its entry is there and not complete; afterwards it is."""
    with Simulator(first_token_ms=100) as bedrock:
        stream = iter(make_client(bedrock.url).converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])
        next(stream)
        assert [served.complete for served in bedrock.ledger] == [False]
        assert len(list(stream)) > 1
        assert [served.complete for served in bedrock.ledger] == [True]


def test_a_blocked_invoke_stream_has_no_counts(bedrock: Simulator, make_client: MakeClient) -> None:
    """The action is in every chunk, the metrics in none; Titan tells counts of the canned text that nobody bills."""
    documents = chunks_of(make_client(bedrock.url, fault="guardrail-blocked"), TITAN)
    assert all(document["amazon-bedrock-guardrailAction"] == "INTERVENED" for document in documents)
    assert not any(METRICS in document for document in documents)
    assert isinstance(documents[0]["inputTextTokenCount"], float)
    (served,) = bedrock.ledger
    assert (served.input_tokens, served.output_tokens) == (0, 0)
    assert served.units == {"topicPolicyUnits": 1, "contentPolicyUnits": 1}


def test_a_blocked_converse_stream_has_usage(bedrock: Simulator, make_client: MakeClient) -> None:
    """ConverseStream says that a guardrail intervened, and the model's tokens are billed."""
    events = events_of(make_client(bedrock.url, fault="guardrail-blocked"))
    (served,) = bedrock.ledger
    assert [event["messageStop"]["stopReason"] for event in events if "messageStop" in event] == [
        "guardrail_intervened"
    ]
    assert events[-1]["metadata"]["usage"]["outputTokens"] == served.output_tokens > 0


def test_a_fault_of_streams_leaves_other_answers_alone(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """Converse has no frame that could be broken; the ledger then names no fault."""
    assert client.converse(modelId=fault_model_id("corrupt-crc"), messages=HELLO)["usage"]["outputTokens"]
    assert [(served.fault, served.complete) for served in bedrock.ledger] == [(None, True)]
