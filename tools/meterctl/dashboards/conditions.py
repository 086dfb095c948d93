"""The steps of the alert rules: what is asked, what is computed of it, and when that fires."""

from bedrock_meter.metrics import BUDGET_USED, COST, LIMIT, MODEL_ID, OVERHEAD, USE_CASE
from meterctl.dashboards import thresholds
from meterctl.dashboards.declared import API_GATEWAY, API_NAME, LOG_GROUP_NAME, LOGS
from meterctl.dashboards.queries import Metric
from meterctl.dashboards.steps import (
    DAY,
    HOUR,
    LATE,
    MINUTE,
    WEEK,
    Above,
    Calculation,
    Condition,
    Conditions,
    Deployment,
    Query,
    Reduce,
    Step,
)


def calls(name: str) -> Metric:
    """Ask for every pair of use case and model, so that each may be an alert of its own."""
    return Metric(metric=name, statistic="Sum", dimensions={USE_CASE: "*", MODEL_ID: "*"}, period=str(MINUTE))


def rejected(name: str) -> dict[str, Step]:
    """Give the steps that fire for every log group of which CloudWatch rejected lines."""
    metric = Metric(metric=name, statistic="Sum", dimensions={LOG_GROUP_NAME: "*"}, namespace=LOGS, period=str(MINUTE))
    return {
        "A": Query(metric=metric, seconds=15 * MINUTE),
        "B": Reduce(of="A", by="sum"),
        "C": Above(of="B", limit=thresholds.REJECTED_LINES),
    }


def rate(of: Deployment, errors: str, percent: float) -> dict[str, Step]:
    """Give the steps of a rate of errors among all calls; overhead is measured in every call, however it ends."""
    return {
        "A": Query(metric=of.metric(errors, "Sum"), seconds=5 * MINUTE),
        "B": Query(metric=of.metric(OVERHEAD, "SampleCount"), seconds=5 * MINUTE),
        "C": Reduce(of="A", by="sum"),
        "D": Reduce(of="B", by="sum"),
        "E": Calculation(expression=f"($D >= {thresholds.MIN_CALLS}) * $C / $D * 100"),
        "F": Above(of="E", limit=percent),
    }


def flood(metric: str, limit: float) -> dict[str, Step]:
    """Give the steps that fire for every pair of use case and model with too many of something in 5 minutes."""
    return {
        "A": Query(metric=calls(metric), seconds=5 * MINUTE),
        "B": Reduce(of="A", by="sum"),
        "C": Above(of="B", limit=limit),
    }


def reconciled(of: Deployment, metric: str, statistic: str, *, by: str, limit: float) -> dict[str, Step]:
    """Give the steps of what the reconciliation found in the hours of a day, which it emits an hour late."""
    return {
        "A": Query(metric=of.metric(metric, statistic, 5 * MINUTE), seconds=26 * HOUR),
        "B": Reduce(of="A", by=by),
        "C": Above(of="B", limit=limit),
    }


def budget(percent: float) -> dict[str, Step]:
    """Give the steps that fire for every limit that is used so far, by its last measurement."""
    used = Metric(metric=BUDGET_USED, statistic="Maximum", dimensions={LIMIT: "*"}, period=str(MINUTE))
    return {
        "A": Query(metric=used, seconds=HOUR),
        "B": Reduce(of="A", by="last"),
        "C": Calculation(expression=f"$B >= {percent}"),
        "D": Above(of="C", limit=0),
    }


def spend(of: Deployment) -> dict[str, Step]:
    """Compare a day with the seven before it; without an eighth day of data there is nothing to compare with."""
    cost = of.metric(COST, "Sum", 5 * MINUTE)
    return {
        "A": Query(metric=cost, seconds=DAY),
        "B": Query(metric=cost, seconds=WEEK, ago=LATE + DAY),
        "C": Query(metric=cost, seconds=DAY, ago=LATE + WEEK),
        "D": Reduce(of="A", by="sum"),
        "E": Reduce(of="B", by="sum"),
        "F": Reduce(of="C", by="sum"),
        "G": Calculation(expression=f"($F > 0) * ($D >= {thresholds.SPEND_MIN_USD}) * $D / ($E / 7) * 100"),
        "H": Above(of="G", limit=thresholds.SPEND_PERCENT),
    }


def silence(of: Deployment) -> dict[str, Step]:
    """Give the steps that fire when calls reach the API and no metric line comes."""
    requests = Metric(
        metric="Count",
        statistic="Sum",
        dimensions={API_NAME: of.api or of.service},
        namespace=API_GATEWAY,
        period=str(MINUTE),
    )
    return {
        "A": Query(metric=requests, seconds=15 * MINUTE),
        "B": Query(metric=of.metric(OVERHEAD, "SampleCount"), seconds=15 * MINUTE),
        "C": Conditions(
            parts=(
                Condition(of="A", by="sum", above=thresholds.SILENT_CALLS),
                Condition(of="B", by="sum", above=None),
            )
        ),
    }
