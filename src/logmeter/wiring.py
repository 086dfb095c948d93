"""The reader of the log as the settings want it; the function and ``meterctl backfill`` use the same one."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from bedrock_meter.adapters.dynamoregistry import DynamoRegistry, Send
from bedrock_meter.adapters.faultlog import OnceLog
from bedrock_meter.adapters.pricebook import PriceBookFile
from bedrock_meter.adapters.registryview import RegisteredFirst, RegistryView
from bedrock_meter.config import Settings
from bedrock_meter.invocationlog import UNATTRIBUTED, LogReader
from bedrock_meter.ports import Principals
from bedrock_meter.principals import ArnPatterns, PrincipalMap
from logmeter.profiles import InferenceProfiles

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient


def with_named(settings: Settings) -> Settings:
    """Register the use cases that the log door names by itself, so that they become dimensions."""
    return replace(
        settings, use_cases=settings.use_cases | {UNATTRIBUTED, *chain.from_iterable(settings.principals.values())}
    )


def registry_view(table: str, send: Send) -> RegistryView:
    """Give the registry in a table.

    Args:
        table: The table's name.
        send: Carries out an operation of DynamoDB.
    """
    return RegistryView(DynamoRegistry(send, table).catalogue, OnceLog().report)


def principals_of(settings: Settings, view: RegistryView | None) -> Principals:
    """Give who knows the use case of a principal: the registry, and for those that it does not know the setting."""
    of_settings = PrincipalMap(settings.principals)
    return of_settings if view is None else RegisteredFirst(view, of_settings)


def reader_for(
    settings: Settings,
    client_for: Callable[[str | None], "BedrockClient"],
    *,
    principals: Principals | None = None,
) -> LogReader:
    """Make a reader.

    Args:
        settings: The settings.
        client_for: Gives Bedrock's control plane in a Region.
        principals: Who knows the use case of a principal; None takes the setting.
    """
    return LogReader(
        principals=principals or principals_of(settings, None),
        metered=ArnPatterns(settings.metered_roles),
        pricer=PriceBookFile(settings.prices, OnceLog().report),
        models=InferenceProfiles(cache(client_for)),
    )
