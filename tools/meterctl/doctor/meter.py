"""Checks of what this project adds: the gateway, its metrics, the registry, the price book."""

from collections.abc import Iterator
from datetime import date

from bedrock_meter import metrics
from meterctl.doctor.model import Finding, World, fail, ok, skipped, warn
from reconcile.account import RUNTIME

_SERVICE = frozenset({metrics.SERVICE})
_UNAUTHENTICATED = frozenset({401, 403})
_OK = 200
EMF_ERRORS = ("EMFParsingErrors", "EMFValidationErrors")
OLD_BOOK_DAYS = 45
"""AWS publishes new models and prices some times a month."""


def gateway(world: World) -> Iterator[Finding]:
    """The gateway answers."""
    if world.gateway is None:
        yield skipped("--gateway URL, the stack's output Endpoint")
        return
    try:
        status, _ = world.get(f"{world.gateway}/healthz")
    except OSError as error:
        yield fail(f"no answer: {error}", "check the URL, and the network to it")
        return
    if status == _OK:
        yield ok("the gateway is up")
    elif status in _UNAUTHENTICATED:
        yield ok(f"the gateway is up and asks who calls (HTTP {status})")
    else:
        yield fail(
            f"GET /healthz was answered with HTTP {status}", "look at the function's log group and the access log"
        )


def arriving(world: World) -> Iterator[Finding]:
    """Our metrics arrive in CloudWatch, when Bedrock has calls."""
    ours = world.sums(world.namespace, (metrics.INVOCATIONS,), _SERVICE, value=metrics.SERVICE)
    theirs = world.sums(RUNTIME.namespace, (RUNTIME.calls,), RUNTIME.dimensions, value=RUNTIME.model)
    metered, account = sum(ours.values()), sum(theirs.values())
    fact = f"{metered:,.0f} calls metered in the last day, {account:,.0f} by Bedrock's own metrics"
    if account and not metered:
        yield fail(
            f"{fact}; namespace {world.namespace}", "send calls through the gateway or the layer; check --namespace"
        )
    elif metered < account:
        yield warn(fact, "run `meterctl reconcile --since 24h`")
    else:
        yield ok(fact)


def emf_errors(world: World) -> Iterator[Finding]:
    """CloudWatch could read every line."""
    found = world.sums("AWS/Logs", EMF_ERRORS, frozenset({"LogGroupName"}), value="LogGroupName")
    bad = {key: count for key, count in found.items() if count}
    for (metric, group), count in sorted(bad.items()):
        yield fail(
            f"{count:,.0f} {metric} in {group} in the last day", "run `meterctl emf check` on lines of this log group"
        )
    if not bad:
        yield ok("no line was refused in the last day")


def faults(world: World) -> Iterator[Finding]:
    """The meter worked, and every call had a price."""
    wanted = {
        metrics.FAULTS: "look at the property meter_faults of the lines",
        metrics.UNPRICED: "run `meterctl prices check`, and update the price book",
        metrics.DISAGREEMENT: "look at the lines: two counts of one call differ",
    }
    found = world.sums(world.namespace, tuple(wanted), _SERVICE, value=metrics.SERVICE)
    bad = {key: count for key, count in found.items() if count}
    for (metric, service), count in sorted(bad.items()):
        yield warn(f"{count:,.0f} {metric} of {service} in the last day", wanted[metric])
    if not bad:
        yield ok("no fault, no call without a price and no disagreement in the last day")


def unmetered(world: World) -> Iterator[Finding]:
    """What the hourly reconciliation found."""
    found = world.sums(world.namespace, (metrics.UNMETERED_TOKENS,), _SERVICE, value=metrics.SERVICE)
    tokens = sum(found.values())
    if not found:
        yield warn("no reconciliation ran in the last two weeks", "deploy the stack with Reconcile=on")
    elif tokens:
        yield warn(f"{tokens:,.0f} tokens went past the meter in the last day", "run `meterctl reconcile --since 24h`")
    else:
        yield ok("no token went past the meter in the last day")


def keys(world: World) -> Iterator[Finding]:
    """The registry has keys that work."""
    if world.table is None:
        yield skipped("--table NAME, the registry's table")
        return
    pages = (
        world.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=world.table,
            FilterExpression="begins_with(pk, :key)",
            ExpressionAttributeValues={":key": {"S": "KEY#"}},
            ProjectionExpression="pk, revoked_at, expires_at",
        )
    )
    found = [item for page in pages for item in page["Items"]]
    now = world.now.isoformat()
    good = [one for one in found if "revoked_at" not in one and one.get("expires_at", {"S": "9"})["S"] > now]
    fact = f"{len(good)} keys work, {len(found) - len(good)} are revoked or have expired"
    yield ok(fact) if good else fail(fact, "make one: `meterctl keys create`")


def book_age(world: World) -> Iterator[Finding]:
    """The price book was looked at not long ago."""
    newest = max(date.fromisoformat(row["checked"]) for row in world.book["rows"])
    days = (world.now.date() - newest).days
    fact = f"the price book of this machine was checked on {newest}, {days} days ago"
    yield (
        ok(fact) if days <= OLD_BOOK_DAYS else warn(fact, "install the newest version, or run `meterctl prices build`")
    )
