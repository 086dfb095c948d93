"""The functions of metric math.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html#metric-math-syntax-functions-list
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import accumulate, pairwise

from meterctl.cloudwatch.errors import refuse
from meterctl.cloudwatch.mathsyntax import Call
from meterctl.cloudwatch.mathvalues import Value, defined, each, kind, one_period
from meterctl.cloudwatch.model import Series

type Function = Callable[[Call, Sequence[Value], range], Value]
"""The call, the values of its arguments, and the starts of the periods of the request, to a value."""


def series(call: Call, value: Value) -> Series:
    """Take an argument that must be one time series."""
    if not isinstance(value, Series):
        refuse(f"{call.name} takes a time series, not {kind(value)}", call.position)
    return value


def array(call: Call, value: Value) -> tuple[Series, ...]:
    """Take an argument that must be an array of time series."""
    if not isinstance(value, tuple):
        refuse(f"{call.name} takes an array of time series, not {kind(value)}", call.position)
    return value


def number(call: Call, value: Value) -> float:
    """Take an argument that must be a number."""
    if not isinstance(value, float):
        refuse(f"{call.name} takes a number, not {kind(value)}", call.position)
    return value


def _map(change: Callable[[Series], Iterable[tuple[int, float]]], call: Call, value: Value) -> Value:
    if isinstance(value, tuple):
        return tuple(one.with_points(defined(change(one))) for one in value)
    one = series(call, value)
    return one.with_points(defined(change(one)))


def _reducer(of_one: Callable[[Series, range], float], of_many: Callable[[list[float], int], float]) -> Function:
    """Make a function that makes a number of a series, and a series of an array.

    Args:
        of_one: A series and the periods, to a number.
        of_many: The values of one moment and the length of the array, to a value.
    """

    def function(call: Call, arguments: Sequence[Value], grid: range) -> Value:
        (value,) = arguments
        if isinstance(value, Series):
            return of_one(value, grid)
        many = array(call, value)
        one_period(many, call.position)
        times = sorted({time for one in many for time in one.points})
        points = (
            (time, of_many([one.points[time] for one in many if time in one.points], len(many))) for time in times
        )
        return Series(points=defined(points), period=many[0].period if many else grid.step, name="")

    return function


def _mean(one: Series, grid: range) -> float:
    # "Missing values are treated as 0": the sum over all periods of the request, not over those with values.
    return math.fsum(one.points.values()) / len(grid) if len(grid) else math.nan


def _extreme(choose: Callable[[Iterable[float]], float]) -> Function:
    return _reducer(
        lambda one, _: choose(one.points.values()) if one.points else math.nan, lambda values, _: choose(values)
    )


def _deviation(values: Sequence[float]) -> float:
    return statistics.pstdev(values) if values else math.nan


def _running(one: Series) -> Iterable[tuple[int, float]]:
    return zip(one.points, accumulate(one.points.values()), strict=True)


def _difference(one: Series) -> Iterable[tuple[int, float]]:
    return ((time, value - before) for (_, before), (time, value) in pairwise(one.points.items()))


def _difference_time(one: Series) -> Iterable[tuple[int, float]]:
    return ((time, float(time - before)) for before, time in pairwise(one.points))


def _rate(one: Series) -> Iterable[tuple[int, float]]:
    return ((t1, (v1 - v0) / (t1 - t0)) for (t0, v0), (t1, v1) in pairwise(one.points.items()))


def _log(function: Callable[[float], float], value: float) -> float:
    return function(value) if value > 0 else math.nan


def _remove_empty(call: Call, arguments: Sequence[Value], _: range) -> Value:
    return tuple(one for one in array(call, arguments[0]) if one.points)


def _time_series(call: Call, arguments: Sequence[Value], grid: range) -> Value:
    value = number(call, arguments[0])
    return Series(points=defined((time, value) for time in grid), period=grid.step, name="")


def _end(place: int) -> Function:
    def function(call: Call, arguments: Sequence[Value], grid: range) -> Value:
        many = array(call, arguments[0])
        return many[place] if many else Series(points={}, period=grid.step, name="")

    return function


def _slice(call: Call, arguments: Sequence[Value], _: range) -> Value:
    bounds = [int(number(call, bound)) for bound in arguments[1:]]
    return array(call, arguments[0])[slice(*bounds) if len(bounds) > 1 else slice(bounds[0], None)]


def _if(call: Call, arguments: Sequence[Value], grid: range) -> Value:
    condition, *choices = arguments
    if any(isinstance(value, tuple) for value in arguments):
        refuse("IF takes time series and numbers, not arrays", call.position)
    if isinstance(condition, float):
        chosen = choices[0] if condition else choices[1] if len(choices) > 1 else None
        return chosen if chosen is not None else Series(points={}, period=grid.step, name="")
    one = series(call, condition)
    one_period((one, *(choice for choice in choices if isinstance(choice, Series))), call.position)
    # What is missing counts as 0 where the condition holds, and is dropped where it does not.
    missing = (0.0, math.nan)
    points: dict[int, float] = {}
    for time, truth in one.points.items():
        branch = 0 if truth else 1
        choice = choices[branch] if branch < len(choices) else math.nan
        points[time] = choice.points.get(time, missing[branch]) if isinstance(choice, Series) else number(call, choice)
    return Series(points=defined(points.items()), period=one.period, name="")


def _calendar(part: Callable[[datetime], float]) -> Function:
    def function(call: Call, arguments: Sequence[Value], grid: range) -> Value:
        one = series(call, arguments[0])
        return one.with_points({time: float(part(datetime.fromtimestamp(time, UTC))) for time in grid})

    return function


def _mapped(change: Callable[[Series], Iterable[tuple[int, float]]]) -> Function:
    return lambda call, arguments, _: _map(change, call, arguments[0])


def _each(function: Callable[[float], float]) -> Function:
    return lambda _, arguments, __: each(arguments[0], function)


def _metric_count(call: Call, arguments: Sequence[Value], _: range) -> Value:
    return float(len(array(call, arguments[0])))


FUNCTIONS: Mapping[str, tuple[range, Function]] = {
    "ABS": (range(1, 2), _each(abs)),
    "AVG": (range(1, 2), _reducer(_mean, lambda values, width: math.fsum(values) / width)),
    "CEIL": (range(1, 2), _each(math.ceil)),
    "DATAPOINT_COUNT": (
        range(1, 2),
        _reducer(lambda one, _: float(len(one.points)), lambda values, _: float(len(values))),
    ),
    "DATE": (range(1, 2), _calendar(lambda moment: moment.day)),
    "DAY": (range(1, 2), _calendar(lambda moment: moment.isoweekday())),
    "DIFF": (range(1, 2), _mapped(_difference)),
    "DIFF_TIME": (range(1, 2), _mapped(_difference_time)),
    "EPOCH": (range(1, 2), _calendar(lambda moment: moment.timestamp())),
    "FIRST": (range(1, 2), _end(0)),
    "FLOOR": (range(1, 2), _each(math.floor)),
    "HOUR": (range(1, 2), _calendar(lambda moment: moment.hour)),
    "IF": (range(2, 4), _if),
    "LAST": (range(1, 2), _end(-1)),
    "LOG": (range(1, 2), _each(partial(_log, math.log))),
    "LOG10": (range(1, 2), _each(partial(_log, math.log10))),
    "MAX": (range(1, 2), _extreme(max)),
    "METRIC_COUNT": (range(1, 2), _metric_count),
    "MIN": (range(1, 2), _extreme(min)),
    "MINUTE": (range(1, 2), _calendar(lambda moment: moment.minute)),
    "MONTH": (range(1, 2), _calendar(lambda moment: moment.month)),
    "RATE": (range(1, 2), _mapped(_rate)),
    "REMOVE_EMPTY": (range(1, 2), _remove_empty),
    "RUNNING_SUM": (range(1, 2), _mapped(_running)),
    "SLICE": (range(2, 4), _slice),
    "STDDEV": (
        range(1, 2),
        _reducer(lambda one, _: _deviation(list(one.points.values())), lambda values, _: _deviation(values)),
    ),
    "SUM": (
        range(1, 2),
        _reducer(lambda one, _: math.fsum(one.points.values()), lambda values, _: math.fsum(values)),
    ),
    "TIME_SERIES": (range(1, 2), _time_series),
    "YEAR": (range(1, 2), _calendar(lambda moment: moment.year)),
}
"""The number of arguments, and the function. Those that look at names or words are in ``mathevaluate.py``."""
