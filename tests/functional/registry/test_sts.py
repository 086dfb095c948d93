"""AssumeRole over the light client, against moto's STS."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.limits.stores import REGION, dynamodb_server

from awshttp.credentials import EnvironmentCredentials
from awshttp.sts import SESSION_SECONDS, Sts
from bedrock_meter.errors import AwsError

ROLE = "arn:aws:iam::123456789012:role/use-case"
CREDENTIALS = EnvironmentCredentials("AKIATEST", "secret", None)


def sts(url: str) -> Sts:
    """Make the client."""
    return Sts(region=REGION, credentials=lambda: CREDENTIALS, url=url)


def test_a_role_is_assumed() -> None:
    """Its credentials are read from the XML, with the time of their end."""
    with dynamodb_server() as url, closing(sts(url)) as client:
        first = client.assume_role(ROLE, "chatbot", {"use_case": "chatbot", "team": "support"})
        second = client.assume_role(ROLE, "search", {})
    assert first.access_key.startswith("ASIA")
    assert first.secret_key
    assert first.token
    assert first.access_key != second.access_key
    left = first.expires_at - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(seconds=SESSION_SECONDS)


def test_a_refusal_has_the_name_that_aws_gives_it() -> None:
    """A session name that STS does not take is an error with its code."""
    with dynamodb_server() as url, closing(sts(url)) as client, pytest.raises(AwsError) as refused:
        client.assume_role(ROLE, "s" * 100, {})
    assert refused.value.code == "ValidationError"


def test_nobody_answers() -> None:
    """A connection that cannot be made is an unanswered request."""
    with closing(sts("http://127.0.0.1:1")) as client, pytest.raises(AwsError) as failed:
        client.assume_role(ROLE, "chatbot", {})
    assert failed.value.code == AwsError.UNANSWERED
