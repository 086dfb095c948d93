"""Calls that the gateway answers itself: each with its exact answer, one record, and nothing sent to Bedrock."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.functional.gateway.calls import CLAUDE, CLAUDE_BODY, CLAUDE_PATH, CONVERSE_BODY, CONVERSE_PATH
from tests.functional.gateway.door import Door, HttpAnswer, client_of, open_door
from tests.functional.gateway.stub import StubUpstream, http, sends

from bedrock_meter.caller import USE_CASE_HEADER
from bedrock_meter.domain import Certainty, Ending, Operation, Status
from bedrock_meter.errors import MeterError
from bedrock_meter.request import MODEL_ROUTES
from meterctl.lambda_front import InvocationContext, to_event

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

LIMIT = 2000
REGISTERED = {"use_case_header": True, "use_cases": frozenset({"tests", "chatbot"})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request that the gateway refuses, and its answer."""

    status: int
    code: str
    says: tuple[str, ...]
    """What the message has to name: the mistake and what to do about it."""
    method: str = "POST"
    path: str = CLAUDE_PATH
    body: bytes = CLAUDE_BODY
    headers: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    operation: Operation = Operation.INVOKE_MODEL
    """What the record says; the model is known whenever the path names it."""


def unknown(method: str, path: str) -> Case:
    """Make the case of a request line that stands in no row."""
    says = (f"no route {method} '{path}'", "not forwarded", "POST /model/{modelId}/invoke")
    return Case(
        status=404,
        code="UnknownOperationException",
        says=says,
        method=method,
        path=path,
        operation=Operation.UNKNOWN,
    )


def not_json(body: bytes, problem: str, **other: Any) -> Case:
    """Make the case of a body that is no JSON object."""
    says = (problem, "Send the JSON object that the model expects")
    return Case(status=400, code="ValidationException", says=says, body=body, **other)


def denied(*says: str, headers: Mapping[str, str], **settings: object) -> Case:
    """Make the case of a use case that is not allowed."""
    return Case(status=403, code="AccessDeniedException", says=says, headers=headers, settings=settings)


CASES: Mapping[str, Case] = {
    "bidirectional": Case(
        status=404,
        code="UnknownOperationException",
        says=("HTTP/2 with both directions", "API Gateway", "Call Bedrock itself"),
        path=f"/model/{CLAUDE}/invoke-with-bidirectional-stream",
        operation=Operation.UNKNOWN,
    ),
    "stream-by-get": unknown("GET", f"/model/{CLAUDE}/converse-stream"),
    "guardrail-by-put": unknown("PUT", "/guardrail/gr-1/version/1/apply"),
    "start-async-without-a-model": Case(
        status=400,
        code="ValidationException",
        says=("names no model", '"modelId"'),
        path="/async-invoke",
        body=b'{"modelInput":{}}',
        operation=Operation.START_ASYNC_INVOKE,
    ),
    "root": unknown("POST", "/"),
    "no-model": unknown("POST", "/model//invoke"),
    "dots": unknown("POST", "/model/../invoke"),
    "control-plane": unknown("GET", "/foundation-models"),
    "get": unknown("GET", CLAUDE_PATH),
    "put": unknown("PUT", CLAUDE_PATH),
    "lower-case-verb": unknown("POST", CLAUDE_PATH.replace("invoke", "Invoke")),
    "health-by-post": unknown("POST", "/healthz"),
    "long-model-id": Case(
        status=400,
        code="ValidationException",
        says=("2049 characters", "at most 2048"),
        path=f"/model/{'m' * 2049}/invoke",
        operation=Operation.UNKNOWN,
    ),
    "not-json": not_json(b"once upon a time", "is not valid JSON (line 1, column 1)"),
    "cut-json": not_json(CLAUDE_BODY[:40], "is not valid JSON (line 1, column"),
    "empty": not_json(b"", "is not valid JSON (line 1, column 1)"),
    "list": not_json(b"[1]", "is not a JSON object"),
    "deep": not_json(b"[" * 100_000, "is not valid JSON"),
    "not-utf-8": not_json(b"\xff\xfe{}\x80", "is not valid JSON"),
    "converse-of-unknown-family": not_json(
        b"text", "is not valid JSON", path="/model/mistral.some-model/converse", operation=Operation.CONVERSE
    ),
    "oversized": Case(
        status=413,
        code="ValidationException",
        says=(f"has {LIMIT + 1} bytes", f"at most {LIMIT}", "Send less"),
        body=CLAUDE_BODY.ljust(LIMIT + 1),
        settings={"max_body_bytes": LIMIT},
    ),
    "no-use-case": denied("names no use case", "Ask the gateway's owner", headers={}, use_case=None),
    "no-use-case-but-a-choice": denied(
        "names no use case",
        f"Send {USE_CASE_HEADER} with one of: chatbot, tests",
        headers={},
        use_case=None,
        **REGISTERED,
    ),
    "use-case-not-registered": denied(
        "not one of its caller's", "one of: chatbot, tests", headers={USE_CASE_HEADER: "someone-elses"}, **REGISTERED
    ),
    "use-case-empty": denied("not one of its caller's", headers={USE_CASE_HEADER: ""}, **REGISTERED),
    "use-case-twice": denied("not one of its caller's", headers={USE_CASE_HEADER: "tests,chatbot"}, **REGISTERED),
    "use-case-header-off": denied(
        "does not take the use case from the header", "leave it out", headers={USE_CASE_HEADER: "tests"}
    ),
}


def check_refused(door: Door, answer: HttpAnswer, *, status: int, code: str) -> str:
    """Check an answer of the gateway's own and its one record; give the message."""
    record = door.record
    assert (answer.status, answer.header("x-amzn-errortype")) == (status, code)
    assert answer.header("content-type") == "application/json"
    assert answer.header("x-bedrock-meter-request-id") == record.call.id
    assert answer.header("x-amzn-remapped-x-amzn-requestid") == record.call.id
    document = json.loads(answer.body)
    assert document.keys() == {"message"}
    outcome = record.outcome
    assert (outcome.http_status, outcome.error_code, outcome.ending) == (status, code, Ending.REFUSED)
    assert outcome.status is (Status.SERVER_ERROR if status >= 500 else Status.DENIED)
    assert outcome.certainty is Certainty.EXACT
    assert outcome.duration_ms is None
    assert record.usage is None
    return str(document["message"])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_refused_call_gets_its_answer_and_one_record(case: Case) -> None:
    """What the gateway refuses gets the status, error type and advice of its case, and never reaches Bedrock."""
    with StubUpstream(sends(http(200, {}, b"{}"))) as upstream, open_door(upstream.url, settings=case.settings) as door:
        answer = door.send(case.method, case.path, case.body, case.headers)

        message = check_refused(door, answer, status=case.status, code=case.code)
        for part in case.says:
            assert part in message
        assert upstream.connections == 0
        call = door.record.call
        assert call.operation is case.operation
        assert (call.model is not None) == (case.operation in MODEL_ROUTES.values())
        assert call.input_bytes == len(case.body)
        assert "once upon" not in message


def test_a_body_at_the_limit_is_let_through() -> None:
    """The largest body that is allowed goes on unchanged."""
    body = CLAUDE_BODY.ljust(LIMIT)
    settings = {"max_body_bytes": LIMIT}
    with StubUpstream(sends(http(200, {}, b"{}"))) as upstream, open_door(upstream.url, settings=settings) as door:
        assert door.send("POST", CLAUDE_PATH, body).status == 200
        assert upstream.seen[0].body == body


def test_a_body_of_an_unknown_family_may_be_anything() -> None:
    """InvokeModel of a model whose body nobody described forwards what is no JSON."""
    with StubUpstream(sends(http(200, {}, b"\x00"))) as upstream, open_door(upstream.url) as door:
        assert door.send("POST", "/model/some.marketplace-model/invoke", b"\x89PNG").status == 200
        assert upstream.seen[0].body == b"\x89PNG"


def test_a_registered_use_case_may_be_chosen_where_that_is_allowed() -> None:
    """With the header switched on, a registered use case in it becomes the call's."""
    with StubUpstream(sends(http(200, {}, b"{}"))) as upstream, open_door(upstream.url, settings=REGISTERED) as door:
        assert door.send("POST", CLAUDE_PATH, CLAUDE_BODY, {USE_CASE_HEADER: "chatbot"}).status == 200
        assert door.record.call.use_case == "chatbot"


def with_header(client: "BedrockRuntimeClient", name: str, value: str) -> "BedrockRuntimeClient":
    """Let a boto3 client send one more header."""

    def add(params: dict[str, Any], **_: object) -> None:
        params["headers"][name] = value

    client.meta.events.register("before-call.bedrock-runtime", add)
    return client


def invoke_elsewhere(client: "BedrockRuntimeClient") -> object:
    """Call a route that the gateway does not know."""
    return client_of(f"{client.meta.endpoint_url}/elsewhere").invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)


@pytest.mark.parametrize(
    ("call", "settings", "status", "code", "exception"),
    [
        (invoke_elsewhere, {}, 404, "UnknownOperationException", "ClientError"),
        (lambda c: c.invoke_model(modelId=CLAUDE, body=b"no"), {}, 400, "ValidationException", "ValidationException"),
        (
            lambda c: c.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY.ljust(LIMIT + 1)),
            {"max_body_bytes": LIMIT},
            413,
            "ValidationException",
            "ValidationException",
        ),
        (
            lambda c: with_header(c, USE_CASE_HEADER, "other").invoke_model(modelId=CLAUDE, body=CLAUDE_BODY),
            {},
            403,
            "AccessDeniedException",
            "AccessDeniedException",
        ),
        (
            lambda c: c.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY),
            {"use_case": None},
            403,
            "AccessDeniedException",
            "AccessDeniedException",
        ),
    ],
    ids=["unknown-route", "not-json", "oversized", "forbidden-use-case", "missing-use-case"],
)
def test_boto3_raises_the_exception_of_that_name(
    call: Callable[["BedrockRuntimeClient"], object],
    settings: Mapping[str, object],
    status: int,
    code: str,
    exception: str,
) -> None:
    """A refusal is the modelled boto3 exception where Bedrock has one, with the gateway's message in it."""
    with StubUpstream(sends(http(200, {}, b"{}"))) as upstream, open_door(upstream.url, settings=settings) as door:
        client = door.client()
        expected = ClientError if exception == "ClientError" else getattr(client.exceptions, exception)
        with pytest.raises(expected) as raised:
            call(client)

        error = raised.value.response
        assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
        assert len(error["Error"]["Message"]) > 20
        assert door.record.outcome.error_code == code
        assert upstream.connections == 0


def test_without_credentials_the_answer_says_so() -> None:
    """A gateway that finds no AWS credentials anywhere answers 500 and says what to give it."""
    with StubUpstream(sends(http(200, {}, b"{}"))) as upstream, open_door(upstream.url, environ={}) as door:
        answer = door.send("POST", CONVERSE_PATH, CONVERSE_BODY)

        message = check_refused(door, answer, status=500, code="InternalServerException")
        assert "no AWS credentials" in message
        assert "bedrock:InvokeModel" in message
        assert upstream.connections == 0


def test_a_body_that_is_not_the_base64_it_claims_to_be_is_refused() -> None:
    """An event whose body is not base64 although it says so gets 400, and one record like any other call."""
    with StubUpstream(sends(http(200, {}, b"{}"))) as upstream, open_door(upstream.url) as door:
        event = to_event("POST", CLAUDE_PATH, (), CLAUDE_BODY, request_id="event-1")
        result = door.handler({**event, "body": "***"}, InvocationContext("lambda-1", 60.0))

        assert (result["statusCode"], result["multiValueHeaders"]["x-amzn-errortype"]) == (400, ["ValidationException"])
        assert "base64" in json.loads(result["body"])["message"]
        assert result["multiValueHeaders"]["x-bedrock-meter-request-id"] == ["event-1"]
        assert door.record.outcome.http_status == 400
        assert upstream.connections == 0


@pytest.mark.parametrize("event", [{}, {"version": "2.0", "rawPath": "/"}, {"Records": []}, {"path": "/"}])
def test_what_is_no_proxy_event_fails_the_invocation(event: Mapping[str, Any]) -> None:
    """An event of another kind is a mistake in the wiring, so the invocation fails and names the shape it needs."""
    with StubUpstream(sends(b"")) as upstream, open_door(upstream.url) as door:
        with pytest.raises(MeterError, match=r"payload format 1\.0.*httpMethod or path"):
            door.handler(event, InvocationContext("lambda-1", 60.0))
        assert door.sink.records == []


@pytest.mark.parametrize("encoded", [True, False])
def test_text_and_base64_events_are_the_same_call(encoded: bool) -> None:
    """A body may come as text or as base64; Bedrock gets the same bytes."""
    with StubUpstream(sends(http(200, {}, b"{}"))) as upstream, open_door(upstream.url) as door:
        event = to_event("POST", CLAUDE_PATH, (), CLAUDE_BODY, request_id="event-1")
        body = base64.b64encode(CLAUDE_BODY).decode() if encoded else CLAUDE_BODY.decode()
        result = door.handler({**event, "body": body, "isBase64Encoded": encoded}, InvocationContext("lambda-1", 60.0))

        assert result["statusCode"] == 200
        assert upstream.seen[0].body == CLAUDE_BODY
        assert door.record.call.id == "event-1"


COMPATIBLE = {
    "openai": ("/openai/v1/chat/completions", {"type": "invalid_request_error", "code": "ValidationException"}),
    "openai-responses": ("/v1/responses", {"type": "invalid_request_error", "code": "ValidationException"}),
    "openai-unknown": ("/openai/v1/nowhere", {"type": "invalid_request_error", "code": "UnknownOperationException"}),
    "anthropic": ("/anthropic/v1/messages", {"type": "invalid_request_error"}),
    "anthropic-short": ("/v1/messages", {"type": "invalid_request_error"}),
    "anthropic-unknown": ("/anthropic/v1/messages/batches", {"type": "not_found_error"}),
}


@pytest.mark.parametrize(("path", "error"), COMPATIBLE.values(), ids=COMPATIBLE)
def test_a_compatible_route_refuses_in_its_own_shape(path: str, error: dict[str, str]) -> None:
    """The OpenAI and Anthropic SDKs find the message where their own service puts it; the headers are Bedrock's."""
    with StubUpstream(sends(http(200, {}, b"{}"))) as upstream, open_door(upstream.url) as door:
        answer = door.send("POST", path, b"no json")

        document = json.loads(answer.body)
        assert document["error"].items() >= error.items()
        assert len(document["error"]["message"]) > 20
        assert document.get("type") == ("error" if "messages" in path else None)
        assert answer.header("x-amzn-errortype") == door.record.outcome.error_code
        assert answer.header("x-bedrock-meter-request-id") == door.record.call.id
        assert answer.status == door.record.outcome.http_status
        assert upstream.connections == 0
