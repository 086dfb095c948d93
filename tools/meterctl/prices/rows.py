"""The rows of one model after the other: entries of the source joined, held against each other, and put in place."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from decimal import Decimal

from bedrock_meter.domain import Scope
from meterctl.prices.convert import Rates, Slot
from meterctl.prices.keys import Place
from meterctl.prices.models import GeoRegions
from meterctl.prices.rules import Rule, Rules
from pricewatch.book import Key
from pricewatch.errors import PriceDataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What one entry prices, in one place."""

    entry: str
    """The id of the entry."""
    place: Place
    rates: Mapping[Slot, Rates]


class Pricing:
    """The rows of one model after the other."""

    def __init__(self, source: str, rules: Rules) -> None:
        self.rates: dict[Key, Rates] = {}
        self.sources: dict[Key, str] = {}
        self.used: dict[str, int] = {}
        self._source = source
        self._rules = rules

    def unused(self) -> list[str]:
        """Name the regional rules that fitted nothing."""
        return [rule.pattern.pattern for rule in self._rules.regional if rule.pattern.pattern not in self.used]

    def add(self, model: str, entries: list[Priced], geos: GeoRegions) -> None:
        """Put the rows of one model in place.

        Raises:
            PriceDataError: Two entries contradict each other, or the regional rule does not hold.
        """
        rule = next((each for each in self._rules.regional if each.pattern.fullmatch(model)), None)
        worldwide = self._joined([each for each in entries if each.place.scope is Scope.GLOBAL])
        local = [each for each in entries if each.place.scope is Scope.IN_REGION]
        bare = [each for each in local if each.place.region == "*"]
        profiles = [each for each in entries if each.place.scope is Scope.GEO]
        self._put(model, "*", Scope.GLOBAL, worldwide)
        if rule is not None:
            self._regional(model, rule, worldwide, bare, [each for each in profiles if self._ordinary(each)])
            profiles = [each for each in profiles if not self._ordinary(each)]
        else:
            self._put(model, "*", Scope.IN_REGION, self._joined(bare))
        for region in sorted({each.place.region for each in local} - {"*"}):
            self._put(model, region, Scope.IN_REGION, self._joined([e for e in local if e.place.region == region]))
        common = [each for each in profiles if self._ordinary(each)]
        if len(common) > 1 and all(_agree(one.rates, two.rates) for one in common for two in common):
            self._put(model, "*", Scope.GEO, self._joined(common))
            profiles = [each for each in profiles if not self._ordinary(each)]
        by_region: dict[str, list[Priced]] = {}
        for each in profiles:
            for region in geos.of(model, each.place.geo or ""):
                by_region.setdefault(region, []).append(each)
        for region, several in sorted(by_region.items()):
            self._put(model, region, Scope.GEO, self._joined(several))
        self._shorten(model)

    def _shorten(self, model: str) -> None:
        """Leave out a Region that only repeats the row of every Region, in each tier and band.

        A lookup falls back to that row. A Region that lacks a tier keeps its rows: they show that it lacks it.
        """
        places = {(region, scope) for each, region, scope, _, _ in self.rates if each == model}
        for region, scope in sorted(places):
            if region != "*" and self._at(model, region, scope) == self._at(model, "*", scope):
                for where in [each for each in self.rates if each[:3] == (model, region, scope)]:
                    del self.rates[where], self.sources[where]

    def _at(self, model: str, region: str, scope: str) -> dict[Slot, Rates]:
        return {where[3:]: rates for where, rates in self.rates.items() if where[:3] == (model, region, scope)}

    def _ordinary(self, profile: Priced) -> bool:
        """Whether the regional rule speaks for a profile; geographies with prices of their own are in the rules."""
        return profile.place.geo not in self._rules.geos

    def _regional(
        self, model: str, rule: Rule, worldwide: dict[Slot, Rates], bare: list[Priced], profiles: list[Priced]
    ) -> None:
        """Give the in-region and the geo row the regional rate, and hold every source of it against the others."""
        raised = _times(worldwide, rule.factor)
        self.used.setdefault(rule.pattern.pattern, 0)
        local = self._joined([self._mended(each, rule, worldwide) for each in bare])
        seen = self._joined(profiles)
        result: dict[Slot, Rates] = {}
        for each in (seen, local, raised):
            if not _agree(each, result):
                raise PriceDataError(f"{model}: the regional rate is not the Global one x {rule.factor}")
            _join(result, each)
        note = f" x {rule.factor} (Global to regional)"
        stated = self._joined(profiles + [each for each in bare if not self._is_global(each, rule, worldwide)])
        plain = {slot for slot, prices in result.items() if stated.get(slot) == prices}
        for scope in (Scope.IN_REGION, Scope.GEO):
            self._put(model, "*", scope, result, note=note, plain=plain)

    def _mended(self, each: Priced, rule: Rule, worldwide: Mapping[Slot, Rates]) -> Priced:
        """Raise a bare id that the source prices at the Global rate."""
        if not self._is_global(each, rule, worldwide):
            return each
        self.used[rule.pattern.pattern] += 1
        return replace(each, rates=_times(each.rates, rule.factor))

    def _is_global(self, each: Priced, rule: Rule, worldwide: Mapping[Slot, Rates]) -> bool:
        return _agree(each.rates, worldwide) and not _agree(each.rates, _times(worldwide, rule.factor))

    @staticmethod
    def _joined(entries: list[Priced]) -> dict[Slot, Rates]:
        """Join entries that price the same place; where they differ, a rule has to leave one of them out."""
        result: dict[Slot, Rates] = {}
        for each in entries:
            if not _agree(each.rates, result):
                raise PriceDataError(f"{', '.join(e.entry for e in entries)} differ, and no rule leaves one out")
            _join(result, each.rates)
        return result

    def _put(
        self,
        model: str,
        region: str,
        scope: Scope,
        prices: Mapping[Slot, Rates],
        *,
        note: str = "",
        plain: AbstractSet[Slot] | None = None,
    ) -> None:
        for (tier, above), values in prices.items():
            where = (model, region, scope.value, tier, above)
            self.rates[where] = dict(values)
            as_given = plain is None or (tier, above) in plain
            self.sources[where] = self._source if as_given else self._source + note


def _agree(one: Mapping[Slot, Rates], other: Mapping[Slot, Rates]) -> bool:
    """Whether no price of one contradicts one of the other."""
    return all(
        other[slot][name] == rate
        for slot, prices in one.items()
        for name, rate in prices.items()
        if slot in other and name in other[slot]
    )


def _join(result: dict[Slot, Rates], more: Mapping[Slot, Rates]) -> None:
    for slot, prices in more.items():
        for name, rate in prices.items():
            result.setdefault(slot, {}).setdefault(name, rate)


def _times(prices: Mapping[Slot, Rates], factor: Decimal) -> dict[Slot, Rates]:
    return {slot: {name: (rate * factor).normalize() for name, rate in rates.items()} for slot, rates in prices.items()}


def everywhere(where: Key) -> Key:
    """Give the key of the row to which a lookup falls back: the same in every Region."""
    model, _, scope, tier, above = where
    return model, "*", scope, tier, above
