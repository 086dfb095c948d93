"""Inference profiles that a log entry names by an opaque ARN, with boto3's stubber as the control plane."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.stub import Stubber
from tests.builders import CLAUDE

from bedrock_meter.domain import Scope
from bedrock_meter.modelid import parse
from logmeter.profiles import RETRY_SECONDS, InferenceProfiles

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12cd34ef56"
MODELS = [{"modelArn": f"arn:aws:bedrock:{region}::foundation-model/{CLAUDE}"} for region in ("us-east-1", "us-west-2")]
PROFILE = {
    "inferenceProfileName": "chatbot",
    "inferenceProfileArn": ARN,
    "inferenceProfileId": "ab12cd34ef56",
    "models": MODELS,
    "status": "ACTIVE",
    "type": "APPLICATION",
}


@pytest.fixture
def client() -> "BedrockClient":
    """A client that only the stubber answers."""
    return boto3.client("bedrock", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")


@pytest.fixture
def plane(client: "BedrockClient") -> Iterator[Stubber]:
    """The control plane; every answer that was prepared has to be asked for."""
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_a_profile_is_asked_for_once(client: "BedrockClient", plane: Stubber) -> None:
    """The model and its scope are known from then on, without another question."""
    plane.add_response("get_inference_profile", PROFILE, {"inferenceProfileIdentifier": ARN})
    profiles = InferenceProfiles(lambda _region: client)
    first, again = profiles.find(parse(ARN)), profiles.find(parse(ARN))
    assert first == again
    assert (first.base, first.scope, first.profile) == (CLAUDE, Scope.GEO, "ab12cd34ef56")


def test_a_question_that_fails_waits_before_it_is_asked_again(client: "BedrockClient", plane: Stubber) -> None:
    """A profile that is deleted, or of another account, costs no question for each call; later it may be there."""
    plane.add_client_error("get_inference_profile", "ResourceNotFoundException")
    plane.add_response("get_inference_profile", PROFILE)
    now = 0.0
    profiles = InferenceProfiles(lambda _region: client, lambda: now)
    assert profiles.find(parse(ARN)).base is None
    assert profiles.find(parse(ARN)).base is None
    now = RETRY_SECONDS
    assert profiles.find(parse(ARN)).base == CLAUDE


def test_what_is_no_profile_is_not_asked_for(client: "BedrockClient", plane: Stubber) -> None:
    """An imported model has no profile to ask for."""
    del plane
    model = parse("arn:aws:bedrock:us-east-1:123456789012:imported-model/ab12cd34ef56")
    assert InferenceProfiles(lambda _region: client).find(model) == model
