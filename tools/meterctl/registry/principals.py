"""``meterctl principals``: which use cases IAM principals name, at the gateway with IAM and in the invocation log."""

import click

from bedrock_meter.errors import RegistryError
from bedrock_meter.principals import PrincipalMap, refuse_doubt
from bedrock_meter.registry import Principal
from meterctl.registry.present import as_json_option, show, show_broken
from meterctl.registry.store import Registry, known_use_case, on_registry, store

_COLUMNS = ("pattern", "use_cases")


@click.group("principals")
def command() -> None:
    """Set, list and delete the use cases of IAM principals."""


@command.command("set")
@click.argument("pattern")
@click.option(
    "--use-case",
    "use_cases",
    multiple=True,
    required=True,
    metavar="NAME",
    help="A registered use case; the first one counts when a call names none.",
)
@click.option("--replace", is_flag=True, help="Write it anew when it is there.")
@on_registry
def set_command(*, registry: Registry, pattern: str, use_cases: tuple[str, ...], replace: bool) -> None:
    """Say which use cases the principals of a PATTERN may name.

    PATTERN is the ARN of a role, which stands for its sessions, or an ARN in which * and ? are wildcards. It is refused
    when a principal could match it and another pattern with different use cases.
    """
    catalogue = registry.catalogue()
    for name in use_cases:
        known_use_case(catalogue, name)
    try:
        principal = Principal(pattern=pattern, use_cases=use_cases)
        refuse_doubt(pattern, use_cases, catalogue.principals)
    except ValueError as error:
        raise RegistryError(str(error)) from error
    store(registry, principal, f"the pattern {pattern}", replace=replace)
    click.echo(f"Set the use cases of {pattern}.", err=True)


@command.command("list")
@click.option("--arn", metavar="ARN", help="Only the use cases of this principal, as STS shows it.")
@as_json_option
@on_registry
def list_command(*, registry: Registry, arn: str | None, as_json: bool) -> None:
    """List all patterns with their use cases, the default first."""
    catalogue = registry.catalogue()
    found = {
        pattern: use_cases
        for pattern, use_cases in catalogue.principals.items()
        if arn is None or PrincipalMap({pattern: use_cases}).find(arn)
    }
    rows = [{"pattern": pattern, "use_cases": list(found[pattern])} for pattern in sorted(found)]
    show(rows, _COLUMNS, as_json=as_json)
    show_broken(catalogue.broken)


@command.command()
@click.argument("pattern")
@on_registry
def delete(*, registry: Registry, pattern: str) -> None:
    """Delete a pattern. Gateways and the log door follow within a minute."""
    use_cases = registry.catalogue().principals.get(pattern)
    if use_cases is None:
        raise RegistryError(f"there is no pattern {pattern!r} in the registry; meterctl principals list shows them")
    registry.remove(Principal(pattern=pattern, use_cases=use_cases))
    click.echo(f"Deleted the use cases of {pattern}.", err=True)
