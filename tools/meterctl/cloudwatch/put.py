"""PutMetricData: metrics that do not come from log lines, such as those that AWS/Bedrock or AWS/Lambda would send.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from meterctl.cloudwatch import shapes
from meterctl.cloudwatch.emf import NEWEST, OLDEST, is_number
from meterctl.cloudwatch.errors import InvalidParameterError
from meterctl.cloudwatch.model import RESOLUTIONS, UNITS, Datum, Metric, Sample

MAX_DATA = 1000
MAX_VALUES = 150


def read(request: Mapping[str, Any], *, now: datetime) -> list[Datum]:
    """Check a request; give its data. Namespaces that begin with ``AWS/`` are taken, unlike on AWS.

    Raises:
        InvalidParameterError: If anything is wrong; then nothing of the request counts.
    """
    shapes.only(request, "Namespace", "MetricData", "StrictEntityValidation")
    namespace = shapes.needed(request, "Namespace")
    entries = request.get("MetricData") or ()
    if not 1 <= len(entries) <= MAX_DATA:
        raise InvalidParameterError(f"MetricData has 1 to {MAX_DATA} members")
    return [datum for entry in entries for datum in _data(namespace, entry, now)]


def _data(namespace: str, entry: Mapping[str, Any], now: datetime) -> Iterator[Datum]:
    shapes.only(
        entry,
        *("MetricName", "Dimensions", "Timestamp", "Value", "Values", "Counts"),
        *("StatisticValues", "Unit", "StorageResolution"),
    )
    name = shapes.needed(entry, "MetricName")
    metric = Metric.of(namespace, name, shapes.dimensions(entry.get("Dimensions")))
    moment = shapes.moment(entry.get("Timestamp") or now, "Timestamp")
    if not now - OLDEST <= moment <= now + NEWEST:
        raise InvalidParameterError(f"the Timestamp of {name} is more than 14 days old or 2 hours ahead")
    unit, resolution = entry.get("Unit") or "None", entry.get("StorageResolution") or 60
    if unit not in UNITS or resolution not in RESOLUTIONS:
        raise InvalidParameterError(f"the Unit or the StorageResolution of {name} is none of CloudWatch's")
    time = int(moment.timestamp()) // resolution * resolution
    for sample in _samples(name, entry, time, unit):
        yield Datum(metric=metric, sample=sample)


def _samples(name: str, entry: Mapping[str, Any], time: int, unit: str) -> Iterator[Sample]:
    given = [kind for kind in ("Value", "Values", "StatisticValues") if entry.get(kind) is not None]
    if len(given) != 1:
        raise InvalidParameterError(f"{name} needs one of Value, Values and StatisticValues")
    if given == ["StatisticValues"]:
        yield _statistic_set(name, entry["StatisticValues"], time, unit)
        return
    values = entry["Values"] if given == ["Values"] else [entry["Value"]]
    counts = entry.get("Counts") or [1] * len(values)
    if not 1 <= len(values) <= MAX_VALUES or len(counts) != len(values):
        raise InvalidParameterError(f"{name} has 1 to {MAX_VALUES} Values and as many Counts")
    _check_numbers(name, [*values, *counts])
    for value, count in zip(values, counts, strict=True):
        if count <= 0:
            raise InvalidParameterError(f"a count of {name} is not above 0")
        yield Sample.of(float(value), time=time, unit=unit, count=float(count))


def _statistic_set(name: str, given: Mapping[str, Any], time: int, unit: str) -> Sample:
    low, high, total, count = (shapes.needed(given, part) for part in ("Minimum", "Maximum", "Sum", "SampleCount"))
    _check_numbers(name, [low, high, total, count])
    if low > high or count <= 0:
        raise InvalidParameterError(f"the StatisticValues of {name} contradict themselves")
    return Sample(time=time, unit=unit, low=float(low), high=float(high), total=float(total), count=float(count))


def _check_numbers(name: str, values: Sequence[object]) -> None:
    if not all(is_number(value) for value in values):
        raise InvalidParameterError(f"a value of {name} is no number that CloudWatch takes")
