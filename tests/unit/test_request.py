"""Requests: which route they take, and what is known of them before they are sent."""

import json
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.builders import CLAUDE, NOON, PROPERTY, REGION

from bedrock_meter.domain import MAX_COUNT, Call, Family, Operation
from bedrock_meter.errors import InvalidRequest, Refusal, UnknownOperation
from bedrock_meter.request import FIXED_ROUTES, MODEL_ROUTES, Target, describe, match

MARKETPLACE = "arn:aws:sagemaker:us-east-1:111122223333:endpoint/my-own"
PROFILE_ARN = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3d4e5f6"
GUARDRAIL_ARN = "arn:aws:bedrock:us-east-1:111122223333:guardrail/a1b2c3"
INVOCATION_ARN = "arn:aws:bedrock:us-east-1:111122223333:async-invoke/a1b2c3d4e5f6"
GPT = "openai.gpt-oss-120b-1:0"
ADDITIONAL = "additionalModelRequestFields"


def described(
    body: bytes | dict[str, Any],
    *,
    headers: dict[str, str] | None = None,
    operation: Operation = Operation.INVOKE_MODEL,
    model: str | None = CLAUDE,
    strict: bool = True,
) -> Call:
    """Describe a request."""
    return describe(
        Target(operation=operation, model=model, path="/model/x/invoke"),
        headers or {},
        body if isinstance(body, bytes) else json.dumps(body).encode(),
        call_id="call-1",
        received_at=NOON,
        tags={"use_case": "chatbot"},
        region=REGION,
        strict=strict,
    )


@pytest.mark.parametrize(
    ("path", "operation", "model", "forwarded"),
    [
        (f"/model/{CLAUDE}/invoke", Operation.INVOKE_MODEL, CLAUDE, f"/model/{CLAUDE}/invoke"),
        (f"/model/{quote(CLAUDE)}/converse", Operation.CONVERSE, CLAUDE, f"/model/{quote(CLAUDE)}/converse"),
        (f"/model/{CLAUDE}/count-tokens", Operation.COUNT_TOKENS, CLAUDE, f"/model/{CLAUDE}/count-tokens"),
        (
            f"/model/{quote(PROFILE_ARN, safe='')}/invoke",
            Operation.INVOKE_MODEL,
            PROFILE_ARN,
            f"/model/{quote(PROFILE_ARN, safe='')}/invoke",
        ),
        (
            f"/model/{PROFILE_ARN}/invoke",
            Operation.INVOKE_MODEL,
            PROFILE_ARN,
            f"/model/{PROFILE_ARN.replace('/', '%2F')}/invoke",
        ),
        ("/model/a%2525b/invoke", Operation.INVOKE_MODEL, "a%25b", "/model/a%2525b/invoke"),
        ("/model/invoke/invoke", Operation.INVOKE_MODEL, "invoke", "/model/invoke/invoke"),
        (
            f"/model/{CLAUDE}/invoke-with-response-stream",
            Operation.INVOKE_MODEL_STREAM,
            CLAUDE,
            f"/model/{CLAUDE}/invoke-with-response-stream",
        ),
        (
            f"/model/{quote(CLAUDE)}/converse-stream",
            Operation.CONVERSE_STREAM,
            CLAUDE,
            f"/model/{quote(CLAUDE)}/converse-stream",
        ),
    ],
)
def test_match(path: str, operation: Operation, model: str, forwarded: str) -> None:
    """A model segment is decoded once to read it, and forwarded as it came; a slash that a front decoded is mended."""
    assert match("POST", path) == Target(operation=operation, model=model, path=forwarded)


@pytest.mark.parametrize(
    ("method", "path", "operation", "forwarded"),
    [
        ("POST", "/guardrail/gr1/version/DRAFT/apply", Operation.APPLY_GUARDRAIL, None),
        ("POST", f"/guardrail/{quote(GUARDRAIL_ARN, safe='')}/version/1/apply", Operation.APPLY_GUARDRAIL, None),
        (
            "POST",
            f"/guardrail/{GUARDRAIL_ARN}/version/1/apply",
            Operation.APPLY_GUARDRAIL,
            f"/guardrail/{GUARDRAIL_ARN.replace('/', '%2F')}/version/1/apply",
        ),
        ("POST", "/guardrail-checks/invoke", Operation.INVOKE_GUARDRAIL_CHECKS, None),
        ("POST", "/async-invoke", Operation.START_ASYNC_INVOKE, None),
        ("GET", "/async-invoke", Operation.LIST_ASYNC_INVOKES, None),
        ("GET", f"/async-invoke/{quote(INVOCATION_ARN, safe='')}", Operation.GET_ASYNC_INVOKE, None),
        (
            "GET",
            f"/async-invoke/{INVOCATION_ARN}",
            Operation.GET_ASYNC_INVOKE,
            f"/async-invoke/{INVOCATION_ARN.replace('/', '%2F')}",
        ),
        ("POST", "/openai/v1/chat/completions", Operation.CHAT_COMPLETIONS, None),
        ("POST", "/v1/chat/completions", Operation.CHAT_COMPLETIONS, None),
        ("POST", "/openai/v1/responses", Operation.RESPONSES, None),
        ("POST", "/v1/responses", Operation.RESPONSES, None),
        ("POST", "/anthropic/v1/messages", Operation.MESSAGES, None),
        ("POST", "/v1/messages", Operation.MESSAGES, "/anthropic/v1/messages"),
    ],
)
def test_match_without_a_model(method: str, path: str, operation: Operation, forwarded: str | None) -> None:
    """The other operations have a route each; their paths go on as they came, or as Bedrock knows them."""
    assert match(method, path) == Target(operation=operation, model=None, path=forwarded or path)


def test_every_operation_has_a_route() -> None:
    """No operation that is metered is out of reach."""
    others = {Operation.APPLY_GUARDRAIL, Operation.GET_ASYNC_INVOKE, Operation.UNKNOWN}
    assert {*MODEL_ROUTES.values(), *FIXED_ROUTES.values(), *others} == set(Operation)


def test_the_bidirectional_stream_is_refused_with_the_reason() -> None:
    """The one operation that no part of the gateway can carry is a 404 that says why, and not just that."""
    with pytest.raises(UnknownOperation, match=r"HTTP/2 with both directions .* API Gateway .* Call Bedrock itself"):
        match("POST", f"/model/{quote('amazon.nova-sonic-v1:0')}/invoke-with-bidirectional-stream")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/model/{CLAUDE}/invoke"),
        ("post", f"/model/{CLAUDE}/invoke"),
        ("", ""),
        ("POST", ""),
        ("POST", "/"),
        ("POST", "/healthz"),
        ("POST", f"/model/{CLAUDE}"),
        ("POST", f"/model/{CLAUDE}/"),
        ("POST", f"/model/{CLAUDE}/invoke/"),
        ("POST", f"/model/{CLAUDE}/Invoke"),
        ("POST", f"/model/{CLAUDE}/invoke\n"),
        ("POST", f"/model/{CLAUDE}/invoke?x=1"),
        ("GET", f"/model/{CLAUDE}/converse-stream"),
        ("POST", f"/prod/model/{CLAUDE}/invoke"),
        ("POST", "/model/a?b=/invoke"),
        ("POST", "/model/a#/invoke"),
        ("POST", "/model//invoke"),
        ("POST", "/model/./invoke"),
        ("POST", "/model/../invoke"),
        ("POST", "/model/%2E%2E/invoke"),
        ("POST", "/model/%2e/invoke"),
        ("POST", "/model/two words/invoke"),
        ("POST", "/model/Zoë/invoke"),
        ("GET", "/guardrail/g/version/1/apply"),
        ("POST", "/guardrail/g/version/1/2/apply"),
        ("POST", "/guardrail/../version/1/apply"),
        ("POST", "/guardrail/g/version/%2E/apply"),
        ("POST", "/guardrail//version/1/apply"),
        ("DELETE", "/async-invoke"),
        ("POST", "/async-invoke/a"),
        ("GET", "/async-invoke/"),
        ("GET", "/async-invoke/.."),
        ("GET", "/async-invoke?maxResults=1"),
        ("GET", "/openai/v1/models"),
        ("POST", "/openai/v1/embeddings"),
        ("POST", "/openai/v1/chat/completions/"),
        ("POST", "/openai/v1//responses"),
        ("POST", "/anthropic/v1/messages/count_tokens"),
        ("POST", "/anthropic/v1/messages?beta=true"),
        ("GET", "/v1/messages"),
    ],
)
def test_no_route(method: str, path: str) -> None:
    """What stands in no row is refused as an unknown operation."""
    with pytest.raises(UnknownOperation) as refused:
        match(method, path)
    assert refused.value.http_status == 404
    assert "POST /model/{modelId}/" in refused.value.message


def test_a_long_path_does_not_fill_the_answer() -> None:
    """The message quotes only the beginning of an unknown path and of an unknown method."""
    with pytest.raises(UnknownOperation) as refused:
        match("X" * 10_000, "/" + "y" * 100_000)
    assert len(refused.value.message) < 1000


@pytest.mark.parametrize(("length", "accepted"), [(2048, True), (2049, False)])
def test_the_length_of_a_model_id(length: int, accepted: bool) -> None:
    """The bound of the service model holds for the decoded id."""
    path = f"/model/{'%61' * length}/invoke"
    if accepted:
        assert match("POST", path).model == "a" * length
        return
    with pytest.raises(InvalidRequest, match="2049 characters"):
        match("POST", path)


@given(
    method=st.sampled_from(["POST", "GET", "post"]) | st.text(max_size=5),
    path=st.text()
    | st.builds("/model/{}/{}".format, st.text(), st.sampled_from(sorted(MODEL_ROUTES)))
    | st.builds(
        "/model/{}/{}".format,
        st.text(st.characters(min_codepoint=33, max_codepoint=126)),
        st.sampled_from(sorted(MODEL_ROUTES)),
    )
    | st.builds("/guardrail/{}/version/{}/apply".format, st.text(), st.text())
    | st.builds("/async-invoke{}{}".format, st.sampled_from(["", "/"]), st.text())
    | st.sampled_from([path for _, path in FIXED_ROUTES]),
)
@example(method="POST", path="/model/../../invoke/invoke")
@PROPERTY
def test_any_path_is_matched_or_refused(method: str, path: str) -> None:
    """A path that passes has one printable segment for the model, and means what was read; the rest is a refusal."""
    try:
        target = match(method, path)
    except Refusal:
        return
    assert target.path.isascii()
    assert target.path.isprintable()
    if target.model is None:
        assert match(method, target.path) == target
        return
    empty, root, segment, verb = target.path.split("/")
    assert (empty, root) == ("", "model")
    assert MODEL_ROUTES[verb] is target.operation
    assert unquote(segment) == target.model


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not json", id="text"),
        pytest.param(b"[1,2]", id="list"),
        pytest.param(b'"text"', id="string"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"max_tokens":', id="cut off"),
        pytest.param(b"[" * 200_000, id="deeply nested"),
        pytest.param(b'{"a":' * 200_000 + b"1" + b"}" * 200_000, id="deeply nested object"),
        pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
        pytest.param(b'{"max_tokens":' + b"9" * 5000 + b"}", id="a number that Python refuses"),
    ],
)
@pytest.mark.parametrize(
    ("operation", "model"),
    [
        (Operation.INVOKE_MODEL, CLAUDE),
        (Operation.CONVERSE, MARKETPLACE),
        (Operation.COUNT_TOKENS, CLAUDE),
        (Operation.INVOKE_MODEL_STREAM, CLAUDE),
        (Operation.CONVERSE_STREAM, MARKETPLACE),
        (Operation.APPLY_GUARDRAIL, None),
        (Operation.START_ASYNC_INVOKE, None),
        (Operation.CHAT_COMPLETIONS, None),
        (Operation.RESPONSES, None),
        (Operation.MESSAGES, None),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(operation: Operation, model: str | None, body: bytes) -> None:
    """Where the operation or the family has a JSON body, anything else is a validation error."""
    with pytest.raises(InvalidRequest) as refused:
        described(body, operation=operation, model=model)
    assert (refused.value.http_status, refused.value.code) == (400, "ValidationException")


@pytest.mark.parametrize("body", [b"", b"\x89PNG\r\n", b"[1]", b"[" * 200_000])
def test_a_model_of_no_known_family_takes_any_body(body: bytes) -> None:
    """An imported or marketplace model may take what is not JSON; nothing is read from it."""
    call = described(body, model=MARKETPLACE)
    assert (call.max_output_tokens, call.input_bytes) == (None, len(body))


def test_a_refused_body_is_not_quoted() -> None:
    """The message gives the position of the fault and none of the caller's text."""
    with pytest.raises(InvalidRequest, match=r"line 1, column 12") as refused:
        described(b'{"prompt": canary-7f3a}')
    assert "canary" not in refused.value.message


@pytest.mark.parametrize(
    ("operation", "body", "expected"),
    [
        (Operation.INVOKE_MODEL, {"max_tokens": 512}, 512),
        (Operation.CONVERSE, {"inferenceConfig": {"maxTokens": 300}}, 300),
        (Operation.CONVERSE, {"max_tokens": 512}, None),
        (Operation.CONVERSE_STREAM, {"inferenceConfig": {"maxTokens": 300}}, 300),
        (Operation.CONVERSE, {"inferenceConfig": {"maxTokens": 3}, ADDITIONAL: {"max_tokens": 9}}, 9),
        (Operation.CONVERSE, {"inferenceConfig": {"maxTokens": 3}, ADDITIONAL: {"max_tokens": 2, "n": 2}}, 6),
        (Operation.CONVERSE, {"inferenceConfig": {"maxTokens": 3}, ADDITIONAL: ["max_tokens"]}, 3),
        (Operation.CONVERSE, {ADDITIONAL: {"max_tokens": 9}}, None),
        (Operation.INVOKE_MODEL_STREAM, {"max_tokens": 64}, 64),
        (Operation.INVOKE_MODEL, {"max_tokens_to_sample": 65}, 65),
        (Operation.CHAT_COMPLETIONS, {"model": GPT, "max_tokens": 7}, 7),
        (Operation.CHAT_COMPLETIONS, {"model": GPT, "max_tokens": 7, "max_completion_tokens": 8}, 8),
        (Operation.CHAT_COMPLETIONS, {"model": GPT, "max_tokens": 7, "n": 3}, 21),
        (Operation.CHAT_COMPLETIONS, {"model": GPT, "max_tokens": 7, "n": -3}, 7),
        (Operation.CHAT_COMPLETIONS, {"model": GPT, "max_tokens": 7, "n": 10**9}, MAX_COUNT),
        (Operation.CHAT_COMPLETIONS, {"model": GPT, "n": 3}, None),
        (Operation.INVOKE_MODEL, {"max_tokens": 7, "max_tokens_to_sample": 300}, 300),
        (Operation.INVOKE_MODEL, {"max_tokens": 5, "num_generations": 4}, 20),
        (Operation.RESPONSES, {"model": GPT, "max_output_tokens": 9}, 9),
        (Operation.MESSAGES, {"model": CLAUDE, "max_tokens": 10}, 10),
        (Operation.APPLY_GUARDRAIL, {"max_tokens": 10}, None),
        (Operation.COUNT_TOKENS, {"max_tokens": 512}, None),
        (Operation.INVOKE_MODEL, {}, None),
        (Operation.INVOKE_MODEL, {"max_tokens": "512"}, None),
        (Operation.INVOKE_MODEL, {"max_tokens": True}, None),
        (Operation.INVOKE_MODEL, {"max_tokens": 0}, None),
        (Operation.INVOKE_MODEL, {"max_tokens": -1}, None),
        (Operation.INVOKE_MODEL, {"max_tokens": 1.5}, None),
        (Operation.INVOKE_MODEL, {"max_tokens": MAX_COUNT + 1}, None),
        (Operation.INVOKE_MODEL, {"inferenceConfig": [300]}, None),
        (Operation.INVOKE_MODEL, {"inferenceConfig": None}, None),
    ],
)
def test_the_bound_on_the_output(operation: Operation, body: dict[str, Any], expected: int | None) -> None:
    """The caller's own bound is read where its operation and family put it; junk is no bound."""
    assert described(body, operation=operation).max_output_tokens == expected


@pytest.mark.parametrize(
    ("model", "body", "expected"),
    [
        ("amazon.nova-lite-v1:0", {"inferenceConfig": {"maxTokens": 300}}, 300),
        ("amazon.nova-lite-v1:0", {"inferenceConfig": {"max_new_tokens": 301}}, 301),
        ("amazon.nova-lite-v1:0", {"max_gen_len": 1}, None),
        ("meta.llama3-3-70b-instruct-v1:0", {"max_gen_len": 64}, 64),
        ("meta.llama3-3-70b-instruct-v1:0", {"max_tokens": 1}, None),
        ("amazon.titan-text-express-v1", {"textGenerationConfig": {"maxTokenCount": 128}}, 128),
        (GPT, {"max_completion_tokens": 99}, 99),
        (GPT, {"max_tokens_to_sample": 1}, None),
        ("ai21.j2-ultra-v1", {"maxTokens": 66}, 66),
        ("twelvelabs.pegasus-1-2-v1:0", {"maxOutputTokens": 67}, 67),
        (MARKETPLACE, {"max_gen_len": 5, "max_tokens": 9}, 9),
        (None, {"max_gen_len": 5}, 5),
    ],
)
def test_only_a_bound_that_the_model_knows_is_one(
    model: str | None, body: dict[str, Any], expected: int | None
) -> None:
    """A name of another family bounds nothing: it must not make a call look small. An unknown family may know each."""
    assert described(body, model=model).max_output_tokens == expected


def test_converse_takes_its_tier_from_the_body() -> None:
    """The header belongs to InvokeModel; on Converse it says nothing of what the call will cost."""
    body = {"serviceTier": {"type": "priority"}}
    headers = {"x-amzn-bedrock-service-tier": "flex"}
    assert described(body, operation=Operation.CONVERSE, headers=headers).tier == "priority"


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"x-amzn-bedrock-service-tier": "flex"}, {}, "flex"),
        ({}, {"serviceTier": {"type": "priority"}}, "priority"),
        ({"x-amzn-bedrock-service-tier": "flex"}, {"serviceTier": {"type": "priority"}}, "flex"),
        ({"x-amzn-bedrock-service-tier": "gold"}, {}, None),
        ({}, {"serviceTier": "priority"}, None),
        ({}, {"serviceTier": {"type": ["priority"]}}, None),
        ({}, {"serviceTier": {}}, None),
        ({}, {"service_tier": "flex"}, "flex"),
        ({}, {"service_tier": "auto"}, None),
        ({}, {}, None),
    ],
)
def test_the_service_tier(headers: dict[str, str], body: dict[str, Any], expected: str | None) -> None:
    """The tier comes from the header, else the body; a tier that AWS does not know is none."""
    assert described(body, headers=headers).tier == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"amz-sdk-request": "attempt=1; max=3"}, 1),
        ({"amz-sdk-request": "ttl=20261123T120000Z; attempt=2; max=3"}, 2),
        ({"amz-sdk-request": "attempt=two"}, None),
        ({"x-stainless-retry-count": "0"}, 1),
        ({"x-stainless-retry-count": "2"}, 3),
        ({"x-stainless-retry-count": "-1"}, None),
        ({"x-stainless-retry-count": "\u0662"}, None),
        ({"x-stainless-retry-count": "9" * 5000}, None),
        ({}, None),
    ],
)
def test_the_attempt(headers: dict[str, str], expected: int | None) -> None:
    """AWS SDKs and the generated SDKs each say in their own header which attempt this is; junk says nothing."""
    assert described({}, headers=headers).attempt == expected


def test_describe_keeps_what_was_given() -> None:
    """The call has our id, its time, its tags, the size of the body and the model taken apart."""
    call = described(b'{"a":"\xc3\xab"}', operation=Operation.CONVERSE)
    assert (call.id, call.received_at, call.use_case) == ("call-1", NOON, "chatbot")
    assert (call.operation, call.input_bytes, call.streaming) == (Operation.CONVERSE, 10, False)
    assert call.model is not None
    assert (call.model.family, call.model.region) == (Family.CLAUDE, REGION)


@pytest.mark.parametrize(
    ("operation", "member"),
    [
        (Operation.CHAT_COMPLETIONS, "model"),
        (Operation.RESPONSES, "model"),
        (Operation.MESSAGES, "model"),
        (Operation.START_ASYNC_INVOKE, "modelId"),
    ],
)
def test_the_model_in_the_body(operation: Operation, member: str) -> None:
    """Where the path names no model the body does, by the name that its API gives it."""
    model = described({member: PROFILE_ARN}, operation=operation, model=None).model
    assert model is not None
    assert model.raw == PROFILE_ARN


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": ""}, {"model": ["a"]}, {"model": "m" * 2049}])
def test_a_body_that_names_no_model(body: dict[str, Any]) -> None:
    """Such a call is refused, since nobody could say what it costs; the layer, which only watches, lets it go."""
    with pytest.raises(InvalidRequest, match=r'names no model\. Give its id or ARN, of at most 2048 .* in "model"'):
        described(body, operation=Operation.CHAT_COMPLETIONS, model=None)
    assert described(body, operation=Operation.CHAT_COMPLETIONS, model=None, strict=False).model is None


def test_a_model_in_the_body_of_another_operation_is_nothing() -> None:
    """The operations whose path names the model, or that have none, do not look into the body for one."""
    assert described({"model": "x"}, operation=Operation.APPLY_GUARDRAIL, model=None).model is None
    model = described({"model": "x", "modelId": "y"}, operation=Operation.CONVERSE).model
    assert model is not None
    assert model.raw == CLAUDE


@pytest.mark.parametrize("operation", [Operation.GET_ASYNC_INVOKE, Operation.LIST_ASYNC_INVOKES])
def test_an_operation_without_a_body(operation: Operation) -> None:
    """GET requests need no body, and one that is there all the same is not read."""
    assert described(b"", operation=operation, model=None).input_bytes == 0
    assert described(b"text", operation=operation, model=None).input_bytes == 4


@pytest.mark.parametrize(
    ("operation", "body", "streaming"),
    [
        (Operation.INVOKE_MODEL, {"stream": True}, False),
        (Operation.CONVERSE, {}, False),
        (Operation.INVOKE_MODEL_STREAM, {}, True),
        (Operation.CONVERSE_STREAM, {}, True),
        (Operation.CHAT_COMPLETIONS, {"model": GPT}, False),
        (Operation.CHAT_COMPLETIONS, {"model": GPT, "stream": False}, False),
        (Operation.CHAT_COMPLETIONS, {"model": GPT, "stream": "yes"}, False),
        (Operation.CHAT_COMPLETIONS, {"model": GPT, "stream": True}, True),
        (Operation.RESPONSES, {"model": GPT, "stream": True}, True),
        (Operation.MESSAGES, {"model": CLAUDE, "stream": True}, True),
    ],
)
def test_whether_the_answer_streams(operation: Operation, body: dict[str, Any], streaming: bool) -> None:
    """The operation says so, or on the compatible routes the body."""
    assert described(body, operation=operation).streaming is streaming
