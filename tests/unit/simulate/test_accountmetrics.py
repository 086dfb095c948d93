"""The ledger as Bedrock's own metrics."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from tests.served import SERVED

from meterctl.simulate import Served, put_requests

NO_TOKENS: dict[str, Any] = {
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_read_tokens": 0,
    "cache_write_5m_tokens": 0,
    "cache_write_1h_tokens": 0,
}
TOKENS = {"InputTokenCount": 10, "OutputTokenCount": 20, "CacheReadInputTokens": 1, "CacheWriteInputTokens": 5}


def values(*ledger: Served) -> Counter[str]:
    """Sum the values up by metric."""
    found: Counter[str] = Counter()
    for request in put_requests(ledger):
        assert request["Namespace"] == "AWS/Bedrock"
        for datum in request["MetricData"]:
            found[datum["MetricName"]] += datum["Value"]
    return found


def test_a_call_is_an_invocation_with_its_tokens() -> None:
    """A call that succeeded is an invocation with latency and every bucket; both cache writes are one."""
    assert values(SERVED) == {"Invocations": 1, "InvocationLatency": 40, **TOKENS}


def test_a_datum_says_when_and_of_which_model() -> None:
    """Every datum has the call's time and, of an ARN, the last part as its model."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456"
    (request,) = put_requests([replace(SERVED, model_id=arn)])
    for datum in request["MetricData"]:
        assert datum["Timestamp"] == SERVED.at
        assert datum["Dimensions"] == [{"Name": "ModelId", "Value": "abc123def456"}]


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (429, "ThrottlingException", {"InvocationThrottles": 1}),
        (400, "ValidationException", {"InvocationClientErrors": 1}),
        (408, "ModelTimeoutException", {"Invocations": 1, "InvocationClientErrors": 1}),
        (424, "ModelErrorException", {"Invocations": 1, "InvocationClientErrors": 1}),
        (500, "InternalServerException", {"Invocations": 1, "InvocationServerErrors": 1}),
        (None, None, {"Invocations": 1, "InvocationServerErrors": 1}),
    ],
)
def test_errors(status: int | None, error: str | None, expected: dict[str, int]) -> None:
    """Throttled and rejected requests are no invocations; those that failed at work are both."""
    assert values(replace(SERVED, http_status=status, error_code=error, **NO_TOKENS)) == expected


def test_a_stream_that_breaks_is_billed_and_counted() -> None:
    """An error in the middle of a stream is an invocation, an error, and the tokens that were said."""
    broken = replace(SERVED, operation="ConverseStream", error_code="ModelStreamErrorException")
    assert values(broken) == {"Invocations": 1, "InvocationServerErrors": 1, **TOKENS}


@pytest.mark.parametrize("changes", [{"operation": "CountTokens"}, {"operation": "ApplyGuardrail"}, {"model_id": None}])
def test_what_runs_no_model_is_no_datum(changes: dict[str, Any]) -> None:
    """Counting, guardrails and unknown paths are not in this namespace."""
    assert not values(replace(SERVED, **changes))


def test_a_request_has_no_more_data_than_cloudwatch_takes() -> None:
    """PutMetricData takes 1,000 data at once."""
    sizes = [len(request["MetricData"]) for request in put_requests([SERVED] * 400)]
    assert sizes == [1000, 1000, 400]
