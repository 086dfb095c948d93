"""The period of a target, as the plugin chooses it (``getPeriod`` of ``pkg/cloudwatch/models/cloudwatch_query.go``)."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterctl.cloudwatch import shapes

_PERIODS = (60, 300, 900, 3600, 21600, 86400)
_MAX_POINTS = 2000
_RETAINED: Sequence[tuple[timedelta, int]] = (
    (timedelta(days=455), 21600),
    (timedelta(days=63), 3600),
    (timedelta(days=15), 300),
)
"""Beyond this age the shortest period that is chosen."""

_INTERVAL = re.compile(r"(\d+(?:\.\d+)?)(ms|[Mwdhmsy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """The time range of a dashboard or a rule."""

    start: datetime
    """From."""
    end: datetime
    """To."""
    now: datetime
    """When it is shown: the age of the start decides which periods CloudWatch still has."""


def automatic(time_range: TimeRange) -> int:
    """Choose the shortest period that gives at most 2000 points, and that CloudWatch still has."""
    age = time_range.now - time_range.start
    shortest = next((period for oldest, period in _RETAINED if age > oldest), _PERIODS[0])
    wanted = math.ceil((time_range.end - time_range.start).total_seconds() / _MAX_POINTS)
    return next((period for period in _PERIODS if period >= max(wanted, shortest)), _PERIODS[-1])


def parse(text: str, time_range: TimeRange) -> int | None:
    """Read the member ``period``; None if CloudWatch has no such period."""
    if text.lower() in ("", "auto"):
        return automatic(time_range)
    if text.isdecimal():
        seconds = float(text)
    elif interval := _INTERVAL.fullmatch(text):
        seconds = float(interval[1]) * _SECONDS[interval[2]]
    else:
        return None
    whole = int(seconds)
    return whole if whole == seconds and shapes.is_period(whole) else None
