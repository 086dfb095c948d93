"""The local stand-in for API Gateway itself: what it makes of requests and of results."""

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.functional.gateway.door import send

from meterctl.certificate import LocalCertificate
from meterctl.lambda_front import MAX_PAYLOAD_BYTES, InvocationContext, LambdaFront, from_result, to_event

OK = {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": "ok", "isBase64Encoded": False}


def headers_of(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give the headers of the answer to a result."""
    return list(from_result(result, request_id="r")[1])


def test_the_path_keeps_its_encoding_and_loses_its_stage() -> None:
    """The event has the path as it was sent, without stage and query; the request context has it with the stage."""
    event = to_event("POST", "/prod/model/a%2Fb:0/invoke?x=1&x=2&y=", (), b"", request_id="r")

    assert event["path"] == "/model/a%2Fb:0/invoke"
    assert event["requestContext"]["path"] == "/prod/model/a%2Fb:0/invoke"
    assert event["pathParameters"] == {"proxy": "model/a%2Fb:0/invoke"}
    assert event["queryStringParameters"] == {"x": "2", "y": ""}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": [""]}
    assert event["requestContext"]["requestId"] == "r"


@pytest.mark.parametrize(
    ("target", "path"), [("/prod", "/"), ("/prod/", "/"), ("/production/x", "/production/x"), ("/x", "/x")]
)
def test_only_the_stage_itself_is_taken_off(target: str, path: str) -> None:
    """A path that merely begins like the stage stays whole."""
    assert to_event("GET", target, (), b"", request_id="r")["path"] == path


def test_headers_of_the_connection_are_not_in_the_event() -> None:
    """A header that comes twice has its last value under headers and both under multiValueHeaders."""
    sent = (("Accept", "a"), ("Connection", "close"), ("Accept", "b"), ("Content-Length", "3"))
    event = to_event("POST", "/", sent, b"", request_id="r")

    assert event["headers"] == {"Accept": "b"}
    assert event["multiValueHeaders"] == {"Accept": ["a", "b"]}


@pytest.mark.parametrize("body", [b"{}", b"\x00\xff", b""])
def test_every_body_is_binary_and_no_body_is_null(body: bytes) -> None:
    """Under the binary media type */* a body travels as base64 whatever its type; an empty one is null."""
    event = to_event("POST", "/", (("Content-Type", "application/json"),), body, request_id="r")

    assert event["isBase64Encoded"] is bool(body)
    assert base64.b64decode(event["body"] or "") == body
    assert (event["body"] is None) == (not body)


def test_a_result_becomes_an_answer() -> None:
    """Headers of both kinds are joined, several values stay several, and base64 is decoded."""
    result = {
        "statusCode": "201",
        "headers": {"X-One": "1", "X-Two": "lost"},
        "multiValueHeaders": {"X-Two": ["a", "b"], "Content-Type": ["application/x"]},
        "body": base64.b64encode(b"\x00\xff").decode(),
        "isBase64Encoded": True,
    }
    status, headers, body = from_result(result, request_id="r")

    assert (status, body) == (201, b"\x00\xff")
    assert headers == (
        ("X-One", "1"),
        ("X-Two", "a"),
        ("X-Two", "b"),
        ("Content-Type", "application/x"),
        ("x-amzn-requestid", "r"),
    )


def test_headers_that_api_gateway_gives_itself_are_renamed() -> None:
    """The function's Date, Content-Length and x-amzn-RequestId arrive under x-amzn-Remapped-."""
    headers = headers_of({**OK, "headers": {"Date": "d", "content-length": "9", "x-amzn-RequestId": "theirs"}})

    assert headers == [
        ("x-amzn-Remapped-Date", "d"),
        ("x-amzn-Remapped-content-length", "9"),
        ("x-amzn-Remapped-x-amzn-RequestId", "theirs"),
        ("Content-Type", "application/json"),
        ("x-amzn-requestid", "r"),
    ]


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"body": "no status"},
        {"statusCode": "fine"},
        {**OK, "body": 7},
        {**OK, "body": "***", "isBase64Encoded": True},
        {**OK, "headers": ["a"]},
        {**OK, "body": "x" * (MAX_PAYLOAD_BYTES + 1)},
    ],
    ids=["empty", "no-status", "bad-status", "bad-body", "bad-base64", "bad-headers", "too-large"],
)
def test_a_malformed_result_is_a_bad_gateway(result: Mapping[str, Any]) -> None:
    """A result that API Gateway cannot use gives 502 in the shape of its gateway responses."""
    status, headers, body = from_result(result, request_id="r")

    assert (status, json.loads(body)) == (502, {"message": "Internal server error"})
    assert ("x-amzn-ErrorType", "ServiceUnavailableException") in headers


def test_a_handler_that_raises_is_a_bad_gateway_and_tells_no_content(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception becomes 502; its kind and frames are told on stderr, its text is not."""

    def handler(_event: Mapping[str, Any], _context: InvocationContext) -> Mapping[str, Any]:
        text = "canary-prompt"
        raise RuntimeError(text)

    with LambdaFront(handler) as front:
        answer = send(front.url, "POST", "/x", b"{}")

    assert answer.status == 502
    told = capsys.readouterr().err
    assert "the handler raised RuntimeError" in told
    assert "canary" not in told


def test_a_request_beyond_the_payload_limit_never_reaches_the_function() -> None:
    """A body whose base64 is over Lambda's 6 MB gets 413 from API Gateway itself; one just below it arrives."""
    largest = MAX_PAYLOAD_BYTES // 4 * 3
    sizes: list[int] = []

    def handler(event: Mapping[str, Any], _context: InvocationContext) -> Mapping[str, Any]:
        sizes.append(len(base64.b64decode(event["body"])))
        return OK

    with LambdaFront(handler) as front:
        assert send(front.url, "POST", "/x", bytes(largest)).status == 200
        answer = send(front.url, "POST", "/x", bytes(largest + 1))

    assert sizes == [largest]
    assert (answer.status, answer.header("x-amzn-errortype")) == (413, "ValidationException")


def test_one_connection_serves_many_calls_and_every_method() -> None:
    """A kept connection carries calls of every method; HEAD gets no body; the function sees its deadline."""
    methods: list[str] = []

    def handler(event: Mapping[str, Any], context: InvocationContext) -> Mapping[str, Any]:
        methods.append(event["httpMethod"])
        assert 4000 < context.get_remaining_time_in_millis() <= 5000
        assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
        return OK

    sent = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "GET"]
    with LambdaFront(handler, timeout=5.0) as front:
        parts = urlsplit(front.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        connection.connect()
        sock = connection.sock
        for method in sent:
            connection.request(method, f"{parts.path}/x")
            answer = connection.getresponse()
            assert answer.read() == (b"" if method == "HEAD" else b"ok")
            assert connection.sock is sock
        connection.close()
    assert methods == sent


def test_a_chunked_request_is_refused() -> None:
    """A body without a length gets 411, and the connection, whose framing is lost, is closed."""
    with LambdaFront(lambda _event, _context: OK) as front:
        answer = send(front.url, "POST", "/x", b"2\r\n{}\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"})

    assert answer.status == 411


def test_a_silent_caller_over_tls_keeps_nobody_out() -> None:
    """With a certificate the front serves https; a caller that never begins its handshake blocks no other."""
    with LocalCertificate() as certificate, LambdaFront(lambda *_: OK, certificate=certificate) as front:
        address = urlsplit(front.url)
        assert address.scheme == "https"
        with socket.create_connection((address.hostname, address.port)):
            context = ssl.create_default_context(cafile=certificate.authority)
            caller = http.client.HTTPSConnection(f"{address.hostname}:{address.port}", context=context)
            caller.request("GET", "/prod/healthz")
            answer = caller.getresponse()
            assert (answer.status, answer.read()) == (200, b"ok")
            caller.close()


def test_an_authorizer_stands_in_front_of_the_function() -> None:
    """Whom it refuses gets 403 in the shape of the gateway response; whom it lets in, the function is told of."""
    seen: list[Mapping[str, Any]] = []

    def authorizer(event: Mapping[str, Any], _context: InvocationContext) -> Mapping[str, Any]:
        effect = "Allow" if event["headers"].get("Authorization") == "Bearer good" else "Deny"
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
        return {
            "principalId": "k1",
            "policyDocument": {"Statement": [statement]},
            "context": {"message": "The key is not valid."},
        }

    def handler(event: Mapping[str, Any], _context: InvocationContext) -> Mapping[str, Any]:
        seen.append(event["requestContext"]["authorizer"])
        return OK

    with LambdaFront(handler, authorizer=authorizer) as front:
        refused = send(front.url, "POST", "/x", b"{}", {"Authorization": "Bearer bad"})
        without = send(front.url, "POST", "/x", b"{}")
        assert send(front.url, "POST", "/x", b"{}", {"Authorization": "Bearer good"}).status == 200

    for answer in (refused, without):
        assert (answer.status, answer.header("x-amzn-errortype")) == (403, "AccessDeniedException")
    assert json.loads(refused.body)["message"].startswith("The key is not valid. (")
    assert [one["principalId"] for one in seen] == ["k1"]
