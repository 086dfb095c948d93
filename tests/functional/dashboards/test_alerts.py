"""Every alert rule of the file that Grafana is provisioned with: quiet on normal traffic, firing on crafted traffic."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml
from tests.builders import a_call, a_model, a_record, a_usage, an_emf, an_outcome
from tests.functional.dashboards.evaluate import firing
from tests.functional.dashboards.test_panels import GRAFANA
from tests.functional.dashboards.world import CHATBOT, LOG_GROUP, NOW, SCRIPT, World
from tests.functional.gateway.calls import CLAUDE

from bedrock_meter import metrics
from bedrock_meter.domain import Status
from meterctl.cloudwatch import CloudWatch

SERVICE = "bedrock-meter"
"""The deployment that the committed rules watch."""
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
RECENT = NOW - 4 * MINUTE
"""Within the five minutes that most rules look at."""
RULES: Mapping[str, Mapping[str, Any]] = {
    rule["uid"].removeprefix("bedrock-meter-"): rule
    for group in yaml.safe_load((GRAFANA / "provisioning/alerting/rules.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
EMF = an_emf(service=SERVICE, models=frozenset({CLAUDE}))
CALL = a_call(model=a_model(CLAUDE))
type Crafted = Callable[[World], Iterable[str]]


def at(line: Mapping[str, Any], moment: datetime, **changes: Any) -> str:
    """Give a line of the handler as another moment and the watched deployment would have it."""
    return json.dumps(
        {**line, **changes, metrics.SERVICE: SERVICE, "_aws": {**line["_aws"], "Timestamp": stamp(moment)}}
    )


def stamp(moment: datetime) -> int:
    """Give milliseconds."""
    return int(moment.timestamp() * 1000)


def outcomes(world: World, fault: str, times: int) -> list[str]:
    """Give the handler's line of a fault several times, a few minutes ago."""
    line = next(line for line, sent in zip(world.lines, SCRIPT, strict=True) if sent.fault == fault)
    return [at(line, RECENT)] * times


def spent(usd: str, moment: datetime) -> str:
    """Give the line of a call that cost so much."""
    call = replace(CALL, received_at=moment)
    return EMF.line(a_record(call=call, cost=Decimal(usd), price_row="row"))


def measured(name: str, value: float, **dimensions: str) -> list[str]:
    """Give a measurement of a few minutes ago."""
    return [EMF.measurement({name: value}, at=RECENT, dimensions=dimensions)]


def normal(world: World) -> Iterator[str]:
    """Give an hour that goes well, with a throttle, a 4xx and a 5xx in it, after nine days that cost the same."""
    good = [line for line, sent in zip(world.lines, SCRIPT, strict=True) if not sent.fault]
    for minute in range(60):
        yield from (at(line, NOW - minute * MINUTE - MINUTE / 2) for line in good)
    for fault in ("throttling", "internal", "validation"):
        yield from outcomes(world, fault, 1)
    for day in range(9):
        yield spent("2", NOW - day * DAY - timedelta(hours=3))
    yield from measured(metrics.BUDGET_USED, 79.9, **{metrics.LIMIT: "chatbot-month"})
    yield from measured(metrics.UNMETERED_SHARE, 0.5)
    yield from measured(metrics.DRIFT, -0.5)


def cloudwatch_with(lines: Iterable[str], *, requests: float = 780) -> CloudWatch:
    """Fill a CloudWatch with lines, and with requests that API Gateway counted."""
    cloudwatch = CloudWatch()
    intake = cloudwatch.put_emf(lines, now=NOW)
    assert not intake.dropped
    count = {"MetricName": "Count", "Dimensions": [{"Name": "ApiName", "Value": SERVICE}], "Timestamp": RECENT}
    cloudwatch.put_metric_data(now=NOW, Namespace="AWS/ApiGateway", MetricData=[{**count, "Value": requests}])
    return cloudwatch


def slow(world: World) -> list[str]:
    """Give calls that took 31 seconds, and more of them than quick ones take part in a p99."""
    return [at(world.lines[0], NOW - minute * MINUTE, InvocationLatency=31_000.0) for minute in range(17)]


def record(**changes: Any) -> list[str]:
    """Give the line of a record of a few minutes ago."""
    return [EMF.line(a_record(call=replace(CALL, received_at=RECENT), outcome=an_outcome(duration_ms=None), **changes))]


def denied(times: int) -> list[str]:
    """Give calls that were refused before Bedrock."""
    outcome = an_outcome(status=Status.DENIED, http_status=429, bedrock_status=None, duration_ms=None)
    return [EMF.line(a_record(call=replace(CALL, received_at=RECENT), usage=None, outcome=outcome))] * times


PAIR = {metrics.USE_CASE: CHATBOT, metrics.MODEL_ID: CLAUDE}
ONE = {metrics.SERVICE: SERVICE}
# Beside normal traffic there are 13 calls a minute: 65 in 5 minutes, and the three faults.
CRAFTED: Mapping[str, tuple[Crafted, Mapping[str, str]]] = {
    "latency-p99": (slow, ONE),
    "server-errors": (lambda world: outcomes(world, "internal", 4), ONE),
    "client-errors": (lambda world: outcomes(world, "validation", 25), ONE),
    "throttle-storm": (lambda world: outcomes(world, "throttling", 50), PAIR),
    "denials": (lambda _: denied(51), PAIR),
    "spend-anomaly": (lambda _: [spent("1.1", NOW - timedelta(hours=1))], ONE),
    "budget-80": (lambda _: measured(metrics.BUDGET_USED, 80.0, Limit="team-day"), {metrics.LIMIT: "team-day"}),
    "budget-100": (lambda _: measured(metrics.BUDGET_USED, 100.0, Limit="team-day"), {metrics.LIMIT: "team-day"}),
    "unpriced-model": (lambda _: record(usage=a_usage()), PAIR),
    # As the reconciliation emits them: what goes past makes a drift below 0, and what is metered twice a share of 0.
    "unmetered-traffic": (lambda _: [*measured(metrics.UNMETERED_SHARE, 40.0), *measured(metrics.DRIFT, -40.0)], ONE),
    "metered-too-much": (lambda _: [*measured(metrics.UNMETERED_SHARE, 0.0), *measured(metrics.DRIFT, 10.7)], ONE),
    "meter-faults": (lambda _: record(faults=("reader_fault",), cost=Decimal(0), price_row="row"), ONE),
}
WITHOUT_LINES = {"unreadable-lines", "invalid-lines", "silent-gateway"}
ALSO = {"budget-100": {"budget-80"}}
"""What fires with another by its nature."""


@pytest.mark.parametrize("slug", RULES)
def test_normal_traffic_is_quiet(world: World, slug: str) -> None:
    """No rule fires on traffic that goes well, with a few faults in it as there always are."""
    assert firing(cloudwatch_with(normal(world)), RULES[slug], now=NOW) == []


@pytest.mark.parametrize("slug", RULES)
def test_no_traffic_is_quiet(slug: str) -> None:
    """No rule fires where nothing happens at all."""
    assert firing(CloudWatch(), RULES[slug], now=NOW) == []


@pytest.mark.parametrize("slug", CRAFTED)
def test_a_rule_fires(world: World, slug: str) -> None:
    """What a rule is for makes it fire, once, with labels that say what it is about, and makes no other rule fire."""
    craft, labels = CRAFTED[slug]
    cloudwatch = cloudwatch_with([*normal(world), *craft(world)])
    (alert,) = firing(cloudwatch, RULES[slug], now=NOW)
    assert labels.items() <= alert.items()
    others = {other for other, rule in RULES.items() if other != slug and firing(cloudwatch, rule, now=NOW)}
    assert others == ALSO.get(slug, set())


@pytest.mark.parametrize(
    ("slug", "line"),
    [("unreadable-lines", '{"_aws":{"CloudWatchMetrics":['), ("invalid-lines", '{"_aws":{"Timestamp":0}}')],
)
def test_a_rejected_line_fires(world: World, slug: str, line: str) -> None:
    """A line that CloudWatch rejects fires the rule of its kind, and names the log group."""
    cloudwatch = cloudwatch_with(normal(world))
    cloudwatch.put_emf([line], now=RECENT, log_group=LOG_GROUP)
    (alert,) = firing(cloudwatch, RULES[slug], now=NOW)
    assert alert["LogGroupName"] == LOG_GROUP
    (other,) = {"unreadable-lines", "invalid-lines"} - {slug}
    assert firing(cloudwatch, RULES[other], now=NOW) == []


def test_a_silent_gateway_fires(world: World) -> None:
    """Calls that reach the API while no line comes fire the rule; lines of an hour ago do not hide it."""
    hour_ago = [at(line, NOW - 60 * MINUTE) for line in world.lines]
    assert firing(cloudwatch_with(hour_ago), RULES["silent-gateway"], now=NOW) == [{}]
    assert firing(cloudwatch_with(hour_ago, requests=0), RULES["silent-gateway"], now=NOW) == []


def test_few_calls_are_no_rate(world: World) -> None:
    """Where hardly anybody calls, a single error is no error rate."""
    lines = outcomes(world, "internal", 19)
    assert firing(cloudwatch_with(lines), RULES["server-errors"], now=NOW) == []
    assert firing(cloudwatch_with([*lines, lines[0]]), RULES["server-errors"], now=NOW) != []


def test_a_new_deployment_is_no_anomaly() -> None:
    """Without eight days of data there is no usual day to compare with, however much the first days cost."""
    lines = [spent("50", NOW - day * DAY - timedelta(hours=3)) for day in range(3)]
    assert firing(cloudwatch_with(lines), RULES["spend-anomaly"], now=NOW) == []


def test_every_rule_is_crafted_for() -> None:
    """No rule is without a test that makes it fire."""
    assert RULES.keys() == CRAFTED.keys() | WITHOUT_LINES
