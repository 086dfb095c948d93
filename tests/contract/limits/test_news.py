"""What is told of budgets: the metric line and the event."""

import io
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.builders import NOON, FakeFaultLog, a_limit, an_ask, an_emf
from tests.functional.gateway.stub import StubUpstream, http, sends

from awshttp.credentials import EnvironmentCredentials
from awshttp.eventbridge import EventBridge
from bedrock_meter.adapters.eventbridge import DETAIL_TYPE, FAULT, SOURCE, EventBridgeNotifier
from bedrock_meter.adapters.memory import MemorySink
from bedrock_meter.adapters.stdout import StreamSink
from bedrock_meter.errors import AwsError
from bedrock_meter.limits import BudgetUse
from bedrock_meter.ports import Notifier

USE = BudgetUse(ask=an_ask(limit=a_limit("8")), spent=Decimal("4.2"), percent=52, level=50, at=NOON)


def test_sinks_are_told_of_budgets() -> None:
    """The sinks of the library are notifiers too."""
    assert isinstance(StreamSink(an_emf()), Notifier)
    assert isinstance(MemorySink(), Notifier)


def test_the_metric_of_a_budget() -> None:
    """BudgetUsed is written with its limit as dimension, and once more for the service, whose maximum alarms take."""
    stream = io.StringIO()
    StreamSink(an_emf(), stream).used(USE)
    of_limit, of_service = map(json.loads, stream.getvalue().splitlines())

    assert of_limit["BudgetUsed"] == of_service["BudgetUsed"] == 52.5
    (directive,) = of_limit["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["Limit"]]
    assert directive["Metrics"] == [{"Name": "BudgetUsed", "Unit": "Percent"}]
    assert of_service["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Service"]]
    assert of_limit["Limit"] == "all-day"
    facts = {
        "unit": "usd",
        "period": "day",
        "amount": "8",
        "spent": "4.2",
        "window": "2026-11-23T00:00Z",
        "level": "50",
    }
    assert facts.items() <= of_limit.items()
    assert of_limit["_aws"]["Timestamp"] == int(NOON.timestamp() * 1000)


def test_a_step_between_levels_has_no_level() -> None:
    """The curve of a dashboard has more points than there are warnings."""
    stream = io.StringIO()
    StreamSink(an_emf(), stream).used(replace(USE, level=None))
    assert "level" not in json.loads(stream.getvalue().splitlines()[0])


class Bus:
    """An EventBridge that keeps what it is sent, and answers as it is told."""

    def __init__(self, answer: Mapping[str, Any] | Exception) -> None:
        self._answer = answer
        self.sent: list[Any] = []

    def send(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take events."""
        assert operation == "PutEvents"
        self.sent += parameters["Entries"]
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def told(bus: Bus, use: BudgetUse = USE) -> list[str]:
    """Tell of a budget, wait for the event, and give the faults."""
    faults = FakeFaultLog()
    notifier = EventBridgeNotifier(bus.send, "alerts", "meter-test", faults)
    notifier.used(use)
    notifier.flush()
    return faults.codes


def test_the_event_of_a_level() -> None:
    """An event says which limit passed which level, what is spent of what, and when it resets."""
    bus = Bus({"FailedEntryCount": 0})
    assert told(bus) == []
    (entry,) = bus.sent
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == (SOURCE, DETAIL_TYPE, "alerts")
    assert entry["Time"] == NOON.timestamp()
    assert json.loads(entry["Detail"]) == {
        "service": "meter-test",
        "limit": "all-day",
        "level": 50,
        "percent": 52,
        "unit": "usd",
        "period": "day",
        "amount": "8",
        "spent": "4.2",
        "window": "2026-11-23T00:00Z",
        "resets_at": "2026-11-24T00:00:00+00:00",
        "on_exceed": "deny",
    }


def test_between_levels_no_event_is_sent() -> None:
    """A percent is no news for a person."""
    bus = Bus({})
    assert told(bus, replace(USE, level=None)) == []
    assert bus.sent == []


def test_an_event_that_was_not_taken_is_a_fault() -> None:
    """Whatever EventBridge answers, nobody's call is touched; the fault is reported, and the event not sent again."""
    for answer in ({"FailedEntryCount": 1}, AwsError(AwsError.UNANSWERED), OSError()):
        bus = Bus(answer)
        assert told(bus) == [FAULT]
        assert len(bus.sent) == 1


def test_what_eventbridge_is_sent() -> None:
    """AWS JSON 1.1, signed for events."""
    credentials = EnvironmentCredentials("AKIATEST", "secret", None)
    with StubUpstream(sends(http(200, {}, b'{"FailedEntryCount":0,"Entries":[]}'))) as stub:
        with closing(EventBridge(region="eu-west-1", credentials=lambda: credentials, url=stub.url)) as eventbridge:
            eventbridge.send("PutEvents", {"Entries": []})
        (seen,) = stub.seen
    assert seen.header("x-amz-target") == "AWSEvents.PutEvents"
    assert seen.header("content-type") == "application/x-amz-json-1.1"
    assert "/eu-west-1/events/aws4_request" in (seen.header("authorization") or "")
