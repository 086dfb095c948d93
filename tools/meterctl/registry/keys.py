"""``meterctl keys``: gateway keys. A secret is shown when it is made and never again."""

import json
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

import click

from bedrock_meter.caller import caller_of, to_context
from bedrock_meter.errors import RegistryError
from bedrock_meter.gatekeys import SEED_BYTES, digest, mint, text_of
from bedrock_meter.registry import Key
from meterctl.registry.present import as_json_option, described_key, show, show_broken, show_one
from meterctl.registry.store import Registry, known_key, known_use_case, now, on_registry, store
from meterctl.registry.times import Span, When, point

_COLUMNS = ("id", "status", "use_cases", "default_use_case", "expires_at", "revoked_at", "created_at")


@click.group("keys")
def command() -> None:
    """Make, list, rotate and revoke gateway keys."""


@command.command()
@click.option("--use-case", "use_cases", multiple=True, required=True, metavar="NAME", help="One that it may name.")
@click.option("--default", metavar="NAME", help="The one that counts when a call names none; the first when left out.")
@click.option("--expires", type=When(), help="A day, a time, or a span such as 90d; never when left out.")
@as_json_option
@on_registry
def create(
    *,
    registry: Registry,
    use_cases: tuple[str, ...],
    default: str | None,
    expires: datetime | timedelta | None,
    as_json: bool,
) -> None:
    """Make a key. The key alone goes to stdout, so that it can be piped; all else goes to stderr."""
    made = now()
    if expires is not None and point(expires, made) <= made:
        raise RegistryError(f"--expires: {point(expires, made).isoformat()} is past; the key would open nothing")
    names = tuple(dict.fromkeys(use_cases))
    if default is not None and default not in names:
        raise RegistryError(f"--default: {default!r} is not among the use cases of the key: {', '.join(names)}")
    catalogue = registry.catalogue()
    for name in names:
        known_use_case(catalogue, name)
    key, text = new_key(names, default or names[0], None if expires is None else point(expires, made), made)
    to_context(caller_of(key, catalogue.use_cases))  # what the authorizer could not hand on is refused here
    store(registry, key, "the key")
    _hand_over(key, text, as_json=as_json)


@command.command("list")
@click.option("--use-case", metavar="NAME", help="Only those that may name it.")
@as_json_option
@on_registry
def list_command(*, registry: Registry, use_case: str | None, as_json: bool) -> None:
    """List all keys, without their secrets."""
    keys, broken = registry.keys()
    time = now()
    shown = [described_key(key, time) for key in keys if use_case is None or use_case in key.use_cases]
    show(shown, _COLUMNS, as_json=as_json)
    show_broken(broken)


@command.command("show")
@click.argument("key_id")
@as_json_option
@on_registry
def show_command(*, registry: Registry, key_id: str, as_json: bool) -> None:
    """Show one key, without its secret."""
    show_one(described_key(known_key(registry, key_id), now()), as_json=as_json)


@command.command()
@click.argument("key_id")
@click.option("--grace", type=Span(), default="24h", show_default=True, help="How long the old key still works.")
@click.option("--expires", type=When(), help="When the new key expires; as the old one when left out.")
@as_json_option
@on_registry
def rotate(
    *, registry: Registry, key_id: str, grace: timedelta, expires: datetime | timedelta | None, as_json: bool
) -> None:
    """Make a new key with the same rights, and revoke the old one after the grace time."""
    old, made = known_key(registry, key_id), now()
    if old.revoked(made):
        raise RegistryError(f"the key {old.id} is revoked; make a new one with meterctl keys create")
    end = old.expires_at if expires is None else point(expires, made)
    if end is not None and end <= made:
        raise RegistryError(f"--expires: the new key would have expired at {end.isoformat()}; give a later time")
    key, text = new_key(old.use_cases, old.default_use_case, end, made)
    store(registry, key, "the key")
    ends = made + grace if old.revoked_at is None else min(old.revoked_at, made + grace)
    registry.replace(replace(old, revoked_at=ends))
    _hand_over(key, text, as_json=as_json)
    click.echo(f"The old key {old.id} opens nothing from {ends.isoformat(timespec='seconds')} on.", err=True)


@command.command()
@click.argument("key_id")
@click.option("--at", type=When(), default="0", help="From when on; now when left out.")
@on_registry
def revoke(*, registry: Registry, key_id: str, at: datetime | timedelta) -> None:
    """Revoke a key. It stays in the list."""
    key, time = known_key(registry, key_id), now()
    if key.revoked(time):
        raise RegistryError(f"the key {key.id} is revoked already, since {key.revoked_at}")
    ends = max(point(at, time), time)
    registry.replace(replace(key, revoked_at=ends))
    click.echo(f"The key {key.id} opens nothing from {ends.isoformat(timespec='seconds')} on.", err=True)


@command.command()
@click.argument("key_id")
@on_registry
def delete(*, registry: Registry, key_id: str) -> None:
    """Delete a key that opens nothing any more."""
    key, time = known_key(registry, key_id), now()
    if not key.revoked(time) and not key.expired(time):
        raise RegistryError(f"the key {key.id} still opens the gateway; revoke it first")
    registry.remove(key)
    click.echo(f"Deleted the key {key.id}.", err=True)


def new_key(use_cases: tuple[str, ...], default: str, expires_at: datetime | None, made: datetime) -> tuple[Key, str]:
    """Make a key, and the text that its owner gets.

    Raises:
        RegistryError: There can be no such key.
    """
    key_id, secret = mint(secrets.token_bytes(SEED_BYTES))
    try:
        key = Key(
            id=key_id,
            secret_sha256=digest(secret),
            use_cases=use_cases,
            default_use_case=default,
            expires_at=expires_at,
            created_at=made,
        )
    except ValueError as error:
        raise RegistryError(str(error)) from error
    return key, text_of(key_id, secret)


def _hand_over(key: Key, text: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"key": text, **described_key(key, key.created_at)}, indent=2))
        return
    click.echo(f"The key {key.id} for {', '.join(key.use_cases)}. It is shown this once:", err=True)
    click.echo(text)
