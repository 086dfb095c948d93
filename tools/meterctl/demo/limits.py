"""The scene of the limits: a budget that many callers run into at once, a rate, and what ``GET /usage`` says of it.

What was spent is known in four places: the records, the counter, ``GET /usage`` and the limit itself. They have to fit
together to the last digit, else the demo fails.
"""

from collections import Counter as Tally
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import urllib3
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from bedrock_meter.budget import Windows
from bedrock_meter.limits import Ask, Counter, Limit
from meterctl.demo import traffic
from meterctl.demo.gateway import Deployment, application
from meterctl.demo.registry import BUDGET, CRAWLER, PLAYGROUND, RATE

CALLS, CALLERS = 140, 10
"""So many calls are tried against the budget, from so many threads."""
_CALL = traffic.converse(traffic.CLAUDE, "Write a haiku about budgets.", max_tokens=100)
_CRAWL = traffic.converse(traffic.NOVA, "Summarise this page.", max_tokens=20)

type Error = BotoCoreError | ClientError


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What became of the calls under the budget."""

    answered: int
    """Calls that got through."""
    errors: Mapping[str, int]
    """How many did not, by the exception that boto3 raised."""
    asked: str | None
    """What the last one asked for, in US dollars; None when it was not refused by a limit."""
    message: str
    """What the refusal says to people."""
    counter: Counter
    """What the counter says."""
    usage: Mapping[str, Any]
    """The limit in ``GET /usage``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What became of the calls under the rate."""

    answered: int
    """Calls before the first refusal."""
    raised: str
    """The exception of that; empty when none came."""
    retry_after: str | None
    """Its header ``Retry-After``, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the records say of the budget."""

    spent: Decimal
    """The sum of their costs, US dollars."""
    answered: int
    """Records with a cost."""
    refused: int
    """Records of calls that the budget refused."""


def exhaust(deployment: Deployment) -> Budget:
    """Call from many threads, and then from one, until the budget has no room left."""
    key = deployment.keys.good[PLAYGROUND]
    with application(deployment.environment(key)) as bedrock, ThreadPoolExecutor(CALLERS) as callers:
        found = list(callers.map(lambda _: traffic.attempt(_CALL, bedrock), range(CALLS)))
        # What was held for others while a caller was refused may be free again by now.
        while (last := traffic.attempt(_CALL, bedrock)) is None and len(found) < 2 * CALLS:
            found.append(last)
    found.append(last)
    errors = [error for error in found if error is not None]
    counter = _counted(deployment, BUDGET)
    return Budget(
        answered=len(found) - len(errors),
        errors=Tally(type(error).__name__ for error in errors),
        asked=_headers(last).get("x-bedrock-meter-limit-asked"),
        message=str(last.response["Error"]["Message"]) if isinstance(last, ClientError) else str(last),
        counter=counter,
        usage=_usage(deployment, key, BUDGET),
    )


def rush(deployment: Deployment) -> Rate:
    """Call without a pause until the rate refuses; boto3's retries are off, so that the refusal can be seen."""
    environment = deployment.environment(deployment.keys.good[CRAWLER])
    # Were a minute to end meanwhile, two windows could be used up.
    most = 2 * int(RATE.amount) + 1
    with application({**environment, "AWS_MAX_ATTEMPTS": "1"}) as bedrock:
        for answered in range(most):
            error = traffic.attempt(_CRAWL, bedrock)
            if error is not None:
                return Rate(
                    answered=answered, raised=type(error).__name__, retry_after=_headers(error).get("retry-after")
                )
    return Rate(answered=most, raised="", retry_after=None)


def books(lines: Sequence[Mapping[str, Any]]) -> Books:
    """Read what the records say."""
    costs = [Decimal(line["cost_usd"]) for line in lines if BUDGET.id in line.get("limits", ()) and "cost_usd" in line]
    refused = sum(line.get("refused_by") == BUDGET.id for line in lines)
    return Books(spent=sum(costs, Decimal(0)), answered=len(costs), refused=refused)


def problems(budget: Budget, rate: Rate, found: Books) -> Iterator[str]:
    """Give a sentence for everything that does not fit together."""
    counter = budget.counter
    told = {"counter": counter.spent, "holds included, it": counter.used, "GET /usage": budget.usage.get("spent")}
    for name, value in told.items():
        if value is None or Decimal(value) != found.spent:
            yield f"{BUDGET.id}: the records come to {found.spent} USD, and {name} says {value}"
    if found.spent > BUDGET.amount:
        yield f"{BUDGET.id}: {found.spent} USD were spent of {BUDGET.amount}"
    if budget.asked is None or found.spent + Decimal(budget.asked) <= BUDGET.amount:
        yield f"{BUDGET.id}: the last call asked for {budget.asked} USD, and {BUDGET.amount - found.spent} were left"
    refused = budget.errors.get("ServiceQuotaExceededException", 0)
    if not refused or (budget.answered, refused) != (found.answered, found.refused) or len(budget.errors) > 1:
        yield f"{BUDGET.id}: callers saw {budget.answered} answers and {dict(budget.errors)}, records say {found}"
    if rate.raised != "ThrottlingException" or not rate.retry_after or rate.answered < RATE.amount:
        yield f"{RATE.id}: {rate}"


def show(console: Console, budget: Budget, rate: Rate, found: Books) -> None:
    """Print what became of both."""
    calls = budget.answered + sum(budget.errors.values())
    refused = ", ".join(f"{count:,} raised {name}" for name, count in sorted(budget.errors.items()))
    console.print(
        f"[bold]{BUDGET.id}[/bold]: {BUDGET.amount} USD a {BUDGET.period}. {calls} calls, {CALLERS} at a time:\n"
        f"{budget.answered} were answered, {refused}. The last one says:"
    )
    console.print(Padding(budget.message, (0, 4)))
    table = Table(box=None, pad_edge=False)
    for name in ("", "limit", "spent: records", "counter", "GET /usage", "left", "a call may need"):
        table.add_column(name, justify="right", no_wrap=True)
    told = budget.usage.get("spent"), budget.usage.get("left"), budget.asked
    numbers = BUDGET.amount, found.spent, budget.counter.spent, *told
    table.add_row("US dollars", *("-" if number is None else f"{Decimal(number).normalize():f}" for number in numbers))
    console.print(table)
    console.print(
        f"[bold]{RATE.id}[/bold]: {RATE.amount} {RATE.unit} a {RATE.period}. {rate.answered} calls were answered, "
        f"the next one raised\n{rate.raised or 'nothing'}, with Retry-After: {rate.retry_after} (seconds)."
    )


def _counted(deployment: Deployment, limit: Limit) -> Counter:
    window = Windows().at(limit.period, datetime.now(UTC))
    ask = Ask(limit=limit, window=window.key, amount=Decimal(0), resets_at=window.end)
    return deployment.counters.read([ask])[0]


def _usage(deployment: Deployment, key: str, limit: Limit) -> Mapping[str, Any]:
    with urllib3.PoolManager(ca_certs=str(deployment.authority)) as https:
        answer = https.request("GET", f"{deployment.url}/usage", headers={"Authorization": f"Bearer {key}"}).json()
    limits = [one for use_case in answer["use_cases"] for one in use_case["limits"]]
    return next((one for one in limits if one["id"] == limit.id), {})


def _headers(error: Error | None) -> Mapping[str, str]:
    if not isinstance(error, ClientError):
        return {}
    return error.response["ResponseMetadata"]["HTTPHeaders"]
