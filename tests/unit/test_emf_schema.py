"""The checker of EMF lines finds what CloudWatch would silently drop: each rule is broken once."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.emf_schema import problems

VALID: dict[str, Any] = {
    "_aws": {
        "Timestamp": 1_795_435_200_000,
        "CloudWatchMetrics": [
            {
                "Namespace": "BedrockMeter",
                "Dimensions": [["Service"], []],
                "Metrics": [{"Name": "Invocations", "Unit": "Count", "StorageResolution": 60}, {"Name": "Latency"}],
            }
        ],
    },
    "Service": "meter",
    "Invocations": 1,
    "Latency": [1.5, 2],
}


def directive(root: dict[str, Any]) -> dict[str, Any]:
    """Give the only directive of a line."""
    first: dict[str, Any] = root["_aws"]["CloudWatchMetrics"][0]
    return first


def put(target: Callable[[dict[str, Any]], Any], key: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    """Make a change to a line: set one member somewhere in it."""

    def change(root: dict[str, Any]) -> None:
        target(root)[key] = value

    return change


def drop(target: Callable[[dict[str, Any]], Any], key: Any) -> Callable[[dict[str, Any]], None]:
    """Make a change to a line: remove one member somewhere in it."""

    def change(root: dict[str, Any]) -> None:
        del target(root)[key]

    return change


def root_of(root: dict[str, Any]) -> dict[str, Any]:
    """Give the line itself."""
    return root


def aws(root: dict[str, Any]) -> Any:
    """Give the metadata."""
    return root["_aws"]


def first_metric(root: dict[str, Any]) -> Any:
    """Give the first metric definition."""
    return directive(root)["Metrics"][0]


def test_a_valid_line_has_no_problem() -> None:
    """A line that keeps every rule passes, an empty dimension set and a list of values among them."""
    assert problems(json.dumps(VALID)) == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(drop(root_of, "_aws"), id="no metadata"),
        pytest.param(drop(aws, "Timestamp"), id="no timestamp"),
        pytest.param(put(aws, "Timestamp", 1.5), id="timestamp is a fraction"),
        pytest.param(put(aws, "Timestamp", "now"), id="timestamp is a text"),
        pytest.param(put(aws, "CloudWatchMetrics", {}), id="directives are no list"),
        pytest.param(drop(directive, "Namespace"), id="no namespace"),
        pytest.param(put(directive, "Namespace", ""), id="empty namespace"),
        pytest.param(put(directive, "Namespace", "n" * 1025), id="namespace too long"),
        pytest.param(drop(directive, "Dimensions"), id="no dimensions"),
        pytest.param(put(directive, "Dimensions", ["Service"]), id="dimensions not nested"),
        pytest.param(put(directive, "Dimensions", [[f"d{n}" for n in range(31)]]), id="31 dimensions"),
        pytest.param(put(directive, "Dimensions", [["Absent"]]), id="dimension without target"),
        pytest.param(drop(directive, "Metrics"), id="no metrics"),
        pytest.param(put(directive, "Metrics", [{"Name": "Invocations"}] * 101), id="101 metrics"),
        pytest.param(put(directive, "Metrics", [{"Unit": "Count"}]), id="metric without name"),
        pytest.param(put(first_metric, "Name", "Absent"), id="metric without target"),
        pytest.param(put(first_metric, "Unit", "Tokens"), id="unit that CloudWatch lacks"),
        pytest.param(put(first_metric, "StorageResolution", 30), id="odd resolution"),
        pytest.param(put(root_of, "Service", ""), id="empty dimension value"),
        pytest.param(put(root_of, "Service", 7), id="dimension value is a number"),
        pytest.param(put(root_of, "Service", "s" * 1025), id="dimension value too long"),
        pytest.param(put(root_of, "Service", "a\tb"), id="dimension value with a control character"),
        pytest.param(put(root_of, "Service", "Zoë"), id="dimension value beyond ASCII"),
        pytest.param(put(root_of, "Service", ":a"), id="dimension value that starts with a colon"),
        pytest.param(put(root_of, "Invocations", "1"), id="metric value is a text"),
        pytest.param(put(root_of, "Invocations", True), id="metric value is a boolean"),
        pytest.param(put(root_of, "Invocations", []), id="metric without values"),
        pytest.param(put(root_of, "Invocations", [1] * 101), id="101 values"),
        pytest.param(put(root_of, "Invocations", float("nan")), id="not a number"),
        pytest.param(put(root_of, "Invocations", float("inf")), id="infinite"),
        pytest.param(put(root_of, "padding", "p" * 1024 * 1024), id="more than 1 MB"),
    ],
)
def test_each_broken_rule_is_found(change: Callable[[dict[str, Any]], None]) -> None:
    """One wrong member is enough to be reported."""
    root = copy.deepcopy(VALID)
    change(root)
    assert problems(json.dumps(root))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(json.dumps(VALID, indent=1), id="several lines"),
        pytest.param(json.dumps(VALID) + "\n", id="line end inside the event"),
        pytest.param("INFO " + json.dumps(VALID), id="prefix of a logger"),
        pytest.param("[]", id="no object"),
        pytest.param(json.dumps(VALID)[:-1] + ',"Service":"again"}', id="member twice"),
        pytest.param('{"_aws":{"Timestamp":1,"CloudWatchMetrics":[]},"x":1e999', id="cut off"),
    ],
)
def test_each_broken_line_is_found(line: str) -> None:
    """What is not one JSON object on one line is reported."""
    assert problems(line)
