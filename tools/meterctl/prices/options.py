"""What the commands of prices share: a day and a book as options, and where tables go."""

from datetime import UTC, date, datetime
from pathlib import Path

import click
from rich.console import Console

from pricewatch import book

book_option = click.option(
    "--book",
    "book_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=book.PATH,
    help="Another price book.",
)
"""Which price book, by its file."""


class Day(click.ParamType[date]):
    """An ISO date."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read it."""
        try:
            return value if isinstance(value, date) else date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no day such as 2026-11-23", param, ctx)


def today() -> date:
    """Give the day, in UTC, as the book counts."""
    return datetime.now(UTC).date()


def console() -> Console:
    """Give where tables go, wide enough for every column when the output goes into a file."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=200)
