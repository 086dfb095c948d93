"""What AWS and botocore refuse, in one sentence."""

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from meterctl import aws


def refused(code: str) -> ClientError:
    """Make an error of AWS."""
    return ClientError({"Error": {"Code": code, "Message": "No."}}, "GetMetricData")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (refused("AccessDenied"), "GetMetricData: No. (allow GetMetricData in your IAM policy)"),
        (refused("ExpiredToken"), "GetMetricData: No. (sign in again)"),
        (refused("Throttling"), "GetMetricData: No."),
        (NoRegionError(), "You must specify a region. (pass --region, or set AWS_REGION)"),
        (NoCredentialsError(), "Unable to locate credentials (run `aws configure`"),
        (EndpointConnectionError(endpoint_url="https://x"), "(check the network, the Region and AWS_ENDPOINT_URL)"),
    ],
)
def test_errors_say_what_to_do(error: BotoCoreError | ClientError, sentence: str) -> None:
    """An error names the operation, what AWS said, and what to do where that is known."""
    with pytest.raises(aws.AwsRefused) as caught, aws.explained():
        raise error
    assert sentence in str(caught.value)


def test_other_errors_pass() -> None:
    """A mistake of our own is not explained away."""
    with pytest.raises(KeyError), aws.explained():
        raise KeyError("x")


def test_a_session_takes_the_region_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The option comes first, then AWS_REGION, which boto3 itself does not look at."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert aws.session(None).region_name == "eu-central-1"
    assert aws.session("us-west-2").region_name == "us-west-2"
