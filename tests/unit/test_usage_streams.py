"""Readers of streams: what they look at, when an answer starts, and what a part of a stream is worth."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY, a_call, a_model
from tests.golden.cases import CASES, PLAIN, WHOLE, claude_delta, claude_end, piece
from tests.golden.generate import chunks, compact, events, frame, sse

from bedrock_meter.domain import Operation
from bedrock_meter.usage import EVENT_STREAM, SSE, Reading, UsageReader, converse_stream, invoke_stream, reader_for
from bedrock_meter.usage import chunks as chunk_module
from bedrock_meter.usage.chunks import has_content, marks
from bedrock_meter.usage.families import OPERATION_ROWS, ROWS
from bedrock_meter.usage.invoke_stream import model_json
from bedrock_meter.usage.shape import Shape, read

EVENTS = {"content-type": EVENT_STREAM}
SHAPES = sorted({shape for row in (*ROWS.values(), *OPERATION_ROWS.values()) for shape in row.chunks}, key=repr)
STREAMS = [case for case in CASES if case.name.startswith("invoke-with") and case.certainty == "exact"]


def a_reader(operation: Operation = Operation.INVOKE_MODEL_STREAM, model: str | None = None) -> UsageReader:
    """Give the reader of a stream, by default one of Claude."""
    kind = EVENT_STREAM if "Stream" in operation else SSE
    call = a_call(operation=operation, streaming=True)
    if model:
        call = a_call(operation=operation, streaming=True, model=a_model(model))
    return reader_for(call, 200, {"content-type": kind})


def starts(reader: UsageReader, *parts: bytes) -> list[bool]:
    """Tell after each part whether the answer has started."""
    told = []
    for part in parts:
        reader.feed(part)
        told.append(reader.content_started)
    return told


class CountedJson:
    """The JSON module, counting what it parses."""

    def __init__(self) -> None:
        self.parsed: list[bytes] = []

    def loads(self, data: bytes) -> Any:
        """Parse and count."""
        self.parsed.append(data)
        return json.loads(data)


def test_a_piece_of_text_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand pieces none is parsed once the answer has started; the counts at both ends are."""
    counted = CountedJson()
    monkeypatch.setattr(chunk_module, "json", counted)
    monkeypatch.setattr(invoke_stream, "json", counted)
    reader = a_reader()
    reader.feed(chunks(*PLAIN))
    before = len(counted.parsed)
    for _ in range(1000):
        reader.feed(chunks(claude_delta('the "usage": {1} and \\"usage\\": {1}, "stop_reason":"x"')))
    assert len(counted.parsed) == before
    reader.feed(chunks(claude_end(output_tokens=9)))
    assert len(counted.parsed) == before + 1
    usage = reader.result().usage
    assert usage is not None
    assert (usage.input, usage.output) == (14, 9)


def test_a_piece_of_a_converse_answer_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only two events of a Converse stream are looked into."""
    counted = CountedJson()
    monkeypatch.setattr(converse_stream, "json", counted)
    reader = a_reader(Operation.CONVERSE_STREAM)
    reader.feed(frame("contentBlockDelta", b"not even JSON") * 100 + frame("messageStart", b"nor this"))
    assert counted.parsed == []
    assert reader.result().faults == ()


numbers = st.none() | st.integers(0, 99)
counted_keys = {key for shape in SHAPES for _, paths in shape.counts for steps in paths for key, _, _ in steps}
stop_keys = {"delta", "choices", "finish_reason", "stop_reason", "messageStop", "stopReason", "x"}
documents = st.recursive(
    numbers | st.text(max_size=3) | st.just("stop"),
    lambda inner: (
        st.dictionaries(st.sampled_from(sorted(counted_keys | stop_keys)), inner, max_size=4)
        | st.lists(inner, max_size=2)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("shape", SHAPES)
@given(document=documents.filter(lambda value: isinstance(value, dict)), space=st.sampled_from(["", " ", "\n\t"]))
@PROPERTY
def test_what_is_not_parsed_holds_nothing(shape: Shape, document: dict[str, Any], space: str) -> None:
    """A document without a mark has no count and no stop reason, however its JSON is spaced."""
    data = json.dumps(document, separators=("," + space, space + ":" + space)).encode()
    if marks((shape,)).search(data) is None:
        body = read(shape, document)
        assert not body.counts.known()
        assert body.stop_reason is None
        assert body.faults == []


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name.removeprefix("invoke-with-response-stream-"))
def test_every_whole_stream_has_marks_that_are_enough(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading only the marked documents gives what reading all of them gives."""
    model = (
        case.model
        or {
            "claude": "anthropic.claude-x",
            "nova": "amazon.nova-x",
            "titan": "amazon.titan-text-x",
            "llama": "meta.llama-x",
            "mistral": "mistral.x",
            "cohere": "cohere.command-x",
            "ai21": "ai21.x",
            "deepseek": "deepseek.x",
            "qwen": "qwen.x",
            "openai": "openai.x",
            "writer": "writer.x",
            "open": "zai.x",
            "pegasus": "twelvelabs.pegasus-x",
        }[case.name.removeprefix("invoke-with-response-stream-").partition("-")[0]]
    )
    quick, thorough = a_reader(model=model), a_reader(model=model)
    quick.feed(case.body)
    monkeypatch.setattr(chunk_module, "has_content", lambda _: False)
    thorough.feed(case.body)
    assert quick.result() == thorough.result()


@pytest.mark.parametrize(
    ("document", "content"),
    [
        ({"type": "message_start", "message": {"content": [{}]}}, False),
        ({"type": "content_block_start", "content_block": {"text": "x"}}, False),
        ({"type": "content_block_delta"}, True),
        ({"type": "response.created"}, False),
        ({"type": "response.output_text.delta"}, True),
        ({"type": "response.reasoning_summary_text.delta"}, True),
        ({"messageStart": {"role": "assistant"}}, False),
        ({"contentBlockDelta": {"delta": {"text": "x"}}}, True),
        ({"outputText": "x"}, True),
        ({"generation": ""}, False),
        ({"generation": "x"}, True),
        ({"outputs": [{"text": "x"}]}, True),
        ({"is_finished": False, "event_type": "text-generation", "text": "x"}, True),
        ({"choices": [{"delta": {"role": "assistant", "content": ""}}]}, False),
        ({"choices": [{"delta": {"content": "x"}}]}, True),
        ({"choices": [{"delta": {"reasoning_content": "x"}}]}, True),
        ({"choices": [{"delta": {"tool_calls": [{}]}}]}, True),
        ({"choices": [{"text": "x"}]}, True),
        ({"choices": []}, False),
        ({"choices": "x"}, False),
        ({"choices": [None, 7]}, False),
        ({}, False),
    ],
)
def test_the_first_piece_of_an_answer(document: dict[str, Any], content: bool) -> None:
    """A piece of text, thought or tool use starts the answer; what only announces it does not."""
    assert has_content(document) is content


def test_when_a_stream_starts() -> None:
    """Each kind of stream starts with its first piece, and stays started."""
    announced, first = chunks(*PLAIN[:2]), chunks(PLAIN[2])
    assert starts(a_reader(), announced, first[:-1], first[-1:], announced) == [False, False, True, True]
    converse = (events(messageStart={}), events(contentBlockDelta={}), events(messageStop={"stopReason": "x"}))
    assert starts(a_reader(Operation.CONVERSE_STREAM), *converse) == [False, True, True]
    chat = (sse(piece("")), sse(piece("Hi")), sse(piece("")))
    assert starts(a_reader(Operation.CHAT_COMPLETIONS), *chat) == [False, True, True]


@pytest.mark.parametrize(
    ("payload", "data"),
    [
        (b'{"bytes":"eyJhIjoxfQ==","p":"abc"}', b'{"a":1}'),
        (b'{"p":"abc","bytes":"eyJhIjoxfQ=="}', b'{"a":1}'),
        (b' { "bytes" : "eyJhIjoxfQ==" } ', b'{"a":1}'),
        (b'{"bytes":"eyJhIjoxfQ\\u003d\\u003d"}', b'{"a":1}'),
        (b'{"bytes":"Pz8\\/"}', b"???"),
        (b'{"bytes":""}', b""),
        (b'{"bytes":"eyJhIjoxfQ', None),
        (b'{"bytes":"abc"}', None),
        (b'{"bytes":"\xc3\xa9"}', b""),
        (b'{"bytes":null}', None),
        (b'{"p":"abc"}', None),
        (b"[]", None),
        (b"", None),
        (b"[" * 100_000, None),
    ],
)
def test_the_models_json_in_a_payload(payload: bytes, data: bytes | None) -> None:
    """Wherever it stands and however it is escaped, the base64 is found; what is none gives nothing."""
    assert model_json(payload) == data


@given(size=st.integers(0, len(WHOLE)))
@PROPERTY
def test_any_beginning_of_a_stream_is_a_lower_bound(size: int) -> None:
    """No beginning counts more than the whole, and none but the whole is complete."""
    reader = a_reader()
    reader.feed(WHOLE[:size])
    found = reader.result()
    if found.usage is not None:
        assert (found.usage.input, found.usage.output) in {(14, 2), (14, 9)}
    last_two = len(WHOLE) - len(chunks(claude_end(output_tokens=9)))
    assert not found.complete or size >= last_two - 400
    assert found.complete or size < len(WHOLE)
    assert found.faults == ()


@given(
    operation=st.sampled_from([*OPERATION_ROWS, Operation.INVOKE_MODEL_STREAM]),
    model=st.sampled_from(["anthropic.claude-x", "meta.llama-x", "openai.gpt-x", "newcomer.model"]),
    inner=st.dictionaries(
        st.sampled_from(["usage", "type", "error", "response", "trace", "choices", "amazon-bedrock-trace", "message"])
        | st.sampled_from(["amazon-bedrock-invocationMetrics", "amazon-bedrock-guardrailAction"]),
        documents
        | st.sampled_from(["error", "INTERVENED", {"guardrail": [{"invocationMetrics": {"usage": {"aUnits": -1}}}]}]),
    ),
    name=st.sampled_from(["chunk", "metadata", "messageStop", "throttlingException", "novelty", ""]),
    kind=st.sampled_from([EVENT_STREAM, SSE, "application/json", ""]),
)
@PROPERTY
def test_no_document_makes_a_reader_raise(
    operation: Operation, model: str, inner: dict[str, Any], name: str, kind: str
) -> None:
    """Whatever the JSON holds, in whatever frame, there is a reading."""
    call = a_call(operation=operation, model=a_model(model), streaming=True)
    reader = reader_for(call, 200, {"content-type": kind})
    body = {EVENT_STREAM: chunks(inner) + frame(name, compact(inner)), SSE: sse(inner)}.get(kind, compact(inner))
    reader.feed(body)
    assert isinstance(reader.result(), Reading)


@pytest.mark.parametrize(
    ("operation", "stated", "streaming", "expected"),
    [
        (Operation.INVOKE_MODEL_STREAM, EVENT_STREAM, True, "InvokeStreamReader"),
        (Operation.INVOKE_MODEL_STREAM, "", True, "InvokeStreamReader"),
        (Operation.CONVERSE_STREAM, EVENT_STREAM.upper(), True, "ConverseStreamReader"),
        (Operation.CONVERSE_STREAM, "", True, "ConverseStreamReader"),
        (Operation.CONVERSE_STREAM, "application/json", True, "JsonReader"),
        (Operation.CHAT_COMPLETIONS, "text/event-stream; charset=utf-8", True, "SseReader"),
        (Operation.CHAT_COMPLETIONS, "application/json", True, "JsonReader"),
        (Operation.CHAT_COMPLETIONS, "", True, "SseReader"),
        (Operation.MESSAGES, "", False, "JsonReader"),
        (Operation.INVOKE_MODEL, "image/png", False, "JsonReader"),
    ],
)
def test_the_reader_follows_the_answer(operation: Operation, stated: str, streaming: bool, expected: str) -> None:
    """The content type decides, and the operation where it says nothing; a stream that was refused one is JSON."""
    reader = reader_for(a_call(operation=operation, streaming=streaming), 200, {"content-type": stated})
    assert type(reader).__name__ == expected
