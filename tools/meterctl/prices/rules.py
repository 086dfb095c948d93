"""The reviewed rules of ``data/rules.toml``, read and checked."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pricewatch.errors import PriceDataError

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A pattern of entry ids or models, what to do with them, and why."""

    pattern: re.Pattern[str]
    """Matched against the whole id."""
    reason: str
    """Why; shown to whoever reviews the book."""
    factor: Decimal = Decimal(1)
    """For a regional rate: its ratio to the Global rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Same:
    """A model that has the prices of another, and why."""

    model: str
    """The id that the source prices not at all, or only in part."""
    like: str
    """The id whose prices it has."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What was decided on top of the source."""

    first_day: date
    """The day from which the first book speaks."""
    geos: Mapping[str, tuple[str, ...]]
    """Regions of geographies that the list of models does not know."""
    exclude: tuple[Rule, ...] = ()
    same: tuple[Same, ...] = ()
    regional: tuple[Rule, ...] = ()


def load(path: Path = DATA / "rules.toml") -> Rules:
    """Read the rules.

    Raises:
        PriceDataError: A rule lacks its reason, has an unknown field or a pattern that is none.
    """
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> Rules:
    """Read the rules from their text; see `load`."""
    try:
        document = tomllib.loads(text)
        rules = Rules(
            first_day=date.fromisoformat(document.pop("first_day")),
            geos=MappingProxyType({name: tuple(regions) for name, regions in document.pop("geos", {}).items()}),
            exclude=tuple(_rule(each) for each in document.pop("exclude", [])),
            same=tuple(_reasoned(Same(**each)) for each in document.pop("same", [])),
            regional=tuple(_rule(each) for each in document.pop("regional", [])),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise PriceDataError(f"the rules: {error!r}") from error
    if document:
        raise PriceDataError(f"the rules: unknown {', '.join(sorted(document))}")
    return rules


def _rule(entry: dict[str, Any]) -> Rule:
    fields = dict(entry)
    pattern, factor = re.compile(fields.pop("pattern")), Decimal(fields.pop("factor", "1"))
    if not fields.get("reason") or factor < 1:
        raise ValueError(entry)
    return Rule(pattern=pattern, factor=factor, **fields)


def _reasoned(rule: Same) -> Same:
    if not rule.reason:
        raise ValueError(rule)
    return rule
