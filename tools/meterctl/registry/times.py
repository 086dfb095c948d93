"""Points in time on the command line: a day, a time, or a span from now on."""

import re
from datetime import UTC, datetime, timedelta

import click

_SPAN = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Span(click.ParamType[timedelta]):
    """Such as 30m, 24h or 90d; 0 for none."""

    name = "span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        if isinstance(value, timedelta):
            return value
        span = span_of(str(value))
        return span if span is not None else self.fail(f"{value!r} is no span such as 30m, 24h or 90d", param, ctx)


class When(click.ParamType[datetime | timedelta]):
    """A span from now on, a day or a time of ISO 8601; without a time zone it is UTC."""

    name = "when"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime | timedelta:
        """Read it."""
        if isinstance(value, datetime | timedelta):
            return value
        span = span_of(str(value))
        if span is not None:
            return span
        try:
            time = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no day such as 2027-01-31, no time and no span such as 90d", param, ctx)
        return time if time.utcoffset() is not None else time.replace(tzinfo=UTC)


def span_of(text: str) -> timedelta | None:
    """Read a span; None when it is none."""
    found = _SPAN.fullmatch(text)
    if found is not None:
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    return timedelta(0) if text == "0" else None


def point(when: datetime | timedelta, now: datetime) -> datetime:
    """Give the point in time."""
    return now + when if isinstance(when, timedelta) else when
