"""What an entry id of the source stands for: which model, in which scope, and where."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bedrock_meter import modelid
from bedrock_meter.domain import Scope
from meterctl.prices.rules import Rule, Rules
from pricewatch.errors import PriceDataError

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
GUARDRAIL = "guardrail"
"""The name under which the units of guardrails are priced: they belong to no model."""
_PROVIDER = re.compile(r"(?:" + "|".join(sorted(modelid.PROVIDERS)) + r")\..+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an entry's prices hold."""

    model: str
    """The foundation model id."""
    scope: Scope
    geo: str | None = None
    """The geography of a geo profile: ``us``, ``eu``, …"""
    region: str = "*"
    """The Region of a price of its own."""


class Reader:
    """Reads entry ids by the rules, and remembers which rules were of use."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.used: dict[str, int] = {}

    def read(self, entry_id: str) -> Place | None:
        """Tell what an id stands for; None for one that a rule leaves out.

        Raises:
            PriceDataError: The id has no form that is known.
        """
        if self._first(self._rules.exclude, entry_id) is not None:
            return None
        return _place(entry_id)

    def unused(self) -> list[str]:
        """Name the rules of `read` that fitted nothing."""
        return [rule.pattern.pattern for rule in self._rules.exclude if rule.pattern.pattern not in self.used]

    def _first(self, rules: Iterable[Rule], entry_id: str) -> Rule | None:
        rule = next((rule for rule in rules if rule.pattern.fullmatch(entry_id)), None)
        if rule is not None:
            self.used[rule.pattern.pattern] = self.used.get(rule.pattern.pattern, 0) + 1
        return rule


def _place(entry_id: str) -> Place:
    head, _, rest = entry_id.partition("/")
    if head not in {"bedrock", "bedrock_mantle"}:
        rest = entry_id
    if rest == "guardrails":
        return Place(model=GUARDRAIL, scope=Scope.IN_REGION)
    region, slash, model_id = rest.partition("/")
    if not slash:
        region, model_id = "*", rest
    elif not _REGION.fullmatch(region):
        raise PriceDataError(f"{entry_id}: {region} is no Region")
    model = modelid.parse(model_id)
    if model.base is None or model.scope is None or not _PROVIDER.fullmatch(model.base):
        raise PriceDataError(f"{entry_id}: no form of a Bedrock id that is known")
    geo = model_id.partition(".")[0] if model.scope is Scope.GEO else None
    return Place(model=model.base, scope=model.scope, geo=geo, region=region)
