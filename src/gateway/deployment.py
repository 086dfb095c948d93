"""A new version tells once that it has arrived: the metric ``Deployments``, a mark on every dashboard.

Each environment that starts writes an item for its version into the table, on the condition that there is none yet; of
all environments one succeeds, and that one emits the metric. It is done in a thread of its own while the first call
waits for Bedrock, over the connection that the registry was read by, so that nobody waits for it.
"""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from threading import Thread
from typing import Protocol

from bedrock_meter.adapters.dynamodb import Send
from bedrock_meter.errors import AwsError
from bedrock_meter.metrics import DEPLOYMENTS, VERSION
from bedrock_meter.ports import Clock

DEPLOYMENT_PK = "DEPLOYMENT"
"""The partition of the items; the sort key is the version."""
DEPLOYMENT_FAULT = "deployment_fault"

_EXISTS = "ConditionalCheckFailedException"
_TRIES = 2


class Measure(Protocol):
    """Writes a measurement, as `StreamSink.measure` does."""

    def __call__(self, metrics: Mapping[str, float], *, at: datetime, dimensions: Mapping[str, str]) -> None:
        """Write it."""


class Announcement:
    """Tells of the version of one environment.

    Args:
        send: Carries out one operation of DynamoDB.
        table: The table's name.
        version: The version.
        measure: Writes the metric.
        clock: The time.
        failed: Is told when the table could not be asked. It must not raise.
    """

    def __init__(
        self,
        send: Send,
        table: str,
        *,
        version: str,
        measure: Measure,
        clock: Clock,
        failed: Callable[[str, BaseException], None],
    ) -> None:
        self._send = send
        self._table = table
        self._version = version
        self._measure = measure
        self._clock = clock
        self._failed = failed
        self._untold = [True]  # a list because pop() is atomic
        self._thread: Thread | None = None

    def begin(self) -> None:
        """Begin beside a call; after the first time this does nothing."""
        if self._untold and self._untold.pop():
            self._thread = Thread(target=self._tell, name="deployment", daemon=True)
            self._thread.start()

    def finish(self, seconds: float = 2.5) -> None:
        """Wait for what was begun, at most so long, before the environment may be frozen."""
        if self._thread is not None:
            self._thread.join(seconds)
            self._thread = None

    def _tell(self) -> None:
        try:
            at = self._clock.now()
            if self._is_first(at.isoformat()):
                self._measure({DEPLOYMENTS: 1}, at=at, dimensions={VERSION: self._version})
        except Exception as error:  # noqa: BLE001 - a thread of its own: nobody else would ever see it
            self._failed(DEPLOYMENT_FAULT, error)

    def _is_first(self, at: str) -> bool:
        """Write the item, and tell whether it is this environment's."""
        # An answer may be lost after the item was written, so the second try finds its own item acceptable.
        environment = {"S": os.urandom(16).hex()}
        put = {
            "TableName": self._table,
            "Item": {
                "pk": {"S": DEPLOYMENT_PK},
                "sk": {"S": self._version},
                "environment": environment,
                "at": {"S": at},
            },
            "ConditionExpression": "attribute_not_exists(pk) OR #environment = :environment",
            "ExpressionAttributeNames": {"#environment": "environment"},
            "ExpressionAttributeValues": {":environment": environment},
        }
        for left in reversed(range(_TRIES)):
            try:
                self._send("PutItem", put)
            except AwsError as error:
                if error.code == _EXISTS:
                    return False
                if not left:
                    raise
            else:
                break
        return True
