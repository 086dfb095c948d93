"""boto3 clients for people: what AWS or the machine refuses becomes one sentence that says what to do."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bedrock_meter.errors import MeterError

if TYPE_CHECKING:
    import boto3

_ADVICE = {
    "NoCredentialsError": "run `aws configure` or `aws sso login`, or set AWS_PROFILE",
    "ProfileNotFound": "set AWS_PROFILE to a profile of `aws configure list-profiles`",
    "NoRegionError": "pass --region, or set AWS_REGION",
    "EndpointConnectionError": "check the network, the Region and AWS_ENDPOINT_URL",
    "ExpiredToken": "sign in again",
    "ExpiredTokenException": "sign in again",
    "UnrecognizedClientException": "sign in again",
    "ResourceNotFoundException": "check the name and the Region",
}
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


class AwsRefused(MeterError):  # noqa: N818 - the module's one error, named for what happened
    """AWS refused a call, or could not be reached."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn botocore's errors into `AwsRefused`, which names the operation and what to do."""
    # botocore is imported where it is used: `meterctl --help` should not wait for it.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise AwsRefused(sentence(error)) from error


def sentence(error: Exception) -> str:
    """Say what botocore's error means and what to do."""
    response: dict[str, Any] = getattr(error, "response", {})
    code = response.get("Error", {}).get("Code") or type(error).__name__
    said = response.get("Error", {}).get("Message") or str(error)
    operation = getattr(error, "operation_name", None)
    advice = f"allow {operation} in your IAM policy" if code in _DENIED else _ADVICE.get(code)
    return f"{f'{operation}: ' if operation else ''}{said}{f' ({advice})' if advice else ''}"


def session(region: str | None) -> "boto3.Session":
    """Make a boto3 session; without a Region it takes AWS_REGION, which boto3 does not look at, then boto3's own."""
    import boto3  # noqa: PLC0415 - see above

    with explained():
        return boto3.Session(region_name=region or os.environ.get("AWS_REGION") or None)
