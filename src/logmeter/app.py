"""The Lambda function of the log door, and the one place where it is put together.

It takes two events: a subscription of a log group of this account (``awslogs``), and Kinesis records with the
subscriptions of other accounts. The first fails as a whole and is tried again by Lambda; of the second, the records
that failed are named, and only they are tried again.
"""

import json
import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from awshttp.credentials import provider
from awshttp.dynamodb import DynamoDb
from bedrock_meter.adapters.clock import SystemClock
from bedrock_meter.adapters.registryview import registered
from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.config import CALLS_TABLE, TABLE, Settings
from bedrock_meter.errors import ConfigError
from bedrock_meter.ports import Clock, Principals
from logmeter.callbook import CallBook, DynamoCallBook, MemoryCallBook
from logmeter.deadletters import DeadLetters, NoDeadLetters, QueueDeadLetters
from logmeter.deliveries import UnreadableDeliveryError, unpack
from logmeter.door import Lines, LogDoor, Report
from logmeter.wiring import principals_of, reader_for, registry_view, with_named

DELIVERY_UNREADABLE = "delivery_unreadable"

DYNAMODB_SECONDS = 5.0
"""How long a request may take; nobody waits for the log door, so that it may be longer than in front of a caller."""

_CLIENTS = Config(retries={"mode": "standard", "max_attempts": 5})


def build(
    settings: Settings,
    *,
    lines: Lines | None = None,
    clock: Clock | None = None,
    principals: Principals | None = None,
) -> LogDoor:
    """Put the log door together.

    Args:
        settings: The settings.
        lines: Where metric lines go; None writes them to stdout.
        clock: The time; None for the system's.
        principals: Who knows the use case of a principal; None takes the registry where a table is set, and for
            principals that it does not know, and without a table, the setting.
    """
    settings = with_named(settings)
    view = None if settings.table is None else registry_view(settings.table, _dynamodb(settings, TABLE).send)
    reader = reader_for(
        settings,
        lambda region: boto3.client("bedrock", region_name=region, config=_CLIENTS),
        principals=principals or principals_of(settings, view),
    )
    return LogDoor(
        reader=reader,
        calls=_calls(settings),
        letters=_letters(settings),
        lines=lines or StreamSink.for_settings(settings, use_cases=registered(settings.use_cases, view)),
        clock=clock or SystemClock(),
        ready=bool if view is None else view.catalogue,
    )


def _calls(settings: Settings) -> CallBook:
    if settings.calls_table is None:
        return MemoryCallBook()
    return DynamoCallBook(_dynamodb(settings, CALLS_TABLE).send, settings.calls_table, time.time)


def _dynamodb(settings: Settings, table: str) -> DynamoDb:
    # A note by botocore takes several times as much CPU (benchmarks/logmeter.py).
    if settings.region is None:
        raise ConfigError("AWS_REGION", f"set a Region, so that the table in {table} can be used")
    return DynamoDb(
        region=settings.region,
        credentials=provider(os.environ),
        url=settings.aws_endpoint_url_dynamodb,
        timeout=DYNAMODB_SECONDS,
    )


def _letters(settings: Settings) -> DeadLetters:
    if settings.dead_letter_queue is None:
        return NoDeadLetters()
    return QueueDeadLetters(boto3.client("sqs", config=_CLIENTS), settings.dead_letter_queue)


def take(door: LogDoor, data: str, *, delivery_id: str) -> Report:
    """Meter the ``data`` of one delivery; one that cannot be unpacked is kept as it is."""
    try:
        delivery = unpack(data, delivery_id=delivery_id)
    except UnreadableDeliveryError:
        return door.keep(json.dumps({"awslogs": {"data": data}}), reason=DELIVERY_UNREADABLE)
    return door.take(delivery)


@cache
def _deployed() -> LogDoor:
    return build(Settings.from_env(os.environ))


@cache
def _logger() -> Logger:
    return Logger(service=Settings.from_env(os.environ).service)


def _metered(door: LogDoor, data: str, delivery_id: str) -> dict[str, Any]:
    report = take(door, data, delivery_id=delivery_id).as_json()
    _logger().info("log lines metered", **report)
    return report


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Meter one event.

    Returns:
        For a subscription what became of its lines, for Kinesis the records that failed.
    """
    door = _deployed()
    if "awslogs" in event:
        # Lambda keeps the request id when it tries an event again; a redrive says under which id it was first tried.
        return _metered(door, str(event["awslogs"].get("data")), event.get("delivery") or context.aws_request_id)

    def of_record(record: KinesisStreamRecord) -> dict[str, Any]:
        return _metered(door, record.kinesis.data, record.event_id)

    processor = BatchProcessor(event_type=EventType.KinesisDataStreams, raise_on_entire_batch_failure=False)
    return process_partial_response(event=dict(event), record_handler=of_record, processor=processor, context=context)
