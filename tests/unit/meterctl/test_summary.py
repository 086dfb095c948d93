"""EMF lines, summed up."""

import json

import pytest

from meterctl.summary import Row, read_lines, summarise


def line(**members: object) -> dict[str, object]:
    """Make the parsed line of one call."""
    return {"_aws": {}, "UseCase": "a", "ModelId": "m", **members}


def test_lines_are_grouped_by_use_case_and_model() -> None:
    """Each use case and model is one row, in alphabetical order, with its own sums."""
    rows = summarise(
        [
            line(UseCase="b", InputTokenCount=5, OutputTokenCount=7),
            line(InputTokenCount=1, InvocationThrottles=1),
            line(InputTokenCount=2, CacheReadInputTokenCount=3, InvocationLatency=10.5),
        ]
    )

    assert [(row.use_case, row.calls, row.errors) for row in rows] == [("a", 2, 1), ("b", 1, 0)]
    assert rows[0].tokens["InputTokenCount"] == 3
    assert rows[0].tokens["CacheReadInputTokenCount"] == 3
    assert rows[0].latencies == [10.5]


@pytest.mark.parametrize(("percent", "expected"), [(50, 5.0), (90, 9.0), (99, 10.0), (100, 10.0), (1, 1.0)])
def test_percentiles_are_nearest_rank(percent: float, expected: float) -> None:
    """A percentile is one of the measured values: the smallest that so many percent do not exceed."""
    row = Row(use_case="a", model="m", latencies=[float(value) for value in range(10, 0, -1)])
    assert row.percentile(percent) == expected


def test_without_a_success_there_is_no_percentile() -> None:
    """Latency is unknown, not 0, where every call failed."""
    assert Row(use_case="a", model="m").percentile(50) is None


def test_what_is_no_emf_line_is_skipped() -> None:
    """Log lines between the records do not disturb, as they do not in CloudWatch."""
    text = ["START RequestId", "", "[1]", '{"level": "INFO"}', json.dumps(line()), "{"]
    assert read_lines(text) == [line()]
