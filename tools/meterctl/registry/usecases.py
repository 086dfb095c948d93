"""``meterctl usecases``: what calls are made for, and which of them cost most."""

import sys
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import click

from bedrock_meter.errors import RegistryError
from bedrock_meter.limits import Subject
from bedrock_meter.registry import UseCase, fits
from meterctl.registry.present import as_json_option, described, show, show_broken, show_one
from meterctl.registry.store import Registry, known_use_case, now, on_registry, store
from meterctl.summary import Row, read_lines, summarise

_COLUMNS = ("name", "team", "owner", "models")
_TOP_COLUMNS = ("use_case", "calls", "errors", "tokens", "cost_usd", "unpriced")


@click.group("usecases")
def command() -> None:
    """Register, list and rank use cases."""


@command.command()
@click.argument("name")
@click.option("--team", metavar="NAME", help="Whose it is.")
@click.option("--owner", metavar="NAME", help="Whom to ask.")
@click.option(
    "--model", "models", multiple=True, metavar="PATTERN", help="A model that it may call, * for any; all if left out."
)
@click.option("--replace", is_flag=True, help="Write it anew when it is there.")
@on_registry
def create(
    *, registry: Registry, name: str, team: str | None, owner: str | None, models: tuple[str, ...], replace: bool
) -> None:
    """Register a use case."""
    try:
        use_case = UseCase(name=name, team=team, owner=owner, models=models or ("*",))
    except ValueError as error:
        raise RegistryError(str(error)) from error
    store(registry, use_case, f"the use case {name}", replace=replace)
    click.echo(f"Registered the use case {name}.", err=True)


@command.command("list")
@as_json_option
@on_registry
def list_command(*, registry: Registry, as_json: bool) -> None:
    """List all use cases."""
    catalogue = registry.catalogue()
    show([described(catalogue.use_cases[name]) for name in sorted(catalogue.use_cases)], _COLUMNS, as_json=as_json)
    show_broken(catalogue.broken)


@command.command("show")
@click.argument("name")
@as_json_option
@on_registry
def show_command(*, registry: Registry, name: str, as_json: bool) -> None:
    """Show one use case, with the limits that are set for it."""
    catalogue = registry.catalogue()
    use_case = known_use_case(catalogue, name)
    limits = [
        limit.id
        for limit in catalogue.limits
        if limit.subject is Subject.ALL
        or (limit.subject is Subject.USE_CASE and fits(limit.pattern, name))
        or (limit.subject is Subject.TEAM and use_case.team is not None and fits(limit.pattern, use_case.team))
    ]
    show_one({**described(use_case), "limits": limits}, as_json=as_json)


@command.command()
@click.argument("name")
@on_registry
def delete(*, registry: Registry, name: str) -> None:
    """Delete a use case that no good key and no principal names."""
    catalogue = registry.catalogue()
    use_case = known_use_case(catalogue, name)
    time = now()
    keys, _ = registry.keys()
    holding = [key.id for key in keys if name in key.use_cases and not key.revoked(time) and not key.expired(time)]
    if holding:
        raise RegistryError(f"the use case {name} is named by the keys {', '.join(holding)}; revoke them first")
    if named := sorted(pattern for pattern, names in catalogue.principals.items() if name in names):
        raise RegistryError(f"the use case {name} is named by the principals {', '.join(named)}; delete them first")
    registry.remove(use_case)
    click.echo(f"Deleted the use case {name}.", err=True)


@command.command()
@click.option("--emf", default="-", show_default=True, metavar="FILE", help="A file of EMF lines; - is stdin.")
@click.option("--by", type=click.Choice(["cost", "tokens", "calls"]), default="cost", show_default=True)
@click.option("--first", type=click.IntRange(min=1), default=10, show_default=True, help="So many of them.")
@as_json_option
def top(*, emf: str, by: str, first: int, as_json: bool) -> None:
    """Rank use cases by what their calls cost or used, from the gateway's own log lines."""
    try:
        with _text(emf) as lines:
            rows = ranked(summarise(read_lines(lines)), by)
    except OSError as error:
        raise RegistryError(f"--emf: {emf} cannot be read: {error.strerror}") from error
    show(rows[:first], _TOP_COLUMNS, as_json=as_json)


def ranked(rows: Iterable[Row], by: str) -> list[Mapping[str, Any]]:
    """Sum the rows up by use case, the largest first.

    Args:
        rows: What `summarise` gave.
        by: ``cost``, ``tokens`` or ``calls``.
    """
    sums: dict[str, list[Row]] = {}
    for row in rows:
        sums.setdefault(row.use_case, []).append(row)
    totals = [
        {
            "use_case": name,
            "calls": sum(row.calls for row in own),
            "errors": sum(row.errors for row in own),
            "tokens": sum(sum(row.tokens.values()) for row in own),
            "cost_usd": f"{sum((row.cost for row in own), Decimal(0)):f}",
            "unpriced": sum(row.unpriced for row in own),
        }
        for name, own in sums.items()
    ]
    member = {"cost": "cost_usd"}.get(by, by)
    return sorted(totals, key=lambda total: (-Decimal(str(total[member])), str(total["use_case"])))


def _text(emf: str) -> "nullcontext[TextIO] | TextIO":
    return nullcontext(sys.stdin) if emf == "-" else Path(emf).open(encoding="utf-8")
