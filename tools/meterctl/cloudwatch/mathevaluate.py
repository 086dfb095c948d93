"""Metric math, computed."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from meterctl.cloudwatch import search
from meterctl.cloudwatch.errors import QueryError, refuse
from meterctl.cloudwatch.mathfunctions import FUNCTIONS, array, number
from meterctl.cloudwatch.mathsyntax import Array, Call, Negation, Node, Number, Operation, Ref, Text, Word
from meterctl.cloudwatch.mathvalues import Value, defined, kind, negate, operate
from meterctl.cloudwatch.model import Series, Window

REFUSED: Mapping[str, str] = {
    "ANOMALY_DETECTION_BAND": "its model is AWS's own",
    "DB_PERF_INSIGHTS": "there is no database here",
    "INSIGHT_RULE_METRIC": "there is no Contributor Insights here",
    "LAMBDA": "there are no data source functions here",
    "SERVICE_QUOTA": "there are no quotas here",
}
"""Functions that CloudWatch has and this one does not."""


class Context(Protocol):
    """The request that an expression belongs to."""

    window: Window
    """Its time range."""

    def value(self, ref: Ref) -> Value:
        """Compute the query that is referred to."""

    def metrics(self, part: str) -> tuple[Series, ...]:
        """Give the queries that are metrics and have this text in their id."""

    def period(self, ref: Ref) -> int:
        """Give the period of the metric that is referred to, in seconds."""

    def search(self, found: search.Search, *, stat: str, period: int) -> tuple[Series, ...]:
        """Compute a statistic of every metric that a search finds."""


class Evaluation:
    """Computes expressions of one query.

    Args:
        context: The request.
        period: The period of the query, in seconds; None if it names none.
    """

    def __init__(self, context: Context, period: int | None) -> None:
        self._context = context
        self._period = period

    def compute(self, node: Node) -> Value:
        """Compute a tree.

        Raises:
            QueryError: If a function is unknown, or does not take what it is given.
        """
        match node:
            case Number():
                return node.value
            case Ref():
                return self._context.value(node)
            case Negation(operand=operand):
                return negate(self.compute(operand))
            case Operation():
                left, right = self.compute(node.left), self.compute(node.right)
                return operate(node.operator, left, right, position=node.position)
            case Array():
                return self._array(node)
            case Call():
                return self._call(node)
            case Text(text=word, position=position) | Word(word=word, position=position):
                raise QueryError(f"{word!r} stands where a metric or a number should be", position=position)

    def _array(self, node: Array) -> tuple[Series, ...]:
        members: list[Series] = []
        for item in node.items:
            value = self.compute(item)
            if isinstance(value, float):
                refuse("an array holds time series, not numbers", node.position)
            members += value if isinstance(value, tuple) else (value,)
        return tuple(members)

    def _call(self, call: Call) -> Value:
        if call.name in REFUSED:
            refuse(f"{call.name} is not supported by the local CloudWatch ({REFUSED[call.name]})", call.position)
        if special := _SPECIAL.get(call.name):
            arity, form = special
            _check_arity(call, arity)
            return form(self, call)
        if call.name not in FUNCTIONS:
            known = ", ".join(sorted({*FUNCTIONS, *_SPECIAL}))
            refuse(f"unknown function {call.name!r} (known: {known})", call.position)
        arity, function = FUNCTIONS[call.name]
        _check_arity(call, arity)
        arguments = [self.compute(argument) for argument in call.arguments]
        return function(call, arguments, self._grid(arguments))

    def _grid(self, arguments: Sequence[Value]) -> range:
        """Give the periods of the result: those of the series that go in, else those of the query."""
        members = (one for value in arguments for one in (value if isinstance(value, tuple) else (value,)))
        period = next((one.period for one in members if isinstance(one, Series)), self._period)
        return self._context.window.grid(period or 60)

    def _search(self, call: Call) -> Value:
        text, stat = call.arguments[:2]
        if not isinstance(text, Text) or not isinstance(stat, Text):
            refuse("SEARCH takes a search and a statistic, both in single quotes", call.position)
        period = float(self._period or 0)
        if len(call.arguments) > 2:  # noqa: PLR2004 - the third argument is the period
            period = number(call, self.compute(call.arguments[2]))
        if period <= 0 or period != int(period):
            refuse("SEARCH has no period in seconds, and neither has the query", call.position)
        found = search.parse(text.text, offset=text.position)
        return self._context.search(found, stat=stat.text, period=int(period))

    def _metrics(self, call: Call) -> Value:
        part = call.arguments[0] if call.arguments else Text(text="", position=call.position)
        if not isinstance(part, Text):
            refuse("METRICS takes a text in quotes", call.position)
        return self._context.metrics(part.text)

    def _period_of(self, call: Call) -> Value:
        (ref,) = call.arguments
        if not isinstance(ref, Ref):
            refuse("PERIOD takes the id of a metric", call.position)
        return float(self._context.period(ref))

    def _sort(self, call: Call) -> Value:
        many = array(call, self.compute(call.arguments[0]))
        by, order = (_word(call, argument) for argument in call.arguments[1:3])
        if by not in _SORTS or order not in ("ASC", "DESC"):
            refuse("SORT takes AVG, MIN, MAX or SUM, then ASC or DESC", call.position)
        grid = self._grid([many])

        def key(one: Series) -> float:
            value = FUNCTIONS[by][1](call, [one], grid)
            return value if isinstance(value, float) and not math.isnan(value) else -math.inf

        limit = [number(call, self.compute(argument)) for argument in call.arguments[3:]]
        return tuple(sorted(many, key=key, reverse=order == "DESC"))[: int(limit[0]) if limit else None]

    def _fill(self, call: Call) -> Value:
        source, filler = call.arguments
        value = self.compute(source)
        if isinstance(filler, Word):
            if filler.word not in _FILLERS:
                refuse(f"FILL takes a number, a metric, REPEAT or LINEAR, not {filler.word!r}", filler.position)
            fill = _FILLERS[filler.word]
        else:
            fill = _constant(call, self.compute(filler))
        members = value if isinstance(value, tuple) else (value,)
        filled = []
        for one in members:
            if not isinstance(one, Series):
                refuse(f"FILL takes time series, not {kind(value)}", call.position)
            filled.append(one.with_points(defined(fill(one, self._context.window.grid(one.period)).items())))
        return tuple(filled) if isinstance(value, tuple) else filled[0]


def _check_arity(call: Call, arity: range) -> None:
    if len(call.arguments) not in arity:
        wanted = " to ".join(str(count) for count in dict.fromkeys((arity[0], arity[-1])))
        refuse(f"{call.name} takes {wanted} arguments, not {len(call.arguments)}", call.position)


def _word(call: Call, node: Node) -> str:
    if not isinstance(node, Word):
        refuse(f"{call.name} takes a word here, such as AVG or DESC", call.position)
    return node.word


type _Fill = Callable[[Series, range], dict[int, float]]


def _constant(call: Call, value: Value) -> _Fill:
    if isinstance(value, Series):
        return lambda one, grid: {
            time: one.points.get(time, value.points.get(time, math.nan)) for time in _times(one, grid)
        }
    fixed = number(call, value)
    return lambda one, grid: {time: one.points.get(time, fixed) for time in _times(one, grid)}


def _times(one: Series, grid: range) -> list[int]:
    return sorted({*grid, *one.points})


def _repeat(one: Series, grid: range) -> dict[int, float]:
    filled: dict[int, float] = {}
    last = math.nan  # before the first value there is nothing to repeat
    for time in _times(one, grid):
        last = one.points.get(time, last)
        filled[time] = last
    return filled


def _linear(one: Series, grid: range) -> dict[int, float]:
    filled = dict(one.points)
    for (t0, v0), (t1, v1) in pairwise(one.points.items()):
        for time in _times(one, grid):
            if t0 < time < t1:
                filled[time] = v0 + (v1 - v0) * (time - t0) / (t1 - t0)
    return dict(sorted(filled.items()))


_FILLERS: Mapping[str, _Fill] = {"REPEAT": _repeat, "LINEAR": _linear}
_SORTS = ("AVG", "MIN", "MAX", "SUM")
_SPECIAL: Mapping[str, tuple[range, Callable[[Evaluation, Call], Value]]] = {
    "FILL": (range(2, 3), Evaluation._fill),  # noqa: SLF001 - a table of its own methods
    "METRICS": (range(2), Evaluation._metrics),  # noqa: SLF001 - the same
    "PERIOD": (range(1, 2), Evaluation._period_of),  # noqa: SLF001 - the same
    "SEARCH": (range(2, 4), Evaluation._search),  # noqa: SLF001 - the same
    "SORT": (range(3, 5), Evaluation._sort),  # noqa: SLF001 - the same
}
"""Functions whose arguments are not all values: how many they take, and what they do."""
