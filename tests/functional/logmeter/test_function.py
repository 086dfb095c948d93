"""The log door's function as Lambda runs it: its two kinds of events, its settings, and its event file."""

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError
from tests.contract.limits.stores import client_of, make_table
from tests.functional.logmeter.rig import REGION, TABLE, Rig, running
from tests.logs import CHATBOT_ROLE, an_entry, delivered, entries, subscription_event

import logmeter.app
from bedrock_meter import config
from bedrock_meter.adapters.dynamoregistry import DynamoRegistry
from bedrock_meter.config import Settings
from bedrock_meter.errors import RegistryError
from bedrock_meter.registry import Principal, UseCase
from logmeter.app import build, lambda_handler
from logmeter.app import take as take_delivery
from logmeter.callbook import Note, Witness

ROOT = Path(__file__).parents[3]


class Context(LambdaContext):
    """Lambda's context of one invocation."""

    def __init__(self, request_id: str = "lambda-1") -> None:
        self._aws_request_id = request_id
        self._function_name = "log-door"
        self._memory_limit_in_mb = 512
        self._invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:log-door"


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A log door that the handler uses."""
    with running(monkeypatch) as one:
        monkeypatch.setattr(logmeter.app, "_deployed", lambda: one.door)
        yield one


def kinesis_record(number: int, data: str) -> dict[str, Any]:
    """Give a Kinesis record with a delivery."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "p",
            "sequenceNumber": str(number),
            "data": data,
            "approximateArrivalTimestamp": 1_795_589_670.0,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/log-door",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/invocations",
    }


def test_a_subscription_is_metered_and_reported(rig: Rig) -> None:
    """The function returns, and logs, what became of the lines."""
    report = lambda_handler(subscription_event([*entries(2), "else", "{cut"]), Context())
    assert (report["counted"], report["other"], report["failed"]) == (2, 1, {"entry_not_json": 1})
    assert len(rig.counted) == 2


def test_an_event_that_lambda_tries_again_counts_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second attempt has the request id of the first, which failed as a whole; another id is a repetition."""

    def down(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "InternalError"}}, "SendMessage")

    event = subscription_event([*entries(1), "{cut"])
    with monkeypatch.context() as broken:
        broken.setattr(rig.door._letters, "put", down)  # noqa: SLF001 - the queue is down
        with pytest.raises(ClientError):
            lambda_handler(event, Context())
    assert lambda_handler(event, Context())["counted"] == 1
    assert lambda_handler(event, Context("lambda-2"))["repeated"] == 1
    assert len(rig.counted) == 1


def test_a_redrive_goes_on_under_the_first_request_id(rig: Rig) -> None:
    """What was noted in an attempt that failed is not taken for a repetition when a person tries it again."""
    rig.door._calls.note(  # noqa: SLF001 - the attempt that failed had noted it
        [a_note(entries(1)[0]["requestId"])], delivery="lambda-1"
    )
    event = subscription_event(entries(1))
    assert lambda_handler(event, Context("lambda-9"))["repeated"] == 1
    assert lambda_handler({**event, "delivery": "lambda-1"}, Context("lambda-9"))["counted"] == 1


def a_note(request_id: str) -> Note:
    """Give the note of a log line."""
    return Note(request_id=request_id, witness=Witness.LOG, tally={})


def test_the_logs_of_other_accounts_come_through_kinesis(rig: Rig) -> None:
    """A record holds one delivery; its line says whose account it is."""
    there = [an_entry(accountId="999999999999", requestId="0c5a6e0e-0000-4000-8000-999999999999")]
    records = [kinesis_record(1, delivered(there, owner="999999999999")), kinesis_record(2, delivered(entries(2)))]
    assert lambda_handler({"Records": records}, Context()) == {"batchItemFailures": []}
    assert [line["account"] for line in rig.lines] == ["999999999999", "123456789012", "123456789012"]


def test_only_the_records_that_failed_are_tried_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """One delivery of a batch cannot be kept: it is named, and the others count."""
    records = [kinesis_record(1, delivered(entries(1))), kinesis_record(2, delivered(["{cut"]))]

    def down(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "InternalError"}}, "SendMessage")

    with monkeypatch.context() as broken:
        broken.setattr(rig.door._letters, "put", down)  # noqa: SLF001 - the queue is down
        failures = lambda_handler({"Records": records}, Context())
    assert failures == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert len(rig.counted) == 1
    assert lambda_handler({"Records": records[1:]}, Context("lambda-2")) == {"batchItemFailures": []}
    assert [reason for reason, _ in rig.letters()] == ["entry_not_json"]


def test_a_record_that_is_no_delivery_is_kept(rig: Rig) -> None:
    """It would fail for ever, and hold the stream up."""
    data = base64.b64encode(b"no gzip").decode()
    assert lambda_handler({"Records": [kinesis_record(1, data)]}, Context()) == {"batchItemFailures": []}
    assert rig.letters() == [("delivery_unreadable", {"awslogs": {"data": data}})]


def test_the_settings_put_it_together(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a table and a queue set, calls are noted and failures kept there, and lines go to stdout."""
    environ = {
        config.CALLS_TABLE: TABLE,
        config.TABLE_URL: rig.settings.aws_endpoint_url_dynamodb or "",
        "AWS_REGION": REGION,
        config.DEAD_LETTER_QUEUE: rig.settings.dead_letter_queue or "",
        config.PRINCIPALS: "arn:aws:iam::123456789012:role/service/Chatbot=chatbot",
    }
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    door = build(Settings.from_env(environ))
    take_delivery(door, delivered([*entries(1), "{cut"]), delivery_id="d-1")
    assert json.loads(written.getvalue().splitlines()[0])["UseCase"] == "chatbot"
    assert rig.dynamodb.scan(TableName=TABLE)["Count"] == 1
    assert len(rig.letters()) == 1


def test_the_registry_says_who_calls_for_what(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a table of the registry its principals come before the setting's, and its use cases become dimensions."""
    url = rig.settings.aws_endpoint_url_dynamodb or ""
    with closing(client_of(url)) as client:
        table = make_table(client)
        registry = DynamoRegistry(client.send, table)
        registry.add(UseCase(name="support"))
        registry.add(Principal(pattern=CHATBOT_ROLE, use_cases=("support",)))
        written = io.StringIO()
        monkeypatch.setattr(sys, "stdout", written)
        other = "arn:aws:iam::123456789012:user/ada"
        settings = replace(rig.settings, table=table, principals={CHATBOT_ROLE: ("chatbot",), other: ("reports",)})
        by_other = an_entry(requestId="0c5a6e0e-0000-4000-8000-999999999999", identity={"arn": other})
        take_delivery(build(settings), delivered([*entries(1), by_other]), delivery_id="d-1")
        assert [json.loads(line)["UseCase"] for line in written.getvalue().splitlines()] == ["support", "reports"]


def test_a_registry_that_cannot_be_read_fails_the_delivery(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whose calls they are, so nothing is noted, and Lambda tries the whole delivery again."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    door = build(replace(rig.settings, table="no-such-table"))
    with pytest.raises(RegistryError):
        take_delivery(door, delivered(entries(2)), delivery_id="d-1")
    assert (written.getvalue(), rig.dynamodb.scan(TableName=TABLE)["Count"], rig.letters()) == ("", 0, [])


REPLAY = """
import json, sys
from logmeter.app import lambda_handler

class Context:
    aws_request_id = "lambda-1"

print(json.dumps(lambda_handler(json.load(sys.stdin), Context())), file=sys.stderr)
"""


def test_the_event_file_is_metered_as_lambda_would() -> None:
    """A process that starts as Lambda starts it writes one metric line for each call that no other door has metered."""
    parameters: Mapping[str, str] = json.loads((ROOT / "events" / "env.json").read_text(encoding="utf-8"))["Parameters"]
    paths = [str(ROOT / "layers" / "bedrock_meter"), str(ROOT / "src")]
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{REPLAY}"],
        input=(ROOT / "events" / "logmeter.json").read_text(encoding="utf-8"),
        env={**os.environ, **parameters, "AWS_LAMBDA_FUNCTION_NAME": "log-door", "AWS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    report = json.loads(run.stderr.splitlines()[-1])
    assert (report["counted"], report["awaiting"], report["other"], report["failed"]) == (2, 1, 1, {})
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    metered = [line for line in lines if "_aws" in line]
    assert [(line["UseCase"], line["InputTokenCount"]) for line in metered] == [("chatbot", 15), ("summaries", 15)]
    (logged,) = [line for line in lines if "_aws" not in line]
    assert (logged["message"], logged["counted"]) == ("log lines metered", 2)
