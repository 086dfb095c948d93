"""The alert rules: what each asks CloudWatch, and when it fires.

An alert knows no variables, so each rule is of one deployment by name. A rule that may fire for several use cases,
models or limits at once asks with a wildcard, and Grafana makes an alert of each series. CloudWatch counts late: what
is asked ends two minutes ago.
"""

from collections.abc import Sequence

from bedrock_meter.metrics import (
    BUDGET_USED,
    CLIENT_ERRORS,
    COST,
    DENIED,
    FAULTS,
    LATENCY,
    LIMIT,
    MODEL_ID,
    OVERHEAD,
    SERVER_ERRORS,
    THROTTLES,
    UNMETERED_SHARE,
    UNPRICED,
    USE_CASE,
)
from meterctl.dashboards import health, operations, platform, spend, thresholds
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
    Rule,
    Severity,
    Step,
)


def _calls(name: str) -> Metric:
    return Metric(metric=name, statistic="Sum", dimensions={USE_CASE: "*", MODEL_ID: "*"}, period=str(MINUTE))


def _rejected(name: str) -> dict[str, Step]:
    metric = Metric(metric=name, statistic="Sum", dimensions={LOG_GROUP_NAME: "*"}, namespace=LOGS, period=str(MINUTE))
    return {
        "A": Query(metric=metric, seconds=15 * MINUTE),
        "B": Reduce(of="A", by="sum"),
        "C": Above(of="B", limit=thresholds.REJECTED_LINES),
    }


def _rate(of: Deployment, errors: str, percent: float) -> dict[str, Step]:
    """Give the steps of a rate of errors among all calls; overhead is measured in every call, however it ends."""
    return {
        "A": Query(metric=of.metric(errors, "Sum"), seconds=5 * MINUTE),
        "B": Query(metric=of.metric(OVERHEAD, "SampleCount"), seconds=5 * MINUTE),
        "C": Reduce(of="A", by="sum"),
        "D": Reduce(of="B", by="sum"),
        "E": Calculation(expression=f"($D >= {thresholds.MIN_CALLS}) * $C / $D * 100"),
        "F": Above(of="E", limit=percent),
    }


def _flood(metric: str, limit: float) -> dict[str, Step]:
    return {
        "A": Query(metric=_calls(metric), seconds=5 * MINUTE),
        "B": Reduce(of="A", by="sum"),
        "C": Above(of="B", limit=limit),
    }


def _budget(percent: float) -> dict[str, Step]:
    used = Metric(metric=BUDGET_USED, statistic="Maximum", dimensions={LIMIT: "*"}, period=str(MINUTE))
    return {
        "A": Query(metric=used, seconds=HOUR),
        "B": Reduce(of="A", by="last"),
        "C": Calculation(expression=f"$B >= {percent}"),
        "D": Above(of="C", limit=0),
    }


def _spend(of: Deployment) -> dict[str, Step]:
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


def _silence(of: Deployment) -> dict[str, Step]:
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


def rules(of: Deployment) -> Sequence[Rule]:
    """Give every rule of a deployment."""
    return (*_of_calls(of), *_of_money(of), *_of_the_meter(of))


def _of_calls(of: Deployment) -> Sequence[Rule]:
    """Give the rules that watch how calls go."""
    return (
        Rule(
            slug="latency-p99",
            title="Bedrock answers slowly",
            summary="p99 of the latency is {{ $values.B.Value }} ms",
            severity=Severity.WARNING,
            pending="10m",
            steps={
                "A": Query(metric=of.metric(LATENCY, "p99", 5 * MINUTE), seconds=15 * MINUTE),
                "B": Reduce(of="A", by="mean"),
                "C": Above(of="B", limit=thresholds.LATENCY_P99_MS),
            },
            board=operations.BOARD,
            panel="Latency",
        ),
        Rule(
            slug="server-errors",
            title="Bedrock answers with errors",
            summary="{{ $values.E.Value }} % of the calls end with a 5xx",
            severity=Severity.CRITICAL,
            pending="5m",
            steps=_rate(of, SERVER_ERRORS, thresholds.SERVER_ERROR_PERCENT),
            board=operations.BOARD,
            panel="Error rate by class",
        ),
        Rule(
            slug="client-errors",
            title="Many calls are wrong",
            summary="{{ $values.E.Value }} % of the calls end with a 4xx",
            severity=Severity.WARNING,
            pending="5m",
            steps=_rate(of, CLIENT_ERRORS, thresholds.CLIENT_ERROR_PERCENT),
            board=operations.BOARD,
            panel="Error rate by class",
        ),
        Rule(
            slug="throttle-storm",
            title="Bedrock throttles a use case",
            summary="{{ $values.B.Value }} throttles in 5 minutes: {{ $labels.UseCase }}, {{ $labels.ModelId }}",
            severity=Severity.WARNING,
            pending="2m",
            steps=_flood(THROTTLES, thresholds.THROTTLES),
            board=platform.BOARD,
            panel="Throttled calls",
        ),
        Rule(
            slug="denials",
            title="Many calls are denied",
            summary="{{ $values.B.Value }} denials in 5 minutes: {{ $labels.UseCase }}, {{ $labels.ModelId }}",
            severity=Severity.WARNING,
            pending="2m",
            steps=_flood(DENIED, thresholds.DENIALS),
            board=platform.BOARD,
            panel="Denied calls",
        ),
    )


def _of_money(of: Deployment) -> Sequence[Rule]:
    """Give the rules that watch what is spent."""
    return (
        Rule(
            slug="spend-anomaly",
            title="A day costs far more than usual",
            summary="the last 24 hours cost {{ $values.G.Value }} % of the daily mean of the week before",
            severity=Severity.WARNING,
            pending="0s",
            steps=_spend(of),
            board=spend.BOARD,
            panel="Spend by use case",
            group="hours",
        ),
        Rule(
            slug="budget-80",
            title="A budget is nearly spent",
            summary="{{ $labels.Limit }} is {{ $values.B.Value }} % used",
            severity=Severity.WARNING,
            pending="0s",
            steps=_budget(thresholds.BUDGET_WARNING_PERCENT),
            board=spend.BOARD,
            panel="Budget used",
        ),
        Rule(
            slug="budget-100",
            title="A budget is spent",
            summary="{{ $labels.Limit }} is {{ $values.B.Value }} % used",
            severity=Severity.CRITICAL,
            pending="0s",
            steps=_budget(thresholds.BUDGET_SPENT_PERCENT),
            board=spend.BOARD,
            panel="Budget used",
        ),
        Rule(
            slug="unpriced-model",
            title="Calls have no price",
            summary="{{ $values.B.Value }} calls in an hour: {{ $labels.UseCase }}, {{ $labels.ModelId }}",
            severity=Severity.WARNING,
            pending="0s",
            steps={
                "A": Query(metric=_calls(UNPRICED), seconds=HOUR),
                "B": Reduce(of="A", by="sum"),
                "C": Above(of="B", limit=thresholds.UNPRICED),
            },
            board=spend.BOARD,
            panel="Calls without a price, by model",
            group="hours",
        ),
    )


def _of_the_meter(of: Deployment) -> Sequence[Rule]:
    """Give the rules that watch the meter itself."""
    return (
        Rule(
            slug="unmetered-traffic",
            title="Calls go past the meter",
            summary="AWS counts {{ $values.B.Value }} % of the tokens that the meter does not",
            severity=Severity.WARNING,
            pending="0s",
            steps={
                "A": Query(metric=of.metric(UNMETERED_SHARE, "Maximum", 5 * MINUTE), seconds=26 * HOUR),
                "B": Reduce(of="A", by="last"),
                "C": Above(of="B", limit=thresholds.UNMETERED_PERCENT),
            },
            board=health.BOARD,
            panel="Unmetered share",
            group="hours",
        ),
        Rule(
            slug="meter-faults",
            title="The meter has faults",
            summary="{{ $values.B.Value }} faults in 15 minutes",
            severity=Severity.WARNING,
            pending="0s",
            steps={
                "A": Query(metric=of.metric(FAULTS, "Sum"), seconds=15 * MINUTE),
                "B": Reduce(of="A", by="sum"),
                "C": Above(of="B", limit=thresholds.METER_FAULTS),
            },
            board=health.BOARD,
            panel="Meter faults",
        ),
        *(
            Rule(
                slug=slug,
                title=f"CloudWatch rejects metric lines: {what}",
                summary="{{ $values.B.Value }} lines of {{ $labels.LogGroupName }} made no metric in 15 minutes",
                severity=Severity.CRITICAL,
                pending="0s",
                steps=_rejected(metric),
                board=health.BOARD,
                panel="Lines that CloudWatch rejected",
                section="rejected-lines",
            )
            for slug, what, metric in (
                ("unreadable-lines", "not readable", "EMFParsingErrors"),
                ("invalid-lines", "not valid", "EMFValidationErrors"),
            )
        ),
        Rule(
            slug="silent-gateway",
            title="A live gateway writes no metrics",
            summary="calls reach the API, and no metric line has come for 15 minutes",
            severity=Severity.CRITICAL,
            pending="5m",
            steps=_silence(of),
            board=platform.BOARD,
            panel="API Gateway: requests",
        ),
    )
