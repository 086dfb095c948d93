"""What a check gets and what it gives."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from reconcile import series

DAY = timedelta(days=1)


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """The check could not be made."""
    SKIPPED = "skipped"
    """An option is missing that it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact."""

    level: Level
    fact: str
    do: str | None = None
    """What to do about it; None where there is nothing to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that the checks may look at."""

    region: str | None
    client: Callable[[str], Any]
    """A boto3 client by the name of its service."""
    regions: Callable[[str], list[str]]
    """The Regions of a service, as botocore knows them."""
    get: Callable[[str], tuple[int, bytes]]
    """Status and body of a URL; raises `OSError` where there is no answer."""
    now: datetime
    """Aware, UTC."""
    namespace: str
    gateway: str | None = None
    """The gateway's endpoint, with its stage and without a slash at the end."""
    table: str | None = None
    """The table of the registry."""
    models: tuple[str, ...] = ()
    """Models to check besides those that were called."""
    book: Mapping[str, Any]
    """The price book, as parsed JSON."""

    def sums(
        self, namespace: str, metrics: tuple[str, ...], dimensions: frozenset[str], *, value: str
    ) -> dict[tuple[str, str], float]:
        """Sum metrics of the last day up, by metric and by the value of one dimension."""
        cloudwatch = self.client("cloudwatch")
        found = series.listed(cloudwatch, namespace=namespace, dimensions=dimensions, metrics=metrics)
        wanted = [(one, "Sum") for one in found]
        sums: dict[tuple[str, str], float] = {}
        for (one, _), points in series.read(
            cloudwatch, wanted, start=self.now - DAY, end=self.now, period=timedelta(hours=1)
        ).items():
            key = (one.metric, one.value_of(value))
            sums[key] = sums.get(key, 0) + sum(points.values())
        return sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A row of the table."""

    name: str
    source: str
    """Where its facts come from: the API that was asked, or the page that says it."""
    run: Callable[[World], Iterator[Finding]]


def ok(fact: str) -> Finding:
    """Give a fact about which there is nothing to do."""
    return Finding(level=Level.OK, fact=fact)


def warn(fact: str, do: str) -> Finding:
    """Give a fact that somebody should look at."""
    return Finding(level=Level.WARN, fact=fact, do=do)


def fail(fact: str, do: str) -> Finding:
    """Give a fact because of which metering does not work."""
    return Finding(level=Level.FAIL, fact=fact, do=do)


def skipped(option: str) -> Finding:
    """Say which option a check would need."""
    return Finding(level=Level.SKIPPED, fact="not looked at", do=f"pass {option}")
