"""What a call is charged: which model, tier and day it is priced by, and the rows of the price book that say so."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC
from decimal import Decimal

from bedrock_meter.domain import Call, Family, ModelRef, Operation, Scope, Usage
from bedrock_meter.modelid import parse
from bedrock_meter.ports import Pricer
from bedrock_meter.pricerows import DEFAULT_TIER, LATENCY_TIER
from bedrock_meter.pricing import FREE_UNITS, RateCard, add, cost
from bedrock_meter.usage import Reading
from bedrock_meter.usage.headers import LATENCY_SERVED, TIER_SERVED

GUARDRAIL = "guardrail"
"""What stands for the model in the rows of guardrails."""

_FREE = frozenset({Operation.COUNT_TOKENS, Operation.GET_ASYNC_INVOKE, Operation.LIST_ASYNC_INVOKES})
"""Operations that AWS does not bill."""


def charge(
    call: Call, reading: Reading, headers: Mapping[str, str], pricer: Pricer | None
) -> tuple[Decimal | None, str | None]:
    """Give what a call costs, and by which row of the price book.

    Args:
        call: The call; the model behind an application profile is priced as far as it is known.
        reading: What was counted. Behind a prompt router it names the model that is billed.
        headers: The headers of Bedrock's answer with lower-case names; they may name the tier that served it.
        pricer: Who knows the rows; None prices nothing.

    Returns:
        The cost in US dollars, and the row's key, with ``+`` between two. The cost is None without a key when the book
        has no price for something that was used, and None with a key when the count of something is unknown.
    """
    usage, model = reading.usage, call.model
    if call.operation in _FREE:
        return Decimal(0), None
    if usage is None or pricer is None:
        return None, None
    if reading.invoked_model is not None:
        model = parse(reading.invoked_model, model.region if model else None)
    day, tier = call.received_at.astimezone(UTC).date(), _tier(call, headers)
    total_input = (usage.input or 0) + (usage.cache_read or 0) + (usage.cache_write or 0)

    def find(model: ModelRef) -> RateCard | None:
        # A guardrail has no service tiers.
        paid = None if model.base == GUARDRAIL else tier
        return pricer.rate_card(model, day=day, tier=paid, total_input=total_input)

    return _price(usage, model, find)


def _tier(call: Call, headers: Mapping[str, str]) -> str | None:
    """Give the tier that served the call, where Bedrock said so, else the one that was asked for."""
    served, speed = headers.get(TIER_SERVED), headers.get(LATENCY_SERVED)
    if served not in {None, DEFAULT_TIER}:
        return served
    if speed == "optimized" or (speed is None and call.tier == LATENCY_TIER):
        return LATENCY_TIER
    return served or (None if call.tier == LATENCY_TIER else call.tier)


def _price(
    usage: Usage, model: ModelRef | None, find: Callable[[ModelRef], RateCard | None]
) -> tuple[Decimal | None, str | None]:
    """Price a usage by the model's row, and units that it does not name by that of guardrails."""
    card = None if model is None else find(model)
    if model is not None and card is None:
        return None, None
    if card is not None and not usage.other:
        return _by(card, usage)
    named = frozenset[str]() if card is None else card.rates.keys()
    guarded = {unit: count for unit, count in usage.other.items() if unit not in named}
    if card is not None and not any(count for unit, count in guarded.items() if unit not in FREE_UNITS):
        return _by(card, usage)
    guardrail = find(_guardrail(model))
    if card is None:
        return _by(guardrail, usage)
    rest = replace(usage, other={unit: count for unit, count in usage.other.items() if unit in named})
    own, own_row = _by(card, rest)
    added, added_row = _by(guardrail, Usage(other=guarded, source=usage.source))
    if own_row is None or added_row is None:
        return None, None
    return None if own is None or added is None else add(own, added), f"{own_row}+{added_row}"


def _by(card: RateCard | None, usage: Usage) -> tuple[Decimal | None, str | None]:
    if card is None or not card.covers(usage):
        return None, None
    return cost(usage, card), card.row


def _guardrail(model: ModelRef | None) -> ModelRef:
    """Give the guardrail as a model: it is billed in the Region that is called."""
    return ModelRef(
        raw=GUARDRAIL,
        base=GUARDRAIL,
        family=Family.OTHER,
        scope=Scope.IN_REGION,
        region=None if model is None else model.region,
        profile=None,
    )
