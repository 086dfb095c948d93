import json
from typing import Any

import pytest
from tests.builders import NOON, an_emf
from tests.unit.emf_schema import problems


def measure(metrics: dict[str, float], **given: Any) -> dict[str, Any]:
    """Encode a measurement, check the line, and give it parsed."""
    line = an_emf().measurement(metrics, at=NOON, **given)
    assert problems(line) == []
    root: dict[str, Any] = json.loads(line)
    return root


def test_a_measurement_of_the_whole_service() -> None:
    """Without dimensions it is the service's own series."""
    root = measure({"UnmeteredShare": 10.5, "ReconciliationDrift": 0}, properties={"since": "2026-11-23T11:00:00Z"})
    assert root["_aws"]["Timestamp"] == NOON.timestamp() * 1000
    assert root["_aws"]["CloudWatchMetrics"] == [
        {"Namespace": "BedrockMeter", "Dimensions": [["Service"]], "Metrics": [{"Name": name, "Unit": "Percent"}]}
        for name in ("UnmeteredShare", "ReconciliationDrift")
    ]
    assert (root["UnmeteredShare"], root["ReconciliationDrift"], root["since"]) == (10.5, 0, "2026-11-23T11:00:00Z")


def test_a_measurement_has_the_dimension_set_that_it_was_asked_for() -> None:
    """A value of one model does not stand for the whole service."""
    root = measure({"UnmeteredTokens": 7}, dimensions={"ModelId": "amazon.nova-lite-v1:0"})
    (directive,) = root["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["ModelId"]]


def test_the_service_belongs_to_every_set_that_names_it() -> None:
    """A deployment is a series of service and version."""
    root = measure({"Deployments": 1}, dimensions={"Version": "1.2.3"})
    (directive,) = root["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["Service", "Version"]]
    assert root["Version"] == "1.2.3"


@pytest.mark.parametrize(
    ("metrics", "dimensions"),
    [({"BudgetUsed": 50}, {"ModelId": "m"}), ({"Deployments": 1}, {}), ({"Invented": 1}, {})],
)
def test_a_series_that_is_not_in_the_contract_is_an_error(
    metrics: dict[str, float], dimensions: dict[str, str]
) -> None:
    """CloudWatch would drop a line with a dimension that it does not have, so it is not written."""
    with pytest.raises(ValueError, match=next(iter(metrics))):
        an_emf().measurement(metrics, at=NOON, dimensions=dimensions)
