"""What the simulator sends, as values: the answer, the way it ends, and Bedrock's error rows.

Nothing here touches a socket; `server` turns an `Answer` into bytes on the wire.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

CORAL_BEDROCK: Final = "http://internal.amazon.com/coral/com.amazon.bedrock/"
CORAL_SERVICE: Final = "http://internal.amazon.com/coral/com.amazon.coral.service/"


class Ending(Enum):
    """How an answer ends on the wire."""

    WHOLE = "whole"
    """All of it is sent and the connection stays open."""
    RESET_BEFORE = "reset-before"
    """A TCP reset instead of the answer."""
    RESET_MIDWAY = "reset-midway"
    """Headers and half of the body, then a TCP reset."""
    CLOSE_MIDWAY = "close-midway"
    """Headers and half of the body, then an orderly close: fewer bytes than Content-Length says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer, before it is sent."""

    status: int
    """HTTP status."""
    headers: tuple[tuple[str, str], ...]
    """Bedrock's own headers in order; the server adds Date, Content-Length and Connection."""
    body: bytes
    """The whole body, also where the ending sends only a part of it."""
    ending: Ending = Ending.WHOLE
    """How it ends on the wire."""
    delay_ms: int = 0
    """How long the server waits before the first byte, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorKind:
    """One row of Bedrock's error table (botocore's service model, bedrock-runtime 2023-09-30)."""

    code: str
    """The exception's name, as the SDKs see it."""
    status: int
    """HTTP status."""
    origin: str = CORAL_BEDROCK
    """What follows the code in `x-amzn-ErrorType`."""
    message_key: str = "message"
    """`message`, or `Message` where the authentication layer refuses."""


VALIDATION: Final = ErrorKind(code="ValidationException", status=400)
ACCESS_DENIED: Final = ErrorKind(code="AccessDeniedException", status=403)
BAD_KEY: Final = ErrorKind(code="AccessDeniedException", status=403, origin=CORAL_SERVICE, message_key="Message")
NOT_FOUND: Final = ErrorKind(code="ResourceNotFoundException", status=404)
UNKNOWN_OPERATION: Final = ErrorKind(code="UnknownOperationException", status=404)
MODEL_TIMEOUT: Final = ErrorKind(code="ModelTimeoutException", status=408)
MODEL_ERROR: Final = ErrorKind(code="ModelErrorException", status=424)
THROTTLING: Final = ErrorKind(code="ThrottlingException", status=429)
NOT_READY: Final = ErrorKind(code="ModelNotReadyException", status=429)
INTERNAL: Final = ErrorKind(code="InternalServerException", status=500)
UNAVAILABLE: Final = ErrorKind(code="ServiceUnavailableException", status=503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error answer in the making: a row of the table and what it says this time."""

    kind: ErrorKind
    """Which error."""
    message: str
    """What the caller reads; never a part of the request's content."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further members of the error body, such as `originalStatusCode`."""


class RefusedError(Exception):
    """The request cannot be served; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        """Keep the refusal."""
        super().__init__(refusal.message)
        self.refusal = refusal


def invalid(message: str) -> RefusedError:
    """Return Bedrock's 400 ValidationException with `message`."""
    return RefusedError(Refusal(kind=VALIDATION, message=message))


def encode(document: Mapping[str, Any]) -> bytes:
    """Return `document` as compact UTF-8 JSON."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def decode(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`, or raise a ValidationException that does not quote it."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise invalid("Malformed input request, please reformat your input and try again.")
    return document


def error_answer(refusal: Refusal, *, request_id: str) -> Answer:
    """Return the HTTP answer for `refusal`, in the shape that Bedrock's REST-JSON errors have."""
    kind = refusal.kind
    return Answer(
        status=kind.status,
        headers=(
            ("Content-Type", "application/json"),
            ("x-amzn-RequestId", request_id),
            ("x-amzn-ErrorType", f"{kind.code}:{kind.origin}"),
        ),
        body=encode({kind.message_key: refusal.message, **refusal.extra}),
    )
