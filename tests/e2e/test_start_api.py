import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.e2e.sam_local import RunningApi, emf_lines
from tests.e2e.witness import Witness, due_metrics, token_metrics, tokens

from meterctl.simulate import fault_model_id

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

pytestmark = pytest.mark.e2e

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE_ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/simnova00000"
QUESTION = "Name three rivers of Europe."


@pytest.fixture
def bedrock(api: RunningApi) -> "BedrockRuntimeClient":
    """A client as applications have it, pointed at the gateway; it asks once, so that one call is one request."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=api.url,
        region_name="us-east-1",
        aws_access_key_id="e2e",
        aws_secret_access_key="e2e",
        config=Config(retries={"total_max_attempts": 1}),
    )


def converse(bedrock: "BedrockRuntimeClient", model: str) -> str:
    """Ask with Converse; give the request id of the answer."""
    answer = bedrock.converse(modelId=model, messages=[{"role": "user", "content": [{"text": QUESTION}]}])
    assert answer["output"]["message"]["content"][0]["text"]
    return answer["ResponseMetadata"]["RequestId"]


def invoke_claude(bedrock: "BedrockRuntimeClient") -> str:
    """Ask with InvokeModel; give the request id of the answer."""
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 200,
        "messages": [{"role": "user", "content": QUESTION}],
    }
    answer = bedrock.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    assert json.loads(answer["body"].read())["content"]
    return answer["ResponseMetadata"]["RequestId"]


def invoke_titan(bedrock: "BedrockRuntimeClient") -> str:
    """Ask a model without prompt cache; give the request id of the answer."""
    answer = bedrock.invoke_model(modelId="amazon.titan-text-express-v1", body=json.dumps({"inputText": QUESTION}))
    assert json.loads(answer["body"].read())["results"]
    return answer["ResponseMetadata"]["RequestId"]


def line_of(api: RunningApi, finished: int, request_id: str) -> dict[str, Any]:
    """Give the one metric line of the call that Bedrock knows by this id, once so many invocations have ended."""
    (line,) = [line for line in emf_lines(api.log_after(finished)) if line.get("bedrock_request_id") == request_id]
    return line


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda bedrock: converse(bedrock, CLAUDE), id="converse"),
        pytest.param(lambda bedrock: converse(bedrock, f"us.{CLAUDE}"), id="converse-geo-profile"),
        pytest.param(lambda bedrock: converse(bedrock, PROFILE_ARN), id="converse-application-profile"),
        pytest.param(invoke_claude, id="invoke-claude"),
        pytest.param(invoke_titan, id="invoke-titan"),
    ],
)
def test_an_sdk_call_is_answered_and_metered(
    ask: Callable[["BedrockRuntimeClient"], str], bedrock: "BedrockRuntimeClient", api: RunningApi, witness: Witness
) -> None:
    """boto3 gets its answer through API Gateway and Lambda, and the one line of the call has Bedrock's counts."""
    before, finished = len(witness.served()), api.finished()
    request_id = ask(bedrock)
    (served,) = witness.served()[before:]
    assert served["request_id"] == request_id
    line = line_of(api, finished + 1, request_id)
    assert tokens(line) == tokens(served) != {}
    assert token_metrics(line) == due_metrics(served)


@pytest.mark.parametrize(
    ("fault", "exception"),
    [
        ("throttling", "ThrottlingException"),
        ("validation", "ValidationException"),
        ("access-denied", "AccessDeniedException"),
        ("internal", "InternalServerException"),
    ],
)
def test_errors_of_bedrock_reach_the_sdk_as_they_are(
    fault: str, exception: str, bedrock: "BedrockRuntimeClient", api: RunningApi, witness: Witness
) -> None:
    """boto3 raises the exception that Bedrock named, and the call leaves one line with that name and no tokens."""
    finished = api.finished()
    with pytest.raises(ClientError) as raised:
        converse(bedrock, fault_model_id(fault))
    served = witness.served()[-1]
    assert type(raised.value).__name__ == exception == served["error_code"]
    assert raised.value.response["ResponseMetadata"]["RequestId"] == served["request_id"]
    line = line_of(api, finished + 1, served["request_id"])
    assert (line["error_code"], line["http_status"]) == (exception, served["http_status"])
    assert tokens(line) == {}


def test_a_broken_connection_is_a_503(bedrock: "BedrockRuntimeClient", api: RunningApi) -> None:
    """A connection that Bedrock resets becomes the exception that SDKs take for "try again", and leaves one line."""
    finished = api.finished()
    before = len(emf_lines(api.log_after(finished)))
    with pytest.raises(ClientError) as raised:
        converse(bedrock, fault_model_id("reset"))
    assert type(raised.value).__name__ == "ServiceUnavailableException"
    (line,) = emf_lines(api.log_after(finished + 1))[before:]
    assert (line["ending"], line["http_status"]) == ("unreachable", 503)


def test_every_call_has_its_line(bedrock: "BedrockRuntimeClient", api: RunningApi, witness: Witness) -> None:
    """After ten more calls on the warm container, the lines and the simulator's ledger name the same requests."""
    finished, before_served = api.finished(), len(witness.served())
    before_lines = len(emf_lines(api.log_after(finished)))
    for _ in range(10):
        converse(bedrock, CLAUDE)
    lines, served = emf_lines(api.log_after(finished + 10))[before_lines:], witness.served()[before_served:]
    assert [line["bedrock_request_id"] for line in lines] == [entry["request_id"] for entry in served]
    assert [tokens(line) for line in lines] == [tokens(entry) for entry in served]


def test_the_log_holds_no_content(bedrock: "BedrockRuntimeClient", api: RunningApi) -> None:
    """No part of a prompt or of an answer is in what the containers print."""
    finished = api.finished()
    answer = bedrock.converse(modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": QUESTION}]}])
    log = api.log_after(finished + 1)
    assert QUESTION not in log
    assert answer["output"]["message"]["content"][0]["text"] not in log
