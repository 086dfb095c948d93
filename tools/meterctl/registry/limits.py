"""``meterctl limits``: how much may be used in each minute, day or month."""

from decimal import Decimal, InvalidOperation

import click

from bedrock_meter.errors import RegistryError
from bedrock_meter.limits import Limit, OnExceed, Period, Subject, Unit
from meterctl.registry.present import as_json_option, described, show, show_broken, show_one
from meterctl.registry.store import Registry, known_key, known_limit, known_use_case, on_registry, store

_COLUMNS = ("id", "subject", "pattern", "amount", "unit", "period", "on_exceed")


@click.group("limits")
def command() -> None:
    """Set, list and delete limits."""


@command.command()
@click.argument("limit_id")
@click.option("--use-case", metavar="PATTERN", help="Calls of these use cases; * stands for any characters.")
@click.option("--team", metavar="PATTERN", help="Calls of these teams.")
@click.option("--key", metavar="ID", help="Calls with this key.")
@click.option("--model", metavar="PATTERN", help="Calls of these models, by the id as called or the foundation model.")
@click.option("--all", "everything", is_flag=True, help="All calls.")
@click.option("--usd", metavar="AMOUNT", help="US dollars.")
@click.option("--tokens", metavar="AMOUNT", help="Tokens.")
@click.option("--requests", metavar="AMOUNT", help="Requests.")
@click.option("--per", type=click.Choice([period.value for period in Period]), required=True, help="The window.")
@click.option("--warn", is_flag=True, help="Only tell when it is passed; refuse no call.")
@click.option("--replace", is_flag=True, help="Write it anew when it is there. What was used in its windows stays.")
@on_registry
def create(  # noqa: PLR0913 - one argument an option
    *,
    registry: Registry,
    limit_id: str,
    use_case: str | None,
    team: str | None,
    key: str | None,
    model: str | None,
    everything: bool,
    usd: str | None,
    tokens: str | None,
    requests: str | None,
    per: str,
    warn: bool,
    replace: bool,
) -> None:
    """Set a limit: whose calls, how much, in which window."""
    subjects = {
        Subject.USE_CASE: use_case,
        Subject.TEAM: team,
        Subject.KEY: key,
        Subject.MODEL: model,
        Subject.ALL: "*" if everything else None,
    }
    subject, pattern = _only(subjects, "--use-case, --team, --key, --model and --all")
    unit, amount = _only(
        {Unit.USD: usd, Unit.TOKENS: tokens, Unit.REQUESTS: requests}, "--usd, --tokens and --requests"
    )
    if subject is Subject.KEY and "*" not in pattern:
        pattern = known_key(registry, pattern).id
    if subject is Subject.USE_CASE and "*" not in pattern:
        known_use_case(registry.catalogue(), pattern)
    try:
        limit = Limit(
            id=limit_id,
            subject=subject,
            pattern=pattern,
            unit=unit,
            period=Period(per),
            amount=_amount(amount, unit),
            on_exceed=OnExceed.WARN if warn else OnExceed.DENY,
        )
    except ValueError as error:
        raise RegistryError(str(error)) from error
    store(registry, limit, f"the limit {limit_id}", replace=replace)
    click.echo(f"Set the limit {limit_id}.", err=True)


@command.command("list")
@as_json_option
@on_registry
def list_command(*, registry: Registry, as_json: bool) -> None:
    """List all limits."""
    catalogue = registry.catalogue()
    show([described(limit) for limit in catalogue.limits], _COLUMNS, as_json=as_json)
    show_broken(catalogue.broken)


@command.command("show")
@click.argument("limit_id")
@as_json_option
@on_registry
def show_command(*, registry: Registry, limit_id: str, as_json: bool) -> None:
    """Show one limit."""
    show_one(described(known_limit(registry.catalogue(), limit_id)), as_json=as_json)


@command.command()
@click.argument("limit_id")
@on_registry
def delete(*, registry: Registry, limit_id: str) -> None:
    """Delete a limit. Gateways stop to apply it within a minute."""
    registry.remove(known_limit(registry.catalogue(), limit_id))
    click.echo(f"Deleted the limit {limit_id}.", err=True)


def _only[T](given: dict[T, str | None], options: str) -> tuple[T, str]:
    chosen = [(name, value) for name, value in given.items() if value is not None]
    if len(chosen) != 1:
        raise RegistryError(f"give exactly one of {options}")
    return chosen[0]


def _amount(text: str, unit: Unit) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise RegistryError(f"--{unit}: {text[:40]!r} is no number") from error
