"""boto3 takes the simulator for Bedrock: three buffered operations, four families, every form of a model id."""

import json
from typing import Any

import pytest
from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
from tests.functional.simulate.conftest import MakeClient

from meterctl.simulate import Simulator

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
TITAN = "amazon.titan-text-express-v1"
LLAMA = "meta.llama3-1-8b-instruct-v1:0"

CLAUDE_BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "hello there"}],
}
NATIVE: dict[str, dict[str, Any]] = {
    CLAUDE: CLAUDE_BODY,
    NOVA: {"messages": [{"role": "user", "content": [{"text": "hello there"}]}]},
    TITAN: {"inputText": "hello there"},
    LLAMA: {"prompt": "hello there"},
}


@pytest.mark.parametrize("model", NATIVE)
def test_invoke_model(bedrock: Simulator, client: BedrockRuntimeClient, model: str) -> None:
    """The counts in the headers are those of the ledger, and so is the request id."""
    response = client.invoke_model(modelId=model, body=json.dumps(NATIVE[model]))
    assert json.loads(response["body"].read())
    (served,) = bedrock.ledger
    metadata = response["ResponseMetadata"]
    assert metadata["RequestId"] == served.request_id
    assert metadata["HTTPHeaders"]["x-amzn-bedrock-input-token-count"] == str(served.input_tokens) == "3"
    assert metadata["HTTPHeaders"]["x-amzn-bedrock-output-token-count"] == str(served.output_tokens)
    assert (served.operation, served.model_id, served.http_status) == ("InvokeModel", model, 200)
    assert served.complete


@pytest.mark.parametrize("model", NATIVE)
def test_converse(bedrock: Simulator, client: BedrockRuntimeClient, model: str) -> None:
    """Every family answers Converse with the usage of the ledger and without token headers."""
    response = client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "hello there"}]}])
    (served,) = bedrock.ledger
    assert response["usage"]["inputTokens"] == served.input_tokens == 3
    assert response["usage"]["outputTokens"] == served.output_tokens
    assert response["usage"]["totalTokens"] == 3 + served.output_tokens
    assert len(response["output"]["message"]["content"][0]["text"].split()) == served.output_tokens
    assert not any("token-count" in name for name in response["ResponseMetadata"]["HTTPHeaders"])
    assert served.operation == "Converse"


def test_the_cache_is_written_and_then_read(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """Two equal calls differ in the cache buckets and in nothing else that is billed."""
    for _ in range(2):
        client.converse(
            modelId=CLAUDE,
            system=[{"text": "abcd" * 30}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
            messages=[
                {"role": "user", "content": [{"text": "abcd" * 20}, {"cachePoint": {"type": "default"}}, {"text": "x"}]}
            ],
        )
    first, second = bedrock.ledger
    assert (first.input_tokens, first.cache_write_1h_tokens, first.cache_write_5m_tokens) == (1, 30, 20)
    assert (second.input_tokens, second.cache_read_tokens, second.cache_write_5m_tokens) == (1, 50, 0)
    assert first.output_tokens == second.output_tokens


def test_count_tokens(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """Both forms are counted and nothing is billed."""
    native = client.count_tokens(modelId=CLAUDE, input={"invokeModel": {"body": json.dumps(CLAUDE_BODY)}})
    converse = client.count_tokens(
        modelId=CLAUDE, input={"converse": {"messages": [{"role": "user", "content": [{"text": "hello there"}]}]}}
    )
    assert native["inputTokens"] == converse["inputTokens"] == 3
    assert [(entry.operation, entry.input_tokens) for entry in bedrock.ledger] == [("CountTokens", 0)] * 2


@pytest.mark.parametrize(
    "model_id",
    [
        f"us.{CLAUDE}",
        f"arn:aws:bedrock:us-east-1::foundation-model/{CLAUDE}",
        f"arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.{CLAUDE}",
        "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/simclaude000",
    ],
)
def test_forms_of_a_model_id(bedrock: Simulator, client: BedrockRuntimeClient, model_id: str) -> None:
    """boto3 encodes the id; the ledger has it as the caller wrote it."""
    client.invoke_model(modelId=model_id, body=json.dumps(CLAUDE_BODY))["body"].read()
    assert [entry.model_id for entry in bedrock.ledger] == [model_id]


def test_an_unknown_model(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """boto3 raises ValidationException with Bedrock's message."""
    with pytest.raises(client.exceptions.ValidationException, match="The provided model identifier is invalid"):
        client.invoke_model(modelId="nobody.nothing", body="{}")
    assert [(entry.http_status, entry.error_code) for entry in bedrock.ledger] == [(400, "ValidationException")]


def test_two_simulators_with_one_seed_agree(make_client: MakeClient) -> None:
    """A second simulator with the same seed serves the same ledger; another seed does not."""
    with Simulator(seed=1) as one, Simulator(seed=1) as same, Simulator(seed=2) as other:
        for simulator in (one, same, other):
            client = make_client(simulator.url)
            for model, body in NATIVE.items():
                client.invoke_model(modelId=model, body=json.dumps(body))["body"].read()
        assert len(one.ledger) == len(NATIVE)
        assert same.ledger == one.ledger
        assert other.ledger != one.ledger
