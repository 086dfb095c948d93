"""Log entries that could not be counted, kept for later: each a pointer to the line, without the line.

The line stays where it is, in its log group: it may hold prompts and completions, and it may be larger than a message.
``meterctl account redrive`` fetches it from there and hands it to the function again.
"""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

REASON = "reason"
"""The message attribute that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Where a line is."""

    account: str
    """The account that has the log."""
    group: str
    """The log group."""
    stream: str
    """The log stream."""
    event_id: str
    """CloudWatch's id of the event."""
    timestamp_ms: int
    """When it was written, in milliseconds since the epoch."""
    delivery: str
    """The delivery in which it failed: tried again under the same id, it may note calls that were noted then."""

    def as_body(self) -> str:
        """Give the message that says so."""
        return json.dumps({"pointer": asdict(self)})

    @classmethod
    def from_body(cls, body: str) -> "Pointer | None":
        """Read such a message; None for one of another kind."""
        try:
            return cls(**json.loads(body)["pointer"])
        except (ValueError, KeyError, TypeError):
            return None


class DeadLetters(Protocol):
    """Where to."""

    def put(self, body: str, *, reason: str) -> None:
        """Keep a message. Raises when it cannot, for then the delivery has to be tried again."""


class QueueDeadLetters:
    """A `DeadLetters` in SQS.

    Args:
        client: Of SQS.
        url: Of the queue.
    """

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def put(self, body: str, *, reason: str) -> None:
        """Send a message."""
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=body,
            MessageAttributes={REASON: {"DataType": "String", "StringValue": reason}},
        )


class NoDeadLetters:
    """A `DeadLetters` of a deployment without a queue: the report and the metric are all that is left of the entry."""

    def put(self, body: str, *, reason: str) -> None:
        """Drop it; the line itself is still in its log group."""
