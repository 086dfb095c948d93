"""The invocation log that the simulator writes, by the calls of real boto3 clients."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

from meterctl.simulate import InvocationLog, Simulator

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LLAMA = "meta.llama3-1-8b-instruct-v1:0"
ASK = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [{"role": "user", "content": "canary"}]}
MESSAGES: Any = [{"role": "user", "content": [{"text": "canary question"}]}]
ARN = "arn:aws:sts::123456789012:assumed-role/Chatbot/one"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The log's file."""
    return tmp_path / "invocations.ndjson"


@pytest.fixture(params=[False, True], ids=["metadata", "full"])
def bedrock(request: pytest.FixtureRequest, path: Path) -> Iterator[Simulator]:
    """A simulator that logs, without bodies and with them."""
    log = InvocationLog(path=path, bodies=request.param, identities={"AKIACHATBOT": ARN})
    with Simulator(seed=1, invocation_log=log) as simulator:
        yield simulator


def client(bedrock: Simulator, key: str = "AKIACHATBOT") -> BedrockRuntimeClient:
    """Make a client with an access key."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=bedrock.url,
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key="none",
        config=Config(retries={"total_max_attempts": 1}),
    )


def logged(path: Path) -> list[Mapping[str, Any]]:
    """Read the log."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_operation_is_logged_with_what_was_served(bedrock: Simulator, path: Path) -> None:
    """Id, operation, model and counts of an entry are those of the ledger; whole answers and streams alike."""
    runtime = client(bedrock)
    runtime.converse(modelId=CLAUDE, messages=MESSAGES)
    runtime.invoke_model(modelId=CLAUDE, body=json.dumps(ASK))["body"].read()
    list(runtime.converse_stream(modelId=LLAMA, messages=MESSAGES)["stream"])
    list(runtime.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(ASK))["body"])
    names = ("requestId", "operation", "modelId")
    assert [
        (*map(entry.get, names), entry["input"]["inputTokenCount"], entry["output"]["outputTokenCount"])
        for entry in logged(path)
    ] == [
        (served.request_id, served.operation, served.model_id, served.input_tokens, served.output_tokens)
        for served in bedrock.ledger
    ]
    assert len(logged(path)) == 4


def test_the_caller_is_in_the_log(bedrock: Simulator, path: Path) -> None:
    """A key that was given an ARN is that principal; any other is a user of its name. The Region is the signed one."""
    client(bedrock).converse(modelId=LLAMA, messages=MESSAGES)
    client(bedrock, "AKIAOTHER").converse(modelId=CLAUDE, messages=MESSAGES)
    first, second = logged(path)
    assert first["identity"] == {"arn": ARN}
    assert second["identity"] == {"arn": "arn:aws:iam::123456789012:user/AKIAOTHER"}
    assert (first["region"], "inferenceRegion" in first) == ("eu-west-1", False)
    assert second["inferenceRegion"] == "us-west-2"


def test_the_callers_metadata_is_in_the_log(bedrock: Simulator, path: Path) -> None:
    """A member of Converse, a header of InvokeModel."""
    runtime = client(bedrock)
    runtime.converse(modelId=LLAMA, messages=MESSAGES, requestMetadata={"use_case": "reports"})
    runtime.meta.events.register(
        "before-call",
        lambda params, **_: params["headers"].update({"X-Amzn-Bedrock-Request-Metadata": '{"use_case":"chat"}'}),
    )
    runtime.invoke_model(modelId=CLAUDE, body=json.dumps(ASK))["body"].read()
    assert [entry["requestMetadata"] for entry in logged(path)] == [{"use_case": "reports"}, {"use_case": "chat"}]


def test_bodies_are_in_the_log_on_request_alone(bedrock: Simulator, path: Path) -> None:
    """Without them no word of prompt or answer is there; with them a stream is the list of its chunks."""
    runtime = client(bedrock)
    runtime.converse(modelId=LLAMA, messages=MESSAGES)
    list(runtime.converse_stream(modelId=LLAMA, messages=MESSAGES)["stream"])
    list(runtime.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(ASK))["body"])
    whole, events, chunks = logged(path)
    if "inputBodyJson" not in whole["input"]:
        assert "canary" not in path.read_text(encoding="utf-8")
        assert not any("outputBodyJson" in entry["output"] for entry in (whole, events, chunks))
        return
    assert whole["input"]["inputBodyJson"]["messages"] == MESSAGES
    assert whole["output"]["outputBodyJson"]["usage"]["outputTokens"] == whole["output"]["outputTokenCount"]
    assert (
        events["output"]["outputBodyJson"][-1]["metadata"]["usage"]["inputTokens"] == events["input"]["inputTokenCount"]
    )
    assert chunks["output"]["outputBodyJson"][0]["type"] == "message_start"


def test_a_call_that_failed_is_logged_without_counts(bedrock: Simulator, path: Path) -> None:
    """The exception's name is there; nothing was billed, so nothing is counted."""
    with pytest.raises(ClientError):
        client(bedrock).converse(modelId="acme.none-v1", messages=MESSAGES)
    (entry,) = logged(path)
    assert entry["errorCode"] == "ValidationException"
    assert "inputTokenCount" not in entry["input"]


def test_what_bedrock_does_not_log_is_not_logged(bedrock: Simulator, path: Path) -> None:
    """CountTokens runs no model."""
    body = {"converse": {"messages": MESSAGES}}
    client(bedrock).count_tokens(modelId="anthropic.claude-sonnet-4-5-20250929-v1:0", input=body)  # type: ignore[arg-type]
    assert not path.exists()


START = "from meterctl.simulate.command import command; command()"


def test_the_command_line_has_it(path: Path) -> None:
    """`--invocation-log` names the file and `--identity` a caller; a call of the command's simulator is in it."""
    arguments = ["--invocation-log", str(path), "--identity", "AKIACHATBOT", ARN, "--log-bodies"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", START, *arguments], stdout=subprocess.PIPE, text=True, env=environment
    ) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            url = child.stdout.readline().strip().partition("=")[2]
            boto3.client(
                "bedrock-runtime",
                endpoint_url=url,
                region_name="eu-west-1",
                aws_access_key_id="AKIACHATBOT",
                aws_secret_access_key="none",
            ).converse(modelId=LLAMA, messages=MESSAGES)
        finally:
            child.kill()
    (entry,) = logged(path)
    assert entry["identity"] == {"arn": ARN}
    assert entry["input"]["inputBodyJson"]["messages"] == MESSAGES
