"""Where a gateway finds its registry: a DynamoDB table, a local file, or nowhere."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from awshttp.credentials import Provider
from awshttp.dynamodb import DynamoDb
from bedrock_meter.adapters.dynamoregistry import DynamoRegistry
from bedrock_meter.config import REGISTRY, TABLE, Settings
from bedrock_meter.errors import ConfigError, RegistryError
from bedrock_meter.items import Catalogue
from bedrock_meter.ports import LimitStore
from bedrock_meter.registry import Key


class Registry(Protocol):
    """The registry, for reading. Both methods raise `RegistryError` when it cannot be read."""

    def catalogue(self) -> Catalogue:
        """Give the use cases and limits."""

    def key(self, key_id: str) -> Key | None:
        """Give a key; None when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRegistry:
    """The registry of a deployment, and where the counters of its limits are."""

    registry: Registry
    """Use cases, keys and limits."""
    counters: Callable[[], LimitStore]
    """Gives the store of the counters, in the same table or file."""
    close: Callable[[], None]
    """Closes the connections or the file."""


def open_registry(settings: Settings, credentials: Provider) -> OpenRegistry | None:
    """Open the registry that the settings name; None when they name none.

    Raises:
        ConfigError: The table has no Region, or the file is none of ours.
    """
    if settings.table is not None:
        return _table(settings.table, settings, credentials)
    return None if settings.registry is None else _file(settings.registry)


def _table(name: str, settings: Settings, credentials: Provider) -> OpenRegistry:
    if settings.region is None:
        raise ConfigError("AWS_REGION", f"set a Region, so that the table in {TABLE} can be read")
    client = DynamoDb(region=settings.region, credentials=credentials, url=settings.aws_endpoint_url_dynamodb)

    def counters() -> LimitStore:
        from bedrock_meter.adapters.dynamodb import DynamoLimitStore  # noqa: PLC0415 - the authorizer needs none

        return DynamoLimitStore(client.send, name)

    return OpenRegistry(registry=DynamoRegistry(client.send, name), counters=counters, close=client.close)


def _file(path: str) -> OpenRegistry:
    # Lambda has a table and needs no SQLite.
    from bedrock_meter.adapters.fileregistry import FileRegistry, open_file  # noqa: PLC0415 - see above
    from bedrock_meter.adapters.sqlite import SqliteLimitStore  # noqa: PLC0415 - see above

    try:
        file = open_file(path)
    except RegistryError as error:
        raise ConfigError(REGISTRY, str(error)) from error
    return OpenRegistry(registry=FileRegistry(file), counters=lambda: SqliteLimitStore(file), close=file.close)
