"""Estimates without a tokenizer, and around it: requests, bounds, labels, bad input."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_meter.domain import MAX_COUNT, ModelRef
from bedrock_meter.estimate import CHUNK, Confidence, Estimator, Method, tables
from bedrock_meter.estimate.content import MAX_CHARS
from bedrock_meter.modelid import parse

CLAUDE = parse("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
NEW_CLAUDE = parse("anthropic.claude-opus-4-8")
NOVA = parse("amazon.nova-lite-v1:0")
QWEN = parse("qwen.qwen3-32b-v1:0")
OPAQUE = parse("arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123")
MODELS = [CLAUDE, NEW_CLAUDE, NOVA, QWEN, OPAQUE, parse("meta.llama3-3-70b-instruct-v1:0"), None]

PDF = b"%PDF-1.4 1 0 obj <</Type /Pages /Count 3>> " + b"2 0 obj <</Type /Page>> " * 3
PNG_1000 = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (1000).to_bytes(4) * 2
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


class Words:
    """A tokenizer whose every word is a token."""

    def __init__(self) -> None:
        self.longest = self.given = 0

    def count(self, text: str) -> int | None:
        """Count words."""
        self.given += len(text)
        self.longest = max(self.longest, len(text))
        return len(text.split())


class Failing:
    """A tokenizer that works a number of times."""

    def __init__(self, works: int) -> None:
        self.left = works

    def count(self, text: str) -> int | None:
        """Count, or not."""
        self.left -= 1
        return len(text) if self.left >= 0 else None


def user(*blocks: Any) -> dict[str, Any]:
    """Make a Converse body of one message."""
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def test_the_linear_model() -> None:
    """Tokens and bytes of each class are weighed with the factors of the family."""
    # 1.015 x 3 words - 0.067 x 2 digits + 0.270 x 2 capitals + 0.016 x 5 small letters + 0.241 x 1 mark + 1.506 x 1
    estimate = Estimator(Words()).text(CLAUDE, "ABcdefg 12 é!")
    assert estimate.tokens == int(3.045 - 0.134 + 0.54 + 0.08 + 0.241 + 1.506)
    assert (estimate.method, estimate.confidence) == (Method.TOKENIZER, Confidence.CALIBRATED)
    assert estimate.margin == 118


def test_bytes_are_text() -> None:
    """The UTF-8 of a text is estimated as the text."""
    estimator = Estimator()
    assert estimator.text(QWEN, "Größe 漢字 🙂".encode()) == estimator.text(QWEN, "Größe 漢字 🙂")


def test_without_a_tokenizer_the_label_says_so() -> None:
    """The byte model is labelled rough, with a wide margin."""
    estimate = Estimator().text(CLAUDE, "The quick brown fox jumps over the lazy dog. " * 20)
    assert (estimate.method, estimate.confidence, estimate.margin) == (Method.BYTES, Confidence.ROUGH, 150)
    assert 150 <= estimate.tokens <= 300


def test_a_tokenizer_that_fails_midway() -> None:
    """Pieces that were counted keep their count; the rest and the label are those of the byte model."""
    estimate = Estimator(Failing(1)).text(parse("openai.gpt-oss-20b-1:0"), "a" * 2 * CHUNK)
    without = Estimator().text(parse("openai.gpt-oss-20b-1:0"), "a" * CHUNK)
    assert estimate.method is Method.BYTES
    assert abs(estimate.tokens - CHUNK - without.tokens) <= 1


def test_the_tokenizer_gets_bounded_pieces() -> None:
    """No piece is longer than a chunk, however long the text is."""
    words = Words()
    Estimator(words).text(CLAUDE, "x" * (3 * CHUNK + 5))
    assert words.longest == CHUNK


def test_an_unknown_family_is_assumed() -> None:
    """Where no tokenizer of the family is known the label says that it is an assumption."""
    estimator = Estimator(Words())
    assert estimator.text(NOVA, "a b c").confidence is Confidence.ASSUMED
    assert estimator.text(OPAQUE, "a b c").confidence is Confidence.ASSUMED
    assert estimator.text(None, "a b c").tokens == 3


@pytest.mark.parametrize(
    ("model", "row"),
    [
        ("anthropic.claude-v2:1", tables.CLAUDE_OLD),
        ("anthropic.claude-instant-v1", tables.CLAUDE_OLD),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", tables.CLAUDE_OLD),
        ("anthropic.claude-opus-4-20250514-v1:0", tables.CLAUDE_OLD),
        ("anthropic.claude-opus-4-6-v1", tables.CLAUDE_OLD),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", tables.CLAUDE_OLD),
        ("anthropic.claude-opus-4-7", tables.CLAUDE_NEW),
        ("global.anthropic.claude-sonnet-5", tables.CLAUDE_NEW),
        ("anthropic.claude-opus-5-5", tables.CLAUDE_NEW),
        ("anthropic.claude-mulberry-v1", tables.CLAUDE_NEW),
        ("mistral.mistral-large-2402-v1:0", tables.SENTENCEPIECE),
        ("mistral.mistral-large-3-675b-instruct", tables.TEKKEN),
        ("meta.llama4-scout-17b-instruct-v1:0", tables.LLAMA_4),
        ("openai.gpt-oss-120b-1:0", tables.GPT_OSS),
        ("google.gemma-3-12b-it", tables.GEMMA),
        ("cohere.command-r-v1:0", tables.FAR),
    ],
)
def test_the_row_of_a_model(model: str, row: tables.Row) -> None:
    """The generation of the tokenizer is told by the id; what cannot be told takes the higher row."""
    assert tables.row(parse(model)) is row


BODIES: list[tuple[str, dict[str, Any]]] = [
    ("converse", user({"text": "one two three"})),
    (
        "messages",
        {"anthropic_version": "bedrock-2023-05-31", "messages": [{"role": "user", "content": "one two three"}]},
    ),
    ("messages in blocks", {"messages": [{"role": "user", "content": [{"type": "text", "text": "one two three"}]}]}),
    ("llama", {"prompt": "one two three", "max_gen_len": 5}),
    ("titan", {"inputText": "one two three", "textGenerationConfig": {"maxTokenCount": 5}}),
    ("responses", {"input": "one two three", "instructions": None}),
    ("cohere", {"message": "one two three"}),
]


@pytest.mark.parametrize(("name", "body"), BODIES)
def test_every_kind_of_body(name: str, body: dict[str, Any]) -> None:
    """The text of a request is found whatever its shape, and nothing else is taken for text."""
    assert name
    frame = tables.frame(QWEN)
    assert Estimator(Words()).request(QWEN, body).tokens == 3 + frame.base + frame.message


def test_everything_that_the_model_reads_counts() -> None:
    """System prompt, history, tool calls, tool results and quoted reasoning are input like any text."""
    body = user({"text": "a"}, {"toolResult": {"toolUseId": "t1", "content": [{"json": {"b": 1}}, {"text": "c d"}]}})
    body["system"] = [{"text": "e f"}, {"cachePoint": {"type": "default"}}]
    body["messages"].append(
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "g", "input": {}}}]}
    )
    body["messages"][1]["content"].append(
        {"reasoningContent": {"reasoningText": {"text": "h i", "signature": "j k l"}}}
    )
    frame = tables.frame(NOVA)
    words = Estimator(Words()).request(parse("amazon.nova-pro-v1:0"), body).tokens - frame.base - 2 * frame.message
    assert words == (9 * 1050) // 1000


def test_tools_bring_their_hidden_prompt() -> None:
    """A request with tools counts the prompt that explains them, and more when one must be used."""
    estimator, plain = Estimator(Words()), user({"text": "a"})
    tools = [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]
    auto = {**plain, "toolConfig": {"tools": tools}}
    forced = {**plain, "toolConfig": {"tools": tools, "toolChoice": {"any": {}}}}
    alone, with_tools, must = (estimator.request(CLAUDE, each).tokens for each in (plain, auto, forced))
    assert 496 < with_tools - alone < 560
    assert must - with_tools == 588 - 496
    native = {"messages": [], "tools": [{"name": "w", "input_schema": SCHEMA}], "tool_choice": {"type": "any"}}
    assert estimator.request(CLAUDE, native).tokens > 588


def test_images_count_by_their_size() -> None:
    """An image is tiles of 28 by 28 pixels; without a readable size it is as dear as one can be."""
    estimator, alone = Estimator(Words()), Estimator(Words()).request(CLAUDE, user({"text": "a"})).tokens

    def tokens(source: dict[str, Any], model: ModelRef = CLAUDE) -> int:
        body = user({"text": "a"}, {"image": {"format": "png", "source": source}})
        assert estimator.request(model, body).confidence is Confidence.ROUGH
        return estimator.request(model, body).tokens - alone

    assert tokens({"bytes": PNG_1000}) == 36 * 36
    assert tokens({"bytes": b"no image"}) == 1568
    assert tokens({"s3Location": {"uri": "s3://bucket/key"}}) == 1568
    assert tokens({"bytes": PNG_1000[:16] + (9000).to_bytes(4) * 2}) == 1568


def test_documents_count_by_pages() -> None:
    """A PDF counts its pages, more when they are shown as pictures; a text document counts as text."""
    estimator, alone = Estimator(Words()), Estimator(Words()).request(NOVA, user()).tokens

    def tokens(**block: Any) -> int:
        return estimator.request(NOVA, user({"document": block})).tokens - alone

    assert tokens(format="pdf", name="x", source={"bytes": PDF}) == 1 + 3 * 400
    assert tokens(format="pdf", name="x", source={"bytes": PDF}, citations={"enabled": True}) == 1 + 3 * 2400
    assert tokens(format="txt", name="x", source={"bytes": b"a b c"}) == 4
    assert tokens(format="md", name="x", source={"text": "a b c"}) == 4


def test_what_cannot_be_counted_is_said() -> None:
    """Video, audio and files that lie elsewhere make the estimate partial."""
    estimator = Estimator(Words())
    for block in (
        {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/key"}}}},
        {"audio": {"format": "mp3", "source": {"bytes": b"x"}}},
        {"document": {"format": "pdf", "name": "x", "source": {"s3Location": {"uri": "s3://bucket/key"}}}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
    ):
        assert estimator.request(CLAUDE, user(block)).confidence is Confidence.PARTIAL
        assert estimator.upper_bound(CLAUDE, 500, user(block)).confidence is Confidence.PARTIAL


@given(st.text(), st.sampled_from(MODELS))
def test_a_text_is_never_above_its_bound(text: str, model: ModelRef | None) -> None:
    """Whatever the text, its estimate is not negative and not above what the request is bounded by."""
    body = user({"text": text})
    size = len(json.dumps(body).encode())
    for estimator in (Estimator(), Estimator(Words())):
        estimate = estimator.request(model, body)
        assert 0 <= estimator.text(model, text).tokens <= estimate.tokens
        assert estimate.tokens <= estimator.upper_bound(model, size, body).tokens
        assert estimate.tokens <= estimator.upper_bound(model, size).tokens


@pytest.mark.parametrize(("model", "factor"), [(CLAUDE, 2), (QWEN, 1)])
def test_the_bound_knows_of_composition(model: ModelRef, factor: int) -> None:
    """Characters that grow when they are composed count as what they become: 12 bytes of 4."""
    bound = Estimator().upper_bound(model, 50, user({"text": "\U0001d160" * 1000})).tokens
    assert 12_000 * factor <= bound < 12_000 * factor + 100


def test_the_bound_takes_an_image_for_what_it_is() -> None:
    """A large image is bounded by what an image can cost, and not by its bytes."""
    bound = Estimator().upper_bound(CLAUDE, 5_000_000, user({"image": {"source": {"bytes": b"x" * 4_999_900}}}))
    assert 1568 <= bound.tokens < 2500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "messages",
                        "content",
                        "text",
                        "image",
                        "source",
                        "bytes",
                        "document",
                        "type",
                        "tools",
                        "toolConfig",
                    ),
                    *("system", "format", "citations", "toolChoice", "toolUse", "json", "input", "video", "name", "x"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from(MODELS))
def test_no_document_is_too_odd(document: Any, model: ModelRef | None) -> None:
    """Any JSON value gives a number."""
    for estimate in (Estimator().request(model, document), Estimator().upper_bound(model, 100, document)):
        assert 0 <= estimate.tokens <= MAX_COUNT


@given(st.binary())
def test_no_bytes_are_too_odd(data: bytes) -> None:
    """Bytes that are no UTF-8 give a number."""
    assert (Estimator().text(CLAUDE, data).tokens > 0) is (len(data) > 0)


def _nested() -> Any:
    value: Any = "deep"
    for _ in range(200_000):
        value = [value]
    return {"messages": value, "tools": [value], "toolUse": value}


def _cyclic() -> Any:
    body: dict[str, Any] = {"role": "user", "content": []}
    body["content"].append(body)
    return {"messages": [body], "tools": [body]}


HOSTILE: list[Callable[[], Any]] = [
    _nested,
    _cyclic,
    lambda: {"input": [0] * 3_000_000},
    lambda: {"input": [10**5000]},
    lambda: {"messages": [{"text": ""}] * 500_000},
    lambda: user({"text": "\ud800" * 100}),
    lambda: user({"document": {"format": "pdf", "source": {"bytes": b"/Type /Page " * 400_000}}}),
    lambda: user({"image": {"source": {"bytes": b"\xff\xd8" + b"\xff\xe0\x00\x02" * 1_000_000}}}),
]


@pytest.mark.parametrize("body", HOSTILE)
def test_a_hostile_body_is_bounded(body: Callable[[], Any]) -> None:
    """Depth, cycles, endless lists and endless headers come to an end, and to no more text than is ever kept."""
    words = Words()
    assert Estimator(words).request(CLAUDE, body()).tokens > 0
    assert words.longest <= CHUNK
    assert words.given <= MAX_CHARS


def test_a_tool_choice_that_is_none() -> None:
    """What a caller writes where a tool choice belongs may be of any type."""
    document = {"tools": [{}], "toolChoice": {"type": []}}
    assert Estimator().request(None, document).tokens > 0
