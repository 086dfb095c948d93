"""Arithmetic and comparison of numbers, series and arrays of series, by the rules of metric math."""

import math
import operator
from collections.abc import Callable, Iterable

from meterctl.cloudwatch.errors import QueryError, refuse
from meterctl.cloudwatch.model import Series

type Value = float | Series | tuple[Series, ...]
"""A number, a time series, or an array of time series. A number that cannot be computed is NaN."""


def _quotient(left: float, right: float) -> float:
    return left / right if right else math.nan


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except (ValueError, OverflowError):
        return math.nan


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _quotient,
    "^": _power,
}
_LOGIC: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "AND": lambda left, right: bool(left) and bool(right),
    "OR": lambda left, right: bool(left) or bool(right),
}


def kind(value: Value) -> str:
    """Name what it is, for messages."""
    if isinstance(value, Series):
        return "a time series"
    return "an array of time series" if isinstance(value, tuple) else "a number"


def defined(points: Iterable[tuple[int, float]]) -> dict[int, float]:
    """Drop the values that cannot be computed, such as those of a division by zero."""
    return {time: value for time, value in points if math.isfinite(value)}


def one_period(series: Iterable[Series], position: int) -> None:
    """Refuse series of different periods. AWS does not document what it makes of them.

    Raises:
        QueryError: If there are several periods.
    """
    periods = sorted({one.period for one in series})
    if len(periods) > 1:
        refuse(f"metrics with the periods {' and '.join(map(str, periods))} are mixed", position)


def operate(sign: str, left: Value, right: Value, *, position: int) -> Value:
    """Compute ``left sign right``. Where only one of two series has a value, the other counts as 0.

    Raises:
        QueryError: If metric math does not know the combination.
    """
    function: Callable[[float, float], float] = _ARITHMETIC.get(sign) or _LOGIC[sign]
    arrays = [side for side in (left, right) if isinstance(side, tuple)]
    if len(arrays) > 1 or (arrays and sign in _LOGIC):
        refuse(f"{sign} does not take {kind(left)} and {kind(right)}", position)
    if isinstance(left, tuple):
        return tuple(_of_two(function, one, right, position) for one in left)
    if isinstance(right, tuple):
        return tuple(_of_two(function, left, one, position) for one in right)
    if isinstance(left, float) and isinstance(right, float):
        return float(function(left, right))
    return _of_two(function, left, right, position)


def _of_two(function: Callable[[float, float], float], left: Value, right: Value, position: int) -> Series:
    if isinstance(left, Series) and isinstance(right, Series):
        one_period((left, right), position)
        times = sorted(left.points.keys() | right.points.keys())
        points = defined((time, float(function(left.points.get(time, 0), right.points.get(time, 0)))) for time in times)
        return Series(points=points, period=left.period, name="")
    if isinstance(left, Series) and isinstance(right, float):
        return left.with_points(defined((time, float(function(value, right))) for time, value in left.points.items()))
    if isinstance(right, Series) and isinstance(left, float):
        return right.with_points(defined((time, float(function(left, value))) for time, value in right.points.items()))
    raise QueryError(f"cannot combine {kind(left)} and {kind(right)}", position=position)


def negate(value: Value) -> Value:
    """Compute ``-value``."""
    return each(value, lambda number: -number)


def each(value: Value, function: Callable[[float], float]) -> Value:
    """Apply a function to every value."""
    if isinstance(value, tuple):
        return tuple(one.with_points(defined((t, function(v)) for t, v in one.points.items())) for one in value)
    if isinstance(value, Series):
        return value.with_points(defined((t, function(v)) for t, v in value.points.items()))
    return function(value)
