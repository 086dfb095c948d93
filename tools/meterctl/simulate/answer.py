"""What the simulator sends, as values: the answer, the way it ends, and Bedrock's error rows.

Nothing here touches a socket; `server` turns an `Answer` into bytes on the wire.
"""

import json
from collections.abc import Callable, Mapping
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
    """Headers and half of the body, then an orderly close: fewer bytes than the framing of HTTP promised."""
    SILENT_MIDWAY = "silent-midway"
    """Headers and half of the body, then nothing until the client goes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of a stream: an event-stream message or a server-sent event."""

    data: bytes
    """Its bytes on the wire."""
    tokens: int = 0
    """How many tokens of the answer it carries; they set its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How one kind of stream says what is not an answer."""

    fail: Callable[["Refusal"], bytes | None]
    """An error after the stream has begun; None where this stream does not have that error."""
    unknown: bytes
    """An event whose type no reader knows."""
    broken: bytes
    """A well framed event whose JSON is cut."""
    checked: bool = True
    """Whether frames have a length and checksums; else they are lines of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A streamed body."""

    frames: tuple[Frame, ...]
    """In order."""
    wire: Wire
    """Its kind."""

    @property
    def data(self) -> bytes:
        """All of its bytes."""
        return b"".join(frame.data for frame in self.frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an operation answers when all is well: one of `document` and `stream`, and headers of its own."""

    document: Mapping[str, Any] | None = None
    """A JSON body."""
    stream: Stream | None = None
    """A streamed body."""
    content_type: str = "application/json"
    """Its `Content-Type`."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers that only this operation has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer, before it is sent."""

    status: int
    """HTTP status."""
    headers: tuple[tuple[str, str], ...]
    """Bedrock's own headers in order; the server adds Date, Connection, and Content-Length or Transfer-Encoding."""
    body: bytes = b""
    """The whole body, also where the ending sends only a part of it; empty where it is streamed."""
    stream: Stream | None = None
    """The streamed body."""
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
MODEL_STREAM_ERROR: Final = ErrorKind(code="ModelStreamErrorException", status=424)


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


class Dialect(Enum):
    """In which words a route tells its errors."""

    AWS = "aws"
    """REST-JSON with `x-amzn-ErrorType`, as the SDKs of AWS read it."""
    OPENAI = "openai"
    """`{"error": {"message", "type", "param", "code"}}`; not recorded from Bedrock, but from OpenAI's reference."""
    ANTHROPIC = "anthropic"
    """`{"type": "error", "error": {"type", "message"}}`; not recorded from Bedrock, but from Anthropic's reference."""


_OPENAI_TYPES: Final = {
    400: ("invalid_request_error", "invalid_request"),
    403: ("permission_error", "access_denied"),
    404: ("invalid_request_error", "not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    503: ("server_error", "service_unavailable"),
}
_ANTHROPIC_TYPES: Final = {
    400: "invalid_request_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def openai_error(refusal: Refusal) -> dict[str, Any]:
    """Return an error body in OpenAI's words."""
    kind, code = _OPENAI_TYPES.get(refusal.kind.status, ("server_error", "server_error"))
    return {"error": {"message": refusal.message, "type": kind, "param": None, "code": code}}


def anthropic_error(refusal: Refusal) -> dict[str, Any]:
    """Return an error body in Anthropic's words."""
    kind = _ANTHROPIC_TYPES.get(refusal.kind.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": refusal.message}}


def aws_error(refusal: Refusal) -> dict[str, Any]:
    """Return an error body in Bedrock's words."""
    return {refusal.kind.message_key: refusal.message, **refusal.extra}


_ERROR_BODIES: Final = {
    Dialect.AWS: aws_error,
    Dialect.OPENAI: openai_error,
    Dialect.ANTHROPIC: anthropic_error,
}


def error_answer(refusal: Refusal, *, request_id: str, dialect: Dialect = Dialect.AWS) -> Answer:
    """Return the HTTP answer for `refusal` in the dialect of its route."""
    kind = refusal.kind
    headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", request_id)]
    if dialect is Dialect.AWS:
        headers.append(("x-amzn-ErrorType", f"{kind.code}:{kind.origin}"))
    document = _ERROR_BODIES[dialect](refusal)
    return Answer(status=kind.status, headers=tuple(headers), body=encode(document))
