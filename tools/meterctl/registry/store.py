"""Which registry a command works on: ``--table`` or ``--registry``, or the environment."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import update_wrapper
from typing import Any, Protocol

import boto3
import click
from botocore import xform_name
from botocore.config import Config

from bedrock_meter.adapters.dynamoregistry import DynamoRegistry
from bedrock_meter.adapters.fileregistry import FileRegistry, open_file
from bedrock_meter.config import REGISTRY, TABLE
from bedrock_meter.errors import RegistryError
from bedrock_meter.items import Catalogue, Entry
from bedrock_meter.limits import Limit
from bedrock_meter.registry import KEY_ID, Key, UseCase


class Registry(Protocol):
    """A registry that can be written. Every method raises `RegistryError` when it cannot be used."""

    def catalogue(self) -> Catalogue:
        """Read the use cases and limits."""

    def key(self, key_id: str) -> Key | None:
        """Read one key; None when there is none."""

    def keys(self) -> tuple[Sequence[Key], Sequence[RegistryError]]:
        """Read all keys, and an error for each that cannot be read."""

    def add(self, entry: Entry) -> bool:
        """Write a new entry; tell whether there was none of its name."""

    def replace(self, entry: Entry) -> None:
        """Write an entry, whether there is one of its name or not."""

    def remove(self, entry: Entry) -> None:
        """Delete an entry; harmless when it is gone."""


def now() -> datetime:
    """Give the time, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


@contextmanager
def opened(table: str | None, region: str | None, path: str | None) -> Iterator[Registry]:
    """Open the registry that the options name.

    Raises:
        RegistryError: They name none, or two.
    """
    if table and path:
        raise RegistryError("--table and --registry name two registries; name one")
    if path:
        with closing(open_file(path)) as file:
            yield FileRegistry(file)
        return
    if not table:
        raise RegistryError(f"name the registry: --table NAME or --registry FILE (or set {TABLE} or {REGISTRY})")
    if not region:
        raise RegistryError("name the Region of the table: --region, or AWS_REGION")
    client = boto3.client("dynamodb", region_name=region, config=Config(connect_timeout=5, read_timeout=10))
    try:

        def send(operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = getattr(client, xform_name(operation))(**parameters)
            return answer

        yield DynamoRegistry(send, table)
    finally:
        client.close()


def on_registry(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name the registry, and the opened registry as ``registry``."""

    @click.option("--table", metavar="NAME", envvar=TABLE, help="The DynamoDB table of the registry.")
    @click.option("--region", metavar="REGION", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="Its Region.")
    @click.option("--registry", "path", metavar="FILE", envvar=REGISTRY, help="A local file instead of a table.")
    def run(*, table: str | None, region: str | None, path: str | None, **arguments: Any) -> None:
        with opened(table, region, path) as registry:
            command(registry=registry, **arguments)

    return update_wrapper(run, command)


def known_use_case(catalogue: Catalogue, name: str) -> UseCase:
    """Give a registered use case.

    Raises:
        RegistryError: It is not registered.
    """
    found = catalogue.use_cases.get(name)
    if found is None:
        names = ", ".join(sorted(catalogue.use_cases)) or "none"
        raise RegistryError(f"there is no use case {name!r} in the registry; there are: {names}")
    return found


def known_limit(catalogue: Catalogue, limit_id: str) -> Limit:
    """Give a limit.

    Raises:
        RegistryError: There is none of this id.
    """
    for limit in catalogue.limits:
        if limit.id == limit_id:
            return limit
    ids = ", ".join(limit.id for limit in catalogue.limits) or "none"
    raise RegistryError(f"there is no limit {limit_id!r} in the registry; there are: {ids}")


def known_key(registry: Registry, key_id: str) -> Key:
    """Give a key.

    Raises:
        RegistryError: There is none of this id, or this is no id.
    """
    public = key_id.removeprefix("bm-")
    if not KEY_ID.fullmatch(public):
        # Not repeated: who gives a whole key here must not find it in a log.
        raise RegistryError("that is no key id; give the 12 characters after bm-, which meterctl keys list shows")
    found = registry.key(public)
    if found is None:
        raise RegistryError(f"there is no key {public} in the registry; meterctl keys list shows them")
    return found


def store(registry: Registry, entry: Entry, what: str, *, replace: bool = False) -> None:
    """Write a new entry, or with ``replace`` one that may be there.

    Raises:
        RegistryError: It is there.
    """
    if replace:
        registry.replace(entry)
    elif not registry.add(entry):
        raise RegistryError(f"{what} exists already; --replace writes it anew")
