"""Metering health: whether the meter sees everything, agrees with AWS, and what it costs itself."""

from dataclasses import replace

from bedrock_meter.metrics import (
    COLD_START,
    DISAGREEMENT,
    DRIFT,
    FAULTS,
    INPUT_TOKENS,
    MODEL_ID,
    OUTPUT_TOKENS,
    OVERHEAD,
    PRICE_DRIFT,
    UNMETERED_SHARE,
    UNMETERED_TOKENS,
)
from meterctl.dashboards.board import Board, Row
from meterctl.dashboards.declared import BEDROCK, FUNCTION_NAME, LAMBDA, LOG_GROUP_NAME, LOGS
from meterctl.dashboards.panels import BLUE, COUNT, GREEN, MILLISECONDS, ORANGE, PERCENT, RED, USD, Kind, Panel
from meterctl.dashboards.queries import Math, Metric, dimension_label, of_service, summed
from meterctl.dashboards.variables import values_of

GIGABYTES, GIGABYTE_SECOND = "0.5", "0.0000133334"
"""Memory of the gateway (512 MB, the template's default), and the price of a GB-second on arm64 in us-east-1."""
FIXED_PER_MILLION = {"Lambda requests": 0.20, "API Gateway": 3.50, "log lines": 0.35}
"""US dollars for a million calls; log lines of 0.7 kB."""

_UNMETERED_STEPS = ((1, ORANGE), (5, RED))
_DRIFT_STEPS = ((-5, ORANGE), (-1, GREEN), (1, ORANGE), (5, RED))
"""Both ways are wrong: below 0 calls go past the meter, above 0 something is metered that AWS does not count."""
_FAULTS_BEHIND = (
    "filter ispresent(meter_faults) | fields @timestamp, meter_faults, operation, model_id, request_id "
    "| sort @timestamp desc | limit 50"
)
_TOKENS_BEHIND = (
    "filter ispresent(usage_source) | stats sum(input_tokens) as input, sum(output_tokens) as output by model_id"
)
_RECONCILED_BEHIND = (
    "filter ispresent(UnmeteredShare) | fields @timestamp, ModelId, UnmeteredShare, UnmeteredTokens, "
    "ReconciliationDrift | sort @timestamp desc | limit 50"
)
_SPEED_BEHIND = (
    "filter ispresent(MeterOverhead) | fields @timestamp, MeterOverhead, ColdStart, operation, model_id, input_bytes, "
    "request_id | sort MeterOverhead desc | limit 50"
)


def _against_aws(metric: str, title: str) -> Panel:
    theirs = Metric(metric=metric, statistic="Sum", dimensions={MODEL_ID: "*"}, namespace=BEDROCK)
    return Panel(
        title=title,
        description="Ours are those of the chosen deployment. AWS counts every call of the account and Region, so its "
        "line lies above ours where traffic goes past the meter; the same where none does.",
        unit=COUNT,
        targets=(
            of_service(metric, "Sum", "metered"),
            summed("theirs", theirs),
            Math(expression="SUM(theirs)", label="AWS/Bedrock"),
        ),
        behind=_TOKENS_BEHIND,
        width=12,
        minimum=0,
        colours={"metered": BLUE, "AWS/Bedrock": ORANGE},
    )


def _reconciled(metric: str, title: str, description: str, unit: str, statistic: str = "Average") -> Panel:
    by_model = Metric(
        metric=metric, statistic=statistic, dimensions={MODEL_ID: "$model"}, label=dimension_label(MODEL_ID)
    )
    return Panel(
        title=title,
        description=f"{description} Found by the reconciliation, by model and for all.",
        unit=unit,
        calc="mean" if unit == PERCENT else "sum",
        targets=(of_service(metric, statistic, "all models"), by_model),
        behind=_RECONCILED_BEHIND,
        no_value="nothing reconciled yet",
        steps=_UNMETERED_STEPS if unit == PERCENT else (),
    )


def _counter(title: str, description: str, behind: str, metric: str, statistic: str = "Sum") -> Panel:
    return Panel(
        title=title,
        description=description,
        unit=COUNT,
        kind=Kind.NUMBER,
        targets=(of_service(metric, statistic, title.lower()),),
        behind=behind,
        width=6,
        height=5,
        steps=((1, RED),),
        no_value="0",
        decimals=0,
    )


def _rejected(key: str, metric: str, label: str) -> tuple[Metric, Math]:
    found = Metric(metric=metric, statistic="Sum", dimensions={LOG_GROUP_NAME: "*"}, namespace=LOGS)
    return summed(key, found), Math(expression=f"SUM({key})", label=label)


def _of_function(key: str, metric: str) -> Metric:
    return Metric(
        metric=metric,
        statistic="Sum",
        dimensions={FUNCTION_NAME: "$function"},
        namespace=LAMBDA,
        id=key,
        hidden=True,
    )


_COMPLETE = (
    _against_aws(INPUT_TOKENS, "Input tokens, metered and AWS's"),
    _against_aws(OUTPUT_TOKENS, "Output tokens, metered and AWS's"),
    _reconciled(UNMETERED_SHARE, "Unmetered share", "Tokens that AWS saw and the meter did not, of all.", PERCENT),
    _reconciled(UNMETERED_TOKENS, "Unmetered tokens", "Tokens that AWS saw and the meter did not.", COUNT, "Sum"),
    replace(
        _reconciled(
            DRIFT,
            "Drift",
            "By how many percent our count of tokens is above AWS's. 0 is right; below 0 calls went past the meter, "
            "above 0 something was metered that AWS does not count, or was metered twice.",
            PERCENT,
        ),
        # Both ends, for a mean would let the two kinds of error cancel out.
        calc="min",
        steps=_DRIFT_STEPS,
        below=RED,
    ),
)

_SOUND = (
    _counter(
        "Meter faults",
        "Faults inside the meter. Each was kept from the caller, and its name is in the log line.",
        _FAULTS_BEHIND,
        FAULTS,
    ),
    _counter(
        "Usage disagreements",
        "Calls of which Bedrock's headers and body gave different counts; the headers' were taken.",
        "filter ispresent(UsageDisagreement) | fields @timestamp, operation, model_id, bedrock_request_id",
        DISAGREEMENT,
    ),
    _counter(
        "Price drift",
        "Prices of the book that differ from AWS's price list, by the last comparison.",
        "filter ispresent(PriceDrift) | fields @timestamp, PriceDrift | sort @timestamp desc | limit 20",
        PRICE_DRIFT,
        "Maximum",
    ),
    Panel(
        title="Cold starts",
        description="Environments of the gateway that started.",
        unit=COUNT,
        kind=Kind.NUMBER,
        targets=(of_service(COLD_START, "Sum", "cold starts"),),
        behind=_SPEED_BEHIND,
        width=6,
        height=5,
        no_value="0",
        decimals=0,
    ),
    Panel(
        title="Lines that CloudWatch rejected",
        description="EMF lines of any log group of the Region that made no metric. It has to be 0.",
        unit=COUNT,
        kind=Kind.BARS,
        targets=(
            *_rejected("parsing", "EMFParsingErrors", "not readable"),
            *_rejected("validation", "EMFValidationErrors", "not valid"),
        ),
        behind="filter ispresent(request_id) | stats count(*) as lines by version",
        no_value="0",
        decimals=0,
        colours={"not readable": RED, "not valid": ORANGE},
    ),
    Panel(
        title="Overhead of the meter",
        description="Our own time in a call, without the wait for Bedrock and without writing the line.",
        unit=MILLISECONDS,
        calc="mean",
        targets=tuple(of_service(OVERHEAD, percentile, percentile) for percentile in ("p50", "p99")),
        behind=_SPEED_BEHIND,
        minimum=0,
        colours={"p50": BLUE, "p99": ORANGE},
    ),
    Panel(
        title="Our own cost per million calls",
        description="Lambda time at 512 MB on arm64, most of it the wait for Bedrock, and per million calls "
        + ", ".join(f"{usd:.2f} USD for {what}" for what, usd in FIXED_PER_MILLION.items())
        + ". List prices of us-east-1; metric series are not in it (`meterctl series` predicts them).",
        unit=USD,
        calc="mean",
        targets=(
            _of_function("duration", "Duration"),
            _of_function("invocations", "Invocations"),
            Math(
                expression=f"duration/invocations*1000*{GIGABYTES}*{GIGABYTE_SECOND}"
                f"+{sum(FIXED_PER_MILLION.values()):.2f}",
                label="USD per million calls",
            ),
        ),
        behind=_SPEED_BEHIND,
        minimum=0,
        decimals=2,
    ),
)

BOARD = Board(
    slug="health",
    title="Bedrock: metering health",
    description="Whether the meter sees every call, agrees with AWS, and stays out of the way.",
    since="now-24h",
    rows=(
        Row(title="Is everything metered?", panels=_COMPLETE),
        Row(title="Does the meter work?", panels=_SOUND),
    ),
    variables=(
        values_of(
            "function", "Function", namespace=LAMBDA, metric="Invocations", dimension=FUNCTION_NAME, near="Gateway"
        ),
    ),
)
"""The dashboard."""
