"""The limiter of a process, put together from its settings and from what it brings along; the same for both doors."""

from collections.abc import Callable
from dataclasses import dataclass

from bedrock_meter.adapters.dynamodb import DynamoLimitStore, Send
from bedrock_meter.adapters.eventbridge import EventBridgeNotifier
from bedrock_meter.config import TABLE, Settings
from bedrock_meter.errors import ConfigError
from bedrock_meter.limiter import Limiter, Policy
from bedrock_meter.ports import FaultLog, Forecaster, LimitDirectory, LimitStore, Notifier, Pricer, Sink
from bedrock_meter.settingvalues import zone

DYNAMODB, EVENTBRIDGE = "dynamodb", "events"
"""The services that limits may need, as AWS names their clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a process brings along besides the settings."""

    directory: LimitDirectory
    """Who knows the limits."""
    store: LimitStore | None = None
    """Where their counters are; None for the DynamoDB table of the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiting:
    """A limiter, and what goes on beside it."""

    limiter: Limiter
    """Admits and settles."""
    finish: Callable[[], None]
    """Waits for the notifications that are on their way."""


def limiting(
    limits: Limits,
    settings: Settings,
    *,
    transport: Callable[[str], Send],
    forecaster: Forecaster,
    pricer: Pricer | None,
    faults: FaultLog,
    sink: Sink,
) -> Limiting:
    """Put the limiter of a process together.

    Args:
        limits: Who knows the limits and, where it is not DynamoDB, where they are counted.
        settings: The settings.
        transport: Gives what carries out the operations of an AWS service.
        forecaster: Who tells the size of an input.
        pricer: Who knows prices.
        faults: Where failures are reported.
        sink: Where records go. One that is a `Notifier` too is told of budgets.

    Raises:
        ConfigError: There is neither a store nor a table.
    """
    store = limits.store
    if store is None:
        if settings.table is None:
            raise ConfigError(TABLE, "set the DynamoDB table in which limits are counted")
        store = DynamoLimitStore(transport(DYNAMODB), settings.table)
    notifiers: list[Notifier] = [sink] if isinstance(sink, Notifier) else []
    finish: Callable[[], None] = _nothing
    if settings.event_bus is not None:
        events = EventBridgeNotifier(transport(EVENTBRIDGE), settings.event_bus, settings.service, faults)
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
    return Limiting(limiter=limiter, finish=finish)


def policy_of(settings: Settings) -> Policy:
    """Give what a deployment decides about limits."""
    return Policy(
        fail_open=settings.fail_mode == "open",
        allow_unpriced=settings.unpriced == "allow",
        hold_estimate=settings.hold == "estimate",
        default_max_output_tokens=settings.default_max_output_tokens,
        zone=zone(settings.time_zone),
    )


def _nothing() -> None:
    """Wait for nothing."""
