"""Moments on a command line: ``24h`` ago, or an ISO date and time."""

import re
from datetime import UTC, datetime, timedelta
from typing import override

import click

_AGO = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def now() -> datetime:
    """Give the time, in UTC."""
    return datetime.now(UTC)


class Moment(click.ParamType[datetime]):
    """A moment: so many minutes, hours, days or weeks ago, or an ISO date with or without a time, in UTC."""

    name = "moment"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        if found := _AGO.fullmatch(str(value)):
            return now() - timedelta(**{_UNITS[found[2]]: int(found[1])})
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"{value!r} is neither a time such as 24h or 7d nor a moment such as 2026-11-23T12:00", param, ctx
            )
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


MOMENT = Moment()
