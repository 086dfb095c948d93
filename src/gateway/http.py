"""The two values of the transport-free app, and their translation from and to API Gateway's REST proxy events.

Event shapes: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from bedrock_meter.errors import BudgetExceeded, InvalidRequest, MeterError, RateLimited, Refusal, UpstreamTimeout

REQUEST_ID_HEADER = "x-bedrock-meter-request-id"

# RFC 9110 section 7.6.1, and the length: the framing of a message belongs to the connection it travels on.
FRAMING_HEADERS = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-authenticate", "proxy-authorization"}
    | {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)

_ANTHROPIC_PATHS = ("/anthropic/", "/v1/messages")
_OPENAI_PATHS = ("/openai/", "/v1/")
_ANTHROPIC_ERRORS = {
    400: "invalid_request_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_OPENAI_ERRORS = {
    400: "invalid_request_error",
    403: "permission_error",
    404: "invalid_request_error",
    408: "timeout_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
_TEXT_TYPES = ("application/json", "text/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the caller sent."""

    id: str
    """Unique; the caller gets it back."""
    method: str
    """The HTTP method, upper case."""
    path: str
    """The raw path, percent-encoded, without query and stage."""
    query: str = ""
    """The raw query, percent-encoded, without its question mark."""
    headers: Mapping[str, str]
    """By lower-case name; a header that came several times has its values joined by commas."""
    body: bytes
    """The body, whole."""
    unreadable: Refusal | None = None
    """Why the body could not be read, where it could not; the call is refused with it."""
    deadline: float | None = None
    """When the answer must be out, on the clock of the app; None for no bound."""
    authorizer: Mapping[str, Any] | None = None
    """What the authorizer in front of the gateway says of the caller; None where there is none."""
    principal: str | None = None
    """The ARN of the principal whose signature API Gateway has checked; None where it has checked none."""
    buffered: bool = False
    """Whether the transport sends nothing before it has the whole answer. Then a stream is read whole too, so that one
    that breaks off can still become an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the caller gets."""

    status: int
    """The HTTP status."""
    headers: tuple[tuple[str, str], ...]
    """In order, without those that frame the message."""
    body: Iterable[bytes]
    """The chunks of the body; to be iterated once. That of a stream gives them as they arrive, and raises `Refusal`
    when Bedrock breaks off: what was given stands, and the transport must not end the message as if it were whole."""

    def close(self) -> None:
        """Say that nobody waits for the rest of the body any more; harmless after its end.

        A stream is then read on within the bounds of the settings, since Bedrock bills it whole; this may take so long.
        """
        close = getattr(self.body, "close", None)
        if close is not None:
            close()


def error_response(refusal: Refusal, request_id: str, path: str = "") -> Response:
    """Phrase a refusal so that the caller's SDK understands it.

    That is Bedrock's way, or on the compatible routes that of OpenAI or Anthropic:
    https://platform.openai.com/docs/guides/error-codes, https://docs.anthropic.com/en/api/errors. The headers are the
    same everywhere.

    Args:
        refusal: What is to be said.
        request_id: Our id of the request.
        path: The path that was asked for.
    """
    headers = [
        ("content-type", "application/json"),
        ("x-amzn-errortype", refusal.code),
        ("x-amzn-requestid", request_id),
        (REQUEST_ID_HEADER, request_id),
    ]
    document: dict[str, Any] = {"message": refusal.message}
    if path.startswith(_ANTHROPIC_PATHS):
        kind = _ANTHROPIC_ERRORS.get(refusal.http_status, "api_error")
        document = {"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": request_id}
    elif path.startswith(_OPENAI_PATHS):
        kind = _OPENAI_ERRORS.get(refusal.http_status, "server_error")
        document = {"error": {"message": refusal.message, "type": kind, "param": None, "code": refusal.code}}
    if isinstance(refusal, UpstreamTimeout):
        # AWS SDKs do not repeat a 408; those of OpenAI and Anthropic would, and the model may still be working.
        headers.append(("x-should-retry", "false"))
    elif isinstance(refusal, BudgetExceeded):
        headers += _limit_headers(refusal)
    return Response(status=refusal.http_status, headers=tuple(headers), body=(json.dumps(document).encode(),))


def _limit_headers(refusal: BudgetExceeded) -> Iterable[tuple[str, str]]:
    """Give the facts of a refusal by a limit as headers, for programs; the message has them for people."""
    facts = {
        "limit": refusal.limit,
        "limit-unit": refusal.unit,
        "limit-amount": f"{refusal.amount:f}",
        "limit-spent": None if refusal.spent is None else f"{refusal.spent:f}",
        "limit-asked": f"{refusal.asked:f}",
        "limit-resets-at": refusal.resets_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    found = [(f"x-bedrock-meter-{name}", value) for name, value in facts.items() if value is not None]
    if isinstance(refusal, RateLimited):
        found.append(("retry-after", str(refusal.retry_after)))
    return found


def parse_event(
    event: Mapping[str, Any], *, fallback_id: str, deadline: float | None, buffered: bool = False
) -> Request:
    """Read a REST API proxy event (payload format 1.0).

    Args:
        event: The event. ``path`` is used and ``pathParameters`` is not: the former keeps the percent-encoding of
            model ARNs, the latter loses it.
        fallback_id: The request id when the event has none.
        deadline: When the answer must be out.
        buffered: Whether the whole answer is collected before any of it is sent.

    Raises:
        MeterError: This is no such event at all.
    """
    try:
        method, path, context = event["httpMethod"], event["path"], event.get("requestContext") or {}
    except (KeyError, TypeError) as error:
        msg = "not an API Gateway REST proxy event (payload format 1.0): it lacks httpMethod or path"
        raise MeterError(msg) from error
    body, unreadable = _event_body(event)
    authorizer, identity = context.get("authorizer"), context.get("identity") or {}
    return Request(
        id=str(context.get("requestId") or fallback_id),
        method=str(method).upper(),
        path=str(path),
        query=_event_query(event),
        headers=event_headers(event),
        body=body,
        unreadable=unreadable,
        deadline=deadline,
        authorizer=authorizer if isinstance(authorizer, dict) else None,
        principal=identity.get("userArn") if isinstance(identity, dict) else None,
        buffered=buffered,
    )


def _event_query(event: Mapping[str, Any]) -> str:
    # API Gateway decodes it for the event. That the caller may have encoded it otherwise does no harm: we sign it anew.
    query = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}
    return urlencode(query, doseq=True, quote_via=quote)


def event_headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Give the headers of an event by lower-case name; those that came several times have their values joined."""
    several = event.get("multiValueHeaders")
    if several:
        return {str(name).lower(): ",".join(map(str, values)) for name, values in several.items()}
    return {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}


def _event_body(event: Mapping[str, Any]) -> tuple[bytes, Refusal | None]:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        # A lone surrogate is no text, but it is what the caller sent: Bedrock may say what it thinks of it.
        return str(body).encode(errors="surrogatepass"), None
    try:
        return base64.b64decode(body, validate=True), None
    except (binascii.Error, ValueError):
        return b"", InvalidRequest("The event says that its body is base64, and it is not.")


def render(response: Response) -> dict[str, Any]:
    """Give the buffered proxy result that API Gateway turns into an HTTP answer.

    Text goes as it is; everything else as base64, which API Gateway decodes (``BinaryMediaTypes`` of the API).
    """
    body = b"".join(response.body)
    headers: dict[str, list[str]] = {}
    for name, value in response.headers:
        headers.setdefault(name, []).append(value)
    text = _as_text(body, headers)
    return {
        "statusCode": response.status,
        "multiValueHeaders": headers,
        "body": base64.b64encode(body).decode() if text is None else text,
        "isBase64Encoded": text is None,
    }


def _as_text(body: bytes, headers: Mapping[str, list[str]]) -> str | None:
    by_name = {name.lower(): values[0] for name, values in headers.items()}
    if "content-encoding" in by_name or not by_name.get("content-type", "").lower().startswith(_TEXT_TYPES):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
