"""Units that are not tokens and whose names Bedrock may extend: the text and image units of guardrail policies.

ApplyGuardrail and InvokeGuardrailChecks state them under ``usage``; a model call with a guardrail states them for each
assessment in its trace, when the trace is on
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailUsage.html). Their names are AWS's own,
in snake case: ``content_policy_units``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bedrock_meter.usage.counts import read_count

UNITS_NOT_A_COUNT = "body_units_not_a_count"

MAX_DEPTH = 8
"""How deep a trace is searched; the documented ones put their usage at depth 5."""
_MAX_NAMES = 32
"""How many unit names one answer may have; AWS documents ten."""

_UNITS = re.compile(r"[a-z][A-Za-z]{0,50}Units")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def guardrail_usage(document: Mapping[str, Any]) -> tuple[dict[str, int], list[str]]:
    """Read ``usage`` of a guardrail answer: units at its top, or one level down under the name of the check."""
    usage = document.get("usage")
    found, faults = _Units(), list[str]()
    if isinstance(usage, dict):
        found.add(usage, faults)
        for check, counts in usage.items():
            if isinstance(counts, dict) and isinstance(check, str) and check.isidentifier():
                found.add(counts, faults, prefix=check[0].upper() + check[1:])
    return found.units, faults


def trace_usage(trace: object) -> tuple[dict[str, int], list[str]]:
    """Add up the units of every assessment in the ``guardrail`` part of a trace; each is billed by itself."""
    found, faults = _Units(), list[str]()
    guardrail = trace.get("guardrail") if isinstance(trace, dict) else None
    for usage in _assessed(guardrail, MAX_DEPTH):
        found.add(usage, faults)
    return found.units, faults


class _Units:
    def __init__(self) -> None:
        self.units: dict[str, int] = {}

    def add(self, usage: Mapping[str, Any], faults: list[str], prefix: str = "") -> None:
        for name, value in usage.items():
            # `textUnits` under `contentFilter` is `content_filter_text_units`.
            full = f"{prefix[:1].lower()}{prefix[1:]}{name[:1].upper()}{name[1:]}" if prefix else name
            if value is None or _UNITS.fullmatch(full) is None:
                continue
            key = _CAPITAL.sub("_", full).lower()
            try:
                if key in self.units or len(self.units) < _MAX_NAMES:
                    self.units[key] = read_count(self.units.get(key, 0) + read_count(value))
            except ValueError:
                if UNITS_NOT_A_COUNT not in faults:
                    faults.append(UNITS_NOT_A_COUNT)


def _assessed(node: object, depth: int) -> Iterator[Mapping[str, Any]]:
    """Find each ``invocationMetrics.usage``, wherever the operation puts its assessments."""
    if depth == 0:
        return
    if isinstance(node, dict):
        metrics = node.get("invocationMetrics")
        if isinstance(metrics, dict) and isinstance(metrics.get("usage"), dict):
            yield metrics["usage"]
            return
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from _assessed(inner, depth - 1)
