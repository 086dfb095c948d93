"""Both sides of the comparison, read from CloudWatch, and the application profiles that hide a model's name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bedrock_meter import metrics, modelid
from bedrock_meter.dimensions import OTHER
from reconcile import series
from reconcile.compare import BUCKETS, Line, Used, compare, model_of

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_cloudwatch import CloudWatchClient

HOUR = timedelta(hours=1)
LAG = timedelta(minutes=15)
"""How long after its end an hour is compared at the earliest: metrics of AWS services arrive minutes late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How one namespace calls what is compared."""

    namespace: str
    dimensions: frozenset[str]
    """The dimension set that is read."""
    model: str
    """The dimension that names the model; the values of the others are added up."""
    calls: str
    tokens: Mapping[str, tuple[str, ...]]
    """By the name of our metric, every name under which the namespace may have it."""
    failures: tuple[str, ...] = ()
    estimated: tuple[str, ...] = ()


_ERRORS = (metrics.CLIENT_ERRORS, metrics.SERVER_ERRORS)
RUNTIME = Names(
    # https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring-runtime-metrics.html; the guides and AWS's samples
    # disagree about the names of the cache metrics, so both are looked for.
    namespace="AWS/Bedrock",
    dimensions=frozenset({"ModelId"}),
    model="ModelId",
    calls="Invocations",
    tokens={
        metrics.INPUT_TOKENS: ("InputTokenCount",),
        metrics.OUTPUT_TOKENS: ("OutputTokenCount",),
        metrics.CACHE_READ_TOKENS: ("CacheReadInputTokens", "CacheReadInputTokenCount"),
        metrics.CACHE_WRITE_TOKENS: ("CacheWriteInputTokens", "CacheWriteInputTokenCount"),
    },
    failures=_ERRORS,
)
MANTLE = Names(
    # https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring-mantle-metrics.html. The gateway calls
    # bedrock-runtime alone, so what is in here went past it.
    namespace="AWS/BedrockMantle",
    dimensions=frozenset({"Model"}),
    model="Model",
    calls="Inferences",
    tokens={metrics.INPUT_TOKENS: ("TotalInputTokens",), metrics.OUTPUT_TOKENS: ("TotalOutputTokens",)},
    failures=("InferenceClientErrors",),
)
BEDROCK = (RUNTIME, MANTLE)


def ours(namespace: str) -> Names:
    """Give the names of our own metrics."""
    return Names(
        namespace=namespace,
        dimensions=frozenset({metrics.USE_CASE, metrics.MODEL_ID}),
        model=metrics.MODEL_ID,
        calls=metrics.INVOCATIONS,
        tokens={name: (name,) for name in BUCKETS},
        failures=_ERRORS,
        estimated=(metrics.ESTIMATED,),
    )


def closed(start: datetime, end: datetime, *, now: datetime) -> tuple[datetime, datetime]:
    """Give the whole hours of a stretch of time whose figures have arrived; empty where both are the same."""
    first, last = _hour(start + HOUR - timedelta(microseconds=1)), _hour(min(end, now - LAG))
    return first, max(first, last)


def reconcile(
    cloudwatch: "CloudWatchClient",
    *,
    namespace: str,
    start: datetime,
    end: datetime,
    aliases: Mapping[str, str],
    theirs: Sequence[Names] = BEDROCK,
) -> list[Line]:
    """Read both sides for the hours from start to end, and compare them.

    Raises:
        MetricsUnreadable: CloudWatch failed on a series.
    """
    metered = used(cloudwatch, ours(namespace), start=start, end=end, aliases=aliases)
    account = [one for names in theirs for one in used(cloudwatch, names, start=start, end=end, aliases=aliases)]
    return compare(metered, account)


def used(
    cloudwatch: "CloudWatchClient", names: Names, *, start: datetime, end: datetime, aliases: Mapping[str, str]
) -> list[Used]:
    """Read one side."""
    every = (names.calls, *names.failures, *names.estimated, *(each for many in names.tokens.values() for each in many))
    found = series.listed(cloudwatch, namespace=names.namespace, dimensions=names.dimensions, metrics=every)
    values = series.read(cloudwatch, [(one, "Sum") for one in found], start=start, end=end, period=HOUR)
    sums: dict[tuple[str, datetime], dict[str, float]] = {}
    for (one, _), points in values.items():
        raw = one.value_of(names.model)
        model = raw if raw == OTHER else model_of(raw, aliases)
        for at, value in points.items():
            cell = sums.setdefault((model, at), {})
            cell[one.metric] = cell.get(one.metric, 0) + value
    return [_used(names, model, at, cell) for (model, at), cell in sorted(sums.items())]


def aliases(bedrock: "BedrockClient") -> dict[str, str]:
    """Give the foundation model behind each application inference profile, by its id and by its ARN."""
    found = {}
    for page in bedrock.get_paginator("list_inference_profiles").paginate(typeEquals="APPLICATION"):
        for profile in page["inferenceProfileSummaries"]:
            arn = profile["inferenceProfileArn"]
            model = modelid.resolve(modelid.parse(arn), [each["modelArn"] for each in profile["models"]])
            if model.base is not None:
                found[arn] = found[profile["inferenceProfileId"]] = model.base
    return found


def _used(names: Names, model: str, at: datetime, sums: Mapping[str, float]) -> Used:
    tokens = {}
    for ours_name, many in names.tokens.items():
        # Were both names published, they would say the same twice.
        known = [sums[name] for name in many if name in sums]
        if known:
            tokens[ours_name] = round(max(known))
    return Used(
        model=model,
        at=at,
        calls=round(sums.get(names.calls, 0)),
        tokens=tokens,
        failures=round(sum(sums.get(name, 0) for name in names.failures)),
        estimated=round(sum(sums.get(name, 0) for name in names.estimated)),
    )


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
