"""What a CloudWatch stores: metrics, and samples of them; and what it computes: series."""

from collections.abc import Mapping
from dataclasses import dataclass, field

UNITS = frozenset(
    ["Seconds", "Microseconds", "Milliseconds", "Percent", "None"]
    + [
        unit + rate
        for unit in (
            *("Count", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes"),
            *("Bits", "Kilobits", "Megabits", "Gigabits", "Terabits"),
        )
        for rate in ("", "/Second")
    ]
)
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html"""

RESOLUTIONS = (1, 60)
"""Seconds: high and regular resolution."""

MAX_MAGNITUDE = 2.0**360
"""Values beyond are refused (API_MetricDatum)."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Metric:
    """The identity of a metric: namespace, name, and the whole set of dimensions."""

    namespace: str
    """Such as ``BedrockMeter``."""
    name: str
    """Such as ``InputTokenCount``."""
    dimensions: tuple[tuple[str, str], ...] = ()
    """Names and values, ordered by name: the order in which they were sent means nothing."""

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str] | None = None) -> "Metric":
        """Make one from dimensions in any order."""
        return cls(namespace=namespace, name=name, dimensions=tuple(sorted((dimensions or {}).items())))

    def value(self, dimension: str) -> str | None:
        """Give the value of a dimension; None if the metric does not have it."""
        return dict(self.dimensions).get(dimension)

    @property
    def keys(self) -> frozenset[str]:
        """The names of its dimensions."""
        return frozenset(name for name, _ in self.dimensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Values that were recorded for one moment: one value, the same value several times, or a statistic set."""

    time: int
    """Seconds since 1970, rounded down to the resolution of the metric."""
    unit: str
    """One of :data:`UNITS`."""
    low: float
    """The lowest value."""
    high: float
    """The highest value."""
    total: float
    """The sum."""
    count: float = 1
    """How many values."""

    @classmethod
    def of(cls, value: float, *, time: int, unit: str, count: float = 1) -> "Sample":
        """Make one of a single value that occurred ``count`` times."""
        return cls(time=time, unit=unit, low=value, high=value, total=value * count, count=count)

    @property
    def raw(self) -> bool:
        """Whether each single value is known, as percentiles need it (Statistics-definitions.html)."""
        return self.low == self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Datum:
    """A sample on its way into the store."""

    metric: Metric
    """Whose it is."""
    sample: Sample
    """What was recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time range of a request, as CloudWatch rounds it: the start belongs to it, the end does not."""

    start: int
    """Seconds since 1970."""
    end: int
    """Seconds since 1970."""

    def grid(self, period: int) -> range:
        """Give the start of every period. Periods count from the start of the request, not from the full hour."""
        return range(self.start, self.end, period)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A time series: the statistic of a metric, or what metric math made of some."""

    points: Mapping[int, float]
    """Value by the start of the period (seconds since 1970), in the order of time; a missing value is absent."""
    period: int
    """Seconds."""
    name: str
    """The default label."""
    metric: Metric | None = None
    """The metric; None once several metrics are mixed."""
    stat: str | None = None
    """Its statistic; None as above."""
    groups: tuple[tuple[str, str], ...] = field(default=())
    """Names and values of ``GROUP BY`` in Metrics Insights."""

    def with_points(self, points: Mapping[int, float]) -> "Series":
        """Give the same series with other values."""
        return Series(
            points=points,
            period=self.period,
            name=self.name,
            metric=self.metric,
            stat=self.stat,
            groups=self.groups,
        )
