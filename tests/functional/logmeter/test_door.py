"""The log door with moto's DynamoDB and SQS: every call once, compared where another door metered it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.builders import a_call, a_record, a_usage, an_emf, an_outcome
from tests.functional.logmeter.rig import TABLE, Rig, running
from tests.logs import CHATBOT_ROLE, GATEWAY_ROLE, an_entry, entries, session_of

from bedrock_meter.domain import UsageSource
from logmeter.app import take
from logmeter.callbook import MemoryCallBook, Note, Witness

type Line = str | Mapping[str, Any]

FIRST = an_entry()["requestId"]
BY_GATEWAY = {"identity": {"arn": session_of(GATEWAY_ROLE)}}


@pytest.fixture(params=[True, False], ids=["dynamodb", "memory"])
def rig(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A log door, once with a table and once without."""
    with running(monkeypatch, table=request.param) as one:
        yield one


@pytest.fixture
def table_rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A log door with a table."""
    with running(monkeypatch) as one:
        yield one


def gateway_line(**changes: Any) -> str:
    """Give the gateway's own line of the call of `an_entry`."""
    usage = a_usage(input=15, output=12, cache_read=7, cache_write_5m=5, cache_write_1h=None)
    record = a_record(call=a_call(), usage=usage, outcome=an_outcome(upstream_request_id=FIRST))
    return an_emf().line(replace(record, **changes))


def test_calls_of_nobody_elses_are_counted(rig: Rig) -> None:
    """Each entry is one line in the metrics, under the use case of its principal."""
    report = rig.deliver(entries(3))
    assert (report.counted, report.failed) == (3, {})
    assert [line["UseCase"] for line in rig.lines] == ["chatbot"] * 3
    assert rig.lines[0]["InputTokenCount"] == 15


def test_what_is_delivered_twice_counts_once(rig: Rig) -> None:
    """In the same delivery and in another one: CloudWatch Logs delivers at least once."""
    first = rig.deliver([*entries(3), an_entry(requestId=entries(1)[0]["requestId"])])
    second = rig.deliver(entries(4), delivery="d-2")
    assert (first.counted, first.repeated) == (3, 1)
    assert (second.counted, second.repeated) == (1, 3)
    assert len(rig.counted) == len(set(rig.counted)) == 4


def test_a_delivery_that_is_tried_again_is_not_taken_for_a_repetition(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a delivery fails before anything was written, its second attempt counts what the first one noted."""

    def full(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "QueueDoesNotExist"}}, "SendMessage")

    lines: list[Line] = [*entries(2), "{cut"]
    with monkeypatch.context() as broken:
        broken.setattr(rig.door._letters, "put", full)  # noqa: SLF001 - the queue is down
        with pytest.raises(ClientError):
            rig.deliver(lines)
    assert rig.lines == []
    report = rig.deliver(lines)
    assert (report.counted, report.repeated, report.failed) == (2, 0, {"entry_not_json": 1})


def test_unattributed_calls_have_a_series_of_their_own(rig: Rig) -> None:
    """What nobody can be named for is seen in the metrics, not hidden among the others."""
    rig.deliver([an_entry(identity={"arn": "arn:aws:iam::123456789012:user/ada"})])
    (line,) = rig.lines
    assert (line["UseCase"], line["use_case"]) == ("unattributed", "unattributed")


@pytest.mark.parametrize("log_first", [True, False])
def test_a_call_of_the_gateway_is_compared_and_not_counted(rig: Rig, *, log_first: bool) -> None:
    """Whichever of the two comes first: no second count, and nothing to tell where both agree."""
    batches: list[list[Line]] = [[an_entry(**BY_GATEWAY)], [gateway_line()]]
    first, second = (
        rig.deliver(batch, delivery=f"d-{number}")
        for number, batch in enumerate(batches if log_first else reversed(batches))
    )
    assert (first.awaiting, first.compared) == (1, 0)
    assert (second.awaiting, second.compared, second.disagreed) == (0, 1, 0)
    assert rig.lines == []


@pytest.mark.parametrize("log_first", [True, False])
def test_a_difference_is_told_with_both_numbers(rig: Rig, *, log_first: bool) -> None:
    """As the metric UsageDisagreement of the gateway's own series and of the service, and as properties."""
    batches: list[list[Line]] = [
        [an_entry(**BY_GATEWAY)],
        [gateway_line(usage=a_usage(input=14, source=UsageSource.ESTIMATE))],
    ]
    for number, batch in enumerate(batches if log_first else reversed(batches)):
        rig.deliver(batch, delivery=f"d-{number}")
    told, for_service = rig.lines
    assert (told["UsageDisagreement"], for_service["UsageDisagreement"]) == (1, 1)
    assert (told["UseCase"], told["bedrock_request_id"]) == ("chatbot", FIRST)
    assert (told["metered_input_tokens"], told["logged_input_tokens"]) == (14, 15)
    assert (told["usage_source"], told["request_id"]) == ("estimate", a_call().id)
    assert told["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["UseCase", "ModelId"]]
    assert for_service["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Service"]]


def test_tokens_that_the_gateway_never_saw_are_told(rig: Rig) -> None:
    """A record without counts, of a call whose end the gateway did not see, differs from a log that has them."""
    rig.deliver([gateway_line(usage=None)])
    report = rig.deliver([an_entry(**BY_GATEWAY)], delivery="d-2")
    assert report.disagreed == 1
    assert rig.lines[0]["logged_output_tokens"] == 12
    assert "metered_output_tokens" not in rig.lines[0]


def test_the_request_id_tells_a_metered_call_whatever_its_role(rig: Rig) -> None:
    """A function with the layer whose role nobody listed: its own line came first, so its call is not counted again."""
    rig.deliver([gateway_line()])
    report = rig.deliver([an_entry()], delivery="d-2")
    assert (report.counted, report.compared) == (0, 1)
    assert rig.counted == []


def test_a_call_that_was_counted_too_early_is_a_fault(rig: Rig) -> None:
    """When the line of such a function comes after the log, a fault says whose role is missing in the settings."""
    rig.deliver([an_entry()])
    report = rig.deliver([gateway_line()], delivery="d-2")
    assert report.counted_twice == 1
    (fault,) = [line for line in rig.lines if "MeterFaults" in line]
    assert fault["meter_faults"] == ["call_counted_twice"]
    assert fault["principal"] == session_of(CHATBOT_ROLE)


def test_lines_of_the_log_door_itself_are_no_second_witness(rig: Rig) -> None:
    """Should its own group be subscribed, nothing is compared with itself."""
    rig.deliver([an_entry()])
    own = rig.written.getvalue().splitlines()
    report = rig.deliver(own, delivery="d-2")
    assert (report.other, report.compared) == (1, 0)


def test_other_lines_are_counted_as_such(rig: Rig) -> None:
    """Other log types, refusals that never reached Bedrock, measurements: none of them is a call."""
    refused = gateway_line(usage=None, outcome=an_outcome(upstream_request_id=None, bedrock_status=None))
    measured = an_emf().measurement({"MeterFaults": 1}, at=a_call().received_at)
    report = rig.deliver(["REPORT RequestId: 1", '{"type":"else"}', refused, measured])
    assert (report.other, report.failed) == (4, {})
    assert rig.lines == []


POISON = [
    ("entry_not_json", json.dumps(an_entry())[:-30]),
    ("entry_schema_unknown", json.dumps(an_entry(schemaVersion="9.0"))),
    ("entry_without_request_id", json.dumps(an_entry(requestId=None))),
    ("entry_unreadable", '{"_aws":{"Timestamp":'),
]


@pytest.mark.parametrize(("reason", "line"), POISON, ids=[reason for reason, _ in POISON])
def test_what_cannot_be_counted_is_kept_and_told(rig: Rig, reason: str, line: str) -> None:
    """The good lines around it count; a pointer to it is kept, without any of its content, and a fault is counted."""
    good = entries(2)
    report = rig.deliver([good[0], line, good[1]])
    assert (report.counted, report.failed) == (2, {reason: 1})
    ((told, body),) = rig.letters()
    assert (told, body["pointer"]["event_id"], body["pointer"]["delivery"]) == (reason, "1", "d-1")
    assert line[:20] not in json.dumps(body)
    (fault,) = [line for line in rig.lines if "MeterFaults" in line]
    assert (fault["MeterFaults"], fault["meter_faults"]) == (1, [reason])


@pytest.mark.parametrize("data", ["not base64!", "bm90IGd6aXA=", "H4sIAAAAAAAA/w==", "", "8J+YgA=="])
def test_a_delivery_that_cannot_be_unpacked_is_kept_whole(rig: Rig, data: str) -> None:
    """Faults of base64, gzip and JSON: the delivery goes to the queue as it came, to be tried again."""
    report = take(rig.door, data, delivery_id="d-1")
    assert report.failed == {"delivery_unreadable": 1}
    assert rig.letters() == [("delivery_unreadable", {"awslogs": {"data": data}})]


def test_a_control_message_is_no_call(rig: Rig) -> None:
    """By it CloudWatch Logs tests that a subscription gets through."""
    report = rig.deliver(["CWL CONTROL MESSAGE: Checking health of destination"], messageType="CONTROL_MESSAGE")
    assert report.as_json() == {**dict.fromkeys(report.as_json(), 0), "failed": {}}


def test_a_table_that_does_not_answer_loses_nothing(table_rig: Rig) -> None:
    """Calls that cannot be noted are kept as dead letters, and count when they come again under the same delivery."""
    table_rig.dynamodb.delete_table(TableName=TABLE)
    report = table_rig.deliver(entries(2))
    assert (report.counted, report.failed) == (0, {"call_not_noted": 2})
    assert [reason for reason, _ in table_rig.letters()] == ["call_not_noted"] * 2


def test_calls_are_forgotten_after_some_days(table_rig: Rig) -> None:
    """An item has a time to live, so that the table does not grow for ever."""
    table_rig.deliver(entries(1))
    (item,) = table_rig.dynamodb.scan(TableName=TABLE)["Items"]
    assert int(item["expires"]["N"]) > 1_700_000_000


def test_a_note_costs_one_write_unit(table_rig: Rig) -> None:
    """With what both witnesses said an item is smaller than 1 KB, up to which DynamoDB bills one unit for a write."""
    table_rig.deliver([an_entry(**BY_GATEWAY)], delivery="11111111-2222-4333-8444-555555555555")
    table_rig.deliver([gateway_line()], delivery="11111111-2222-4333-8444-666666666666")
    (item,) = table_rig.dynamodb.scan(TableName=TABLE)["Items"]
    assert {"log", "door"} <= item.keys()
    assert len(json.dumps(item)) < 1024


def test_no_content_leaves(rig: Rig) -> None:
    """With every body in the log, neither a metric line nor a dead letter nor an item has a word of it."""
    bodies: dict[str, Any] = {
        "input": {"inputTokenCount": "canary", "inputBodyJson": {"messages": [{"content": "canary prompt"}]}},
        "output": {"outputTokenCount": 3, "outputBodyJson": {"stopReason": "canary text", "content": "canary"}},
    }
    entry = an_entry(**bodies)
    rig.deliver([entry, json.dumps(entry)[:-20]])
    assert "canary" not in rig.written.getvalue()
    assert "canary" not in json.dumps(rig.letters())
    assert "canary" not in json.dumps(rig.dynamodb.scan(TableName=TABLE)["Items"])


def test_memory_stays_bounded_without_a_table() -> None:
    """Only the latest calls are remembered; an old one that comes again counts again, which a table prevents."""
    book = MemoryCallBook(size=10)
    notes = [Note(request_id=str(number), witness=Witness.LOG, tally={}) for number in range(25)]
    for note in notes:
        book.note([note], delivery="d-1")
    latest, oldest = book.note([notes[-1], notes[0]], delivery="d-2")
    assert not isinstance(latest, Exception)
    assert not isinstance(oldest, Exception)
    assert (latest.repeated, oldest.repeated) == (True, False)
    assert len(book._calls) == 10  # noqa: SLF001 - the bound is what is promised
