"""Metric lines into a log group, where CloudWatch makes metrics of them at the times that they name.

The rules are those of PutLogEvents: in order of time, within 24 hours, at most 10,000 lines and 1 MiB a request
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from bedrock_meter import MeterError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import InputLogEventTypeDef

MAX_EVENTS, MAX_BYTES, EVENT_BYTES = 10_000, 1_048_576, 26
SPAN = timedelta(hours=24)
STREAM = "bedrock-meter-backfill"


class SendError(MeterError):
    """CloudWatch Logs did not take a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sends lines to one log group."""

    client: "CloudWatchLogsClient"
    group: str
    """Its name; it has to exist, and to keep lines for as long as the oldest is old."""

    def prepare(self) -> None:
        """Make the log stream, unless it is there."""
        try:
            self.client.create_log_stream(logGroupName=self.group, logStreamName=STREAM)
        except self.client.exceptions.ResourceAlreadyExistsException:
            return

    def send(self, lines: Sequence[tuple[datetime, str]]) -> None:
        """Send lines with their times.

        Raises:
            SendError: Some were refused, for they are older than the log group keeps lines.
        """
        for events in _requests(sorted(lines)):
            answer: dict[str, Any] = dict(
                self.client.put_log_events(logGroupName=self.group, logStreamName=STREAM, logEvents=events)
            )
            if refused := answer.get("rejectedLogEventsInfo"):
                raise SendError(f"{self.group} refused lines for their age ({', '.join(sorted(refused))})")


def _requests(lines: Sequence[tuple[datetime, str]]) -> Iterator[list["InputLogEventTypeDef"]]:
    """Divide lines that are in order into requests."""
    events: list[InputLogEventTypeDef] = []
    size, first = 0, None
    for time, line in lines:
        bytes_more = len(line.encode()) + EVENT_BYTES
        full = len(events) >= MAX_EVENTS or size + bytes_more > MAX_BYTES
        if events and (full or (first is not None and time - first >= SPAN)):
            yield events
            events, size, first = [], 0, None
        first = first or time
        events.append({"timestamp": int(time.timestamp() * 1000), "message": line})
        size += bytes_more
    if events:
        yield events
