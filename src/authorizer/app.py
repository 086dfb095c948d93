"""A Lambda authorizer of type REQUEST: who has a gateway key may call the stage, and the gateway is told who it is.

The answer holds for every method and path of the stage, because API Gateway keeps it for later calls with the same key:
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html

A caller without a good key gets a Deny, which is kept as well. When the registry cannot be read nobody is let in, and
the function fails: that is not kept, API Gateway answers 503, and SDKs try again.
"""

import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from authorizer.keys import RecentKeys
from awshttp.credentials import provider
from bedrock_meter.adapters.registryview import RegistryView
from bedrock_meter.caller import caller_of, to_context
from bedrock_meter.config import TABLE, Settings
from bedrock_meter.errors import AccessDenied, ConfigError, GatewayFault
from bedrock_meter.gatekeys import admit, shown
from bedrock_meter.ports import FaultLog
from gateway.faultlog import StructuredFaultLog
from gateway.http import event_headers
from gateway.registry import Registry, open_registry

FAULT = "authorizer_fault"
NOBODY = "nobody"

type Count = Callable[[str, BaseException], None]
"""Counts a fault and tells a person of it."""


class Authorizer:
    """Answers the events of API Gateway.

    Args:
        registry: Where the keys are.
        fault: Told of each failure.
        now: The time; aware.
    """

    def __init__(
        self, registry: Registry, fault: Count, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._keys = RecentKeys(registry.key)
        self._use_cases = RegistryView(registry.catalogue, fault)
        self._fault = fault
        self._now = now

    def load(self) -> None:
        """Read the use cases while the environment starts."""
        self._use_cases.load()

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one event.

        Raises:
            GatewayFault: The caller could not be checked.
        """
        try:
            stage = _stage(event["methodArn"])
            try:
                key = admit(shown(event_headers(event)), self._keys.find, self._now())
                context = to_context(caller_of(key, self._use_cases.catalogue().use_cases))
            except AccessDenied as denied:
                return _answer("Deny", NOBODY, stage, {"message": denied.message})
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is not let in and no header is quoted
            self._fault(FAULT, error)
            raise GatewayFault("The caller could not be checked. The log names the fault.") from None
        # For usage plans of API Gateway, whose keys have 20 characters or more. It opens nothing.
        return {**_answer("Allow", key.id, stage, context), "usageIdentifierKey": f"bedrock-meter-{key.id}"}


def _stage(method_arn: str) -> str:
    """Give the ARN of everything in the stage, from that of the method that is called."""
    api, stage, *_ = method_arn.split("/")
    return f"{api}/{stage}/*/*"


def _answer(effect: str, principal: str, resource: str, context: Mapping[str, str]) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": dict(context),
    }


def build(settings: Settings, *, environ: Mapping[str, str]) -> Authorizer:
    """Put an authorizer together.

    Args:
        settings: The settings.
        environ: Where AWS credentials are looked for first.

    Raises:
        ConfigError: The settings name no registry.
    """
    opened = open_registry(settings, provider(environ))
    if opened is None:
        raise ConfigError(TABLE, "name the table of the registry")
    return Authorizer(opened.registry, _counter(settings, StructuredFaultLog(settings.service)))


def _counter(settings: Settings, log: FaultLog) -> Count:
    def count(code: str, error: BaseException) -> None:
        from bedrock_meter.adapters.stdout import measured_fault  # noqa: PLC0415 - hardly ever needed

        sys.stdout.write(measured_fault(settings, code, datetime.now(UTC)) + "\n")
        log.report(code, error)

    return count


@cache
def _deployed() -> Authorizer:
    authorizer = build(Settings.from_env(os.environ), environ=os.environ)
    authorizer.load()
    return authorizer


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer one event of API Gateway."""
    del context
    return _deployed()(event)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # In Lambda it is put together while the environment starts, not while the first caller waits.
    _deployed()
