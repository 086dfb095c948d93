"""How entries of the registry are shown: as a table for people, as JSON for programs."""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bedrock_meter.errors import RegistryError
from bedrock_meter.items import to_item
from bedrock_meter.limits import Limit
from bedrock_meter.registry import Key, UseCase

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def described(entry: UseCase | Limit) -> dict[str, Any]:
    """Give a use case or limit as JSON has it."""
    if isinstance(entry, UseCase):
        return {"name": entry.name, **to_item(entry)}
    return {"id": entry.id, **to_item(entry)}


def described_key(key: Key, now: datetime) -> dict[str, Any]:
    """Give a key as JSON has it: without the hash of its secret, which is nobody's business."""
    facts = {name: value for name, value in to_item(key).items() if name != "secret_sha256"}
    return {"id": key.id, "status": status(key, now), **facts}


def status(key: Key, now: datetime) -> str:
    """Say in a word whether a key opens anything."""
    if key.revoked(now):
        return "revoked"
    if key.expired(now):
        return "expired"
    return "good" if key.revoked_at is None else "rotating"


def show(rows: Sequence[Mapping[str, Any]], columns: Iterable[str], *, as_json: bool) -> None:
    """Print entries.

    Args:
        rows: One mapping for each.
        columns: Which of its members the table shows, in order.
        as_json: Print all members as a JSON array instead.
    """
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("There are none.", err=True)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    names = list(columns)
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold", justify="right" if name == "amount" else "left")
    for row in rows:
        table.add_row(*(escape(_cell(row.get(name))) for name in names))
    _console().print(table)


def show_one(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one entry."""
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        click.echo(f"{name.replace('_', ' '):<18}{_cell(value)}")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _console() -> Console:
    return Console(width=max(100, shutil.get_terminal_size().columns))


def show_broken(problems: Iterable[RegistryError]) -> None:
    """Say on stderr what could not be read and is not shown."""
    for problem in problems:
        click.echo(f"meterctl: skipped: {problem}", err=True)
