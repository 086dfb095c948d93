"""Dynamic labels: ``${PROP('Dim.UseCase')} ${SUM}``.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/graph-dynamic-labels.html
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence

from meterctl.cloudwatch.errors import QueryError, refuse
from meterctl.cloudwatch.model import Metric, Series

ACCOUNT = "123456789012"
"""The account that everything local belongs to."""

_PLACE = re.compile(r"\$\{([^}]*)\}")
_PROPERTY = re.compile(r"PROP\('([^']+)'\)")
_DIMENSION = "Dim."
_MAX_VALUES = 5

_VALUES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "AVG": lambda values: math.fsum(values) / len(values),
    "DATAPOINT_COUNT": lambda values: float(len(values)),
    "FIRST": lambda values: values[0],
    "FIRST_LAST_RANGE": lambda values: abs(values[-1] - values[0]),
    "LAST": lambda values: values[-1],
    "MAX": max,
    "MIN": min,
    "MIN_MAX_RANGE": lambda values: max(values) - min(values),
    "SUM": math.fsum,
}
_PROPERTIES = ("AccountId", "Dim.NAME", "MetricName", "Namespace", "Period", "Region", "Stat")


def is_dynamic(label: str) -> bool:
    """Tell whether a label has a place that is filled for each series."""
    return _PLACE.search(label) is not None


def render(label: str, series: Series, *, default: str, region: str) -> str:
    """Fill the places of a label.

    Args:
        label: The label of the query.
        series: The series that gets it.
        default: What ``${LABEL}`` stands for.
        region: The region of the request.

    Raises:
        QueryError: If a place is unknown, or asks for something that the series does not have.
    """
    places = _PLACE.findall(label)
    if sum(place in _VALUES for place in places) > _MAX_VALUES or places.count("LABEL") > 1:
        refuse(f"the label {label!r} has more than {_MAX_VALUES} values or more than one ${{LABEL}}")
    return _PLACE.sub(lambda place: _fill(place[1], series, default, region), label)


def _fill(place: str, series: Series, default: str, region: str) -> str:
    if place == "LABEL":
        return default
    if place in _VALUES:
        values = list(series.points.values())
        return f"{_VALUES[place](values):.12g}" if values else "-"
    if known := _PROPERTY.fullmatch(place):
        return _property(known[1], series, region)
    known_places = ", ".join(["LABEL", "PROP('…')", *_VALUES])
    raise QueryError(f"unknown place '${{{place}}}' in a label (known: {known_places})")


def _property(name: str, series: Series, region: str) -> str:
    if name.startswith(_DIMENSION):
        return _dimension(name.removeprefix(_DIMENSION), series)
    always = {"AccountId": ACCOUNT, "Period": str(series.period), "Region": region}
    if name in always:
        return always[name]
    of_metric: Mapping[str, Callable[[Metric], str]] = {
        "MetricName": lambda metric: metric.name,
        "Namespace": lambda metric: metric.namespace,
        "Stat": lambda _: series.stat or "",
    }
    if name not in of_metric:
        refuse(f"unknown property {name!r} in a label (known: {', '.join(_PROPERTIES)})")
    if series.metric is None:
        refuse(f"the label asks for {name}, and the series is made of several metrics")
    return of_metric[name](series.metric)


def _dimension(name: str, series: Series) -> str:
    value = dict(series.groups).get(name)
    if value is None and series.metric is not None:
        value = series.metric.value(name)
    if value is None:
        refuse(f"the label asks for the dimension {name}, which the series does not have")
    return value
