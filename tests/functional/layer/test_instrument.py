"""The layer door: unmodified boto3 clients with the hooks on, against the simulator."""

import gc
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from tests.functional.layer.clients import CLAUDE, HELLO, PROMPT, assert_billed_as_served, only, plain_client

import bedrock_meter
from bedrock_meter.adapters.memory import MemorySink
from bedrock_meter.domain import Certainty, Ending, Operation, Record, Status, UsageSource
from meterctl.simulate import Simulator, fault_model_id

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

CLAUDE_BODY = json.dumps(
    {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": [{"role": "user", "content": PROMPT}]}
)


def test_invoke_model_is_metered(client: "BedrockRuntimeClient", simulator: Simulator, sink: MemorySink) -> None:
    """An InvokeModel call leaves one exact record when its body has been read."""
    body = client.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)["body"].read()

    record = only(sink)
    assert record.call.operation is Operation.INVOKE_MODEL
    assert record.call.use_case == "chatbot"
    assert record.call.max_output_tokens == 64
    assert record.usage is not None
    assert record.usage.source is UsageSource.HEADER
    assert record.outcome.certainty is Certainty.EXACT
    assert record.outcome.stop_reason == json.loads(body)["stop_reason"]
    assert_billed_as_served(record, simulator)


def test_converse_is_metered(client: "BedrockRuntimeClient", simulator: Simulator, sink: MemorySink) -> None:
    """A Converse call leaves one exact record as soon as it returns."""
    answer = client.converse(
        modelId="amazon.nova-lite-v1:0",
        messages=[{"role": "user", "content": [{"text": PROMPT}]}],
        inferenceConfig={"maxTokens": 80},
    )

    record = only(sink)
    assert record.call.operation is Operation.CONVERSE
    assert record.call.max_output_tokens == 80
    assert record.usage is not None
    assert record.usage.output == answer["usage"]["outputTokens"]
    assert_billed_as_served(record, simulator)


def _without_varying(response: Any) -> Any:
    metadata = response["ResponseMetadata"]
    for name in ("RequestId", "HTTPHeaders"):
        metadata.pop(name)
    return response


def test_results_are_those_of_a_plain_client(client: "BedrockRuntimeClient", simulator: Simulator) -> None:
    """What an application gets does not depend on the hooks: values, types and bytes are equal."""
    plain = plain_client(simulator.url)
    ask: dict[str, Any] = {"modelId": CLAUDE, "messages": [{"role": "user", "content": [{"text": PROMPT}]}]}

    assert _without_varying(client.converse(**ask)) == _without_varying(plain.converse(**ask))
    metered, bare = (each.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY) for each in (client, plain))
    assert type(metered["body"]) is type(bare["body"])
    assert metered["contentType"] == bare["contentType"]
    assert metered.keys() == bare.keys()
    assert json.loads(metered["body"].read())["content"] == json.loads(bare["body"].read())["content"]


@pytest.mark.parametrize(
    "consume",
    [
        lambda body: b"".join(body.iter_chunks(7)),
        lambda body: b"".join(body.iter_lines(chunk_size=5)),
        lambda body: b"".join(body.readlines()),
        lambda body: b"".join(iter(lambda: body.read(11), b"")),
        lambda body: io.BufferedReader(body).read(),
        lambda body: body.read(),
    ],
    ids=["iter_chunks", "iter_lines", "readlines", "read(n)", "readinto", "read()"],
)
def test_every_way_to_read_a_body_is_watched(
    client: "BedrockRuntimeClient", sink: MemorySink, simulator: Simulator, consume: Any
) -> None:
    """However an application reads the body, it gets every byte and the meter sees every byte."""
    expected = plain_client(simulator.url).invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)["body"].read()

    got = consume(client.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)["body"])

    assert json.loads(got)["content"] == json.loads(expected)["content"]
    record = only(sink)
    assert record.outcome.ending is Ending.COMPLETE
    assert record.outcome.stop_reason is not None
    assert record.faults == ()


def test_a_body_that_is_dropped_unread_is_still_counted(
    client: "BedrockRuntimeClient", simulator: Simulator, sink: MemorySink
) -> None:
    """Bedrock bills an answer that nobody reads, so it is recorded when collected; its counts were in the head."""
    client.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)
    gc.collect()

    record = only(sink)
    assert record.outcome.ending is Ending.CLIENT_GONE
    assert record.outcome.certainty is Certainty.EXACT
    assert_billed_as_served(record, simulator)


def test_a_body_that_is_closed_early_is_counted_once(client: "BedrockRuntimeClient", sink: MemorySink) -> None:
    """Closing a half-read body closes the books, and collecting it later does not open them again."""
    body = client.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)["body"]
    body.read(10)
    body.close()
    del body
    gc.collect()

    assert only(sink).outcome.ending is Ending.CLIENT_GONE


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("throttling", "ThrottlingException", Status.THROTTLED),
        ("validation", "ValidationException", Status.CLIENT_ERROR),
        ("access-denied", "AccessDeniedException", Status.CLIENT_ERROR),
        ("model-timeout", "ModelTimeoutException", Status.CLIENT_ERROR),
        ("not-ready", "ModelNotReadyException", Status.SERVER_ERROR),
        ("internal", "InternalServerException", Status.SERVER_ERROR),
    ],
)
def test_errors_are_raised_as_ever_and_recorded(
    client: "BedrockRuntimeClient", sink: MemorySink, fault: str, code: str, status: Status
) -> None:
    """An error reaches the application as boto3's own exception, and its record names it."""
    with pytest.raises(ClientError) as caught:
        client.invoke_model(modelId=fault_model_id(fault), body=CLAUDE_BODY)

    assert caught.value.response["Error"]["Code"] == code
    record = only(sink)
    assert (record.outcome.error_code, record.outcome.status) == (code, status)
    assert record.usage is None


def test_retries_are_one_call(simulator: Simulator, sink: MemorySink) -> None:
    """A call that boto3 sends three times is one record that says three attempts."""
    client = bedrock_meter.instrument(plain_client(simulator.url, attempts=3), use_case="chatbot", sink=sink)

    with pytest.raises(ClientError):
        client.converse(
            modelId=fault_model_id("throttling"), messages=[{"role": "user", "content": [{"text": PROMPT}]}]
        )

    assert only(sink).outcome.attempts == 3


def test_a_call_without_an_answer_is_recorded(sink: MemorySink) -> None:
    """When Bedrock cannot be reached the application gets its exception and the meter a record of no usage."""
    with Simulator(seed=1) as gone:
        url = gone.url
    client = bedrock_meter.instrument(plain_client(url), use_case="chatbot", sink=sink)

    with pytest.raises(EndpointConnectionError):
        client.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)

    record = only(sink)
    assert record.outcome.ending is Ending.UNREACHABLE
    assert record.outcome.certainty is Certainty.EXACT


def test_an_answer_that_breaks_off_is_recorded(client: "BedrockRuntimeClient", sink: MemorySink) -> None:
    """A connection that is reset in the body raises what it always raised, and Bedrock's counts are kept."""
    body = client.invoke_model(modelId=fault_model_id("reset-mid-body"), body=CLAUDE_BODY)["body"]
    with pytest.raises(Exception, match=r"(?i)reset|broken"):
        body.read()

    record = only(sink)
    assert record.outcome.ending is Ending.TRUNCATED
    assert record.outcome.certainty is Certainty.EXACT


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        (
            lambda client: client.apply_guardrail(
                guardrailIdentifier="gr12345",
                guardrailVersion="1",
                source="INPUT",
                content=[{"text": {"text": PROMPT}}],
            ),
            Operation.APPLY_GUARDRAIL,
        ),
        (
            lambda client: client.start_async_invoke(
                modelId="amazon.nova-reel-v1:0",
                modelInput={"taskType": "TEXT_VIDEO"},
                outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://bucket/key"}},
            ),
            Operation.START_ASYNC_INVOKE,
        ),
        (lambda client: client.list_async_invokes(), Operation.LIST_ASYNC_INVOKES),
        (
            lambda client: client.count_tokens(
                modelId=CLAUDE.removeprefix("us."), input={"converse": {"messages": HELLO}}
            ),
            Operation.COUNT_TOKENS,
        ),
    ],
)
def test_every_operation_is_recorded(
    client: "BedrockRuntimeClient", sink: MemorySink, call: Any, operation: Operation
) -> None:
    """Operations that are no inference are recorded too, under their own names."""
    call(client)

    record = only(sink)
    assert (record.call.operation, record.outcome.status) == (operation, Status.OK)
    assert record.faults == ()


def test_an_asynchronous_client_is_refused(simulator: Simulator) -> None:
    """A client of aiobotocore, an asynchronous context manager, is refused with a word on what works instead."""
    client = plain_client(simulator.url)
    asynchronous: Any = type("Asynchronous", (), {"__aenter__": None, "meta": client.meta})()

    with pytest.raises(bedrock_meter.ConfigError, match="gateway"):
        bedrock_meter.instrument(asynchronous, use_case="chatbot")


def test_instrumenting_twice_counts_once(simulator: Simulator, sink: MemorySink) -> None:
    """The second instrument() replaces the first, use case and all."""
    client = plain_client(simulator.url)
    first = MemorySink()
    bedrock_meter.instrument(client, use_case="first", sink=first)
    bedrock_meter.instrument(client, use_case="second", sink=sink)

    client.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)["body"].read()

    assert first.records == []
    assert only(sink).call.use_case == "second"


def test_a_failing_sink_never_reaches_the_application(simulator: Simulator) -> None:
    """A sink that raises costs a record, and the next record says so; the answers are untouched."""

    class Broken(MemorySink):
        def emit(self, record: Record) -> None:
            if not self.records and not record.faults:
                raise OSError
            super().emit(record)

    sink = Broken()
    client = bedrock_meter.instrument(plain_client(simulator.url), use_case="chatbot", sink=sink)
    for _ in range(2):
        assert client.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)["body"].read()

    assert only(sink).faults == ("sink_fault",)


def test_another_service_is_refused() -> None:
    """instrument() names what it needs when it is given a client of another service."""
    dynamodb = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
    with pytest.raises(bedrock_meter.ConfigError, match="bedrock-runtime client, not a dynamodb client"):
        bedrock_meter.instrument(dynamodb, use_case="chatbot")


def test_a_bad_use_case_is_refused(simulator: Simulator) -> None:
    """A use case that could not be a dimension is refused when the client is instrumented, not during a call."""
    with pytest.raises(bedrock_meter.ConfigError, match="use_case"):
        bedrock_meter.instrument(plain_client(simulator.url), use_case="two words")


def test_the_line_on_stdout_holds_no_content(simulator: Simulator) -> None:
    """By default a record is one EMF line on stdout, and no part of prompt or answer is in it."""
    client = bedrock_meter.instrument(plain_client(simulator.url), use_case="chatbot")
    with redirect_stdout(io.StringIO()) as stdout:
        answer = json.loads(client.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)["body"].read())

    (line,) = stdout.getvalue().splitlines()
    document = json.loads(line)
    assert document["OutputTokenCount"] == answer["usage"]["output_tokens"]
    assert document["UseCase"] == "chatbot"
    assert "canary" not in line
    assert answer["content"][0]["text"] not in line


def test_the_example_function_runs_as_it_is(simulator: Simulator) -> None:
    """examples/layer_function answers a question and leaves one EMF line, in a process of its own."""
    program = "import json, app; print('ANSWER', json.dumps(app.lambda_handler({'question': 'Why?'}, None)))"
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": simulator.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd="examples/layer_function",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    emf_line, answer = result.stdout.splitlines()
    assert json.loads(emf_line)["UseCase"] == "faq-bot"
    assert json.loads(answer.removeprefix("ANSWER "))["answer"]
