"""Who may call the demo's gateway: use cases, their keys and their limits, as ``meterctl`` would register them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from bedrock_meter.adapters.fileregistry import FileRegistry
from bedrock_meter.limits import Limit, Period, Subject, Unit
from bedrock_meter.registry import UseCase
from meterctl.registry.keys import new_key

CHATBOT, SUMMARIZER, PLAYGROUND, CRAWLER = "chatbot", "summarizer", "playground", "crawler"

USE_CASES = (
    UseCase(name=CHATBOT, team="support"),
    UseCase(name=SUMMARIZER, team="finance", models=("us.anthropic.*", "us.meta.*")),
    UseCase(name=PLAYGROUND, team="research", models=("us.anthropic.*",)),
    UseCase(name=CRAWLER, team="search", models=("amazon.nova-*",)),
)
BUDGET = Limit(
    id="playground-monthly",
    subject=Subject.USE_CASE,
    pattern=PLAYGROUND,
    unit=Unit.USD,
    period=Period.MONTH,
    amount=Decimal("0.10"),
)
RATE = Limit(
    id="crawler-rate",
    subject=Subject.USE_CASE,
    pattern=CRAWLER,
    unit=Unit.REQUESTS,
    period=Period.MINUTE,
    amount=Decimal(5),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The texts of gateway keys."""

    good: Mapping[str, str] = field(repr=False)
    """By the use case that they are for."""
    revoked: str = field(repr=False)
    """One that was registered, and opens nothing any more."""
    unknown: str = field(repr=False)
    """One that nobody has ever registered."""


def register(registry: FileRegistry) -> Keys:
    """Fill an empty registry; give the keys, which are shown this once."""
    now = datetime.now(UTC)
    good = {}
    for use_case in USE_CASES:
        registry.add(use_case)
        key, good[use_case.name] = new_key((use_case.name,), use_case.name, None, now)
        registry.add(key)
    for limit in (BUDGET, RATE):
        registry.add(limit)
    key, revoked = new_key((CHATBOT,), CHATBOT, None, now)
    registry.add(replace(key, revoked_at=now))
    _, unknown = new_key((CHATBOT,), CHATBOT, None, now)
    return Keys(good=good, revoked=revoked, unknown=unknown)
