"""EMF lines, summed up per use case and model. It reads what CloudWatch would read and knows nothing else."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bedrock_meter import metrics

ERROR_METRICS = (metrics.CLIENT_ERRORS, metrics.SERVER_ERRORS, metrics.THROTTLES, metrics.DENIED)
TOKEN_METRICS = (metrics.INPUT_TOKENS, metrics.OUTPUT_TOKENS, metrics.CACHE_READ_TOKENS, metrics.CACHE_WRITE_TOKENS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Row:
    """The calls of one use case on one model, in one period or in all of them."""

    use_case: str
    """The ``UseCase`` dimension."""
    model: str
    """The ``ModelId`` dimension."""
    at: datetime | None = None
    """When the period starts, UTC; None where the row is of all the time."""
    calls: int = 0
    """Lines: one per call."""
    faults: dict[str, int] = field(default_factory=dict)
    """Calls that failed, by the metric that counts them."""
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKEN_METRICS, 0))
    """Sum by token metric."""
    cost: Decimal = Decimal(0)
    """US dollars, the exact sum of the calls that have a price."""
    unpriced: int = 0
    """Calls with counts and without a cost; ``cost`` does not have them."""
    latencies: list[float] = field(default_factory=list)
    """Milliseconds, one for each successful call; empty where the source has percentiles only."""

    @property
    def errors(self) -> int:
        """Calls that failed, were throttled or were denied."""
        return sum(self.faults.values())

    def add(self, line: Mapping[str, Any]) -> None:
        """Count one line in."""
        self.calls += 1
        for name in ERROR_METRICS:
            if name in line:
                self.faults[name] = self.faults.get(name, 0) + int(line[name])
        for name in TOKEN_METRICS:
            self.tokens[name] += int(line.get(name, 0))
        if "cost_usd" in line:
            self.cost += Decimal(line["cost_usd"])
        elif "usage_source" in line:
            self.unpriced += 1
        if metrics.LATENCY in line:
            self.latencies.append(float(line[metrics.LATENCY]))

    def merge(self, other: "Row") -> None:
        """Count the calls of another row in."""
        self.calls += other.calls
        self.cost += other.cost
        self.unpriced += other.unpriced
        self.latencies += other.latencies
        for mine, theirs in ((self.faults, other.faults), (self.tokens, other.tokens)):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count

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


def ended(line: Mapping[str, Any]) -> datetime:
    """Tell when the call of a line ended: the timestamp of its metrics."""
    return _EPOCH + timedelta(milliseconds=line["_aws"]["Timestamp"])


def period_start(at: datetime, period: timedelta) -> datetime:
    """Give the start of the period that a moment is in; periods are counted from 1970, as CloudWatch counts them."""
    return at - (at - _EPOCH) % period


def summarise(lines: Iterable[Mapping[str, Any]], *, period: timedelta | None = None) -> list[Row]:
    """Group the lines of calls by use case and model, and by period where one is given; in that order, sorted.

    Lines that measure the service and belong to no call are left out.
    """
    rows: dict[tuple[str, str, datetime | None], Row] = {}
    for line in lines:
        if metrics.USE_CASE not in line or metrics.MODEL_ID not in line:
            continue
        at = None if period is None else period_start(ended(line), period)
        key = (line[metrics.USE_CASE], line[metrics.MODEL_ID], at)
        rows.setdefault(key, Row(use_case=key[0], model=key[1], at=at)).add(line)
    return [rows[key] for key in sorted(rows, key=lambda key: (key[0], key[1], key[2] or _EPOCH))]


def together(rows: Iterable[Row]) -> list[Row]:
    """Merge the rows of all periods, so that one is left for each use case and model; sorted."""
    whole: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row.use_case, row.model)
        whole.setdefault(key, Row(use_case=row.use_case, model=row.model)).merge(row)
    return [whole[key] for key in sorted(whole)]
