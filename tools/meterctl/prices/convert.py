"""One entry of the source's price table, as exact rates by tier and context band.

The source writes prices as floats in US dollars for one token. The book writes decimal strings in US dollars for one
million tokens, and for one unit of everything that is not a token.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from pricewatch.errors import PriceDataError

type Rates = dict[str, Decimal]
type Slot = tuple[str, int]
"""Tier, and the total input tokens above which the rates hold."""

MILLION = Decimal(1_000_000)
DIGITS = 12
"""More significant digits than any price list has; what a float adds beyond them is noise."""
NOISE = Decimal("1e-12")
"""The largest relative change that taking noise away may make."""

_TOKEN_FIELD = re.compile(
    r"(?P<bucket>input_cost_per_token|output_cost_per_token|cache_read_input_token_cost|cache_creation_input_token_cost)"
    r"(?P<hour>_above_1hr)?(?:_above_(?P<above>\d+)k_tokens)?(?:_(?P<tier>batches|flex|priority|ultrafast))?"
)
_BUCKETS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
}
_TIERS = {None: "default", "batches": "batch", "flex": "flex", "priority": "priority"}

# Prices of one unit, by mode of the entry ("" stands for every mode) and field.
_UNITS = {
    ("rerank", "input_cost_per_query"): "search_units",
    ("embedding", "input_cost_per_query"): "requests",
    ("embedding", "input_cost_per_image"): "images",
    ("image_generation", "output_cost_per_image"): "images",
    ("image_edit", "output_cost_per_image"): "images",
    ("", "input_cost_per_video_per_second"): "video_seconds",
    ("", "input_cost_per_audio_per_second"): "audio_seconds",
}
# A price of these is of no use where it repeats the input price: such tokens are in the input count.
_SAME_AS_INPUT = frozenset({"input_cost_per_image_token", "input_cost_per_audio_token"})
_GUARDRAIL = "guardrail_cost_per_unit"
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")

LEFT_OUT = {
    "ultrafast": "a tier that a record cannot name yet",
    "search_context_cost_per_query": "the price of a search tool, which no answer counts",
}
"""Price fields that the book leaves out on purpose, with the reason."""


def exact(value: float | Decimal) -> Decimal:
    """Take a price as it was written, without the noise that binary arithmetic leaves (3.0000000000000004).

    Raises:
        PriceDataError: The number is negative, not finite, or has more digits than a price has.
    """
    if isinstance(value, bool):
        raise PriceDataError(f"{value!r} is no price")
    written = value if isinstance(value, Decimal) else Decimal(str(value))
    if not written.is_finite() or written < 0:
        raise PriceDataError(f"{value!r} is no price")
    if written == 0:
        return Decimal(0)
    rounded = round(written, DIGITS - 1 - written.adjusted())
    if abs(rounded - written) > NOISE * written:
        raise PriceDataError(f"{value} has more than {DIGITS} digits; a price has not")
    return rounded.normalize()


def rates_of(entry: Mapping[str, object]) -> dict[Slot, Rates]:
    """Convert an entry.

    Args:
        entry: An entry of the source, its numbers `int`, `float` or `Decimal`.

    Returns:
        The rates of every tier and band that the entry prices: US dollars for a million tokens, or for one unit.

    Raises:
        PriceDataError: The entry has a price field that this module does not know: a price must not be lost in silence.
    """
    found: dict[Slot, Rates] = {}
    for field, value in entry.items():
        if not _is_price(field) or value is None:
            continue
        for slot, name, rate in _read(field, value, entry):
            rates = found.setdefault(slot, {})
            if rates.setdefault(name, rate) != rate:
                raise PriceDataError(f"two prices for {name} ({field})")
    return found


def _is_price(field: str) -> bool:
    return "cost" in field and not field.startswith("supports_")


def _read(field: str, value: object, entry: Mapping[str, object]) -> list[tuple[Slot, str, Decimal]]:
    base = ("default", 0)
    if field in LEFT_OUT:
        return []
    if field == _GUARDRAIL and isinstance(value, Mapping):
        return [(base, _CAPITAL.sub("_", name).lower(), exact(price)) for name, price in value.items()]
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise PriceDataError(f"{field} is no number")
    match = _TOKEN_FIELD.fullmatch(field)
    if match is not None:
        if match["tier"] in LEFT_OUT:
            return []
        return [(_slot(match), _bucket(match, field), (exact(value) * MILLION).normalize())]
    if field in _SAME_AS_INPUT and exact(value) == exact(_number(entry.get("input_cost_per_token"))):
        return []
    unit = _UNITS.get((str(entry.get("mode")), field)) or _UNITS.get(("", field))
    if unit is None:
        raise PriceDataError(f"unknown price field {field}")
    return [(base, unit, exact(value))]


def _slot(match: re.Match[str]) -> Slot:
    return _TIERS[match["tier"]], int(match["above"] or 0) * 1000


def _bucket(match: re.Match[str], field: str) -> str:
    bucket = _BUCKETS[match["bucket"]]
    if not match["hour"]:
        return bucket
    if bucket != "cache_write_5m":
        raise PriceDataError(f"unknown price field {field}")
    return "cache_write_1h"


def _number(value: object) -> float | Decimal:
    return value if isinstance(value, int | float | Decimal) else Decimal(0)
