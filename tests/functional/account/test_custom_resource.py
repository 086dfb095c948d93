"""The custom resource against moto's Bedrock and a CloudFormation of our own."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from tests.functional.account.callback import Callback, serving

from account.answer import MAX_BODY, Answer, body_of
from account.app import PHYSICAL_ID, handle

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

ROOT = Path(__file__).parents[3]
ROLE = "arn:aws:iam::123456789012:role/meter-LogRole"
OURS = "meter-InvocationLog"
PROPERTIES = {"ServiceToken": "arn", "Mode": "metadata", "LogGroupName": OURS, "RoleArn": ROLE}
FOREIGN = {"cloudWatchConfig": {"logGroupName": "theirs", "roleArn": ROLE}, "textDataDeliveryEnabled": True}


@dataclass(slots=True, kw_only=True)
class Stack:
    """A stack with the resource."""

    callback: Callback
    bedrock: "BedrockClient"
    slept: list[float] = field(default_factory=list)
    elapsed: float = 0.0

    def send(
        self,
        kind: str,
        *,
        client: "Callable[[], BedrockClient] | None" = None,
        remaining: float = 120.0,
        former: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """Send an event and give the answer."""
        event = {
            "RequestType": kind,
            "ResponseURL": self.callback.url,
            "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/meter/1",
            "RequestId": "r-1",
            "LogicalResourceId": "InvocationLogging",
            "ResourceType": "Custom::BedrockInvocationLogging",
            "ResourceProperties": PROPERTIES | changes,
            **({"OldResourceProperties": former} if former else {}),
        }
        before = len(self.callback.answers)
        handle(
            event,
            remaining_seconds=remaining,
            client=client or (lambda: self.bedrock),
            sleep=self._sleep,
            monotonic=lambda: self.elapsed,
        )
        (answer,) = self.callback.answers[before:]
        return answer

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.elapsed += seconds

    @property
    def config(self) -> Any:
        """What Bedrock has."""
        return self.bedrock.get_model_invocation_logging_configuration().get("loggingConfig") or None

    def set(self, config: Any) -> None:
        """Set it as somebody else would."""
        self.bedrock.put_model_invocation_logging_configuration(loggingConfig=config)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack in an account without logging."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with serving() as callback, mock_aws():
        yield Stack(callback=callback, bedrock=boto3.client("bedrock", region_name="us-east-1"))


def test_a_stack_switches_logging_on_and_off(stack: Stack) -> None:
    """Create writes a configuration without bodies and gives its log group; delete takes it away again."""
    created = stack.send("Create")
    assert (created["Status"], created["PhysicalResourceId"]) == ("SUCCESS", PHYSICAL_ID)
    assert created["Data"] == {"LogGroupName": OURS}
    assert {created[name] for name in ("StackId", "RequestId", "LogicalResourceId")} == {
        "arn:aws:cloudformation:us-east-1:123456789012:stack/meter/1",
        "r-1",
        "InvocationLogging",
    }
    assert stack.config["cloudWatchConfig"]["logGroupName"] == OURS
    assert [value for name, value in stack.config.items() if name.endswith("Enabled")] == [False] * 5
    assert stack.send("Delete")["Status"] == "SUCCESS"
    assert stack.config is None


def test_the_answer_has_an_empty_content_type(stack: Stack) -> None:
    """The signature of the pre-signed URL is over an empty one, and urllib would send its own."""
    stack.send("Create")
    assert stack.callback.heads[0]["content-type"] == ""


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_an_event_that_comes_again_changes_nothing(stack: Stack, kind: str) -> None:
    """CloudFormation and Lambda both try again; the second time gives the same answer and the same state."""
    if kind != "Create":
        stack.send("Create")
    first, state = stack.send(kind), stack.config
    second = stack.send(kind)
    assert (second["Status"], second["PhysicalResourceId"]) == (first["Status"], first["PhysicalResourceId"])
    assert second.get("Data") == first.get("Data")
    assert stack.config == state


def test_an_update_changes_the_mode_and_not_the_resource(stack: Stack) -> None:
    """The physical id stays, so that CloudFormation deletes nothing afterwards."""
    stack.send("Create")
    answer = stack.send("Update", Mode="full", former=PROPERTIES)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", PHYSICAL_ID)
    assert stack.config["textDataDeliveryEnabled"] is True


def test_somebody_elses_configuration_survives_a_whole_stack(stack: Stack) -> None:
    """Create fails with a sentence, and the delete of the rollback leaves what is there."""
    stack.set(FOREIGN)
    before = stack.config
    created = stack.send("Create")
    assert created["Status"] == "FAILED"
    assert "log group theirs" in created["Reason"]
    assert "keep" in created["Reason"]
    assert stack.send("Delete")["Status"] == "SUCCESS"
    assert stack.config == before


def test_keeping_reads_somebody_elses_log(stack: Stack) -> None:
    """The stack subscribes to the log group that is there, and changes nothing when it comes and goes."""
    stack.set(FOREIGN)
    before = stack.config
    created = stack.send("Create", Mode="keep", LogGroupName="", RoleArn="")
    assert (created["Status"], created["Data"]) == ("SUCCESS", {"LogGroupName": "theirs"})
    stack.send("Delete", Mode="keep", LogGroupName="", RoleArn="")
    assert stack.config == before


@pytest.mark.parametrize("changes", [{"Mode": "everything"}, {"Mode": ""}, {"LogGroupName": ""}, {"RoleArn": ""}])
def test_properties_that_make_no_sense_are_answered(stack: Stack, changes: Mapping[str, Any]) -> None:
    """Nothing is written, and the reason names the property."""
    answer = stack.send("Create", **changes)
    assert answer["Status"] == "FAILED"
    assert next(iter(changes)) in answer["Reason"]
    assert stack.config is None


def test_a_crash_is_answered(stack: Stack) -> None:
    """Whatever goes wrong, CloudFormation is told and does not wait for an hour."""

    def broken() -> "BedrockClient":
        raise RuntimeError("no credentials")

    answer = stack.send("Create", client=broken)
    assert (answer["Status"], answer["Reason"]) == ("FAILED", "RuntimeError: no credentials")
    assert answer["PhysicalResourceId"] == PHYSICAL_ID


def test_a_service_that_hangs_is_answered_before_time_runs_out(stack: Stack) -> None:
    """When the function is nearly over, the answer goes out from beside the call that hangs; and only that one."""

    def hanging() -> "BedrockClient":
        assert stack.callback.told.wait(30)
        return stack.bedrock

    answer = stack.send("Create", client=hanging, remaining=1.0)
    assert answer["Status"] == "FAILED"
    assert "Time ran out" in answer["Reason"]


class NewRole:
    """Bedrock's control plane while a role is new: it refuses so many times before it goes on."""

    def __init__(self, bedrock: "BedrockClient", refusals: int) -> None:
        self._bedrock = bedrock
        self.refusals = refusals

    def put_model_invocation_logging_configuration(self, **arguments: Any) -> Any:
        """Refuse, or go on."""
        if self.refusals:
            self.refusals -= 1
            error = {"Code": "ValidationException", "Message": "Failed to validate permissions for log group"}
            raise ClientError({"Error": error}, "PutModelInvocationLoggingConfiguration")  # type: ignore[typeddict-item]
        return self._bedrock.put_model_invocation_logging_configuration(**arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bedrock, name)


def test_a_role_that_is_not_known_yet_is_waited_for(stack: Stack) -> None:
    """IAM takes some seconds to tell everybody of a new role; Bedrock tries it out at once."""
    plane: Any = NewRole(stack.bedrock, refusals=3)
    assert stack.send("Create", client=lambda: plane)["Status"] == "SUCCESS"
    assert stack.slept == [5.0, 5.0, 5.0]


def test_a_role_that_never_works_is_told(stack: Stack) -> None:
    """It is waited for as long as there is time to answer; the reason is Bedrock's own."""
    plane: Any = NewRole(stack.bedrock, refusals=1000)
    answer = stack.send("Create", client=lambda: plane)
    assert answer["Status"] == "FAILED"
    assert "Failed to validate permissions" in answer["Reason"]
    assert stack.elapsed <= 120


def test_a_write_in_between_is_noticed(stack: Stack) -> None:
    """What somebody else wrote at the same moment stands, and the answer says so."""

    class Raced(NewRole):
        def get_model_invocation_logging_configuration(self) -> Any:
            """Answer, and let somebody else write."""
            answer = self._bedrock.get_model_invocation_logging_configuration()
            if answer.get("loggingConfig"):
                stack.set(FOREIGN)
                answer = self._bedrock.get_model_invocation_logging_configuration()
            return answer

    plane: Any = Raced(stack.bedrock, refusals=0)
    answer = stack.send("Create", client=lambda: plane)
    assert answer["Status"] == "FAILED"
    assert "at the same time" in answer["Reason"]
    assert stack.config["cloudWatchConfig"]["logGroupName"] == "theirs"


def test_an_answer_that_is_turned_away_is_sent_again(stack: Stack) -> None:
    """The URL is on S3, which is not always there."""
    stack.callback.refusals = 2
    assert stack.send("Create")["Status"] == "SUCCESS"
    assert stack.slept == [2.0, 4.0]


def test_an_answer_that_cannot_be_sent_fails_the_invocation(stack: Stack) -> None:
    """So that Lambda sends the event again."""
    stack.callback.refusals = 100
    with pytest.raises(OSError, match="503"):
        stack.send("Create")


@pytest.mark.parametrize("reason", ["x" * 10_000, "é" * 10_000, "\N{GRINNING FACE}" * 10_000, '"' * 10_000, ""])
def test_an_answer_is_never_too_long(reason: str) -> None:
    """CloudFormation does not read more than 4096 bytes; a long reason is cut and the rest stays whole."""
    event = {"StackId": "s" * 200, "RequestId": "r", "LogicalResourceId": "l"}
    body = body_of(event, Answer(ok=False, reason=reason, data={"LogGroupName": "g"}), PHYSICAL_ID)
    document = json.loads(body)
    assert len(body) <= MAX_BODY
    assert reason.startswith(document["Reason"])
    assert len(body) > MAX_BODY - 30 or document["Reason"] == reason
    assert document["Data"] == {"LogGroupName": "g"}


def test_the_event_file_is_handled(stack: Stack) -> None:
    """The event in ``events/`` is one that the function takes."""
    event = json.loads((ROOT / "events" / "account-create.json").read_text(encoding="utf-8"))
    handle({**event, "ResponseURL": stack.callback.url}, remaining_seconds=120, client=lambda: stack.bedrock)
    (answer,) = stack.callback.answers
    assert (answer["Status"], answer["LogicalResourceId"]) == ("SUCCESS", "InvocationLoggingSetting")
    assert stack.config["cloudWatchConfig"]["logGroupName"] == event["ResourceProperties"]["LogGroupName"]
