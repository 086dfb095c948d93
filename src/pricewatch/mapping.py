"""The products of the AWS Price List, mapped to what the rows of a price book say; pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from bedrock_meter.charge import GUARDRAIL
from bedrock_meter.domain import Scope
from bedrock_meter.pricerows import ANYWHERE, DEFAULT_TIER, TIERS, TOKEN_RATES
from bedrock_meter.pricing import is_apart
from pricewatch import usage
from pricewatch.book import Key, Row, is_rate
from pricewatch.names import Names
from pricewatch.offers import Product, Skipped

type Rates = Mapping[str, Decimal]

PRICE_LIST = "AWS Price List"
"""How the source of a row begins that comes from it."""
TOKENS = "tokens"

UNITS: Mapping[str, tuple[str, Decimal]] = MappingProxyType(
    {
        "1k tokens": (TOKENS, Decimal(1000)),
        "1k token": (TOKENS, Decimal(1000)),
        "1m tokens": (TOKENS, Decimal(1)),
        "1m token": (TOKENS, Decimal(1)),
        "1k text units": ("units", Decimal("0.001")),
        "text units": ("units", Decimal(1)),
        "1k search units": ("units", Decimal("0.001")),
        "search units": ("units", Decimal(1)),
        "images": ("units", Decimal(1)),
        "image": ("units", Decimal(1)),
    }
)
"""What a unit counts, and the factor from its price to a rate: for a million tokens, for one of everything else."""

# The Marketplace writes "Units" for everything, and what one is stands in the price's own words.
_MARKETPLACE_UNIT = "units"
_IN_MILLIONS = re.compile(r"\bmillion\b.*\btokens?\b", re.IGNORECASE)

_REGIONAL = (Scope.IN_REGION, Scope.GEO)

NO_MODEL = "the name stands for no model that is known"
NO_BAND = "a long-context rate of a model for which the book has no long-context band"
BAD_UNIT = "the unit {!r} is not known for {}"
BAD_RATE = "the rate has more digits than a book takes"
TWO_PRICES = "two prices for one row; neither is taken"
SUPERSEDED = "bedrock-mantle has another price than bedrock-runtime, which is taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the list prices, by row."""

    rates: Mapping[Key, Rates]
    sources: Mapping[Key, str]
    """Where the rates of a row come from: offer and version."""
    skipped: Sequence[Skipped]
    """Every product that no row comes from."""
    products: int
    """How many products there were."""
    regions: frozenset[str]
    """The Regions that the list had."""

    def reasons(self) -> list[tuple[str, int]]:
        """Count what was skipped by reason, the most frequent first."""
        return Counter(each.reason for each in self.skipped).most_common()

    def refused(self) -> list[Skipped]:
        """Give what is wrong in the list, rather than of no use here."""
        return [each for each in self.skipped if each.refused]


@dataclass(frozen=True, slots=True)
class _Claim:
    """One product's word on one rate."""

    rate: Decimal
    product: Product
    rank: tuple[bool, bool]
    """How directly it speaks, the smallest first: by its scope and not by the regional rate, by bedrock-runtime."""


@dataclass(slots=True)
class _Known:
    """What the book knows of a model, which the list does not say."""

    regions: dict[Scope, set[str]] = field(default_factory=dict)
    """The Regions of its rows, by scope."""
    bands: set[int] = field(default_factory=set)
    """Its context bands."""


def read(products: Iterable[Product | Skipped], rows: Iterable[Row], names: Mapping[str, Iterable[str]]) -> Listed:
    """Map products to rows.

    Args:
        products: What `offers.read` gave, of every offer and Region.
        rows: The rows of the book, which tell the ids of models, their scopes and their long-context bands.
        names: The written names of models, see `names.load`.
    """
    reader = _Reader(rows, names)
    for product in products:
        reader.take(product)
    return reader.result()


class _Reader:
    def __init__(self, rows: Iterable[Row], names: Mapping[str, Iterable[str]]) -> None:
        self._known: dict[str, _Known] = {}
        for row in rows:
            known = self._known.setdefault(row["model"], _Known())
            known.regions.setdefault(Scope(row["scope"]), set()).add(row["region"])
            known.bands.add(row["above"])
        self._names = Names(self._known, names)
        self._claims: dict[Key, dict[str, list[_Claim]]] = {}
        self._regional: list[tuple[Product, usage.Meter, str, Decimal, tuple[str, int]]] = []
        self._skipped: list[Skipped] = []
        self._regions: set[str] = set()
        self._products = 0

    def take(self, product: Product | Skipped) -> None:
        """Put one product in its place."""
        self._products += 1
        if isinstance(product, Skipped):
            self._skipped.append(product)
            return
        self._regions.add(product.region)
        meter = usage.read(product.usage_type)
        if isinstance(meter, str):
            self._skip(product, meter)
            return
        models = self._names.find(*filter(None, (meter.model, *product.names)))
        if not models:
            self._skip(product, NO_MODEL)
            return
        rate = _rate(product, meter.bucket)
        if isinstance(rate, str):
            self._skip(product, rate, refused=True)
            return
        for model in models:
            self._claim(product, meter, model, rate)

    def result(self) -> Listed:
        """Decide between products of the same row."""
        self._put_regional()
        rates: dict[Key, dict[str, Decimal]] = {}
        sources: dict[Key, str] = {}
        for where, buckets in self._claims.items():
            for bucket, claims in buckets.items():
                taken = self._decide(claims)
                if taken is not None:
                    rates.setdefault(where, {})[bucket] = taken.rate
                    sources.setdefault(where, f"{PRICE_LIST}, {taken.product.offer} {taken.product.version}")
        return Listed(
            rates=rates,
            sources=sources,
            skipped=tuple(self._skipped),
            products=self._products,
            regions=frozenset(self._regions),
        )

    def _decide(self, claims: list[_Claim]) -> _Claim | None:
        best = min(claim.rank for claim in claims)
        first = [claim for claim in claims if claim.rank == best]
        if len({claim.rate for claim in first}) > 1:
            for claim in first:
                self._skip(claim.product, TWO_PRICES, refused=True)
            return None
        for claim in claims:
            if claim.rate != first[0].rate and claim.rank[1] and not best[1]:
                self._skip(claim.product, SUPERSEDED)
        return first[0]

    def _claim(self, product: Product, meter: usage.Meter, model: str, rate: Decimal) -> None:
        above = 0
        if meter.long:
            bands = self._known.get(model, _Known()).bands - {0}
            if len(bands) != 1:
                self._skip(product, NO_BAND)
                return
            (above,) = bands
        slot = _tier(product, meter), above
        if meter.scope is None:
            self._regional.append((product, meter, model, rate, slot))
        else:
            self._put(_Claim(rate, product, (False, meter.mantle)), model, meter, meter.scope, slot)

    def _put(self, claim: _Claim, model: str, meter: usage.Meter, scope: Scope, slot: tuple[str, int]) -> None:
        where = (model, claim.product.region, scope.value, *slot)
        self._claims.setdefault(where, {}).setdefault(meter.bucket, []).append(claim)

    def _put_regional(self) -> None:
        """Put the regional rates in place, when it is known where the list has a scope of its own."""
        said = {where[:3] for where in self._claims}
        for product, meter, model, rate, slot in self._regional:
            for scope in self._scopes(model, product.region, said):
                implied = scope is Scope.GEO
                self._put(_Claim(rate, product, (implied, meter.mantle)), model, meter, scope, slot)

    def _scopes(self, model: str, region: str, said: AbstractSet[tuple[str, str, str]]) -> Iterable[Scope]:
        """Tell for which scopes a regional rate speaks: for calls in the Region and in its geography.

        As far as the book, or the list, says that the model can be called so: there, else anywhere. Of a model that
        neither has, both.
        """
        if model == GUARDRAIL:
            return (Scope.IN_REGION,)
        known = self._known.get(model, _Known()).regions
        reach = {region} if is_apart(region) else {region, ANYWHERE}
        there = [
            scope
            for scope in _REGIONAL
            if not reach.isdisjoint(known.get(scope, ())) or (model, region, scope.value) in said
        ]
        return there or [scope for scope in _REGIONAL if scope in known] or _REGIONAL

    def _skip(self, product: Product, reason: str, *, refused: bool = False) -> None:
        named = next(iter(product.names), "")
        what = f"{product.region} {product.usage_type}" + (f" ({named})" if named else "")
        self._skipped.append(Skipped(reason=reason, what=what, refused=refused))


def _tier(product: Product, meter: usage.Meter) -> str:
    """Tell the tier: the usage type's word, else that of the attributes (``Batch Inference``, ``flex``)."""
    if meter.tier is not None:
        return meter.tier
    words = " ".join(product.hints).replace("-", " ").split()
    return next((tier for tier in sorted(TIERS - {DEFAULT_TIER}) if tier in words), DEFAULT_TIER)


def _rate(product: Product, bucket: str) -> Decimal | str:
    """Convert a price to a rate; why not, where its unit or its digits are none that a book takes."""
    unit = product.unit.strip().lower()
    kind, factor = UNITS.get(unit, ("", Decimal(0)))
    if unit == _MARKETPLACE_UNIT and _IN_MILLIONS.search(product.description):
        kind, factor = TOKENS, Decimal(1)
    if not kind or (kind == TOKENS) != (bucket in TOKEN_RATES):
        return BAD_UNIT.format(product.unit[:40], bucket)
    rate = (product.usd * factor).normalize()
    return rate if is_rate(rate) else BAD_RATE
