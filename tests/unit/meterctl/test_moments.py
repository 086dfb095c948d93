"""Moments on a command line."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from meterctl import moments
from meterctl.moments import MOMENT

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("24h", NOW - timedelta(days=1)),
        ("7d", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(days=14)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T12:30", datetime(2026, 11, 1, 12, 30, tzinfo=UTC)),
        ("2026-11-01T12:30+02:00", datetime(2026, 11, 1, 10, 30, tzinfo=UTC)),
        ("2026-11-01T12:30:00Z", datetime(2026, 11, 1, 12, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_so_long_ago_or_a_date(monkeypatch: pytest.MonkeyPatch, text: str, expected: datetime) -> None:
    """A number with a unit counts back from now; a date is in UTC where it does not say otherwise."""
    monkeypatch.setattr(moments, "now", lambda: NOW)
    assert MOMENT.convert(text, None, None) == expected


@pytest.mark.parametrize("text", ["", "24", "h", "yesterday", "2026-13-01", "-1h", "123456h"])
def test_anything_else_is_refused(text: str) -> None:
    """The error names what was given and what would do."""
    with pytest.raises(click.BadParameter, match="neither a time such as 24h or 7d"):
        MOMENT.convert(text, None, None)
