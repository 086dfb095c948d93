"""``meterctl account`` against moto."""

import base64
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws
from tests.functional.logmeter.rig import Rig, running
from tests.logs import CHATBOT_ROLE, an_entry, entries

from logmeter.app import DELIVERY_UNREADABLE, take
from meterctl.account.command import command
from meterctl.account.redrive import Redrive

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

ROLE = "arn:aws:iam::123456789012:role/meter-LogRole"
OURS = ["--region", "us-east-1", "--log-group", "meter-InvocationLog"]
FOREIGN = {"s3Config": {"bucketName": "audit"}, "textDataDeliveryEnabled": True}


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator["BedrockClient"]:
    """The control plane of an account."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield boto3.client("bedrock", region_name="us-east-1")


def run(*arguments: str) -> tuple[int, str]:
    """Run ``meterctl account``."""
    result = CliRunner().invoke(command, list(arguments))
    return result.exit_code, result.output


def config(bedrock: "BedrockClient") -> Any:
    """Give what Bedrock has."""
    return bedrock.get_model_invocation_logging_configuration().get("loggingConfig") or None


def test_logging_by_hand_comes_and_goes(bedrock: "BedrockClient") -> None:
    """Show, enable, show, disable: each says what it found or did."""
    assert run("logging", "show", "--region", "us-east-1") == (0, "Invocation logging is off.\n")
    code, said = run("logging", "enable", *OURS, "--role-arn", ROLE)
    assert (code, said) == (0, "Log to meter-InvocationLog (metadata).\n")
    code, said = run("logging", "show", "--region", "us-east-1")
    assert "It delivers to the log group meter-InvocationLog, with no bodies." in said
    assert run("logging", "disable", *OURS)[0] == 0
    assert config(bedrock) is None


def test_a_dry_run_changes_nothing(bedrock: "BedrockClient") -> None:
    """It says what would be done."""
    code, said = run("logging", "enable", *OURS, "--role-arn", ROLE, "--mode", "full", "--dry-run")
    assert (code, said) == (0, "Would do: Log to meter-InvocationLog (full).\n")
    assert config(bedrock) is None


def test_somebody_elses_configuration_is_refused_and_can_be_adopted(bedrock: "BedrockClient") -> None:
    """Enable says what is there and ends with an error; adopt adds; disable takes only that away again."""
    bedrock.put_model_invocation_logging_configuration(loggingConfig=FOREIGN)  # type: ignore[arg-type]
    before = config(bedrock)
    code, said = run("logging", "enable", *OURS, "--role-arn", ROLE)
    assert code == 1
    assert "s3://audit/" in said
    assert config(bedrock) == before
    assert run("logging", "adopt", *OURS, "--role-arn", ROLE)[0] == 0
    assert config(bedrock) == {**before, "cloudWatchConfig": {"logGroupName": "meter-InvocationLog", "roleArn": ROLE}}
    assert run("logging", "disable", *OURS)[0] == 0
    assert config(bedrock) == before


def test_the_configuration_can_be_read_by_a_program(bedrock: "BedrockClient") -> None:
    """As JSON, as the API has it."""
    bedrock.put_model_invocation_logging_configuration(loggingConfig=FOREIGN)  # type: ignore[arg-type]
    code, said = run("logging", "show", "--region", "us-east-1", "--json")
    assert code == 0
    assert json.loads(said)["s3Config"] == {"bucketName": "audit"}


def test_what_aws_refuses_is_a_sentence() -> None:
    """Without credentials there is an error and no traceback."""
    code, said = run("logging", "show", "--region", "us-east-1")
    assert code == 1
    assert said.startswith("Error: Unable to locate credentials")


def test_a_mapping_is_checked_before_it_is_deployed() -> None:
    """The patterns are listed by use case, and a principal is looked up in them."""
    code, said = run("principals", f"{CHATBOT_ROLE}=chatbot", "--arn", "arn:aws:sts::1:assumed-role/X/y")
    assert code == 0
    assert said == f"chatbot                 {CHATBOT_ROLE}\narn:aws:sts::1:assumed-role/X/y: unattributed\n"
    result = CliRunner().invoke(command, ["principals", f"{CHATBOT_ROLE}=one arn:aws:sts::*:assumed-role/Chat*=two"])
    assert "can match both" in str(result.exception)


@dataclass(slots=True)
class Functions:
    """Lambda, with the log door as its one function."""

    rig: Rig
    broken: bool = False
    payloads: list[Any] = field(default_factory=list)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Invoke it."""
        assert FunctionName == "log-door"
        event = json.loads(Payload)
        self.payloads.append(event)
        if self.broken:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b"{}")}
        report = take(self.rig.door, event["awslogs"]["data"], delivery_id=event.get("delivery", "redrive-1"))
        return {"Payload": io.BytesIO(json.dumps(report.as_json()).encode())}


@dataclass(slots=True, kw_only=True)
class Failed:
    """A log with lines of which some failed."""

    rig: Rig
    functions: Functions
    redrive: Redrive

    def run(self, **arguments: Any) -> dict[str, int]:
        """Redrive what is there by now."""
        return dict(self.redrive.run(before_ms=int(datetime.now(UTC).timestamp() * 1000) + 1000, **arguments))


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Failed]:
    """A log group whose lines can be fetched again."""
    with running(monkeypatch) as rig:
        logs = boto3.client("logs", region_name="us-east-1")
        functions: Any = Functions(rig)
        redrive = Redrive(
            sqs=rig.sqs, logs=logs, functions=functions, queue=rig.settings.dead_letter_queue or "", function="log-door"
        )
        yield Failed(rig=rig, functions=functions, redrive=redrive)


def stored(failed: Failed, lines: list[str]) -> str:
    """Put lines into a log group, and give the ``data`` with which they are delivered."""
    logs, now = failed.redrive.logs, int(datetime.now(UTC).timestamp() * 1000)
    logs.create_log_group(logGroupName="bedrock/invocations")
    logs.create_log_stream(logGroupName="bedrock/invocations", logStreamName="aws/bedrock/modelinvocations")
    logs.put_log_events(
        logGroupName="bedrock/invocations",
        logStreamName="aws/bedrock/modelinvocations",
        logEvents=[{"timestamp": now, "message": line} for line in lines],
    )
    events = logs.filter_log_events(logGroupName="bedrock/invocations")["events"]
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "bedrock/invocations",
        "logStream": "aws/bedrock/modelinvocations",
        "subscriptionFilters": ["bedrock-meter"],
        "logEvents": [
            {"id": event["eventId"], "timestamp": event["timestamp"], "message": event["message"]} for event in events
        ],
    }
    return base64.b64encode(gzip.compress(json.dumps(document).encode())).decode()


def test_a_line_that_failed_is_fetched_and_counted(failed: Failed, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the table was away nothing could be noted; afterwards each line counts, once, and the queue is empty."""
    data = stored(failed, [json.dumps(one) for one in entries(2)])
    with monkeypatch.context() as broken:
        broken.setattr(failed.rig.door._calls, "_table", "away")  # noqa: SLF001 - the table does not answer
        assert take(failed.rig.door, data, delivery_id="d-1").failed == {"call_not_noted": 2}
    assert failed.run() == {"counted": 2}
    assert len(failed.rig.counted) == 2
    assert failed.run() == {}


def test_a_line_that_fails_again_is_kept_again(failed: Failed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is broken for good goes back into the queue, and is not tried for ever in one run."""
    take(failed.rig.door, stored(failed, [json.dumps(an_entry())[:-9]]), delivery_id="d-1")
    start = int(datetime.now(UTC).timestamp() * 1000) + 1000
    ticks = count(1)  # what is sent from now on is later
    monkeypatch.setattr("moto.sqs.models.unix_time_millis", lambda: float(start + next(ticks)))
    assert failed.redrive.run(before_ms=start) == {"failed again": 1}
    ((reason, _),) = failed.rig.letters()
    assert reason == "entry_not_json"


def test_a_line_that_is_gone_stays_in_the_queue(failed: Failed) -> None:
    """Its log group no longer has it: the message is left for a person to look at."""
    data = stored(failed, ["{cut"])
    take(failed.rig.door, data, delivery_id="d-1")
    failed.redrive.logs.delete_log_stream(
        logGroupName="bedrock/invocations", logStreamName="aws/bedrock/modelinvocations"
    )
    failed.redrive.logs.create_log_stream(
        logGroupName="bedrock/invocations", logStreamName="aws/bedrock/modelinvocations"
    )
    assert failed.run() == {"line not found": 1}


def test_lines_of_another_account_are_left_to_it(failed: Failed) -> None:
    """Their log cannot be read from here."""
    take(failed.rig.door, stored(failed, ["{cut"]), delivery_id="d-1")
    assert failed.run(account="999999999999") == {"of another account": 1}
    assert failed.functions.payloads == []


def test_a_whole_delivery_goes_on_under_the_request_that_failed(failed: Failed) -> None:
    """Lambda says in an attribute which request it gave up; what that had noted still counts."""
    data = stored(failed, [json.dumps(an_entry())])
    failed.rig.sqs.send_message(
        QueueUrl=failed.redrive.queue,
        MessageBody=json.dumps({"awslogs": {"data": data}}),
        MessageAttributes={"RequestID": {"DataType": "String", "StringValue": "lambda-7"}},
    )
    assert failed.run() == {"counted": 1}
    assert failed.functions.payloads[0]["delivery"] == "lambda-7"


def test_a_function_that_fails_keeps_the_message(failed: Failed) -> None:
    """Nothing is deleted that was not taken."""
    failed.functions.broken = True
    take(failed.rig.door, "no gzip", delivery_id="d-1")
    assert failed.run() == {"refused": 1}
    url = failed.redrive.queue
    failed.rig.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0"})
    counted = failed.rig.sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )
    assert counted["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert failed.functions.payloads[0] == {"awslogs": {"data": "no gzip"}}
    assert DELIVERY_UNREADABLE == "delivery_unreadable"
