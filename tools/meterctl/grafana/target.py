"""A panel's target, checked and with its variables replaced."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from meterctl.grafana import period as periods
from meterctl.grafana.errors import TargetError, Trap
from meterctl.grafana.period import TimeRange
from meterctl.grafana.templating import ALL, PERIOD_MACRO, Templating, has_variable

_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_SEARCH, _INSIGHTS = 0, 1
_BUILDER, _CODE = 0, 1


class Mode(Enum):
    """What the plugin makes of a target (``GetGetMetricDataAPIMode``)."""

    METRIC = "a metric with an exact dimension set"
    SEARCH = "a search that the plugin writes"
    MATH = "the expression of the target"
    SQL = "the Metrics Insights query of the target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target that is ready to be asked."""

    ref_id: str
    """Its row in the panel."""
    id: str
    """What expressions call it; made up if the target has none."""
    mode: Mode
    """What becomes of it."""
    region: str
    """Where it asks."""
    namespace: str
    """Of a metric or search."""
    metric: str
    """The same."""
    dimensions: Mapping[str, list[str]]
    """The values of each dimension, by its name in alphabetical order; ``*`` is any."""
    match_exact: bool
    """Whether metrics have these dimensions and no other."""
    statistic: str
    """Such as ``Sum``."""
    period: int
    """Seconds."""
    expression: str
    """Metric math or SQL; empty for a metric or search."""
    label: str
    """As it is sent; empty for none."""
    returned: bool
    """Whether the panel shows it."""

    @property
    def wild(self) -> list[str]:
        """The dimensions whose value differs between the series."""
        return [name for name, values in self.dimensions.items() if len(values) != 1 or values == [ALL]]


def read(
    target: Mapping[str, Any], templating: Templating, time_range: TimeRange, *, default_region: str, alert: bool
) -> Target:
    """Check a target and replace its variables.

    Raises:
        TargetError: If it falls into one of the plugin's traps.
    """
    where = templating.where
    _check_members(target, where)
    region = templating.text(_needed(target, "region", where), "region")
    match_exact = target.get("matchExact")
    builder = (target["metricQueryType"], target["metricEditorMode"]) == (_SEARCH, _BUILDER)
    if builder and not isinstance(match_exact, bool):
        raise TargetError(where, Trap.MATCH_EXACT, "matchExact")
    dimensions = _dimensions(target.get("dimensions") or {}, templating) if builder else {}
    mode = _mode(target, dimensions, match_exact=bool(match_exact))
    hidden = bool(target.get("hide")) and not alert
    return Target(
        ref_id=where,
        id=_id(templating.text(target.get("id") or "", "id"), where),
        mode=mode,
        region=default_region if region == "default" else region,
        namespace=templating.single(_needed(target, "namespace", where), "namespace") if builder else "",
        metric=templating.single(_needed(target, "metricName", where), "metricName") if builder else "",
        dimensions=dimensions,
        match_exact=bool(match_exact),
        statistic=_statistic(target, templating),
        period=_period(target, templating, time_range),
        expression=_expression(target, mode, templating, time_range),
        label=_label(target, templating),
        returned=not hidden,
    )


def _check_members(target: Mapping[str, Any], where: str) -> None:
    if target.get("queryMode", "Metrics") != "Metrics":
        raise TargetError(where, Trap.UNSUPPORTED, f"queryMode {target['queryMode']!r}")
    if target.get("metricQueryType") not in (_SEARCH, _INSIGHTS):
        raise TargetError(where, Trap.SKIPPED, "metricQueryType is neither 0 nor 1")
    if target.get("metricEditorMode") not in (_BUILDER, _CODE):
        raise TargetError(where, Trap.SKIPPED, "metricEditorMode is neither 0 nor 1")
    if target.get("accountId"):
        raise TargetError(where, Trap.UNSUPPORTED, "accountId")
    for member in ("statistics", "alias"):
        if target.get(member):
            raise TargetError(where, Trap.LEGACY, member)


def _needed(target: Mapping[str, Any], member: str, where: str) -> str:
    value = target.get(member)
    if not isinstance(value, str) or not value:
        raise TargetError(where, Trap.SKIPPED, f"{member} is missing")
    return value


def _mode(target: Mapping[str, Any], dimensions: Mapping[str, list[str]], *, match_exact: bool) -> Mode:
    if target["metricQueryType"] == _INSIGHTS:
        return Mode.SQL
    if target["metricEditorMode"] == _CODE:
        return Mode.MATH
    plain = match_exact and all(len(values) == 1 and values != [ALL] for values in dimensions.values())
    return Mode.METRIC if plain else Mode.SEARCH


def _dimensions(dimensions: Mapping[str, Any], templating: Templating) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for raw, value in sorted(dimensions.items()):
        name = templating.single(raw, "a dimension's name")
        member = f"the dimension {name}"
        if not value or (isinstance(value, list) and not all(isinstance(one, str) and one for one in value)):
            raise TargetError(templating.where, Trap.EMPTY_DIMENSION, member)
        if isinstance(value, list):
            if any(has_variable(one) for one in value):
                raise TargetError(templating.where, Trap.ARRAY_VARIABLE, member)
            found[name] = value
        elif isinstance(value, str):
            found[name] = templating.values(value, member)
        else:
            raise TargetError(templating.where, Trap.EMPTY_DIMENSION, member)
    return dict(sorted(found.items()))


def _id(text: str, where: str) -> str:
    if text:
        if not _ID.fullmatch(text):
            raise TargetError(where, Trap.BAD_ID, f"the id {text!r}")
        return text
    # The plugin takes "query" and the refId, or random letters where the refId, as the usual "A", is no id. So no
    # expression can refer to such a row; here the letters are always the same.
    suffix = where if _ID.fullmatch(where) else hashlib.sha256(where.encode()).hexdigest()[:32]
    return f"query{suffix}"


def _statistic(target: Mapping[str, Any], templating: Templating) -> str:
    statistic = target.get("statistic")
    if not isinstance(statistic, str) or not statistic:
        raise TargetError(templating.where, Trap.NO_STATISTIC, "statistic")
    return templating.text(statistic, "statistic")


def _period(target: Mapping[str, Any], templating: Templating, time_range: TimeRange) -> int:
    text = target.get("period") or ""
    seconds = periods.parse(templating.text(text, "period"), time_range) if isinstance(text, str) else None
    if seconds is None:
        raise TargetError(templating.where, Trap.BAD_PERIOD, f"period {text!r}")
    return seconds


def _expression(target: Mapping[str, Any], mode: Mode, templating: Templating, time_range: TimeRange) -> str:
    if mode is Mode.SQL:
        return templating.text(_needed(target, "sqlExpression", templating.where), "sqlExpression")
    if mode is not Mode.MATH:
        return ""
    text = templating.text(_needed(target, "expression", templating.where), "expression", macro=True)
    return text.replace(f"${PERIOD_MACRO}", str(periods.automatic(time_range)))


def _label(target: Mapping[str, Any], templating: Templating) -> str:
    label = target.get("label") or ""
    if templating.mentions(label):
        raise TargetError(templating.where, Trap.LABEL_VARIABLE, f"label {label!r}")
    return str(label)
