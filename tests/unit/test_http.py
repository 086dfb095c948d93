"""REST proxy events, and what goes back to API Gateway."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY

from bedrock_meter.errors import AccessDenied, InvalidRequest, MeterError, UpstreamTimeout
from gateway.http import REQUEST_ID_HEADER, Request, Response, error_response, parse_event, render


def an_event(**changes: Any) -> dict[str, Any]:
    """Give a REST proxy event as API Gateway sends it."""
    event: dict[str, Any] = {
        "httpMethod": "POST",
        "path": "/model/anthropic.claude-v2%3A1/invoke",
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"], "X-Two": ["a", "b"]},
        "requestContext": {"requestId": "req-1", "path": "/prod/model/x/invoke"},
        "body": '{"a":1}',
        "isBase64Encoded": False,
    }
    return event | changes


def parsed(event: Any) -> Request:
    """Read an event."""
    return parse_event(event, fallback_id="fallback", deadline=12.5)


def test_an_event_becomes_a_request() -> None:
    """The path keeps its encoding, header names are lower case and several values are joined."""
    assert parsed(an_event()) == Request(
        id="req-1",
        method="POST",
        path="/model/anthropic.claude-v2%3A1/invoke",
        headers={"content-type": "application/json", "x-two": "a,b"},
        body=b'{"a":1}',
        deadline=12.5,
    )


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"requestContext": None}, "id", "fallback"),
        ({"requestContext": {}}, "id", "fallback"),
        ({"requestContext": {"requestId": ""}}, "id", "fallback"),
        ({"httpMethod": "post"}, "method", "POST"),
        ({}, "query", ""),
        ({"queryStringParameters": None, "multiValueQueryStringParameters": None}, "query", ""),
        ({"queryStringParameters": {"maxResults": "5"}}, "query", "maxResults=5"),
        (
            {"queryStringParameters": {"a": "2"}, "multiValueQueryStringParameters": {"a": ["1", "2"], "b": [""]}},
            "query",
            "a=1&a=2&b=",
        ),
        ({"queryStringParameters": {"next token": "a+b/c=&ë"}}, "query", "next%20token=a%2Bb%2Fc%3D%26%C3%AB"),
        ({"multiValueHeaders": None}, "headers", {"content-type": "application/json"}),
        ({"multiValueHeaders": {}, "headers": None}, "headers", {}),
        ({"body": None}, "body", b""),
        ({"body": ""}, "body", b""),
        ({"body": "Zoë"}, "body", "Zoë".encode()),
        ({"body": "AP8=", "isBase64Encoded": True}, "body", b"\x00\xff"),
        ({"body": None, "isBase64Encoded": True}, "body", b""),
    ],
)
def test_what_an_event_may_lack(changes: dict[str, Any], field: str, expected: object) -> None:
    """Null and missing members are empty, as API Gateway and its emulators leave them out."""
    assert getattr(parsed(an_event(**changes)), field) == expected


@pytest.mark.parametrize("body", ["%%%", "A", "Zoë", "AP8=\n%"])
def test_a_body_that_is_not_base64(body: str) -> None:
    """A body that contradicts its flag is a validation error, and is not quoted."""
    request = parsed(an_event(body=body, isBase64Encoded=True))
    assert isinstance(request.unreadable, InvalidRequest)
    assert body not in request.unreadable.message


@pytest.mark.parametrize("event", [{}, {"path": "/"}, {"httpMethod": "GET"}, [], None, "text", {"version": "2.0"}])
def test_what_is_no_event(event: object) -> None:
    """Another kind of event is a fault of the deployment, and says so."""
    with pytest.raises(MeterError, match="not an API Gateway REST proxy event"):
        parsed(event)


@given(body=st.binary())
@PROPERTY
def test_a_binary_body_arrives_unchanged(body: bytes) -> None:
    """Base64 is taken off without touching a byte."""
    assert parsed(an_event(body=base64.b64encode(body).decode(), isBase64Encoded=True)).body == body


def test_a_refusal_looks_like_bedrocks_own() -> None:
    """Status, error type and message are where SDKs look for them, and the request id is there."""
    response = error_response(AccessDenied('not "you"'), "req-1")
    assert response.status == 403
    assert dict(response.headers) == {
        "content-type": "application/json",
        "x-amzn-errortype": "AccessDeniedException",
        "x-amzn-requestid": "req-1",
        REQUEST_ID_HEADER: "req-1",
    }
    assert json.loads(b"".join(response.body)) == {"message": 'not "you"'}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/model/m/invoke", None),
        ("/openai/v1/responses", "timeout_error"),
        ("/v1/chat/completions", "timeout_error"),
        ("/anthropic/v1/messages", "timeout_error"),
    ],
)
def test_a_timeout_is_not_repeated(path: str, kind: str | None) -> None:
    """The SDKs that would send a 408 again are told not to: the model may still be at work, and that is billed."""
    response = error_response(UpstreamTimeout("too late"), "req-1", path)
    assert ("x-should-retry", "false") in response.headers
    assert json.loads(b"".join(response.body)).get("error", {}).get("type") == kind


def test_closing_an_answer() -> None:
    """A body that can be closed is; a list of chunks needs nothing."""
    closed = []

    def body() -> Iterator[bytes]:
        try:
            yield b"a"
        finally:
            closed.append(True)

    chunks = body()
    next(chunks)
    Response(status=200, headers=(), body=chunks).close()
    Response(status=200, headers=(), body=[b"a"]).close()
    assert closed == [True]


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        ((("Content-Type", "application/json"),), b'{"a":"\xc3\xab"}', True),
        ((("content-type", "text/plain; charset=utf-8"),), b"hello", True),
        ((("content-type", "APPLICATION/JSON"),), b"{}", True),
        ((("content-type", "application/json"), ("content-encoding", "gzip")), b"{}", False),
        ((("content-type", "application/json"),), b"\xff", False),
        ((("content-type", "application/vnd.amazon.eventstream"),), b"{}", False),
        ((("content-type", "image/png"),), b"\x89PNG", False),
        ((), b"{}", False),
    ],
)
def test_render_chooses_text_or_base64(headers: tuple[tuple[str, str], ...], body: bytes, text: bool) -> None:
    """Only what is certainly text goes as text."""
    result = render(Response(status=200, headers=headers, body=(body,)))
    assert result["isBase64Encoded"] is not text
    assert result["body"] == (body.decode() if text else base64.b64encode(body).decode())


@given(
    chunks=st.lists(st.binary(), max_size=5),
    content_type=st.sampled_from(["application/json", "text/html", "image/png"]),
)
@PROPERTY
def test_no_byte_is_changed_on_the_way_out(chunks: list[bytes], content_type: str) -> None:
    """Decoding the result the way API Gateway does gives the chunks in their order."""
    result = render(Response(status=200, headers=(("content-type", content_type),), body=chunks))
    body = result["body"]
    sent = base64.b64decode(body) if result["isBase64Encoded"] else body.encode()
    assert sent == b"".join(chunks)


def test_render_keeps_status_and_repeated_headers() -> None:
    """A header that came twice goes out twice, in its order."""
    response = Response(status=418, headers=(("a", "1"), ("b", "2"), ("a", "3")), body=())
    result = render(response)
    assert (result["statusCode"], result["multiValueHeaders"]) == (418, {"a": ["1", "3"], "b": ["2"]})
    assert json.loads(json.dumps(result)) == result
