"""The local CloudWatch without its network: give it data, ask it as boto3 asks CloudWatch."""

import threading
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from meterctl.cloudwatch import emf, listing, metricdata, put
from meterctl.cloudwatch.model import Datum, Metric, Sample
from meterctl.cloudwatch.store import Store

LOGS_NAMESPACE = "AWS/Logs"
PARSING_ERRORS = "EMFParsingErrors"
VALIDATION_ERRORS = "EMFValidationErrors"


class CloudWatch:
    """Records metrics and answers questions about them. Threads may share it.

    Requests and answers have the shapes of boto3's ``cloudwatch`` client; every call takes the time at which it is
    made, so that the same calls give the same answers.

    Args:
        region: The region that labels show.
    """

    def __init__(self, *, region: str = "us-east-1") -> None:
        self.region = region
        self._store = Store()
        self._lock = threading.Lock()

    def put_emf(
        self,
        lines: Iterable[str],
        *,
        now: datetime,
        first: int = 1,
        log_group: str | None = None,
        namespaces: Collection[str] = (),
    ) -> emf.Intake:
        """Take log events in the embedded metric format.

        Args:
            lines: The events.
            now: When they arrive.
            first: The number of the first line, for :class:`emf.Dropped`.
            log_group: Count what is dropped in ``AWS/Logs``, as CloudWatch does for a log group; None does not.
            namespaces: Keep only these; empty keeps all.

        Returns:
            What was taken, dropped and ignored.
        """
        intake = emf.read(lines, now=now, first=first)
        data = [datum for datum in intake.data if not namespaces or datum.metric.namespace in namespaces]
        if log_group is not None:
            data += [_error(dropped, log_group, now) for dropped in intake.dropped]
        with self._lock:
            self._store.add(data)
        return intake

    def put_metric_data(self, *, now: datetime, **request: Any) -> None:
        """Answer PutMetricData.

        Raises:
            CloudWatchError: If the request is refused, here and below.
        """
        data = put.read(request, now=now)
        with self._lock:
            self._store.add(data)

    def get_metric_data(self, *, now: datetime, **request: Any) -> dict[str, Any]:
        """Answer GetMetricData."""
        with self._lock:
            return metricdata.answer(self._store, request, now=now, region=self.region)

    def get_metric_statistics(self, *, now: datetime, **request: Any) -> dict[str, Any]:
        """Answer GetMetricStatistics."""
        with self._lock:
            return listing.metric_statistics(self._store, request, now=now)

    def list_metrics(self, *, now: datetime, **request: Any) -> dict[str, Any]:
        """Answer ListMetrics."""
        with self._lock:
            return listing.list_metrics(self._store, request, now=now)


def _error(dropped: emf.Dropped, log_group: str, now: datetime) -> Datum:
    name = PARSING_ERRORS if dropped.rule.parsing else VALIDATION_ERRORS
    metric = Metric.of(LOGS_NAMESPACE, name, {"LogGroupName": log_group})
    return Datum(metric=metric, sample=Sample.of(1, time=int(now.timestamp()) // 60 * 60, unit="Count"))
