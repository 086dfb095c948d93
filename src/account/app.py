"""The Lambda function behind the custom resource ``Custom::BedrockInvocationLogging``.

CloudFormation has no resource of its own for this setting. The same event may arrive again, a Create may be followed by
the Delete of its rollback, and a Delete may come for a resource that was never made: each looks at what is there first.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import CloudFormationCustomResourceEvent
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from account.answer import Answer, Once, body_of, put
from account.policy import Conflict, Mode, Wanted, plan, plan_removal
from account.setting import LoggingSetting

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

PHYSICAL_ID = "bedrock-model-invocation-logging"
"""The setting is one for each account and Region, so its name never changes, and an update never replaces it."""

ANSWER_SECONDS = 15.0
"""How long before the end of the function CloudFormation is told that time ran out."""

_logger = Logger(service="bedrock-meter-account")


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> None:
    """Bring the setting into the state that the event asks for, and tell CloudFormation."""
    handle(event, remaining_seconds=context.get_remaining_time_in_millis() / 1000, client=_client)


def handle(
    event: Mapping[str, Any],
    *,
    remaining_seconds: float,
    client: Callable[[], "BedrockClient"],
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Handle one event.

    Args:
        event: CloudFormation's.
        remaining_seconds: How long the function may still run.
        client: Gives Bedrock's control plane.
        sleep: Waits.
        monotonic: Seconds from an arbitrary start.

    Raises:
        OSError: CloudFormation could not be told; Lambda then sends the event again.
    """
    request = CloudFormationCustomResourceEvent(dict(event))
    end = monotonic() + remaining_seconds

    def wait_until(margin: float) -> Callable[[float], bool]:
        def wait(seconds: float) -> bool:
            if monotonic() + seconds > end - margin:
                return False
            sleep(seconds)
            return True

        return wait

    def send(answer: Answer) -> None:
        log = _logger.info if answer.ok else _logger.error
        log("invocation logging", request=request.request_type, ok=answer.ok, reason=answer.reason)
        put(request.response_url, body_of(event, answer, PHYSICAL_ID), wait=wait_until(1.0))

    once = Once(send)
    alarm = threading.Timer(
        max(0.0, remaining_seconds - ANSWER_SECONDS),
        once,
        [Answer(ok=False, reason="Time ran out while Bedrock was asked. Nothing is known of the outcome; try again.")],
    )
    alarm.daemon = True
    alarm.start()
    try:
        once(_answer(request, client, wait_until(ANSWER_SECONDS)))
    finally:
        alarm.cancel()


def _answer(
    request: CloudFormationCustomResourceEvent, client: Callable[[], "BedrockClient"], wait: Callable[[float], bool]
) -> Answer:
    try:
        return _done(request, LoggingSetting(client(), wait))
    except Conflict as conflict:
        return Answer(ok=False, reason=str(conflict))
    except Exception as error:
        _logger.exception("invocation logging failed")
        return Answer(ok=False, reason=f"{type(error).__name__}: {error}")


def _done(request: CloudFormationCustomResourceEvent, setting: LoggingSetting) -> Answer:
    if request.request_type == "Delete":
        removal = plan_removal(setting.read(), _groups(request.resource_properties))
        setting.apply(removal)
        return Answer(ok=True, reason=removal.says)
    wanted = wanted_by(request.resource_properties, former=request.old_resource_properties)
    todo = plan(setting.read(), wanted)
    setting.apply(todo)
    return Answer(ok=True, reason=todo.says, data={"LogGroupName": todo.log_group})


def wanted_by(properties: Mapping[str, Any], *, former: Mapping[str, Any]) -> Wanted:
    """Read the properties of the resource.

    Raises:
        Conflict: They make no sense.
    """
    stated = str(properties.get("Mode", ""))
    if stated not in list(Mode):
        raise Conflict(f"Mode has to be one of {', '.join(Mode)}, not {stated!r}.")
    mode, group, role = Mode(stated), str(properties.get("LogGroupName", "")), str(properties.get("RoleArn", ""))
    if mode is not Mode.KEEP and not (group and role):
        raise Conflict(f"Mode {mode} needs LogGroupName and RoleArn.")
    return Wanted(
        mode=mode,
        log_group=group,
        role_arn=role,
        adopt=properties.get("Adopt") == "true",
        large_data_bucket=str(properties.get("LargeDataBucket", "")) or None,
        former_groups=_groups(former),
    )


def _groups(properties: Mapping[str, Any]) -> frozenset[str]:
    group = properties.get("LogGroupName")
    return frozenset({str(group)}) if group else frozenset()


def _client() -> "BedrockClient":
    # Short, so that a service that does not answer leaves time to say so.
    config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "max_attempts": 3})
    return boto3.client("bedrock", config=config)
