"""What a call is charged, and at most will be: which model, tier and day it is priced by, and the rows that say so."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC
from decimal import Decimal

from bedrock_meter.domain import MAX_COUNT, Call, Family, ModelRef, Operation, Scope, Usage, UsageSource
from bedrock_meter.modelid import parse
from bedrock_meter.ports import Pricer
from bedrock_meter.pricerows import DEFAULT_TIER, LATENCY_TIER, TOKEN_RATES
from bedrock_meter.pricing import FREE_UNITS, RateCard, add, cost
from bedrock_meter.usage import Reading
from bedrock_meter.usage.buffered import DOCUMENTS_PER_SEARCH_UNIT
from bedrock_meter.usage.headers import LATENCY_SERVED, TIER_SERVED

GUARDRAIL = "guardrail"
"""What stands for the model in the rows of guardrails."""

_CHARACTERS_PER_UNIT = 1000
"""Of text, for a guardrail's policy (https://aws.amazon.com/bedrock/pricing/, Guardrails)."""
_CACHE_WRITES = ("cache_write_5m", "cache_write_1h")
_FREE_OF_CHARGE = Decimal(0)

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

    def find(model: ModelRef) -> RateCard | None:
        # A guardrail has no service tiers.
        paid = None if model.base == GUARDRAIL else tier
        return pricer.rate_card(model, day=day, tier=paid, total_input=usage.total_input)

    return _price(usage, model, find)


def is_free(operation: Operation) -> bool:
    """Tell whether AWS bills nothing for an operation, whatever it counts or lists."""
    return operation in _FREE


def worst_case(
    call: Call, *, input_tokens: int, output_tokens: int, cached: bool, pricer: Pricer | None
) -> Decimal | None:
    """Give the most that a call can cost in US dollars, by the row that it would be priced by.

    Units that are not tokens are counted as far as the request tells: the documents of a rerank, the text that a
    guardrail is given. Of others, such as images and seconds, one is counted.

    Args:
        call: The call, not yet sent.
        input_tokens: Input tokens that it does not pass.
        output_tokens: Output tokens that it does not pass.
        cached: Whether it may write to the prompt cache, which costs more than plain input.
        pricer: Who knows the rows.

    Returns:
        The amount; None when the book has no price for the call.
    """
    if call.operation in _FREE:
        return Decimal(0)
    model = call.model or _guardrail(None)
    tier = None if model.base == GUARDRAIL else _tier(call, {})
    day = call.received_at.astimezone(UTC).date()
    card = pricer.rate_card(model, day=day, tier=tier, total_input=input_tokens) if pricer else None
    if card is None:
        return None
    rates = card.rates
    buckets = [name for name in (_CACHE_WRITES if cached else ()) if name in rates]
    dearest = max(("input", *buckets), key=lambda name: rates.get(name, _FREE_OF_CHARGE))
    counts = {"input": 0, dearest: min(input_tokens, MAX_COUNT)} if "input" in rates else {}
    if "output" in rates:
        counts["output"] = min(output_tokens, MAX_COUNT)
    units = {unit: _units(unit, call) for unit in rates if unit not in TOKEN_RATES}
    return cost(Usage(**counts, other=units, source=UsageSource.ESTIMATE), card)


def _units(unit: str, call: Call) -> int:
    """Give how many of a unit a call may be billed."""
    if unit in FREE_UNITS:
        return 0
    if unit.endswith("_policy_units"):
        return -(-(call.input_bytes or 0) // _CHARACTERS_PER_UNIT)
    if unit == "search_units":
        return max(1, -(-(call.documents or 0) // DOCUMENTS_PER_SEARCH_UNIT))
    return 1


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
    if card is None:
        return None, None
    amount = cost(usage, card)
    # What has an amount is covered; of what has none it matters whether the price or the count is missing.
    return (None, None) if amount is None and not card.covers(usage) else (amount, card.row)


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
