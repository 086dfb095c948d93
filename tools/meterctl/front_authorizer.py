"""What API Gateway does with a Lambda authorizer of type REQUEST: the event that it gets, and what its answer means.

Pure. Nothing is remembered between calls, as with ``AuthorizerCacheSeconds: 0``. Refusals are the gateway responses of
``template.yaml``; a test holds the two together.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-lambda-authorizer-input.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bedrock_meter.registry import fits

API_ARN = "arn:aws:execute-api:us-east-1:123456789012:local"
"""The ARN of the API on this machine."""

UNAUTHORIZED = (
    "The call has no gateway key. Send it as Authorization: Bearer <key> (in AWS SDKs: the environment variable "
    "AWS_BEARER_TOKEN_BEDROCK), or on Anthropic's routes as x-api-key."
)
FAILURE = "The gateway cannot check keys at the moment. Try again."

_EXPLICIT = "User is not authorized to access this resource with an explicit deny"
_IMPLICIT = "User is not authorized to access this resource"
_ACTION = "execute-api:Invoke"
# On these routes of the template the key may come in either of two headers, so none of them is required.
_EITHER_HEADER = ("/anthropic/", "/v1/messages")
_MEMBERS = (
    *("resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters"),
    *("multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext"),
)

type Function = Callable[[Mapping[str, Any], Any], Mapping[str, Any]]
"""A Lambda handler."""


class Refused(Exception):  # noqa: N818 - named for what happened to the call
    """API Gateway answers by itself, and the function is not invoked.

    Attributes:
        status: The HTTP status.
        message: What the body says.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def behind(authorizer: Function, function: Function) -> Function:
    """Put an authorizer in front of a function. What comes out raises `Refused` where API Gateway would answer."""

    def handle(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
        asked = authorizer_event(event)
        try:
            answer = authorizer(asked, context)
        except Exception as error:
            # The authorizer has told its own log; API Gateway says no more than this.
            raise Refused(503, FAILURE) from error
        return function(admitted(event, answer), context)

    return handle


def authorizer_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Make the event of the authorizer: the proxy event without its body.

    Args:
        event: What the function would get.

    Raises:
        Refused: The call lacks the header that the authorizer is asked by.
    """
    names = {name.lower() for name in event["headers"]}
    if "authorization" not in names and not event["path"].startswith(_EITHER_HEADER):
        raise Refused(403, UNAUTHORIZED)
    return {"type": "REQUEST", "methodArn": _method_arn(event), **{name: event[name] for name in _MEMBERS}}


def admitted(event: Mapping[str, Any], answer: object) -> dict[str, Any]:
    """Give the event with the caller in its ``requestContext.authorizer``.

    Args:
        event: What the function would get.
        answer: What the authorizer said.

    Raises:
        Refused: It does not let the caller in, or said what API Gateway cannot use.
    """
    try:
        principal, context, effects = _read(answer, _method_arn(event))
    except (AttributeError, KeyError, TypeError) as error:
        raise Refused(503, FAILURE) from error
    if effects != {"Allow"}:
        reason = _EXPLICIT if "Deny" in effects else _IMPLICIT
        raise Refused(403, f"{context.get('message', '')} ({reason})")
    return {
        **event,
        "requestContext": {**event["requestContext"], "authorizer": {**context, "principalId": principal}},
    }


def _method_arn(event: Mapping[str, Any]) -> str:
    return f"{API_ARN}/{event['requestContext']['stage']}/{event['httpMethod']}{event['path']}"


def _read(answer: Any, method_arn: str) -> tuple[str, dict[str, str], set[str]]:
    """Read the principal, the context as text, and the effects of the statements that fit."""
    effects = {
        str(statement["Effect"])
        for statement in answer["policyDocument"]["Statement"]
        if _any_fits(statement["Action"], _ACTION) and _any_fits(statement["Resource"], method_arn)
    }
    return str(answer["principalId"]), {n: _flat(v) for n, v in (answer.get("context") or {}).items()}, effects


def _any_fits(patterns: str | Iterable[str], value: str) -> bool:
    return any(fits(pattern, value) for pattern in ([patterns] if isinstance(patterns, str) else patterns))


def _flat(value: object) -> str:
    """Give a value of the context, which API Gateway hands on as text; it takes no object and no list."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(type(value).__name__)
