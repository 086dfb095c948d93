"""Warnings about budgets as EventBridge events, sent beside the calls.

An event has the detail type ``Budget Level Passed``, and a rule on it can go on to SNS, Slack or a function. It is sent
once: whether a lost one arrived nobody knows. The metric ``BudgetUsed`` says the same and does not depend on it.
PutEvents: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

import json
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any

from bedrock_meter.errors import MeterError
from bedrock_meter.limits import BudgetUse
from bedrock_meter.ports import FaultLog

SOURCE = "bedrock-meter"
DETAIL_TYPE = "Budget Level Passed"
FAULT = "budget_event_failed"


class EventNotTakenError(MeterError):
    """EventBridge answered that it did not take an event."""


class EventBridgeNotifier:
    """A `Notifier` that sends an event for each warning level that is passed.

    Args:
        send: Carries out one operation of EventBridge.
        bus: The name or ARN of the bus.
        service: The name of the deployment.
        faults: Where events that could not be sent are told of.
    """

    def __init__(
        self, send: Callable[[str, Mapping[str, Any]], Mapping[str, Any]], bus: str, service: str, faults: FaultLog
    ) -> None:
        self._send = send
        self._bus = bus
        self._service = service
        self._faults = faults
        self._threads: list[Thread] = []

    def used(self, use: BudgetUse) -> None:
        """Send an event in a thread of its own, if a level was passed."""
        if use.level is None:
            return
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = Thread(target=self._put, args=(use,), name="budget-event", daemon=True)
        self._threads.append(thread)
        thread.start()

    def flush(self, seconds: float = 2.0) -> None:
        """Wait for the events that are on their way, at most so long for each."""
        for thread in self._threads:
            thread.join(seconds)

    def _put(self, use: BudgetUse) -> None:
        detail = {**use.facts, "service": self._service, "level": use.level, "percent": use.percent}
        entry = {
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Detail": json.dumps(detail),
            "EventBusName": self._bus,
            "Time": use.at.timestamp(),
        }
        try:
            answer = self._send("PutEvents", {"Entries": [entry]})
            if answer.get("FailedEntryCount"):
                raise EventNotTakenError  # noqa: TRY301 - it is told of like any other failure
        except Exception as error:  # noqa: BLE001 - a thread of its own: nobody else would ever see it
            self._faults.report(FAULT, error)
