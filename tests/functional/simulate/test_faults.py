"""Every fault reaches boto3 as the real thing would."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ResponseStreamingError
from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
from tests.functional.simulate.conftest import SLOW_MS, MakeClient

from meterctl.simulate import Every, Script, Simulator, fault_model_id

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
BODY = json.dumps(
    {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 300,
        "messages": [{"role": "user", "content": "hello there"}],
    }
)
ERRORS = {
    "validation": (400, "ValidationException"),
    "access-denied": (403, "AccessDeniedException"),
    "bad-key": (403, "AccessDeniedException"),
    "not-found": (404, "ResourceNotFoundException"),
    "model-timeout": (408, "ModelTimeoutException"),
    "model-error": (424, "ModelErrorException"),
    "throttling": (429, "ThrottlingException"),
    "not-ready": (429, "ModelNotReadyException"),
    "internal": (500, "InternalServerException"),
    "unavailable": (503, "ServiceUnavailableException"),
}


def invoke(client: BedrockRuntimeClient, model: str = CLAUDE) -> tuple[bytes, dict[str, str]]:
    """Call InvokeModel and return the body and the headers."""
    response = client.invoke_model(modelId=model, body=BODY)
    return response["body"].read(), response["ResponseMetadata"]["HTTPHeaders"]


def converse(client: BedrockRuntimeClient, model: str = CLAUDE) -> Any:
    """Call Converse and return the response."""
    return client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "hello there"}]}])


@pytest.mark.parametrize("operation", [invoke, converse])
@pytest.mark.parametrize("fault", ERRORS)
def test_errors_by_model_id(bedrock: Simulator, client: BedrockRuntimeClient, fault: str, operation: Any) -> None:
    """boto3 raises the modelled class with the status; the ledger has the same."""
    status, code = ERRORS[fault]
    with pytest.raises(getattr(client.exceptions, code)) as caught:
        operation(client, fault_model_id(fault))
    response = caught.value.response
    assert response["Error"]["Message"]
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    (served,) = bedrock.ledger
    assert response["ResponseMetadata"]["RequestId"] == served.request_id
    assert (served.http_status, served.error_code, served.fault) == (status, code, fault)
    assert (served.input_tokens, served.output_tokens, served.complete) == (0, 0, True)


@pytest.mark.parametrize("fault", ERRORS)
def test_errors_by_header(bedrock: Simulator, make_client: MakeClient, fault: str) -> None:
    """The header `x-simulate` picks the fault for a healthy model id."""
    with pytest.raises(ClientError) as caught:
        invoke(make_client(bedrock.url, fault=fault))
    assert caught.value.response["Error"]["Code"] == ERRORS[fault][1]


def test_a_model_error_has_the_original_status(client: BedrockRuntimeClient) -> None:
    """boto3 parses the members that ModelErrorException has more."""
    with pytest.raises(client.exceptions.ModelErrorException) as caught:
        invoke(client, fault_model_id("model-error"))
    assert dict(caught.value.response)["originalStatusCode"] == 500


def test_reset_before_the_answer(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """The connection is closed before any byte; nothing is billed."""
    with pytest.raises(ConnectionClosedError):
        invoke(client, fault_model_id("reset"))
    (served,) = bedrock.ledger
    assert (served.http_status, served.output_tokens, served.complete) == (None, 0, False)


def test_reset_in_the_body(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """boto3 gets headers, then a reset while it reads the body; the answer is billed all the same."""
    response = client.invoke_model(modelId=fault_model_id("reset-mid-body"), body=BODY)
    with pytest.raises(ResponseStreamingError, match="ConnectionResetError"):
        response["body"].read()
    (served,) = bedrock.ledger
    assert (served.http_status, served.complete) == (200, False)
    assert served.output_tokens > 0


def test_a_truncated_body(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """The body ends before its Content-Length, without a reset."""
    response = client.invoke_model(modelId=fault_model_id("truncated"), body=BODY)
    with pytest.raises(ResponseStreamingError, match="IncompleteRead"):
        response["body"].read()
    (served,) = bedrock.ledger
    assert not served.complete


def test_a_reset_in_a_converse_body(client: BedrockRuntimeClient) -> None:
    """boto3 reads Converse bodies itself, so the call raises."""
    with pytest.raises(ConnectionClosedError):
        converse(client, fault_model_id("reset-mid-body"))


@pytest.mark.parametrize("fault", ["truncated", "broken-json"])
def test_half_a_converse_body_has_no_usage(client: BedrockRuntimeClient, fault: str) -> None:
    """boto3 1.44 returns an answer without output and usage instead of raising, which a meter has to survive."""
    response = converse(client, fault_model_id(fault))
    assert "usage" not in response


def test_wrong_token_headers(client: BedrockRuntimeClient) -> None:
    """The wrong values arrive as they are."""
    name = "x-amzn-bedrock-input-token-count"
    faults = ("bad-token-header", "negative-token-header", "absurd-token-header", "no-token-headers")
    values = [invoke(client, fault_model_id(fault))[1].get(name) for fault in faults]
    assert values == ["many", "-1", "99999999999999999999", None]


def test_broken_json_is_a_whole_answer(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """Content-Length fits, only the JSON is cut."""
    body, _ = invoke(client, fault_model_id("broken-json"))
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    assert bedrock.ledger[0].complete


def test_slow_takes_its_time(client: BedrockRuntimeClient) -> None:
    """The latency header says how long the answer was held back."""
    response = converse(client, fault_model_id("slow"))
    assert response["metrics"]["latencyMs"] == SLOW_MS


def test_a_script_throttles_every_third_call(make_client: MakeClient) -> None:
    """The n-th calls are throttled on every run, and each attempt of a retrying client is a call."""
    with Simulator(script=Script(rules=(Every(nth=3, fault="throttling"),))) as bedrock:
        client = make_client(bedrock.url, attempts=2)
        for _ in range(4):
            converse(client)
        assert [entry.http_status for entry in bedrock.ledger] == [200, 200, 429, 200, 200]
