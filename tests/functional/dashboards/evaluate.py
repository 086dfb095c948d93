"""Evaluates an alert rule as Grafana's expressions do: reduce, math, threshold and classic conditions.

What is not imitated: the time for which a condition has to hold before the alert fires.
https://grafana.com/docs/grafana/latest/alerting/fundamentals/alert-rules/queries-conditions/
"""

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from meterctl.cloudwatch import CloudWatch
from meterctl.grafana.compile import TimeRange
from meterctl.grafana.run import Series, ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number with the labels of the series that it was made of."""

    value: float
    labels: Mapping[str, str]


type Result = Sequence[Series] | Sequence[Number]

_REDUCERS: Mapping[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "mean": lambda values: sum(values) / len(values),
    "max": max,
    "last": lambda values: values[-1],
}
_OPERATORS: Mapping[type[ast.AST], Callable[[float, float], float]] = {
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.GtE: lambda a, b: float(a >= b),
    ast.Gt: lambda a, b: float(a > b),
}


def firing(cloudwatch: CloudWatch, rule: Mapping[str, Any], *, now: datetime) -> list[Mapping[str, str]]:
    """Evaluate a rule of the file that Grafana is provisioned with.

    Returns:
        The labels of every alert that fires. No data is no alert, as all rules have ``noDataState: OK``.
    """
    assert rule["noDataState"] == "OK"
    results: dict[str, Result] = {}
    for step in rule["data"]:
        model = step["model"]
        if step["datasourceUid"] == "__expr__":
            results[step["refId"]] = [*_EXPRESSIONS[model["type"]](model, results)]
        else:
            window = step["relativeTimeRange"]
            start, end = (now - timedelta(seconds=window[edge]) for edge in ("from", "to"))
            time_range = TimeRange(start=start, end=end, now=now)
            results[step["refId"]] = ask(cloudwatch, [model], [], time_range, alert=True)
    return [number.labels for number in results[rule["condition"]] if isinstance(number, Number) and number.value]


def _reduce(model: Mapping[str, Any], results: Mapping[str, Result]) -> Iterator[Number]:
    for series in results[model["expression"]]:
        assert isinstance(series, Series)
        values = [value for _, value in series.points]
        yield Number(value=_REDUCERS[model["reducer"]](values), labels=series.labels)


def _math(model: Mapping[str, Any], results: Mapping[str, Result]) -> Sequence[Number]:
    tree = ast.parse(re.sub(r"\$(\w+)", r"\1", model["expression"]), mode="eval")
    return _compute(tree.body, results)


def _compute(node: ast.expr, results: Mapping[str, Result]) -> Sequence[Number]:
    match node:
        case ast.Name(id=name):
            return [number for number in results[name] if isinstance(number, Number)]
        case ast.Constant(value=int() | float() as value):
            return [Number(value=float(value), labels={})]
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
            return [*_joined(_compute(left, results), _compute(right, results), _OPERATORS[type(op)])]
        case _:
            raise AssertionError(f"{ast.unparse(node)} is not imitated")


def _joined(
    left: Sequence[Number], right: Sequence[Number], function: Callable[[float, float], float]
) -> Iterator[Number]:
    """Join numbers whose labels are equal, or where one has none."""
    for a in left:
        for b in right:
            if a.labels == b.labels or not a.labels or not b.labels:
                yield Number(value=function(a.value, b.value), labels=a.labels or b.labels)


def _threshold(model: Mapping[str, Any], results: Mapping[str, Result]) -> Iterator[Number]:
    (condition,) = model["conditions"]
    for number in results[model["expression"]]:
        assert isinstance(number, Number)
        yield Number(value=float(_holds(condition["evaluator"], number.value)), labels=number.labels)


def _classic(model: Mapping[str, Any], results: Mapping[str, Result]) -> Iterator[Number]:
    """Join conditions to one truth; a query without data is a value that only ``no_value`` holds for."""
    truth = model["conditions"][0]["operator"]["type"] != "or"
    for condition in model["conditions"]:
        (query,), reducer = condition["query"]["params"], condition["reducer"]["type"]
        values = [[value for _, value in series.points] for series in results[query] if isinstance(series, Series)]
        assert len(values) <= 1, "a classic condition over several series depends on their order"
        holds = _holds(condition["evaluator"], _REDUCERS[reducer](values[0]) if values else None)
        truth = truth or holds if condition["operator"]["type"] == "or" else truth and holds
    yield Number(value=float(truth), labels={})


def _holds(evaluator: Mapping[str, Any], value: float | None) -> bool:
    if evaluator["type"] == "no_value":
        return value is None
    assert evaluator["type"] == "gt"
    return value is not None and value > evaluator["params"][0]


_EXPRESSIONS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Result]], Sequence[Number] | Iterator[Number]]] = {
    "reduce": _reduce,
    "math": _math,
    "threshold": _threshold,
    "classic_conditions": _classic,
}
