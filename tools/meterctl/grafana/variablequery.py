"""A variable's query, as the plugin asks for its options (``services/list_metrics.go``)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from meterctl.grafana.errors import TargetError, Trap
from meterctl.grafana.templating import ALL, Templating, Variable

type _Metrics = Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableCall:
    """A ListMetrics request, all pages of it, and how its answer becomes options."""

    region: str
    """Where it goes."""
    request: Mapping[str, Any]
    """The parameters, in boto3's shape."""
    options: Callable[[_Metrics], list[str]]
    """The ``Metrics`` of all pages, to the options of the drop-down."""


def compile_variable(query: Mapping[str, Any], variables: Iterable[Variable], region: str) -> VariableCall:
    """Compile a variable's query.

    Args:
        query: The member ``query`` of a variable of type ``query``, in its JSON form.
        variables: The variables that it may use.
        region: The default region of the data source.

    Raises:
        TargetError: If the query would give nothing, or does not ask CloudWatch (``regions``, ``namespaces``, …).
    """
    kind = str(query.get("queryType"))
    templating = Templating(where=kind, variables={variable.name: variable for variable in variables})
    if query.get("accountId"):
        raise TargetError(kind, Trap.UNSUPPORTED, "accountId")
    needed = _NEEDED.get(kind)
    if needed is None:
        raise TargetError(kind, Trap.UNSUPPORTED, f"queryType {kind!r}, which is not answered by ListMetrics")
    fields = {member: _field(query, member, templating) for member in ("region", *needed)}
    request: dict[str, Any] = {"Namespace": fields["namespace"]}
    if kind == "dimensionValues":
        request["MetricName"] = fields["metricName"]
        if filters := _filters(query.get("dimensionFilters") or {}, templating):
            request["Dimensions"] = filters
    return VariableCall(
        region=region if fields["region"] == "default" else fields["region"],
        request=request,
        options=_options(kind, fields.get("dimensionKey", "")),
    )


_NEEDED: Mapping[str, tuple[str, ...]] = {
    "dimensionKeys": ("namespace",),
    "dimensionValues": ("namespace", "metricName", "dimensionKey"),
    "metrics": ("namespace",),
}


def _field(query: Mapping[str, Any], member: str, templating: Templating) -> str:
    value = query.get(member)
    if not isinstance(value, str) or not value:
        raise TargetError(templating.where, Trap.SKIPPED, f"{member} is missing")
    return templating.single(value, member)


def _filters(filters: Mapping[str, Any], templating: Templating) -> list[dict[str, str]]:
    found = []
    for raw, value in sorted(filters.items()):
        name = templating.single(raw, "a filter's name")
        member = f"the filter {name}"
        if not isinstance(value, str | None):
            raise TargetError(templating.where, Trap.ARRAY_VARIABLE, member)
        values = templating.values(value, member) if value else [ALL]
        if len(values) > 1:
            # Each value becomes a filter of its own, and all of them have to hold.
            raise TargetError(templating.where, Trap.SEVERAL_VALUES, member)
        found.append({"Name": name} if values == [ALL] else {"Name": name, "Value": values[0]})
    return found


def _options(kind: str, key: str) -> Callable[[_Metrics], list[str]]:
    def pairs(metrics: _Metrics) -> Iterable[tuple[str, str]]:
        return ((entry["Name"], entry["Value"]) for metric in metrics for entry in metric["Dimensions"])

    ways: Mapping[str, Callable[[_Metrics], list[str]]] = {
        "dimensionKeys": lambda metrics: list(dict.fromkeys(name for name, _ in pairs(metrics))),
        "dimensionValues": lambda metrics: sorted({value for name, value in pairs(metrics) if name == key}),
        "metrics": lambda metrics: list(dict.fromkeys(metric["MetricName"] for metric in metrics)),
    }
    return ways[kind]
