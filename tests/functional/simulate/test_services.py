"""boto3 calls the operations that run no model on the spot."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
from tests.functional.simulate.conftest import MakeClient

from meterctl.simulate import Simulator, fault_model_id

REEL = "amazon.nova-reel-v1:1"
OUTPUT: Any = {"s3OutputDataConfig": {"s3Uri": "s3://bucket/videos"}}


def start(client: BedrockRuntimeClient, model: str = REEL, **asked: Any) -> str:
    """Start a video and return its ARN."""
    document = {"videoGenerationConfig": {"durationSeconds": 12}}
    return client.start_async_invoke(modelId=model, modelInput=document, outputDataConfig=OUTPUT, **asked)[
        "invocationArn"
    ]


@pytest.mark.parametrize(("size", "units"), [(1, 1), (1000, 1), (1001, 2)])
def test_apply_guardrail(bedrock: Simulator, client: BedrockRuntimeClient, size: int, units: int) -> None:
    """A text unit is 1000 characters or a part of them; the usage is what the ledger billed."""
    content: Any = (
        [{"text": {"text": "a" * (size - 1)}}, {"text": {"text": "b"}}] if size > 1 else [{"text": {"text": "a"}}]
    )
    response = client.apply_guardrail(
        guardrailIdentifier="simguardrail", guardrailVersion="1", source="INPUT", content=content
    )
    assert response["action"] == "NONE"
    assert response["usage"]["contentPolicyUnits"] == units
    (served,) = bedrock.ledger
    assert (served.operation, served.model_id, served.input_tokens) == ("ApplyGuardrail", None, 0)
    assert served.units == {name: count for name, count in response["usage"].items() if count}


def test_a_guardrail_can_intervene(bedrock: Simulator, make_client: MakeClient) -> None:
    """The fault of that name makes ApplyGuardrail say so; the units are billed all the same."""
    response = make_client(bedrock.url, fault="guardrail-blocked").apply_guardrail(
        guardrailIdentifier="simguardrail",
        guardrailVersion="DRAFT",
        source="OUTPUT",
        content=[{"text": {"text": "hello"}}],
    )
    assert response["action"] == "GUARDRAIL_INTERVENED"
    assert response["outputs"]
    assert bedrock.ledger[0].units["contentPolicyUnits"] == 1


def test_invoke_guardrail_checks(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """Each check that is asked for has its own text units, and the others none."""
    response = client.invoke_guardrail_checks(
        messages=[{"role": "user", "content": [{"text": "a" * 1001}]}],
        checks={
            "contentFilter": {"categories": [{"category": "HATE"}]},
            "sensitiveInformation": {"entities": [{"type": "EMAIL"}]},
        },
    )
    assert response["results"]["contentFilter"]["results"] == [{"category": "HATE", "severityScore": 0.0}]
    assert response["usage"]["contentFilter"] == {"textUnits": 2}
    assert "promptAttack" not in response["usage"]
    assert bedrock.ledger[0].units == {"contentFilter.textUnits": 2, "sensitiveInformation.textUnits": 2}


def test_an_asynchronous_invocation(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """It starts, is in progress once and then completed; only the start is billed, in seconds of video."""
    arn = start(client)
    first, second = (client.get_async_invoke(invocationArn=arn) for _ in range(2))
    assert (first["status"], second["status"]) == ("InProgress", "Completed")
    assert first["modelArn"].endswith(f"::foundation-model/{REEL}")
    assert second["endTime"] >= second["submitTime"]
    assert [(served.operation, served.model_id, served.units) for served in bedrock.ledger] == [
        ("StartAsyncInvoke", REEL, {"video_seconds": 12}),
        ("GetAsyncInvoke", None, {}),
        ("GetAsyncInvoke", None, {}),
    ]
    assert all(served.input_tokens == served.output_tokens == 0 for served in bedrock.ledger)


def test_asynchronous_invocations_are_listed(client: BedrockRuntimeClient) -> None:
    """The newest comes first, pages follow each other, and the status filters."""
    arns = [start(client) for _ in range(3)]
    client.get_async_invoke(invocationArn=arns[0])
    pages = client.get_paginator("list_async_invokes").paginate(PaginationConfig={"PageSize": 2})
    listed = [job["invocationArn"] for page in pages for job in page["asyncInvokeSummaries"]]
    assert listed == arns[::-1]
    done = client.list_async_invokes(statusEquals="Completed")["asyncInvokeSummaries"]
    assert [job["invocationArn"] for job in done] == arns[:1]


def test_a_token_starts_one_invocation(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """The same client token again gives the same ARN and bills nothing more."""
    arns = {start(client, clientRequestToken="once") for _ in range(2)}
    assert len(arns) == 1
    assert [served.units for served in bedrock.ledger] == [{"video_seconds": 12}, {}]


def test_luma_tells_its_length_as_a_text(bedrock: Simulator, client: BedrockRuntimeClient) -> None:
    """Luma's `5s` is five seconds."""
    client.start_async_invoke(modelId="luma.ray-v2:0", modelInput={"duration": "5s"}, outputDataConfig=OUTPUT)
    assert bedrock.ledger[0].units == {"video_seconds": 5}


@pytest.mark.parametrize("model", ["nobody.nothing", "anthropic.claude-opus-4-8"])
def test_what_cannot_run_later_is_refused(client: BedrockRuntimeClient, model: str) -> None:
    """Unknown models and models that answer at once are no asynchronous invocations."""
    with pytest.raises(client.exceptions.ValidationException):
        start(client, model)


def test_a_video_model_does_not_answer_at_once(client: BedrockRuntimeClient) -> None:
    """InvokeModel is not for models that take StartAsyncInvoke alone."""
    with pytest.raises(client.exceptions.ValidationException):
        client.invoke_model(modelId=REEL, body="{}")


def test_an_unknown_invocation_is_refused(client: BedrockRuntimeClient) -> None:
    """An ARN that was never started is invalid."""
    with pytest.raises(client.exceptions.ValidationException):
        client.get_async_invoke(invocationArn="arn:aws:bedrock:us-east-1:111122223333:async-invoke/none")


def test_services_show_faults(bedrock: Simulator, make_client: MakeClient, client: BedrockRuntimeClient) -> None:
    """The header works for every service, a fault model id where there is a model."""
    with pytest.raises(ClientError) as caught:
        make_client(bedrock.url, fault="throttling").list_async_invokes()
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"
    with pytest.raises(client.exceptions.ServiceUnavailableException):
        start(client, fault_model_id("unavailable", family="video"))
    assert [served.units for served in bedrock.ledger] == [{}, {}]
