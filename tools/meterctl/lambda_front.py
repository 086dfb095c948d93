"""What API Gateway does between HTTP and a Lambda function, on this machine.

The pure part, `to_event` and `from_result`, is the translation of a buffered REST API with ``BinaryMediaTypes: */*``;
the other part, `LambdaFront`, owns the sockets. Under it runs the buffered Lambda handler, over the same app as the
streaming loop that the template deploys. An authorizer may stand in front of the function, see `front_authorizer`. What
only AWS can show is not imitated: signatures, throttling and limits.

Event and result shapes:
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import json
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from meterctl.certificate import LocalCertificate
from meterctl.front_authorizer import Refused, behind

STAGE = "prod"
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""Lambda's limit on the payload of a synchronous invocation, in either direction; base64 counts as it stands.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

_REQUEST_ID = "x-amzn-requestid"
# Headers of the connection end at API Gateway.
_NOT_IN_EVENT = frozenset({"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"})
# API Gateway answers with these itself and hands the function's on under another name. That x-amzn-RequestId is among
# them is not documented; recorded answers of REST APIs show it.
_REMAPPED = frozenset({"connection", "content-length", "date", "server", _REQUEST_ID})
_REMAPPED_PREFIX = "x-amzn-Remapped-"
_ERROR_TYPES = {
    403: "AccessDeniedException",
    411: "ValidationException",
    413: "ValidationException",
    502: "ServiceUnavailableException",
    503: "ServiceUnavailableException",
}

type Headers = tuple[tuple[str, str], ...]
type Answer = tuple[int, Headers, bytes]


class InvocationContext:
    """The context object of one invocation, as far as the gateway reads it.

    Args:
        request_id: Lambda's id of the invocation.
        timeout: The timeout of the function, in seconds.
    """

    def __init__(self, request_id: str, timeout: float) -> None:
        self.aws_request_id = request_id
        self._ends = time.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """Give the time until the function's timeout."""
        return max(0, int((self._ends - time.monotonic()) * 1000))


type Handler = Callable[[Mapping[str, Any], InvocationContext], Mapping[str, Any]]


def to_event(
    method: str, raw_path: str, headers: Iterable[tuple[str, str]], body: bytes, *, request_id: str
) -> dict[str, Any]:
    """Make the event of a request (REST API, payload format 1.0).

    Args:
        method: The HTTP method.
        raw_path: The request target as it was sent: percent-encoded, with the stage in front and the query behind.
        headers: In order, as they arrived; a name may come several times.
        body: The body. Under ``*/*`` every body that is not empty is binary, so it travels as base64.
        request_id: API Gateway's id of the request.
    """
    target = urlsplit(raw_path)
    path = target.path.removeprefix(f"/{STAGE}") if f"{target.path}/".startswith(f"/{STAGE}/") else target.path
    several: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() not in _NOT_IN_EVENT:
            several.setdefault(name, []).append(value)
    query = parse_qs(target.query, keep_blank_values=True)
    return {
        "resource": "/{proxy+}",
        "path": path or "/",
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in several.items()},
        "multiValueHeaders": several,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {"proxy": path.removeprefix("/")},
        "stageVariables": None,
        "requestContext": {
            "httpMethod": method,
            "path": target.path,
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "resourcePath": "/{proxy+}",
            "stage": STAGE,
        },
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


def from_result(result: Mapping[str, Any], *, request_id: str) -> Answer:
    """Make the answer that API Gateway gives for the result of a function.

    Args:
        result: What the handler returned.
        request_id: API Gateway's id of the request, which the answer carries in the place of the function's.

    Returns:
        The status, the headers without those that frame the message, and the body. A result of the wrong shape gives
        502, as in API Gateway.
    """
    try:
        status = int(result["statusCode"])
        text = result.get("body") or ""
        body = base64.b64decode(text, validate=True) if result.get("isBase64Encoded") else text.encode()
        several = {name: [value] for name, value in (result.get("headers") or {}).items()}
        several |= result.get("multiValueHeaders") or {}
        headers = tuple((_renamed(str(name)), str(value)) for name, values in several.items() for value in values)
    except (AttributeError, KeyError, TypeError, ValueError):
        return _refusal(502, "Internal server error", request_id)
    if len(text) > MAX_PAYLOAD_BYTES:
        return _refusal(502, "Internal server error", request_id)
    if "content-type" not in {name.lower() for name, _ in headers}:
        headers += (("Content-Type", "application/json"),)
    return status, (*headers, (_REQUEST_ID, request_id)), body


def _renamed(name: str) -> str:
    return _REMAPPED_PREFIX + name if name.lower() in _REMAPPED else name


def _refusal(status: int, message: str, request_id: str) -> Answer:
    """Answer in API Gateway's own name, with the error types that the gateway responses of the template give."""
    error_type = ("x-amzn-ErrorType", _ERROR_TYPES[status])
    headers = (("Content-Type", "application/json"), error_type, (_REQUEST_ID, request_id))
    return status, headers, json.dumps({"message": message}).encode()


class LambdaFront:
    """An HTTP server on 127.0.0.1 that invokes a Lambda handler for every request, each in a thread of its own.

    Args:
        handler: The handler. What it raises becomes 502.
        port: The port; 0 takes a free one.
        timeout: The timeout of the function, in seconds.
        certificate: What to serve https with; None serves http.
        authorizer: The handler that is asked first who calls; None takes every caller.

    Attributes:
        url: The invoke URL of the API, stage included; valid inside the ``with`` block.
    """

    def __init__(
        self,
        handler: Handler,
        port: int = 0,
        *,
        timeout: float = 60.0,
        certificate: LocalCertificate | None = None,
        authorizer: Handler | None = None,
    ) -> None:
        guarded = handler if authorizer is None else behind(authorizer, handler)
        self._server = _Server(("127.0.0.1", port), guarded, timeout, certificate)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="lambda-front", daemon=True)
        self.url = f"{self._server.scheme}://127.0.0.1:{self._server.server_port}/{STAGE}"

    def __enter__(self) -> Self:
        """Start to serve."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop: hang up on every caller and wait for the invocations that still run."""
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    # The backlog of socketserver is 5: with more callers at once, some would wait a second for their second SYN.
    request_queue_size = 128
    daemon_threads = False

    def __init__(
        self, address: tuple[str, int], handler: Handler, timeout: float, certificate: LocalCertificate | None
    ) -> None:
        super().__init__(address, _Connection)
        self.scheme = "http" if certificate is None else "https"
        if certificate is not None:
            # The handshake belongs to the thread of the connection: in the one that accepts, a silent caller would
            # keep all others out.
            self.socket = certificate.server_context().wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self.handler = handler
        self.function_timeout = timeout
        self._callers: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._callers.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._callers.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a caller that goes away is no fault of the server
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        for caller in list(self._callers):
            try:
                caller.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has gone by itself


class _Connection(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one segment

    def log_message(self, *_: object) -> None:
        """Stay silent: the lines on stdout and stderr are the function's."""

    def _invoke(self) -> None:
        status, headers, body = self._answer(str(uuid4()))
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Date", formatdate(usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = _invoke  # noqa: N815 - names of http.server

    def _answer(self, request_id: str) -> Answer:
        if "transfer-encoding" in self.headers:
            self.close_connection = True
            return _refusal(411, "Send the body with a Content-Length.", request_id)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        added = (
            ("X-Forwarded-For", str(self.client_address[0])),
            ("X-Forwarded-Port", str(self.server.server_port)),
            ("X-Forwarded-Proto", self.server.scheme),
        )
        event = to_event(self.command, self.path, (*self.headers.items(), *added), body, request_id=request_id)
        if len(event["body"] or "") > MAX_PAYLOAD_BYTES:
            return _refusal(413, "Request Too Long", request_id)
        try:
            result = self.server.handler(event, InvocationContext(str(uuid4()), self.server.function_timeout))
        except Refused as refused:
            return _refusal(refused.status, refused.message, request_id)
        except Exception as error:  # noqa: BLE001 - a failed invocation, whatever it was
            # The frames without the message: it may quote what the caller sent.
            traceback.print_tb(error.__traceback__)
            sys.stderr.write(f"the handler raised {type(error).__name__}\n")
            return _refusal(502, "Internal server error", request_id)
        return from_result(result, request_id=request_id)
