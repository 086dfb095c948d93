"""What Bedrock answers reaches the caller as it is, also when it is an error or cannot be read."""

import pytest
from botocore.exceptions import ClientError
from tests.functional.gateway.answers import BODY, CHUNKED, HEADERS, INPUT, OUTPUT, WHOLE, has_counts
from tests.functional.gateway.calls import CLAUDE_BODY, CLAUDE_PATH, CONVERSE_BODY, CONVERSE_PATH
from tests.functional.gateway.door import Door, HttpAnswer, client_of, open_door
from tests.functional.gateway.stub import Reply, StubUpstream, http, sends, sends_then_closes

from bedrock_meter.domain import Certainty, Ending, Record, Status, UsageSource
from meterctl.simulate import Simulator, fault_model_id


def relayed(
    data: bytes, path: str = CLAUDE_PATH, body: bytes = CLAUDE_BODY, *, reply: Reply | None = None
) -> tuple[HttpAnswer, Record]:
    """Make one call whose answer is these bytes; give the caller's answer and the record."""
    with StubUpstream(reply or sends(data)) as upstream, open_door(upstream.url) as door:
        return door.send("POST", path, body), door.record


def test_truncated_json_is_relayed_untouched() -> None:
    """Half a JSON document in a whole answer reaches the caller as it is; the fault is counted."""
    answer, record = relayed(http(200, HEADERS, BODY[:30]))

    assert (answer.status, answer.body) == (200, BODY[:30])
    assert record.faults == ("answer_not_json",)
    assert has_counts(record)
    assert (record.outcome.status, record.outcome.certainty) == (Status.OK, Certainty.EXACT)


def test_truncated_json_without_token_headers_is_unknown() -> None:
    """Where the body alone would have had the counts, they are unknown, not 0."""
    answer, record = relayed(http(200, {"Content-Type": "application/json"}, BODY[:30]), CONVERSE_PATH, CONVERSE_BODY)

    assert (answer.status, answer.body) == (200, BODY[:30])
    assert record.faults == ("answer_not_json",)
    assert record.usage is None
    assert record.outcome.certainty is Certainty.UNKNOWN
    assert answer.header("x-bedrock-meter-input-tokens") is None


@pytest.mark.parametrize("value", ["many", "-1", "99999999999999999999", "1.5", "", "1e3", "\u00b2", "nan"])
def test_a_token_header_that_is_no_count_is_relayed_and_not_believed(value: str) -> None:
    """A token header with anything but a count is relayed, counted as a fault, and replaced by the body's count."""
    answer, record = relayed(http(200, HEADERS | {"X-Amzn-Bedrock-Input-Token-Count": value}, BODY))

    assert (answer.status, answer.body) == (200, BODY)
    assert answer.header("x-amzn-bedrock-input-token-count") == value
    assert record.faults == ("header_input_not_a_count",)
    assert has_counts(record, UsageSource.BODY)
    assert answer.header("x-bedrock-meter-input-tokens") == str(INPUT)


def test_a_bad_token_header_with_no_count_elsewhere_is_a_lower_bound() -> None:
    """Where the body has no counts either, the good header is kept and the other count is unknown."""
    answer, record = relayed(http(200, HEADERS | {"X-Amzn-Bedrock-Input-Token-Count": "many"}, b'{"a":1}'))

    assert answer.body == b'{"a":1}'
    assert record.usage is not None
    assert (record.usage.input, record.usage.output) == (None, OUTPUT)
    assert record.outcome.certainty is Certainty.AT_LEAST
    assert answer.header("x-bedrock-meter-input-tokens") is None
    assert answer.header("x-bedrock-meter-output-tokens") == str(OUTPUT)


ERRORS = {
    "throttling": (
        429,
        "ThrottlingException",
        {"Retry-After": "2"},
        b'{"message":"Too many requests"}',
        Status.THROTTLED,
    ),
    "not-ready": (429, "ModelNotReadyException", {}, b'{"message":"loading"}', Status.SERVER_ERROR),
    "validation": (400, "ValidationException", {}, b'{"message":"caf\xc3\xa9"}', Status.CLIENT_ERROR),
    "auth-layer": (403, "AccessDeniedException", {}, b'{"Message":"not authorized"}', Status.CLIENT_ERROR),
    "not-found": (404, "ResourceNotFoundException", {}, b"{}", Status.CLIENT_ERROR),
    "model-timeout": (408, "ModelTimeoutException", {}, b'{"message":"late"}', Status.CLIENT_ERROR),
    "model-error": (424, "ModelErrorException", {}, b'{"message":"m","originalStatusCode":500}', Status.CLIENT_ERROR),
    "internal": (500, "InternalServerException", {}, b'{"message":"oops"}', Status.SERVER_ERROR),
    "unavailable": (503, "ServiceUnavailableException", {}, b'{"message":"busy"}', Status.SERVER_ERROR),
    "html-from-a-proxy": (502, None, {"Content-Type": "text/html"}, b"<html>\xff</html>", Status.SERVER_ERROR),
    "nothing-at-all": (500, None, {}, b"", Status.SERVER_ERROR),
}


@pytest.mark.parametrize(("status", "code", "headers", "body", "kind"), ERRORS.values(), ids=ERRORS)
def test_errors_of_bedrock_pass_byte_for_byte(
    status: int, code: str | None, headers: dict[str, str], body: bytes, kind: Status
) -> None:
    """An error of Bedrock keeps its status, its headers and every byte of its body."""
    if code:
        headers = {"Content-Type": "application/json"} | headers
        headers["x-amzn-ErrorType"] = f"{code}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    answer, record = relayed(http(status, headers, body))

    assert (answer.status, answer.body) == (status, body)
    assert {name: answer.header(name.lower()) for name in headers} == headers
    outcome = record.outcome
    assert (outcome.http_status, outcome.error_code, outcome.status) == (status, code, kind)
    assert outcome.ending is Ending.COMPLETE
    assert record.usage is None
    assert record.faults == ()


@pytest.mark.parametrize(
    "fault",
    [
        *("validation", "access-denied", "bad-key", "not-found", "model-timeout", "model-error", "throttling"),
        *("not-ready", "internal", "unavailable"),
    ],
)
def test_boto3_raises_what_it_raises_without_the_gateway(bedrock: Simulator, door: Door, fault: str) -> None:
    """Each error of Bedrock becomes the same boto3 exception, with the same content, as without the gateway."""
    raised = []
    for url in (bedrock.url, door.url):
        with pytest.raises(ClientError) as caught:
            client_of(url).invoke_model(modelId=fault_model_id(fault), body=CLAUDE_BODY)
        raised.append(caught.value)

    direct, metered = raised
    assert type(metered).__name__ == type(direct).__name__
    assert metered.response["Error"] == direct.response["Error"]
    own = {"Error", "ResponseMetadata"}
    assert {k: v for k, v in metered.response.items() if k not in own} == {
        k: v for k, v in direct.response.items() if k not in own
    }
    status = metered.response["ResponseMetadata"]["HTTPStatusCode"]
    assert status == direct.response["ResponseMetadata"]["HTTPStatusCode"] == door.record.outcome.http_status
    assert door.record.outcome.error_code == metered.response["Error"]["Code"]


@pytest.mark.parametrize("fault", ["reset", "reset-mid-body", "truncated", "broken-json"])
def test_the_record_agrees_with_the_simulator_on_what_was_billed(bedrock: Simulator, door: Door, fault: str) -> None:
    """Where the simulator billed tokens for an answer that broke, the record has every one of them."""
    model = fault_model_id(fault)
    door.send("POST", f"/model/{model}/invoke", CLAUDE_BODY)

    (served,) = bedrock.ledger
    usage = door.record.usage
    if served.input_tokens == 0:
        assert usage is None
    else:
        assert usage is not None
        assert (usage.input, usage.output) == (served.input_tokens, served.output_tokens)


def test_bytes_pass_in_both_directions() -> None:
    """A binary answer crosses the JSON of the Lambda result and arrives as it was."""
    body = bytes(range(256)) * 300
    answer, record = relayed(http(200, HEADERS | {"Content-Type": "application/octet-stream"}, body))

    assert answer.body == body
    assert answer.header("content-type") == "application/octet-stream"
    assert has_counts(record)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"\x1f\x8b\x08\x00" + bytes(range(256))),
        ({"Content-Type": "application/json", "Content-Encoding": "br"}, b'{"looks":"like text"}'),
        ({"Content-Type": "application/json"}, b'{"not utf-8": "\xff"}'),
        ({"Content-Type": "application/json"}, '{"text": "\u2603 \\u0000 \U0001f30a"}'.encode()),
        ({"Content-Type": "application/vnd.amazon.eventstream"}, b"\x00\x00\x00\x10" * 8),
        ({"Content-Type": "text/event-stream"}, b"data: {}\r\n\r\n"),
        ({}, b"no content type"),
    ],
    ids=["gzip", "br", "invalid-utf-8", "unicode", "eventstream", "sse", "no-content-type"],
)
def test_bodies_are_never_recoded(headers: dict[str, str], body: bytes) -> None:
    """Whatever the body is, its bytes and the headers that describe it arrive as Bedrock sent them."""
    answer, _ = relayed(http(200, headers, body))

    assert answer.body == body
    for name, value in headers.items():
        assert answer.header(name.lower()) == value


def test_a_large_answer_arrives_whole() -> None:
    """An answer of 4 MB in many segments arrives whole."""
    body = b'{"text": "' + b"x" * 4_000_000 + b'"}'
    answer, record = relayed(http(200, HEADERS, body))

    assert answer.body == body
    assert has_counts(record)


def test_a_chunked_answer_is_framed_anew() -> None:
    """The chunks of a chunked answer are joined: its bytes arrive, its framing ends at the gateway."""
    answer, record = relayed(CHUNKED + b"0\r\n\r\n")

    assert answer.body == BODY
    assert answer.header("transfer-encoding") is None
    assert answer.header("content-length") == str(len(BODY))
    assert has_counts(record)


def test_an_answer_that_ends_with_its_connection_is_whole() -> None:
    """An answer without a length, as HTTP/1.0 servers give it, ends where the connection does."""
    data = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + BODY
    answer, record = relayed(b"", reply=sends_then_closes(data))

    assert (answer.status, answer.body) == (200, BODY)
    assert has_counts(record, UsageSource.BODY)


def test_headers_that_come_twice_are_kept_in_order() -> None:
    """A response header that comes twice reaches the caller twice."""
    data = WHOLE.replace(b"\r\n\r\n", b"\r\nX-Twice: one\r\nX-Once: only\r\nX-Twice: two\r\n\r\n", 1)
    answer, _ = relayed(data)

    assert [value for name, value in answer.headers if name == "x-twice"] == ["one", "two"]
    assert answer.header("x-once") == "only"


def test_an_informational_answer_is_skipped() -> None:
    """A 100 Continue before the answer is not taken for the answer."""
    answer, record = relayed(b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE)

    assert (answer.status, answer.body) == (200, BODY)
    assert has_counts(record)
