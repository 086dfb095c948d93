"""EMF lines, summed up per use case and model. It reads what CloudWatch would read and knows nothing else."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bedrock_meter import metrics

ERROR_METRICS = (metrics.CLIENT_ERRORS, metrics.SERVER_ERRORS, metrics.THROTTLES, metrics.DENIED)


@dataclass(slots=True, kw_only=True)
class Row:
    """The calls of one use case on one model."""

    use_case: str
    """The ``UseCase`` dimension."""
    model: str
    """The ``ModelId`` dimension."""
    calls: int = 0
    """Lines: one per call."""
    errors: int = 0
    """Calls that failed, were throttled or were denied."""
    tokens: dict[str, int] = field(default_factory=dict)
    """Sum by token metric."""
    cost: Decimal = Decimal(0)
    """US dollars, the exact sum of the calls that have a price."""
    unpriced: int = 0
    """Calls with counts and without a cost; ``cost`` does not have them."""
    latencies: list[float] = field(default_factory=list)
    """Milliseconds, one for each successful call."""

    def add(self, line: Mapping[str, Any]) -> None:
        """Count one line in."""
        self.calls += 1
        self.errors += sum(int(line.get(name, 0)) for name in ERROR_METRICS)
        for name in (
            metrics.INPUT_TOKENS,
            metrics.OUTPUT_TOKENS,
            metrics.CACHE_READ_TOKENS,
            metrics.CACHE_WRITE_TOKENS,
        ):
            self.tokens[name] = self.tokens.get(name, 0) + int(line.get(name, 0))
        if "cost_usd" in line:
            self.cost += Decimal(line["cost_usd"])
        elif "usage_source" in line:
            self.unpriced += 1
        if metrics.LATENCY in line:
            self.latencies.append(float(line[metrics.LATENCY]))

    def percentile(self, percent: float) -> float | None:
        """Give a latency percentile; None without a successful call."""
        return percentile(self.latencies, percent)


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Give a percentile by the nearest-rank rule: one of the values. None when there are none."""
    if not values:
        return None
    rank = math.ceil(percent / 100 * len(values))
    return sorted(values)[max(rank, 1) - 1]


def read_lines(text: Iterable[str]) -> list[dict[str, Any]]:
    """Parse EMF lines; a line that is none is skipped, as CloudWatch does."""
    documents = []
    for line in text:
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict) and "_aws" in document:
            documents.append(document)
    return documents


def summarise(lines: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Group lines by use case and model, in alphabetical order."""
    rows: dict[tuple[str, str], Row] = {}
    for line in lines:
        key = (line[metrics.USE_CASE], line[metrics.MODEL_ID])
        rows.setdefault(key, Row(use_case=key[0], model=key[1])).add(line)
    return [rows[key] for key in sorted(rows)]
