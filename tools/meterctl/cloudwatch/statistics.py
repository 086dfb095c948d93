"""The statistics of CloudWatch, by the definitions of its user guide.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html

CloudWatch does not publish how it computes percentiles. Here the nearest-rank rule holds: p90 of ten values is the
ninth, always a value that occurred. Percentages in trimmed statistics use the same ranks, so that "p99 is the maximum
of the remaining 99 %, tm99 their average", as the guide says.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from meterctl.cloudwatch.errors import QueryError, refuse
from meterctl.cloudwatch.model import Sample

type Statistic = Callable[[Sequence[Sample]], float | None]
"""Samples of one period, at least one, to a value; None where CloudWatch gives none."""


def _total(samples: Sequence[Sample]) -> float:
    # fsum is exact, so the order and the portions in which samples came in change nothing.
    return math.fsum(sample.total for sample in samples)


def _count(samples: Sequence[Sample]) -> float:
    return math.fsum(sample.count for sample in samples)


BASIC: dict[str, Callable[[Sequence[Sample]], float]] = {
    "Sum": _total,
    "SampleCount": _count,
    "Average": lambda samples: _total(samples) / _count(samples),
    "Minimum": lambda samples: min(sample.low for sample in samples),
    "Maximum": lambda samples: max(sample.high for sample in samples),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The values between two bounds: above the lower one, up to the upper one and with it."""

    low: Fraction | None
    """The lower bound, a share of the ranks or a value; None is no bound."""
    high: Fraction | None
    """The upper bound."""
    ranks: bool
    """Whether the bounds are shares of the ranks (0 to 1) and not values."""

    def of(self, values: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """Cut ``values``, pairs of value and count in ascending order."""
        if not self.ranks:
            return [
                (value, count)
                for value, count in values
                if (self.low is None or self.low < value) and (self.high is None or value <= self.high)
            ]
        total = sum(Fraction(count) for _, count in values)
        low = Fraction(math.ceil((self.low or 0) * total))
        high = Fraction(math.ceil((1 if self.high is None else self.high) * total))
        kept, before = [], Fraction(0)
        for value, count in values:
            after = before + Fraction(count)
            inside = min(after, high) - max(before, low)
            if inside > 0:
                kept.append((value, float(inside)))
            before = after
        return kept


def _number(values: Sequence[tuple[float, float]]) -> float:
    return math.fsum(count for _, count in values)


def _weighted(values: Sequence[tuple[float, float]]) -> float:
    return math.fsum(value * count for value, count in values)


def _mean(values: Sequence[tuple[float, float]]) -> float | None:
    return _weighted(values) / _number(values) if values else None


def _trimmed(part: _Part, reduce: Callable[[Sequence[tuple[float, float]]], float | None]) -> Statistic:
    return _of_values(lambda values: reduce(part.of(values)))


def _winsorized(part: _Part) -> Statistic:
    def mean(values: Sequence[tuple[float, float]]) -> float | None:
        kept = part.of(values)
        if not kept:
            return None
        low, high = kept[0][0], kept[-1][0]
        return _mean([(min(max(value, low), high), count) for value, count in values])

    return _of_values(mean)


def _rank(part: _Part) -> Statistic:
    return _of_values(lambda values: 100 * _number(part.of(values)) / _number(values))


def _percentile(share: Fraction) -> Statistic:
    def value_at(values: Sequence[tuple[float, float]]) -> float:
        rank = share * sum(Fraction(count) for _, count in values)
        seen = Fraction(0)
        for value, count in values:
            seen += Fraction(count)
            if seen >= rank:
                return value
        return values[-1][0]

    return _of_values(value_at)


def _of_values(reduce: Callable[[Sequence[tuple[float, float]]], float | None]) -> Statistic:
    """Make a statistic that needs single values: there is none for statistic sets and for negative values."""

    def statistic(samples: Sequence[Sample]) -> float | None:
        if any(not sample.raw or sample.low < 0 for sample in samples):
            return None
        return reduce(sorted((sample.low, sample.count) for sample in samples))

    return statistic


_TRIMMED: dict[str, Callable[[_Part], Statistic]] = {
    "TM": lambda part: _trimmed(part, _mean),
    "TC": lambda part: _trimmed(part, _number),
    "TS": lambda part: _trimmed(part, _weighted),
    "WM": _winsorized,
}
_NUMBER = r"\d+(?:\.\d{1,10})?"
_SHORT = re.compile(rf"(?P<name>p|tm|tc|ts|wm)(?P<percent>{_NUMBER})")
_RANGE = re.compile(
    rf"(?P<name>TM|TC|TS|WM|PR)\((?P<low>{_NUMBER})?(?P<low_sign>%)?:(?P<high>{_NUMBER})?(?P<high_sign>%)?\)"
)
_KNOWN = f"{', '.join(BASIC)}, pNN, tmNN, tcNN, tsNN, wmNN, TM(a:b), TC(a:b), TS(a:b), WM(a:b), PR(a:b), IQM"
_WHOLE = 100


def parse(text: str) -> Statistic:
    """Find the statistic that a request names.

    Args:
        text: Such as ``Sum``, ``p99.9``, ``tm95``, ``TM(2%:98%)``, ``PR(:300)``.

    Raises:
        QueryError: If there is no such statistic. Names are case-sensitive, as in CloudWatch.
    """
    if text in BASIC:
        return BASIC[text]
    if text == "IQM":
        return _TRIMMED["TM"](_Part(low=Fraction(1, 4), high=Fraction(3, 4), ranks=True))
    if short := _SHORT.fullmatch(text):
        share = Fraction(short["percent"]) / _WHOLE
        if share > 1:
            refuse(f"the statistic {text!r} is above 100 %")
        if short["name"] == "p":
            return _percentile(share)
        return _TRIMMED[short["name"].upper()](_Part(low=None, high=share, ranks=True))
    if bounds := _RANGE.fullmatch(text):
        return _ranged(text, bounds)
    raise QueryError(f"unknown statistic {text!r}; there are {_KNOWN}")


def _ranged(text: str, bounds: re.Match[str]) -> Statistic:
    low, high = bounds["low"], bounds["high"]
    signs = {bool(bounds[f"{side}_sign"]) for side in ("low", "high") if bounds[side]}
    stray = any(bounds[f"{side}_sign"] and not bounds[side] for side in ("low", "high"))
    if len(signs) != 1 or stray or (bounds["name"] == "PR" and signs == {True}):
        refuse(f"the bounds of the statistic {text!r} are not two values or two percentages of one kind")
    ranks = signs == {True}
    scale = _WHOLE if ranks else 1
    part = _Part(low=Fraction(low) / scale if low else None, high=Fraction(high) / scale if high else None, ranks=ranks)
    if (part.low is not None and part.high is not None and part.low >= part.high) or (ranks and (part.high or 0) > 1):
        refuse(f"the bounds of the statistic {text!r} are out of order or above 100 %")
    return _rank(part) if bounds["name"] == "PR" else _TRIMMED[bounds["name"]](part)
