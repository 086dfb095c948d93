"""What was recorded, by metric."""

from collections.abc import Iterable, Iterator, Sequence

from meterctl.cloudwatch.errors import refuse
from meterctl.cloudwatch.model import Datum, Metric, Sample, Series, Window
from meterctl.cloudwatch.statistics import parse


class Store:
    """Samples by metric. It keeps everything: nothing expires and nothing is rolled up."""

    def __init__(self) -> None:
        self._samples: dict[Metric, list[Sample]] = {}

    def add(self, data: Iterable[Datum]) -> None:
        """Record."""
        for datum in data:
            self._samples.setdefault(datum.metric, []).append(datum.sample)

    def metrics(self, *, active_since: int | None = None) -> Iterator[Metric]:
        """Give the metrics in alphabetical order.

        Args:
            active_since: Only those with a sample at this time or later (seconds since 1970).
        """
        for metric in sorted(self._samples):
            if active_since is None or any(sample.time >= active_since for sample in self._samples[metric]):
                yield metric

    def samples(self, metric: Metric, window: Window, *, unit: str | None = None) -> list[Sample]:
        """Give the samples of a metric within a window, in a unit if one is named."""
        return [
            sample
            for sample in self._samples.get(metric, ())
            if window.start <= sample.time < window.end and unit in (None, sample.unit)
        ]

    def series(
        self, metric: Metric, *, stat: str, period: int, window: Window, unit: str | None = None, name: str = ""
    ) -> Series:
        """Compute a statistic of a metric. A metric that was never recorded gives a series without values.

        Raises:
            QueryError: If the statistic is unknown, or the metric was recorded in several units and none is named:
                CloudWatch then keeps a stream for each unit, which one series cannot show.
        """
        samples = self.samples(metric, window, unit=unit)
        units = sorted({sample.unit for sample in samples})
        if len(units) > 1:
            refuse(f"{metric.namespace} {metric.name} was recorded in the units {' and '.join(units)}: name one")
        return Series(
            points=rollup(samples, stat=stat, period=period, window=window),
            period=period,
            name=name or metric.name,
            metric=metric,
            stat=stat,
        )


def rollup(samples: Sequence[Sample], *, stat: str, period: int, window: Window) -> dict[int, float]:
    """Compute a statistic for each period that has samples; give it by the start of the period."""
    statistic = parse(stat)
    buckets: dict[int, list[Sample]] = {}
    for sample in samples:
        start = window.start + (sample.time - window.start) // period * period
        buckets.setdefault(start, []).append(sample)
    values = {start: statistic(buckets[start]) for start in sorted(buckets)}
    return {start: value for start, value in values.items() if value is not None}
