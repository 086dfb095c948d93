"""CBOR for a server that speaks JSON: requests and answers are translated, one for one.

boto3 speaks ``smithy-rpc-v2-cbor`` to CloudWatch, which moto 5.2 does not know; it knows the other two protocols, JSON
and query. botocore knows both CBOR and JSON, though from the client's side. Its parsers read any shape, also that of a
request, and its serializers write any shape, also that of an answer.
"""

import gzip
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

type Environ = dict[str, Any]
type StartResponse = Callable[..., Any]
type Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

CBOR = "application/cbor"
_PREFIX = "/service/GraniteServiceVersion20100801/operation/"
_CBOR_PROTOCOL = "smithy-rpc-v2-cbor"
_HTTP = {"method": "POST", "requestUri": "/"}
_OK = 200

_FAULTS = ServiceModel(
    {
        "metadata": {"protocol": _CBOR_PROTOCOL, "targetPrefix": "Fault"},
        "operations": {"Fault": {"name": "Fault", "http": _HTTP, "input": {"shape": "Fault"}}},
        "shapes": {
            "Fault": {"type": "structure", "members": {"__type": {"shape": "Text"}, "message": {"shape": "Text"}}},
            "Text": {"type": "string"},
        },
    },
    service_name="fault",
)
"""An error as an operation, so that botocore's serializer writes it."""


class CborBridge:
    """A WSGI app that hands CBOR requests on as JSON, and everything else as it is.

    Args:
        app: An app that speaks AWS's JSON protocol.
    """

    def __init__(self, app: Wsgi) -> None:
        self._app = app
        self._service = ServiceModel(Loader().load_service_model("cloudwatch", "service-2"), "cloudwatch")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        path = environ.get("PATH_INFO", "")
        if not path.startswith(_PREFIX):
            return self._app(environ, start_response)
        name = path.removeprefix(_PREFIX)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if environ.pop("HTTP_CONTENT_ENCODING", "") == "gzip":
            body = gzip.decompress(body)
        if name not in self._service.operation_names:
            answer = _Answer(400, b'{"__type": "UnknownOperationException", "message": "no such operation"}', {})
            return _fault(answer, start_response)
        operation = self._service.operation_model(name)
        answer = self._ask(environ, self._as_json(operation, body))
        if answer.status != _OK:
            return _fault(answer, start_response)
        return _send(start_response, "200 OK", self._as_cbor(operation, answer), {})

    def _as_json(self, operation: OperationModel, body: bytes) -> Mapping[str, Any]:
        parameters = _parsed(_CBOR_PROTOCOL, body, operation.input_shape)
        request: Mapping[str, Any] = create_serializer("json", include_validation=False).serialize_to_request(
            parameters, operation
        )
        return request

    def _ask(self, environ: Environ, request: Mapping[str, Any]) -> "_Answer":
        body = request["body"]
        inner = {
            **environ,
            "PATH_INFO": "/",
            "CONTENT_TYPE": request["headers"]["Content-Type"],
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_X_AMZ_TARGET": request["headers"]["X-Amz-Target"],
            "wsgi.input": BytesIO(body),
        }
        started: list[Any] = []
        answer = self._app(inner, lambda status, headers, *_: started.extend((status, headers)))
        content = b"".join(answer)
        status, headers = started
        return _Answer(int(status.split()[0]), content, {name.lower(): value for name, value in headers})

    def _as_cbor(self, operation: OperationModel, answer: "_Answer") -> bytes:
        if operation.output_shape is None:
            return b""
        values = _parsed("json", answer.body, operation.output_shape)
        shape = {"name": operation.name, "http": _HTTP, "input": {"shape": operation.output_shape.name}}
        return _written(values, OperationModel(shape, self._service, operation.name))


class _Answer:
    """What the inner app answered."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.status = status
        self.body = body
        self.headers = headers


def _parsed(protocol: str, body: bytes, shape: Any) -> dict[str, Any]:
    response = {"status_code": _OK, "headers": {}, "body": body}
    values: dict[str, Any] = create_parser(protocol).parse(response, shape)
    values.pop("ResponseMetadata", None)
    return values


def _written(values: Mapping[str, Any], operation: OperationModel) -> bytes:
    serializer = create_serializer(_CBOR_PROTOCOL, include_validation=False)
    body: bytes = serializer.serialize_to_request(values, operation)["body"]
    return body


def _fault(answer: _Answer, start_response: StartResponse) -> list[bytes]:
    failed = {"status_code": answer.status, "headers": answer.headers, "body": answer.body}
    error = create_parser("json").parse(failed, _FAULTS.shape_for("Fault"))["Error"]
    body = _written({"__type": error["Code"], "message": error["Message"]}, _FAULTS.operation_model("Fault"))
    kept = {name: value for name, value in answer.headers.items() if name == "x-amzn-query-error"}
    return _send(start_response, f"{answer.status} Error", body, kept)


def _send(start_response: StartResponse, status: str, body: bytes, headers: Mapping[str, str]) -> list[bytes]:
    sent = {"smithy-protocol": "rpc-v2-cbor", "content-type": CBOR, "content-length": str(len(body)), **headers}
    start_response(status, list(sent.items()))
    return [body]
