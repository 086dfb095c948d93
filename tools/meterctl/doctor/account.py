"""Checks of what AWS gives: Region, credentials, models, logging, quotas."""

import re
from collections.abc import Iterator
from datetime import timedelta

from bedrock_meter import modelid
from bedrock_meter.domain import Scope
from meterctl.doctor.model import DAY, Finding, World, fail, ok, skipped, warn
from meterctl.reconcile.usagetype import Words, words, words_of_id
from reconcile import series
from reconcile.account import RUNTIME

# Quotas that count tokens by the minute, and the scope of the calls that they are of.
_QUOTA = re.compile(
    r"(?P<scope>On-demand|Cross-region|Global cross-region) model inference tokens per minute for (?P<model>.+)"
)
_SCOPES = {"On-demand": Scope.IN_REGION, "Cross-region": Scope.GEO, "Global cross-region": Scope.GLOBAL}
_QUOTA_VERSION = re.compile(r" V\d+$")
QUOTA_WARNS_AT = 0.8
# What the quota counts of a call when it has ended; https://docs.aws.amazon.com/bedrock/latest/userguide/quotas.html
_COUNTED = ("InputTokenCount", "OutputTokenCount", "CacheWriteInputTokens", "CacheWriteInputTokenCount")
_SESSION = re.compile(r"(?<=assumed-role/)([^/]+)/.+")


def region(world: World) -> Iterator[Finding]:
    """A Region is chosen, and Bedrock is in it."""
    if world.region is None:
        yield fail("no AWS Region is chosen", "pass --region, or set AWS_REGION")
    elif world.region not in world.regions("bedrock"):
        yield fail(f"botocore knows no Bedrock in {world.region}", "choose another Region, or update boto3")
    else:
        yield ok(f"{world.region} has Bedrock")


def credentials(world: World) -> Iterator[Finding]:
    """There are credentials, and AWS takes them."""
    caller = world.client("sts").get_caller_identity()
    # The session's name may be a person's; the role is enough.
    yield ok(f"account {caller['Account']} as {_SESSION.sub(r'\1', caller['Arn'])}")


def models(world: World) -> Iterator[Finding]:
    """The models that are called, or that the options name, may be called."""
    wanted = sorted({*world.models, *_called(world)})
    if not wanted:
        yield skipped("--model ID; no model was called in the last day")
    for model_id in wanted:
        base = modelid.parse(model_id, world.region).base
        if base is None:
            yield warn(f"{model_id} is opaque", "name its foundation model with --model")
            continue
        found = world.client("bedrock").get_foundation_model_availability(modelId=base)
        missing = [
            text
            for text, holds in {
                "it is not in this Region": found["regionAvailability"] == "AVAILABLE",
                "this account is not authorized": found["authorizationStatus"] == "AUTHORIZED",
                "its agreement is not accepted": found["agreementAvailability"]["status"] == "AVAILABLE",
                "this account has no entitlement": found["entitlementAvailability"] == "AVAILABLE",
            }.items()
            if not holds
        ]
        if missing:
            yield fail(
                f"{base}: {', '.join(missing)}", "open the model's page in the Bedrock console and request access"
            )
        else:
            yield ok(f"{base} may be called")


def logging(world: World) -> Iterator[Finding]:
    """Bedrock's invocation log, without which nobody can say who called past the gateway."""
    config = world.client("bedrock").get_model_invocation_logging_configuration().get("loggingConfig")
    if not config:
        yield warn("invocation logging is off", "switch it on, so that unmetered calls have a name: docs/reconcile.md")
        return
    group = config.get("cloudWatchConfig", {}).get("logGroupName")
    bucket = config.get("s3Config", {}).get("bucketName")
    bodies = sorted(name.removesuffix("DataDeliveryEnabled") for name, on in config.items() if on is True)
    where = " and ".join([f"log group {group}"] * bool(group) + [f"bucket {bucket}"] * bool(bucket))
    yield ok(f"invocation logging goes to {where}")
    if bodies:
        yield warn(
            f"the log holds prompts and answers ({', '.join(bodies)})",
            "switch the data deliveries off unless you need them",
        )


def quotas(world: World) -> Iterator[Finding]:
    """The busiest minute of the last day against the quota of tokens by the minute."""
    peaks = _peaks(world)
    if not peaks:
        yield ok("no tokens were used in the last day")
        return
    limits = _limits(world)
    for model_id, peak in sorted(peaks.items()):
        model = modelid.parse(model_id, world.region)
        quota = limits.get((model.scope, words_of_id(model.base))) if model.base else None
        if quota is None:
            yield ok(f"{model_id}: {peak:,.0f} tokens in its busiest minute; no quota of tokens per minute is named so")
            continue
        share = peak / quota
        fact = f"{model_id}: {peak:,.0f} of {quota:,.0f} tokens a minute ({share:.0%}) in its busiest minute"
        if share >= QUOTA_WARNS_AT:
            yield warn(fact, "ask for more in Service Quotas; output counts several times for some models")
        else:
            yield ok(fact)


def _called(world: World) -> set[str]:
    """Name the models that Bedrock had calls for."""
    found = world.sums(RUNTIME.namespace, (RUNTIME.calls,), RUNTIME.dimensions, value=RUNTIME.model)
    return {model for (_, model), calls in found.items() if calls}


def _limits(world: World) -> dict[tuple[Scope | None, Words], float]:
    """Give the quotas by scope and by the words of the model's name."""
    found: dict[tuple[Scope | None, Words], float] = {}
    for page in world.client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode="bedrock"):
        for quota in page["Quotas"]:
            if match := _QUOTA.fullmatch(quota["QuotaName"]):
                name = words(_QUOTA_VERSION.sub("", match["model"]))
                found[_SCOPES[match["scope"]], name] = quota["Value"]
    return found


def _peaks(world: World) -> dict[str, float]:
    """Give the most tokens of a minute, by ``ModelId``."""
    cloudwatch = world.client("cloudwatch")
    found = series.listed(cloudwatch, namespace=RUNTIME.namespace, dimensions=RUNTIME.dimensions, metrics=_COUNTED)
    minutes: dict[str, dict[object, float]] = {}
    wanted = [(one, "Sum") for one in found]
    values = series.read(cloudwatch, wanted, start=world.now - DAY, end=world.now, period=timedelta(minutes=1))
    for (one, _), points in values.items():
        sums = minutes.setdefault(one.value_of(RUNTIME.model), {})
        for at, value in points.items():
            sums[at] = sums.get(at, 0) + value
    return {model: max(sums.values()) for model, sums in minutes.items() if sums}
