"""A client of Lambda's Runtime API that can post an answer as a stream.

The protocol is in https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and, for streams, in
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming; the form of an
answer that API Gateway streams is in
https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html.
"""

import base64
import json
import time
import traceback
from dataclasses import dataclass

from awshttp.http1 import Connection
from bedrock_meter.errors import MeterError
from gateway.http import FRAMING_HEADERS, Response

_VERSION = "/2018-06-01/runtime"
_DELIMITER = bytes(8)
_ERROR_TYPE, _ERROR_BODY = "Lambda-Runtime-Function-Error-Type", "Lambda-Runtime-Function-Error-Body"
_INVOCATION_ID = "Lambda-Runtime-Invocation-Id"
_STREAMED = (
    ("Content-Type", "application/vnd.awslambda.http-integration-response"),
    ("Lambda-Runtime-Function-Response-Mode", "streaming"),
    ("Transfer-Encoding", "chunked"),
    ("Trailer", _ERROR_TYPE),
    ("Trailer", _ERROR_BODY),
)
_OK, _FIRST_ERROR = 200, 400

_MARGIN_SECONDS = 0.5
"""Time to write the records before Lambda ends the function. The gateway's own margin towards Bedrock is larger, so an
answer that ran out of time can still be ended in form."""
_REPORT_SECONDS = 5.0
_FOREVER = 14 * 24 * 3600.0
"""How long the next invocation is waited for: longer than an environment lives, and not too long for poll(2)."""

type Headers = tuple[tuple[str, str], ...]


class RuntimeApiError(Exception):
    """The Runtime API refused what it was sent.

    Attributes:
        status: Its HTTP status. From 500 on the environment is lost, and the runtime should end.
    """

    def __init__(self, path: str, status: int) -> None:
        super().__init__(f"the Runtime API answered {status} on {path}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One event to answer."""

    id: str
    """Lambda's id of it; the answer is posted under it."""
    event: bytes
    """The event, JSON."""
    deadline: float
    """When Lambda ends it, on ``time.perf_counter``."""
    trace_id: str | None
    """The X-Ray trace that it belongs to."""
    echoed: Headers
    """Headers that the answer has to carry back."""

    def time_left(self) -> float:
        """Give the seconds for which the answer may wait.

        Raises:
            TimeoutError: There are none.
        """
        left = self.deadline - time.perf_counter() - _MARGIN_SECONDS
        if left <= 0:
            raise TimeoutError
        return left


class RuntimeApi:
    """Lambda's Runtime API. Each exchange has a connection of its own: one that was frozen could not be trusted.

    Every method raises `OSError` or `awshttp.http1.BrokenAnswer` when the exchange fails, and `RuntimeApiError` when
    it is refused.

    Args:
        address: Host and port, as in ``AWS_LAMBDA_RUNTIME_API``.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._address = address, (host, int(port))

    def next(self) -> Invocation:
        """Wait for the next invocation. The call also tells Lambda that the one before is done with."""
        headers, event = self._get("/invocation/next")
        left = int(headers["lambda-runtime-deadline-ms"]) / 1000 - time.time()
        invocation_id = headers.get(_INVOCATION_ID.lower())
        return Invocation(
            id=headers["lambda-runtime-aws-request-id"],
            event=event,
            deadline=time.perf_counter() + left,
            trace_id=headers.get("lambda-runtime-trace-id"),
            echoed=((_INVOCATION_ID, invocation_id),) if invocation_id else (),
        )

    def restore_next(self) -> None:
        """Let Lambda take its snapshot; returns in every environment that is restored from it."""
        self._get("/restore/next")

    def respond(self, invocation: Invocation, response: Response) -> None:
        """Post an answer as a stream, each chunk as soon as it is there.

        What the body raises once the head is out goes into trailers: no other way is left to tell Lambda. Where the
        post itself fails, the body is closed, so that the gateway reads Bedrock's answer to its end and counts it.
        """
        path = f"/invocation/{invocation.id}/response"
        chunks = iter(response.body)
        connection = Connection(*self._address, tls=None)
        try:
            connection.connect(invocation.time_left())
            head = self._request("POST", path, (*_STREAMED, *invocation.echoed))
            connection.send(head + _chunk(prelude(response)), invocation.time_left())
            trailers = b""
            while True:
                try:
                    chunk = next(chunks, None)
                except Exception as error:  # noqa: BLE001 - whatever failed, the stream has to be ended in form
                    trailers = _trailers(error)
                    break
                if chunk is None:
                    break
                if chunk:  # an empty one would end the stream
                    connection.send(_chunk(chunk), invocation.time_left())
            connection.send(b"0\r\n" + trailers + b"\r\n", invocation.time_left())
            _check(path, connection.head(invocation.time_left).status)
        finally:
            connection.close()
            response.close()

    def report(self, path: str, error: Exception, *, kind: str | None = None, echoed: Headers = ()) -> None:
        """Post an error, with the places in the code where it came from.

        Args:
            path: ``/init/error``, ``/restore/error`` or ``/invocation/<id>/error``.
            error: The error.
            kind: Its type for Lambda, where that is prescribed.
            echoed: Headers that the post has to carry back.
        """
        fact = _fact(error)
        body = json.dumps({**fact, "stackTrace": traceback.format_tb(error.__traceback__)}).encode()
        headers = (
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            (_ERROR_TYPE, kind or fact["errorType"]),
            *echoed,
        )
        self._exchange(path, self._request("POST", path, headers) + body, _REPORT_SECONDS)

    def _get(self, path: str) -> tuple[dict[str, str], bytes]:
        return self._exchange(path, self._request("GET", path), _FOREVER)

    def _exchange(self, path: str, request: bytes, seconds: float) -> tuple[dict[str, str], bytes]:
        connection = Connection(*self._address, tls=None)
        try:
            connection.connect(_REPORT_SECONDS)
            connection.send(request, seconds)
            head = connection.head(lambda: seconds)
            body = b"".join(iter(lambda: connection.read(lambda: seconds), b""))
        finally:
            connection.close()
        _check(path, head.status)
        return {name.lower(): value for name, value in head.headers}, body

    def _request(self, method: str, path: str, headers: Headers = ()) -> bytes:
        lines = [f"{method} {_VERSION}{path} HTTP/1.1", f"Host: {self._host}", "User-Agent: bedrock-meter"]
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def prelude(response: Response) -> bytes:
    """Give the head of an answer as API Gateway reads it: a JSON object and eight NUL bytes."""
    by_name: dict[str, tuple[str, list[str]]] = {}
    for name, value in response.headers:
        if name.lower() not in FRAMING_HEADERS:
            by_name.setdefault(name.lower(), (name, []))[1].append(value)
    head = {
        "statusCode": response.status,
        "headers": {name: values[0] for name, values in by_name.values() if len(values) == 1},
        "multiValueHeaders": {name: values for name, values in by_name.values() if len(values) > 1},
    }
    return json.dumps({key: value for key, value in head.items() if value}).encode() + _DELIMITER


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _trailers(error: Exception) -> bytes:
    fact = _fact(error)
    body = base64.b64encode(json.dumps(fact).encode()).decode()
    return f"{_ERROR_TYPE}: {fact['errorType']}\r\n{_ERROR_BODY}: {body}\r\n".encode()


def _fact(error: Exception) -> dict[str, str]:
    """Describe an error to Lambda. Only our own errors are quoted: the text of others may hold what a caller sent."""
    kind = type(error).__name__
    message = str(error) if isinstance(error, MeterError) else f"The gateway failed with {kind}."
    return {"errorType": f"Runtime.{kind}", "errorMessage": message}


def _check(path: str, status: int) -> None:
    if not _OK <= status < _FIRST_ERROR:
        raise RuntimeApiError(path, status)
