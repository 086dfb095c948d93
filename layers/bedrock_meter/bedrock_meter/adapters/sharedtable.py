"""Registry and counters of the DynamoDB table of the settings, for a process that has botocore.

All instrumented clients of the process share one of each: one DynamoDB client, one reading of the registry.
"""

from collections.abc import Callable
from functools import cache
from threading import Lock

from bedrock_meter.adapters.dynamodb import DynamoLimitStore, Send
from bedrock_meter.adapters.dynamoregistry import DynamoRegistry
from bedrock_meter.adapters.gate import boto_services
from bedrock_meter.adapters.limiting import DYNAMODB, Limits
from bedrock_meter.adapters.registryview import RegistryView
from bedrock_meter.config import Settings
from bedrock_meter.errors import RegistryError


class SharedTable:
    """The registry and the counters in one table. Safe for threads.

    Args:
        send: Carries out one operation of DynamoDB.
        table: The table's name.
    """

    def __init__(self, send: Send, table: str) -> None:
        self.view = RegistryView(DynamoRegistry(send, table).catalogue, self._failed)
        """The use cases and limits."""
        self.limits = Limits(directory=self.view, store=DynamoLimitStore(send, table))
        """What a limiter needs."""
        self._carry: Callable[[str, BaseException], None] | None = None
        self._unread = [True]  # a list because pop() is atomic

    def attend(self, carry: Callable[[str, BaseException], None]) -> None:
        """Read the table, unless that was done, while the process starts and no call waits.

        Args:
            carry: Is told of readings that fail. There is one reading for many clients, so the last one given is told.
        """
        self._carry = carry
        if self._unread and self._unread.pop():
            self.view.load()

    def labels(self, use_case: str) -> dict[str, str]:
        """Give the labels of a call: its use case, and the team of it where it is registered."""
        try:
            found = self.view.use_case(use_case)
        except RegistryError:
            found = None  # whoever looks for the limits next is told why
        team = None if found is None else found.team
        return {"use_case": use_case} if team is None else {"use_case": use_case, "team": team}

    def _failed(self, code: str, error: BaseException) -> None:
        if self._carry is not None:
            self._carry(code, error)


_opening = Lock()


def shared_table(settings: Settings, region: str | None) -> SharedTable | None:
    """Open the table of the settings, once; None where they name none. Nothing is sent yet.

    Args:
        settings: The settings.
        region: The Region of the table, where the settings name none.
    """
    if settings.table is None:
        return None
    with _opening:
        return opened(settings.table, settings.region or region)


@cache
def opened(table: str, region: str | None) -> SharedTable:
    """Open a table; the second time give the first."""
    return SharedTable(boto_services(region)(DYNAMODB), table)
