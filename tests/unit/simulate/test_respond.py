"""One request in, one exchange out: usage in every spelling, determinism, refusals."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.simulate.asking import CLAUDE, LLAMA, NOVA, TITAN, ask, claude, converse, document_of, headers_of

from meterctl.simulate.exchange import Conditions, Request
from meterctl.simulate.respond import request_key, respond
from meterctl.simulate.tokens import Tokens, count, draw_length

CANARY = "canary-5b1c"
MARKED_CLAUDE = claude(
    system=[
        {"type": "text", "text": "abcd" * 30, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "abcd" * 20, "cache_control": {"type": "ephemeral"}},
    ]
)
MARKED_CONVERSE = converse(
    {"text": "abcd" * 30}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "abcd" * 20},
    {"cachePoint": {"type": "default"}}, {"text": "hello there"},
)  # fmt: skip
NATIVE: dict[str, dict[str, Any]] = {
    CLAUDE: claude(),
    NOVA: converse(),
    TITAN: {"inputText": "hello there"},
    LLAMA: {"prompt": "hello there"},
}


def test_claude_gives_usage_in_headers_and_body() -> None:
    """Both say the same, with the split by lifetime in the body only."""
    exchange = ask(MARKED_CLAUDE)
    headers, usage = headers_of(exchange), document_of(exchange)["usage"]
    assert exchange.tokens.input == 3
    assert usage == {
        "input_tokens": 3,
        "cache_creation_input_tokens": 50,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
        "output_tokens": exchange.tokens.output,
    }
    assert headers["X-Amzn-Bedrock-Input-Token-Count"] == "3"
    assert headers["X-Amzn-Bedrock-Output-Token-Count"] == str(exchange.tokens.output)
    assert headers["X-Amzn-Bedrock-Cache-Read-Input-Token-Count"] == "0"
    assert headers["X-Amzn-Bedrock-Cache-Write-Input-Token-Count"] == "50"
    assert count(len(document_of(exchange)["content"][0]["text"])) == exchange.tokens.output


def test_converse_gives_usage_in_both_spellings_and_no_token_header() -> None:
    """The total is the sum of all buckets; 1h stands before 5m."""
    exchange = ask(MARKED_CONVERSE, verb="converse")
    output = exchange.tokens.output
    assert document_of(exchange)["usage"] == {
        "inputTokens": 3,
        "outputTokens": output,
        "totalTokens": 3 + 50 + output,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 50,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 30}, {"ttl": "5m", "inputTokens": 20}],
        "cacheReadInputTokenCount": 0,
        "cacheWriteInputTokenCount": 50,
        "serverToolUsage": {},
    }
    assert set(headers_of(exchange)) == {"Content-Type", "x-amzn-RequestId"}


@pytest.mark.parametrize(("document", "verb"), [(MARKED_CLAUDE, "invoke"), (MARKED_CONVERSE, "converse")])
def test_a_prefix_is_written_once_and_then_read(document: dict[str, Any], verb: str) -> None:
    """What the first call hands back makes the second call read."""
    first = ask(document, verb=verb)
    second = ask(document, verb=verb, known=frozenset(first.written), repeat=1)
    assert first.tokens == Tokens(input=3, output=first.tokens.output, cache_write_1h=30, cache_write_5m=20)
    assert second.tokens == Tokens(input=3, output=first.tokens.output, cache_read=50)


def test_nova_spells_its_cache_counts_one_way() -> None:
    """Nova's own answer has the `...TokenCount` names and a total."""
    exchange = ask(converse(), model=NOVA)
    output = exchange.tokens.output
    assert document_of(exchange)["usage"] == {
        "inputTokens": 3,
        "outputTokens": output,
        "totalTokens": 3 + output,
        "cacheReadInputTokenCount": 0,
        "cacheWriteInputTokenCount": 0,
    }


def test_titan_and_llama_count_in_their_own_names() -> None:
    """The text families give counts at the top of the body, and no cache header."""
    titan, llama = ask(NATIVE[TITAN], model=TITAN), ask(NATIVE[LLAMA], model=LLAMA)
    assert document_of(titan)["inputTextTokenCount"] == 3
    assert document_of(titan)["results"][0]["tokenCount"] == titan.tokens.output
    assert document_of(llama)["prompt_token_count"] == 3
    assert document_of(llama)["generation_token_count"] == llama.tokens.output
    for exchange in (titan, llama):
        assert not any("Cache" in name for name in headers_of(exchange))
        assert headers_of(exchange)["X-Amzn-Bedrock-Input-Token-Count"] == "3"


@pytest.mark.parametrize(
    ("model", "limit", "member"),
    [
        (CLAUDE, {"max_tokens": 2}, ("stop_reason", "max_tokens")),
        (NOVA, {"inferenceConfig": {"maxTokens": 2}}, ("stopReason", "max_tokens")),
        (LLAMA, {"max_gen_len": 2}, ("stop_reason", "length")),
    ],
)
def test_the_callers_limit_cuts_the_answer(model: str, limit: dict[str, Any], member: tuple[str, str]) -> None:
    """The limit is billed and the reason is said in the family's words."""
    exchange = ask(NATIVE[model] | limit, model=model)
    assert exchange.tokens.output == 2
    assert document_of(exchange)[member[0]] == member[1]


def test_an_answer_that_just_fits_is_not_cut() -> None:
    """The reason is the limit only where the answer would have been longer."""

    def wanted(body: bytes) -> int:
        request = Request(method="POST", path=f"/model/{LLAMA}/invoke", headers={}, body=body)
        return draw_length(request_key(request, seed=1))

    bodies = (json.dumps({"prompt": str(number), "max_gen_len": 100}).encode() for number in range(10_000))
    exchange = ask(next(body for body in bodies if wanted(body) == 100), model=LLAMA)
    assert exchange.tokens.output == 100
    assert document_of(exchange)["stop_reason"] == "stop"


def test_titan_says_length_when_cut() -> None:
    """Titan gives the reason with each result."""
    exchange = ask({"inputText": "x", "textGenerationConfig": {"maxTokenCount": 2}}, model=TITAN)
    assert document_of(exchange)["results"][0]["completionReason"] == "LENGTH"


def test_counting_tokens_bills_nothing() -> None:
    """Both request forms are counted, cache marks or not, and the bill stays empty."""
    body = base64.b64encode(json.dumps(MARKED_CLAUDE).encode()).decode()
    for document in ({"input": {"invokeModel": {"body": body}}}, {"input": {"converse": MARKED_CONVERSE}}):
        exchange = ask(document, verb="count-tokens")
        assert document_of(exchange) == {"inputTokens": 53}
        assert (exchange.tokens, exchange.written) == (Tokens(), ())
        assert set(headers_of(exchange)) == {"Content-Type", "x-amzn-RequestId"}


@pytest.mark.parametrize("model", [NOVA, TITAN, LLAMA, f"us.{CLAUDE}"])
def test_profiles_and_some_families_are_not_counted(model: str) -> None:
    """CountTokens takes foundation ids of Claude only."""
    exchange = ask({"input": {"converse": converse()}}, model=model, verb="count-tokens")
    assert exchange.error_code == "ValidationException"
    assert document_of(exchange)["message"] == "The provided model doesn't support counting tokens."


@pytest.mark.parametrize("model", [TITAN, LLAMA])
def test_a_cache_mark_is_refused_where_there_is_no_cache(model: str) -> None:
    """Bedrock answers 403 to a cache point that the model cannot honour."""
    exchange = ask(MARKED_CONVERSE, model=model, verb="converse")
    assert (exchange.answer.status, exchange.error_code) == (403, "AccessDeniedException")


@pytest.mark.parametrize("model", NATIVE)
@pytest.mark.parametrize("verb", ["invoke", "converse"])
def test_the_same_request_has_the_same_answer(model: str, verb: str) -> None:
    """Only the request id tells repeats apart; another seed changes the text too."""
    document = NATIVE[model] if verb == "invoke" else converse()
    first, again, repeat, other = (
        ask(document, model=model, verb=verb, seed=seed, repeat=times)
        for seed, times in ((1, 0), (1, 0), (1, 1), (2, 0))
    )
    assert again == first
    assert repeat.answer.body == first.answer.body
    assert repeat.request_id != first.request_id
    assert other.answer.body != first.answer.body


def test_a_known_request_has_a_known_answer() -> None:
    """Ids and counts are the same on every machine and Python version."""
    exchange = ask(b'{"prompt":"hello there"}', model=LLAMA)
    assert exchange.request_id == "b661a3bf-9134-453a-b1c7-9c5eeb29bf7c"
    assert exchange.tokens == Tokens(input=3, output=171)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/model/{CLAUDE}/invoke"),
        ("POST", f"/model/{CLAUDE}/dance"),
        ("POST", "/model//invoke"),
        ("POST", "/model/arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0/invoke"),
        ("POST", "/prod/model/x/invoke"),
        ("POST", "/"),
    ],
)
def test_an_unknown_path_is_an_unknown_operation(method: str, path: str) -> None:
    """What Bedrock has no operation for is 404, whatever the method."""
    exchange = respond(Request(method=method, path=path, headers={}, body=b"{}"), Conditions(seed=1))
    assert (exchange.answer.status, exchange.error_code) == (404, "UnknownOperationException")
    assert (exchange.operation, exchange.model_id) == (None, None)


@pytest.mark.parametrize(
    ("path_id", "decoded"),
    [
        ("anthropic.claude-sonnet-4-5-20250929-v1%3A0", CLAUDE),
        (
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Famazon.nova-lite-v1%3A0",
            f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}",
        ),
        (
            "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile%2Fsimnova00000",
            "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/simnova00000",
        ),
    ],
)
def test_the_model_id_is_decoded_once(path_id: str, decoded: str) -> None:
    """Every encoding that SDKs send reaches the model; the ledger gets the decoded id."""
    exchange = ask(converse(), model=path_id, verb="converse")
    assert (exchange.answer.status, exchange.model_id) == (200, decoded)


def test_an_id_encoded_twice_is_invalid() -> None:
    """A proxy that encodes the id again is found out."""
    exchange = ask(claude(), model="anthropic.claude-sonnet-4-5-20250929-v1%253A0")
    assert document_of(exchange) == {"message": "The provided model identifier is invalid."}
    assert exchange.answer.status == 400


@given(body=st.binary(max_size=40))
def test_any_bytes_get_an_answer(body: bytes) -> None:
    """Whatever the body is, the answer is 200 or 400 in Bedrock's shape, and says nothing of the body."""
    for model in NATIVE:
        exchange = ask(body, model=model)
        assert exchange.answer.status == 400
        assert set(document_of(exchange)) == {"message"}


@pytest.mark.parametrize("header", [None, "model-error", "truncated", "nonsense"])
def test_no_answer_repeats_the_prompt(header: str | None) -> None:
    """Neither an answer nor an error holds a word of the request."""
    headers = {"x-simulate": header} if header else {}
    for document in (claude(CANARY), claude(max_tokens=CANARY), claude(messages=CANARY), CANARY):
        exchange = ask(document, headers=headers)
        assert CANARY.encode() not in exchange.answer.body
        assert CANARY not in repr(exchange)
