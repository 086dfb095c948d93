"""The CloudWatch alarms of infra/observability.yaml on the traffic on which Grafana's rules are tried."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.cloudformation import load
from tests.functional.dashboards.test_alerts import (
    CRAFTED,
    SERVICE,
    at,
    cloudwatch_with,
    measured,
    normal,
    record,
)
from tests.functional.dashboards.test_panels import GRAFANA
from tests.functional.dashboards.world import FUNCTION, LOG_GROUP, NOW, TABLE, World
from tests.unit.test_observability import BANDS, PLATFORM, alarms

from bedrock_meter import metrics
from meterctl.cloudwatch import CloudWatch

ALARMS = alarms(load(GRAFANA.parent / "infra" / "observability.yaml"))
PARAMETERS = {
    "Namespace": "BedrockMeter",
    "ServiceName": SERVICE,
    "ApiName": SERVICE,
    "FunctionName": FUNCTION,
    "TableName": TABLE,
    "LogGroupName": LOG_GROUP,
}
FIXED = sorted(ALARMS.keys() - BANDS)
"""The alarms with a threshold; the bands of the others only CloudWatch knows."""


def resolve(value: Any) -> Any:
    """Fill in parameters."""
    if isinstance(value, dict):
        return PARAMETERS[value["Ref"]] if value.keys() == {"Ref"} else {k: resolve(v) for k, v in value.items()}
    return [resolve(each) for each in value] if isinstance(value, list) else value


def queries(alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give what an alarm asks, as GetMetricData takes it."""
    if "Metrics" in alarm:
        return [{key: value for key, value in resolve(row).items() if key != "Label"} for row in alarm["Metrics"]]
    metric = {key: resolve(alarm[key]) for key in ("Namespace", "MetricName", "Dimensions")}
    stat = alarm.get("Statistic") or alarm["ExtendedStatistic"]
    return [{"Id": "m", "MetricStat": {"Metric": metric, "Period": alarm["Period"], "Stat": stat}}]


def alarmed(cloudwatch: CloudWatch, alarm: Mapping[str, Any], *, now: datetime) -> bool:
    """Tell whether every period that the alarm looks at breaches; one without data does not."""
    asked = queries(alarm)
    period = next(row["MetricStat"]["Period"] for row in asked if "MetricStat" in row)
    for row in asked:
        if "Expression" in row:
            row["Period"] = period
    end = datetime.fromtimestamp(now.timestamp() // period * period + period, now.tzinfo)
    start = end - timedelta(seconds=period * alarm["EvaluationPeriods"])
    answer = cloudwatch.get_metric_data(now=now, StartTime=start, EndTime=end, MetricDataQueries=asked)
    (result,) = answer["MetricDataResults"]
    over = {"GreaterThanThreshold": float.__gt__, "GreaterThanOrEqualToThreshold": float.__ge__}
    breaches = [
        over[alarm["ComparisonOperator"]](float(value), float(alarm["Threshold"])) for value in result["Values"]
    ]
    return sum(breaches) >= int(alarm["DatapointsToAlarm"])


@pytest.mark.parametrize("slug", FIXED)
def test_normal_traffic_is_no_alarm(world: World, slug: str) -> None:
    """No alarm goes off on traffic that goes well, nor where nothing happens."""
    assert not alarmed(cloudwatch_with(normal(world)), ALARMS[slug], now=NOW - timedelta(minutes=1))
    assert not alarmed(CloudWatch(), ALARMS[slug], now=NOW)


@pytest.mark.parametrize("slug", [slug for slug in FIXED if slug in CRAFTED])
def test_an_alarm_goes_off(world: World, slug: str) -> None:
    """What makes Grafana's rule fire sets off the alarm of the same name, where it lasts as long as the alarm asks."""
    craft, _ = CRAFTED[slug]
    lines = [*normal(world), *craft(world)]
    if slug.startswith("budget"):  # the alarm is on the fullest of all limits, which has no dimension of its own
        lines += measured(metrics.BUDGET_USED, 100.0)
    if slug.endswith("errors"):  # the rate has to last for two periods
        lines += [at(line, NOW - timedelta(minutes=8)) for line in map(_parsed, craft(world))]
    assert alarmed(cloudwatch_with(lines), ALARMS[slug], now=NOW - timedelta(minutes=1))


def test_a_rejected_line_is_an_alarm(world: World) -> None:
    """One line that CloudWatch rejects sets off the alarm."""
    cloudwatch = cloudwatch_with(normal(world))
    cloudwatch.put_emf(['{"_aws":{"Timestamp":0}}'], now=NOW - timedelta(minutes=4), log_group=LOG_GROUP)
    assert alarmed(cloudwatch, ALARMS["rejected-lines"], now=NOW - timedelta(minutes=1))


def test_a_silent_gateway_is_an_alarm() -> None:
    """Requests without a line set off the alarm, and so do they not with one."""
    now = NOW - timedelta(minutes=1)
    assert alarmed(cloudwatch_with([]), ALARMS["silent-gateway"], now=now)
    assert not alarmed(cloudwatch_with(record()), ALARMS["silent-gateway"], now=now)


def test_every_alarm_with_a_threshold_is_tried() -> None:
    """No alarm is left out but the bands."""
    assert set(FIXED) == (CRAFTED.keys() - BANDS) | {"rejected-lines", "silent-gateway"} | PLATFORM


def _parsed(line: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(line)
    return found


@pytest.mark.parametrize("slug", sorted(PLATFORM))
def test_two_bad_periods_of_three_of_aws_own_services_are_an_alarm(slug: str) -> None:
    """One failure is none: an environment that dies with its call is seen elsewhere. A second one soon after is."""
    alarm = resolve({key: ALARMS[slug][key] for key in ("Namespace", "MetricName", "Dimensions")})
    cloudwatch = CloudWatch()
    for minutes, expected in ((12, False), (7, True)):
        datum = {"MetricName": alarm["MetricName"], "Dimensions": alarm["Dimensions"], "Value": 1.0}
        datum["Timestamp"] = NOW - timedelta(minutes=minutes)
        cloudwatch.put_metric_data(now=NOW, Namespace=alarm["Namespace"], MetricData=[datum])
        assert alarmed(cloudwatch, ALARMS[slug], now=NOW - timedelta(minutes=1)) is expected
