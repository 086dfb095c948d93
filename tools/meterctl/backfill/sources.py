"""Where old invocation logs are: a log group, a bucket, a file. Each gives its lines in units, to be ticked off."""

import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

BODIES, PERMISSION_CHECK, NO_LOG = "object with bodies", "object of a permission check", "object of another kind"

UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a unit raises when its bytes are broken."""

LINES_PER_UNIT = 5000
WINDOW = timedelta(hours=1)

# …/AWSLogs/123456789012/BedrockModelInvocationLogs/us-east-1/2026/11/25/06/….json.gz
_HOUR = re.compile(r"/(?P<year>\d{4})/(?P<month>\d{2})/(?P<day>\d{2})/(?P<hour>\d{2})/[^/]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From a time, which is in it, to another, which is not. Aware."""

    start: datetime
    end: datetime

    def __contains__(self, time: datetime) -> bool:
        return self.start <= time < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a log."""

    message: str
    """What it says."""
    written: datetime | None = None
    """The time of the log event; None where the source has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A part of a source that is read whole or again."""

    key: str
    """Its name, the same on every run."""
    read: Callable[[], Iterator[Line]]
    """Gives its lines. Raises OSError or zlib.error when it cannot be read."""


class Source(Protocol):
    """A source."""

    @property
    def name(self) -> str:
        """Its name, by which a state file knows it."""

    def units(self, period: Period, skipped: Counter[str]) -> Iterator[Unit]:
        """Give the parts that may have lines of a period, in order; what is left out is counted in `skipped`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """A file of one JSON object a line, gzipped if its name ends in ``.gz``."""

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return f"file {self.path}"

    def units(self, period: Period, skipped: Counter[str]) -> Iterator[Unit]:
        """Give so many lines at a time."""
        del period, skipped
        with _opened(self.path) as file:
            number, broken = 0, None
            while broken is None:
                lines, broken = _taken(file)
                if not lines and broken is None:
                    return
                yield Unit(key=str(number), read=partial(_lines, lines, broken))
                number += len(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGroupSource:
    """A log group, window by window."""

    client: "CloudWatchLogsClient"
    group: str

    @property
    def name(self) -> str:
        """The log group's name."""
        return f"log group {self.group}"

    def units(self, period: Period, skipped: Counter[str]) -> Iterator[Unit]:
        """Give an hour at a time."""
        del skipped
        start = period.start
        while start < period.end:
            end = min(start + WINDOW, period.end)
            yield Unit(key=start.isoformat(), read=partial(self._read, start, end))
            start = end

    def _read(self, start: datetime, end: datetime) -> Iterator[Line]:
        pages = self.client.get_paginator("filter_log_events").paginate(
            logGroupName=self.group, startTime=_milliseconds(start), endTime=_milliseconds(end) - 1
        )
        for page in pages:
            for event in page["events"]:
                written = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                yield Line(message=event["message"], written=written)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Source:
    """A bucket to which Bedrock delivers: gzipped JSON lines, and beside them what holds none."""

    client: "S3Client"
    bucket: str
    prefix: str = ""

    @property
    def name(self) -> str:
        """The URL."""
        return f"s3://{self.bucket}/{self.prefix}"

    def units(self, period: Period, skipped: Counter[str]) -> Iterator[Unit]:
        """Give an object at a time."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix):
            for item in page.get("Contents", []):
                key = item["Key"]
                reason = _no_log(key)
                if reason is not None:
                    skipped[reason] += 1
                elif _may_be_of(key, period):
                    yield Unit(key=f"{key} {item['ETag']}", read=partial(self._read, key))

    def _read(self, key: str) -> Iterator[Line]:
        body = io.BytesIO(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        plain = gzip.GzipFile(fileobj=body) if key.endswith(".gz") else body
        yield from _lines(io.TextIOWrapper(plain, encoding="utf-8", errors="replace"))


def _no_log(key: str) -> str | None:
    """Tell why an object holds no log lines; None where it may."""
    if "permission-check" in key:
        return PERMISSION_CHECK
    if "/data/" in key or key.startswith("data/"):
        return BODIES
    return None if key.endswith((".json.gz", ".gz", ".json")) else NO_LOG


def _may_be_of(key: str, period: Period) -> bool:
    found = _HOUR.search(key)
    if found is None:
        return True
    try:
        year, month, day, hour_of_day = map(int, found.groups())
        hour = datetime(year, month, day, hour_of_day, tzinfo=UTC)
    except ValueError:
        return True
    # An object is named after the hour in which it was written, which may be the one after the call.
    return period.start - WINDOW <= hour + WINDOW and hour - WINDOW <= period.end


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")


def _taken(file: IO[str]) -> tuple[list[str], BaseException | None]:
    """Take the next lines of a file, and what broke them off."""
    lines = list[str]()
    try:
        lines.extend(islice(file, LINES_PER_UNIT))
    except UNREADABLE as error:
        return lines, error
    return lines, None


def _lines(lines: Iterable[str], broken: BaseException | None = None) -> Iterator[Line]:
    for line in lines:
        if line.strip():
            yield Line(message=line)
    if broken is not None:
        raise broken


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
