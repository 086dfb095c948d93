"""The alert rules: what each asks CloudWatch, and when it fires.

An alert knows no variables, so each rule is of one deployment by name. A rule that may fire for several use cases,
models or limits at once asks with a wildcard, and Grafana makes an alert of each series. CloudWatch counts late: what
is asked ends two minutes ago.
"""

from collections.abc import Sequence

from bedrock_meter.metrics import (
    CLIENT_ERRORS,
    DENIED,
    DRIFT,
    FAULTS,
    LATENCY,
    SERVER_ERRORS,
    THROTTLES,
    UNMETERED_SHARE,
    UNPRICED,
)
from meterctl.dashboards import conditions, health, operations, platform, spend, thresholds
from meterctl.dashboards.steps import (
    HOUR,
    MINUTE,
    Above,
    Deployment,
    Query,
    Reduce,
    Rule,
    Severity,
)


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
            steps=conditions.rate(of, SERVER_ERRORS, thresholds.SERVER_ERROR_PERCENT),
            board=operations.BOARD,
            panel="Error rate by class",
        ),
        Rule(
            slug="client-errors",
            title="Many calls are wrong",
            summary="{{ $values.E.Value }} % of the calls end with a 4xx",
            severity=Severity.WARNING,
            pending="5m",
            steps=conditions.rate(of, CLIENT_ERRORS, thresholds.CLIENT_ERROR_PERCENT),
            board=operations.BOARD,
            panel="Error rate by class",
        ),
        Rule(
            slug="throttle-storm",
            title="Bedrock throttles a use case",
            summary="{{ $values.B.Value }} throttles in 5 minutes: {{ $labels.UseCase }}, {{ $labels.ModelId }}",
            severity=Severity.WARNING,
            pending="2m",
            steps=conditions.flood(THROTTLES, thresholds.THROTTLES),
            board=platform.BOARD,
            panel="Throttled calls",
        ),
        Rule(
            slug="denials",
            title="Many calls are denied",
            summary="{{ $values.B.Value }} denials in 5 minutes: {{ $labels.UseCase }}, {{ $labels.ModelId }}",
            severity=Severity.WARNING,
            pending="2m",
            steps=conditions.flood(DENIED, thresholds.DENIALS),
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
            steps=conditions.spend(of),
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
            steps=conditions.budget(thresholds.BUDGET_WARNING_PERCENT),
            board=spend.BOARD,
            panel="Budget used",
        ),
        Rule(
            slug="budget-100",
            title="A budget is spent",
            summary="{{ $labels.Limit }} is {{ $values.B.Value }} % used",
            severity=Severity.CRITICAL,
            pending="0s",
            steps=conditions.budget(thresholds.BUDGET_SPENT_PERCENT),
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
                "A": Query(metric=conditions.calls(UNPRICED), seconds=HOUR),
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
            steps=conditions.reconciled(of, UNMETERED_SHARE, "Maximum", by="last", limit=thresholds.UNMETERED_PERCENT),
            board=health.BOARD,
            panel="Unmetered share",
            group="hours",
        ),
        Rule(
            slug="metered-too-much",
            title="The meter counts more than AWS",
            summary="over a day the meter is {{ $values.B.Value }} % above AWS's count of the tokens",
            severity=Severity.WARNING,
            pending="0s",
            # The mean: a call over the end of an hour is too much in one hour and too little in its neighbour.
            steps=conditions.reconciled(of, DRIFT, "Average", by="mean", limit=thresholds.METERED_TOO_MUCH_PERCENT),
            board=health.BOARD,
            panel="Drift",
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
                steps=conditions.rejected(metric),
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
            steps=conditions.silence(of),
            board=platform.BOARD,
            panel="API Gateway: requests",
        ),
    )
