"""What CloudWatch Logs delivers, unpacked: ``{"awslogs": {"data": …}}`` to a function, the same in Kinesis records.

The first is a subscription of this account, the second that of other accounts, whose logs arrive through a destination.
"""

import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.data_classes import CloudWatchLogsEvent
from aws_lambda_powertools.utilities.data_classes.cloud_watch_logs_event import CloudWatchLogsDecodedData

DATA = "DATA_MESSAGE"
CONTROL = "CONTROL_MESSAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One line of a log."""

    id: str
    """CloudWatch's id of the event."""
    written: datetime
    """When it was written, by the log's own time."""
    message: str
    """The line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A batch of lines of one log stream."""

    id: str
    """Names the delivery; a delivery that is tried again has the same one."""
    owner: str
    """The account whose log it is."""
    group: str
    """The log group."""
    stream: str
    """The log stream."""
    events: Sequence[LogEvent]
    """Its lines; none in a control message, by which CloudWatch Logs tests that it gets through."""


class UnreadableDeliveryError(Exception):
    """A delivery cannot be unpacked."""


def unpack(data: str, *, delivery_id: str) -> Delivery:
    """Unpack the ``data`` of a delivery: JSON, gzipped, in base64.

    Raises:
        UnreadableDeliveryError: It is not that. The message does not quote it.
    """
    try:
        decoded = CloudWatchLogsEvent({"awslogs": {"data": data}}).parse_logs_data()
        return _delivery(decoded, delivery_id)
    except (binascii.Error, zlib.error, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise UnreadableDeliveryError(
            f"a delivery of CloudWatch Logs cannot be read ({type(error).__name__})"
        ) from None


def _delivery(decoded: CloudWatchLogsDecodedData, delivery_id: str) -> Delivery:
    if decoded.message_type not in {DATA, CONTROL}:
        raise ValueError(decoded.message_type)
    events = [_event(event.raw_event) for event in decoded.log_events] if decoded.message_type == DATA else []
    return Delivery(
        id=delivery_id, owner=decoded.owner, group=decoded.log_group, stream=decoded.log_stream, events=events
    )


def _event(event: Mapping[str, Any]) -> LogEvent:
    written = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    return LogEvent(id=str(event["id"]), written=written, message=str(event["message"]))
