"""The limits of the gateway: which store and which notifier a deployment has, and the limiter that uses them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from awshttp.credentials import Provider
from awshttp.dynamodb import DynamoDb
from awshttp.eventbridge import EventBridge
from bedrock_meter.adapters.dynamodb import DynamoLimitStore
from bedrock_meter.adapters.eventbridge import EventBridgeNotifier
from bedrock_meter.adapters.limiting import policy_of
from bedrock_meter.config import TABLE, Settings
from bedrock_meter.errors import ConfigError
from bedrock_meter.limiter import Limiter
from bedrock_meter.ports import FaultLog, Forecaster, LimitDirectory, LimitStore, Notifier, Pricer, Sink


class Connections(Protocol):
    """What keeps connections between calls."""

    def close(self) -> None:
        """Close them; later calls make new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a process brings along besides the settings."""

    directory: LimitDirectory
    """Who knows the limits."""
    store: LimitStore | None = None
    """Where their counters are; None for the DynamoDB table of the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiting:
    """The limiter of a gateway, with what it has opened."""

    limiter: Limiter
    """Admits and settles."""
    connections: Sequence[Connections]
    """To be closed with the gateway."""
    finish: Callable[[], None]
    """Waits for the notifications that are on their way."""


def limiting(
    limits: Limits,
    settings: Settings,
    *,
    region: str,
    credentials: Provider,
    forecaster: Forecaster,
    pricer: Pricer,
    faults: FaultLog,
    sink: Sink,
) -> Limiting:
    """Put the limiter of a gateway together.

    Raises:
        ConfigError: There is neither a store nor a table.
    """
    connections: list[Connections] = []
    store = limits.store
    if store is None:
        if settings.table is None:
            raise ConfigError(TABLE, "set the DynamoDB table in which limits are counted")
        dynamodb = DynamoDb(region=region, credentials=credentials, url=settings.table_url)
        connections.append(dynamodb)
        store = DynamoLimitStore(dynamodb.send, settings.table)
    notifiers: list[Notifier] = [sink] if isinstance(sink, Notifier) else []
    finish: Callable[[], None] = _nothing
    if settings.event_bus is not None:
        eventbridge = EventBridge(region=region, credentials=credentials, url=settings.events_url)
        connections.append(eventbridge)
        events = EventBridgeNotifier(eventbridge.send, settings.event_bus, settings.service, faults)
        notifiers.append(events)
        finish = events.flush
    limiter = Limiter(
        directory=limits.directory,
        store=store,
        forecaster=forecaster,
        pricer=pricer,
        faults=faults,
        policy=policy_of(settings),
        notifiers=notifiers,
    )
    return Limiting(limiter=limiter, connections=connections, finish=finish)


def _nothing() -> None:
    """Wait for nothing."""
