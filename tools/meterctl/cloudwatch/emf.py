"""The embedded metric format, read as CloudWatch reads it.

CloudWatch drops a wrong line without a word; here the broken rule is named.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeGuard

from meterctl.cloudwatch.model import MAX_MAGNITUDE, RESOLUTIONS, UNITS, Datum, Metric, Sample

MAX_EVENT_BYTES = 1024 * 1024
MAX_METRICS = 100
MAX_DIMENSIONS = 30
MAX_VALUES = 100
MAX_NAME = 255
"""Of namespaces and metrics. The format allows longer ones, the metrics that are made of them do not."""
MAX_DIMENSION_NAME = 250
MAX_DIMENSION_VALUE = 1024
OLDEST = timedelta(days=14)
NEWEST = timedelta(hours=2)


class Rule(StrEnum):
    """What a line can break."""

    SIZE = "an event has less than 1 MB"
    JSON = "the line is one JSON object, with nothing before or after it"
    METADATA = "_aws is an object with Timestamp and CloudWatchMetrics"
    TIMESTAMP = "Timestamp is a whole number of milliseconds, at most 14 days old and 2 hours ahead"
    DIRECTIVE = "a directive has Namespace, Dimensions and Metrics"
    NAMESPACE = "a namespace is ASCII of 1 to 255 characters and does not begin with a colon"
    METRIC_COUNT = "a directive has 1 to 100 metrics"
    METRIC_NAME = "a metric is an object with a Name of 1 to 255 ASCII characters"
    METRIC_VALUE = "a metric is a number at the root, or an array of 1 to 100 numbers"
    UNIT = "a unit is one of CloudWatch's"
    RESOLUTION = "StorageResolution is 1 or 60"
    DIMENSION_SETS = "Dimensions is an array of arrays of names, with at least one (it may be empty)"
    DIMENSION_COUNT = "a dimension set has at most 30 keys, each once"
    DIMENSION_VALUE = "a dimension is a string at the root of 1 to 1024 ASCII characters, not beginning with a colon"

    @property
    def slug(self) -> str:
        """A short name for machines, such as ``metric-value``."""
        return self.name.lower().replace("_", "-")

    @property
    def parsing(self) -> bool:
        """Whether CloudWatch counts it in EMFParsingErrors, and not in EMFValidationErrors."""
        return self in (Rule.SIZE, Rule.JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A line of which CloudWatch would make no metric."""

    number: int
    """The line, from 1."""
    rule: Rule
    """The first rule that it breaks."""
    detail: str
    """What breaks it: the name of a member, never its text."""

    def __str__(self) -> str:
        return f"line {self.number}: {self.detail}: {self.rule} ({self.rule.slug})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What became of some lines."""

    data: tuple[Datum, ...]
    """A datum for each value and dimension set of the valid lines."""
    dropped: tuple[Dropped, ...]
    """The others, in the order of the file."""
    taken: int
    """How many lines were valid."""
    ignored: int
    """How many were not EMF at all: log lines, empty lines."""


class _BrokenRuleError(Exception):
    """Ends the reading of a line."""

    def __init__(self, rule: Rule, detail: str) -> None:
        super().__init__(rule, detail)
        self.rule = rule
        self.detail = detail


def read(lines: Iterable[str], *, now: datetime, first: int = 1) -> Intake:
    """Read lines.

    Args:
        lines: Log events, with or without their line ends.
        now: When they reach CloudWatch; ages are counted from here.
        first: The number of the first line.
    """
    data: list[Datum] = []
    dropped = []
    taken = ignored = 0
    for number, line in enumerate(lines, first):
        try:
            document = _document(line.rstrip("\r\n"))
            if document is None:
                ignored += 1
                continue
            data += _data(document, now)
        except _BrokenRuleError as broken:
            dropped.append(Dropped(number=number, rule=broken.rule, detail=broken.detail))
        else:
            taken += 1
    return Intake(data=tuple(data), dropped=tuple(dropped), taken=taken, ignored=ignored)


def _document(line: str) -> dict[str, Any] | None:
    """Parse a line; None if it is an ordinary log line and not meant for CloudWatch."""
    meant = '"CloudWatchMetrics"' in line
    if not meant and '"_aws"' not in line:
        return None
    if len(line.encode("utf-8", "surrogatepass")) >= MAX_EVENT_BYTES:
        raise _BrokenRuleError(Rule.SIZE, "the line")
    try:
        document = json.loads(line, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _BrokenRuleError(Rule.JSON, _json_fault(error)) from error
    if not isinstance(document, dict):
        raise _BrokenRuleError(Rule.JSON, "the line")
    if "_aws" not in document:
        # Wrapped, as loggers do: {"message": {"_aws": ...}}. CloudWatch makes no metric of it.
        if meant:
            raise _BrokenRuleError(Rule.METADATA, "_aws is not at the root")
        return None
    return document


def _json_fault(error: ValueError | RecursionError) -> str:
    # json's own message may quote nothing of the line; its other errors may, so only the place is told.
    return f"column {error.colno}" if isinstance(error, json.JSONDecodeError) else "the line"


def _refuse_constant(constant: str) -> Any:
    raise ValueError(constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _data(root: dict[str, Any], now: datetime) -> list[Datum]:
    metadata = root["_aws"]
    if not isinstance(metadata, dict) or not isinstance(metadata.get("CloudWatchMetrics"), list):
        raise _BrokenRuleError(Rule.METADATA, "_aws")
    moment = _timestamp(metadata.get("Timestamp"), now)
    return [datum for directive in metadata["CloudWatchMetrics"] for datum in _of_directive(root, directive, moment)]


def _timestamp(value: object, now: datetime) -> int:
    """Check the time of the event; give it in seconds."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _BrokenRuleError(Rule.TIMESTAMP, "Timestamp")
    try:
        moment = datetime.fromtimestamp(value / 1000, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise _BrokenRuleError(Rule.TIMESTAMP, "Timestamp") from error
    if not now - OLDEST <= moment <= now + NEWEST:
        raise _BrokenRuleError(Rule.TIMESTAMP, f"Timestamp {moment:%Y-%m-%dT%H:%M:%SZ}")
    return value // 1000


def _of_directive(root: dict[str, Any], directive: object, moment: int) -> Iterator[Datum]:
    if not isinstance(directive, dict) or not directive.keys() >= {"Namespace", "Dimensions", "Metrics"}:
        raise _BrokenRuleError(Rule.DIRECTIVE, "a directive")
    namespace, metrics = directive["Namespace"], directive["Metrics"]
    if not _is_name(namespace) or namespace.startswith(":"):
        raise _BrokenRuleError(Rule.NAMESPACE, "Namespace")
    if not isinstance(metrics, list) or not 1 <= len(metrics) <= MAX_METRICS:
        raise _BrokenRuleError(Rule.METRIC_COUNT, f"the directive for {namespace}")
    sets = [_dimensions(root, keys) for keys in _dimension_sets(directive["Dimensions"])]
    for definition in metrics:
        name, samples = _metric(root, definition, moment)
        for dimensions in sets:
            metric = Metric.of(namespace, name, dimensions)
            yield from (Datum(metric=metric, sample=sample) for sample in samples)


def _dimension_sets(sets: object) -> list[list[str]]:
    well_formed = (
        isinstance(sets, list)
        and len(sets) > 0
        and all(isinstance(keys, list) and all(isinstance(key, str) for key in keys) for keys in sets)
    )
    if not well_formed or not isinstance(sets, list):
        raise _BrokenRuleError(Rule.DIMENSION_SETS, "Dimensions")
    for keys in sets:
        if len(keys) > MAX_DIMENSIONS or len(set(keys)) != len(keys):
            raise _BrokenRuleError(Rule.DIMENSION_COUNT, "Dimensions")
        if not all(1 <= len(key) <= MAX_DIMENSION_NAME for key in keys):
            raise _BrokenRuleError(Rule.DIMENSION_SETS, "Dimensions")
    return sets


def _dimensions(root: dict[str, Any], keys: list[str]) -> dict[str, str]:
    for key in keys:
        value = root.get(key)
        usable = (
            isinstance(value, str)
            and 1 <= len(value) <= MAX_DIMENSION_VALUE
            and value.isascii()
            and value.isprintable()
            and value.strip() != ""
            and not value.startswith(":")
        )
        if not usable:
            raise _BrokenRuleError(Rule.DIMENSION_VALUE, f"{key}")
    return {key: root[key] for key in keys}


def _metric(root: dict[str, Any], definition: object, moment: int) -> tuple[str, list[Sample]]:
    if not isinstance(definition, dict) or not _is_name(definition.get("Name")):
        raise _BrokenRuleError(Rule.METRIC_NAME, "Metrics")
    name, unit = definition["Name"], definition.get("Unit", "None")
    if unit not in UNITS:
        raise _BrokenRuleError(Rule.UNIT, name)
    resolution = definition.get("StorageResolution", 60)
    if resolution not in RESOLUTIONS or isinstance(resolution, bool):
        raise _BrokenRuleError(Rule.RESOLUTION, name)
    target = root.get(name)
    values: list[object] = target if isinstance(target, list) else [target]
    numbers = [float(value) for value in values if is_number(value)]
    if not 1 <= len(values) <= MAX_VALUES or len(numbers) != len(values):
        raise _BrokenRuleError(Rule.METRIC_VALUE, name)
    time = moment // resolution * resolution
    return name, [Sample.of(number, time=time, unit=unit) for number in numbers]


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_NAME and value.isascii() and value.isprintable()


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether CloudWatch takes it as a value."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value) and abs(value) <= MAX_MAGNITUDE if isinstance(value, float) else abs(value) <= 2**360
