"""Where a gateway finds its registry: a DynamoDB table, a local file, or nowhere."""

from collections.abc import Container
from typing import Protocol

from awshttp.credentials import Provider
from awshttp.dynamodb import DynamoDb
from bedrock_meter.adapters.dynamoregistry import DynamoRegistry
from bedrock_meter.config import REGISTRY, TABLE, Settings
from bedrock_meter.errors import ConfigError, RegistryError
from bedrock_meter.items import Catalogue
from bedrock_meter.registry import Key


class Registry(Protocol):
    """The registry, for reading. Both methods raise `RegistryError` when it cannot be read."""

    def catalogue(self) -> Catalogue:
        """Give the use cases and limits."""

    def key(self, key_id: str) -> Key | None:
        """Give a key; None when there is none."""


def open_registry(settings: Settings, credentials: Provider) -> Registry | None:
    """Open the registry that the settings name; None when they name none.

    Raises:
        ConfigError: The table has no Region, or the file is none of ours.
    """
    if settings.table is not None:
        if settings.region is None:
            raise ConfigError("AWS_REGION", f"set a Region, so that the table in {TABLE} can be read")
        client = DynamoDb(region=settings.region, credentials=credentials, url=settings.dynamodb_url)
        return DynamoRegistry(client.send, settings.table)
    if settings.registry is None:
        return None
    from bedrock_meter.adapters.fileregistry import FileRegistry  # noqa: PLC0415 - Lambda has a table and needs no SQLite

    try:
        return FileRegistry.open(settings.registry)
    except RegistryError as error:
        raise ConfigError(REGISTRY, str(error)) from error


def registered(settings: Settings, view: Container[str] | None) -> Container[str]:
    """Give the use cases that may become metric dimensions: the settings' and the registry's, as it changes."""
    return settings.use_cases if view is None else _Either(settings.use_cases, view)


class _Either:
    def __init__(self, first: Container[str], second: Container[str]) -> None:
        self._first, self._second = first, second

    def __contains__(self, name: object) -> bool:
        return name in self._first or name in self._second
