"""Wire fixtures: what a recorded-looking answer must become, however its bytes are cut."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import CLAUDE_US, PROPERTY, Bench, a_call, a_model
from tests.golden.cases import CASES, expectation

from bedrock_meter.domain import Family, Operation, Record

WIRE = Path(__file__).parents[1] / "golden" / "wire"
BUCKETS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
OPERATIONS = {
    "invoke": Operation.INVOKE_MODEL,
    "invoke-with-response-stream": Operation.INVOKE_MODEL_STREAM,
    "converse": Operation.CONVERSE,
    "converse-stream": Operation.CONVERSE_STREAM,
    "count-tokens": Operation.COUNT_TOKENS,
    "apply-guardrail": Operation.APPLY_GUARDRAIL,
    "invoke-guardrail-checks": Operation.INVOKE_GUARDRAIL_CHECKS,
    "start-async-invoke": Operation.START_ASYNC_INVOKE,
    "get-async-invoke": Operation.GET_ASYNC_INVOKE,
    "list-async-invokes": Operation.LIST_ASYNC_INVOKES,
    "chat-completions": Operation.CHAT_COMPLETIONS,
    "responses": Operation.RESPONSES,
    "messages": Operation.MESSAGES,
}
MODELS = {
    Family.CLAUDE: CLAUDE_US,
    Family.NOVA: "amazon.nova-lite-v1:0",
    Family.NOVA_EMBEDDING: "amazon.nova-2-multimodal-embeddings-v1:0",
    Family.NOVA_CANVAS: "amazon.nova-canvas-v1:0",
    Family.NOVA_REEL: "amazon.nova-reel-v1:1",
    Family.TITAN_TEXT: "amazon.titan-text-express-v1",
    Family.TITAN_EMBEDDING: "amazon.titan-embed-text-v2:0",
    Family.TITAN_IMAGE: "amazon.titan-image-generator-v2:0",
    Family.LLAMA: "meta.llama3-8b-instruct-v1:0",
    Family.MISTRAL: "mistral.mistral-7b-instruct-v0:2",
    Family.COHERE_COMMAND: "cohere.command-r-v1:0",
    Family.COHERE_EMBED: "cohere.embed-v4:0",
    Family.RERANK: "cohere.rerank-v3-5:0",
    Family.AI21: "ai21.jamba-1-5-mini-v1:0",
    Family.DEEPSEEK: "us.deepseek.r1-v1:0",
    Family.QWEN: "qwen.qwen3-32b-v1:0",
    Family.OPENAI: "openai.gpt-oss-120b-1:0",
    Family.WRITER: "us.writer.palmyra-x5-v1:0",
    Family.OPEN_WEIGHT: "moonshot.kimi-k2-thinking",
    Family.STABILITY: "stability.sd3-5-large-v1:0",
    Family.LUMA: "luma.ray-v2:0",
    Family.PEGASUS: "us.twelvelabs.pegasus-1-2-v1:0",
    Family.MARENGO: "twelvelabs.marengo-embed-2-7-v1:0",
    Family.OTHER: "arn:aws:bedrock:us-east-1:111122223333:imported-model/a1b2c3d4e5f6",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """One recorded-looking answer."""

    operation: Operation
    model: str
    status: int
    headers: dict[str, str]
    body: bytes
    expected: dict[str, Any]

    def record(self, *chunks: bytes) -> Record:
        """Meter the answer, its body cut into these chunks."""
        streaming = "stream" in self.headers.get("content-type", "")
        call = a_call(operation=self.operation, model=a_model(self.model), streaming=streaming)
        return Bench().exchange(*chunks, call=call, status=self.status, headers=self.headers)


def load(name: str) -> Fixture:
    """Read the two files of a fixture."""
    slug = max((slug for slug in OPERATIONS if name.startswith(slug + "-")), key=len)
    family = max((family for family in Family if name.startswith(f"{slug}-{family}-")), key=len)
    expected = json.loads((WIRE / f"{name}.usage.json").read_bytes())
    head, _, body = (WIRE / f"{name}.http").read_bytes().partition(b"\n\n")
    status_line, *lines = head.decode("ascii").split("\n")
    return Fixture(
        operation=OPERATIONS[slug],
        model=expected.pop("model", MODELS[family]),
        status=int(status_line.split(" ")[1]),
        headers={line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines},
        body=body,
        expected=expected,
    )


def said(record: Record) -> dict[str, Any]:
    """Put a record into the form of the expectation."""
    usage, outcome = record.usage, record.outcome
    buckets: dict[str, Any] | None = None if usage is None else {name: getattr(usage, name) for name in BUCKETS}
    if usage is not None and usage.other and buckets is not None:
        buckets["other"] = dict(usage.other)
    return {
        "usage": buckets,
        "source": usage and usage.source.value,
        "stop_reason": outcome.stop_reason,
        "certainty": outcome.certainty.value,
        "disagreement": record.disagreement,
        "status": outcome.status.value,
        "error_code": outcome.error_code,
        "latency_ms": outcome.upstream_latency_ms,
        **({"invoked_model": outcome.invoked_model} if outcome.invoked_model else {}),
        "faults": list(record.faults),
    }


NAMES = sorted(path.stem for path in WIRE.glob("*.http"))


def test_every_fixture_is_a_pair() -> None:
    """No answer lacks its expectation, and no expectation its answer."""
    assert NAMES
    assert sorted(path.name.removesuffix(".usage.json") for path in WIRE.glob("*.json")) == NAMES


@pytest.mark.parametrize("family", Family)
def test_every_family_has_an_answer(family: Family) -> None:
    """Each row of the table has a fixture that reads it."""
    assert any(f"-{family}-" in name for name in NAMES)


@pytest.mark.parametrize("slug", OPERATIONS)
def test_every_operation_has_an_answer(slug: str) -> None:
    """Each operation has a fixture, and each but the unknown has a name here."""
    assert any(name.startswith(f"{slug}-") for name in NAMES)
    assert set(OPERATIONS.values()) == set(Operation) - {Operation.UNKNOWN}


def test_the_generated_answers_are_those_of_the_cases() -> None:
    """A case that was changed has been written anew."""
    for case in CASES:
        assert load(case.name).body == case.body, case.name
        stated = json.loads((WIRE / f"{case.name}.usage.json").read_bytes())
        assert stated == expectation(case), case.name


@pytest.mark.parametrize("name", NAMES)
def test_the_head_frames_the_body(name: str) -> None:
    """A fixture that was edited still has the length that its head states, and a request id."""
    fixture = load(name)
    if fixture.headers.get("transfer-encoding") != "chunked":
        assert int(fixture.headers["content-length"]) == len(fixture.body)
    assert fixture.headers["x-amzn-requestid"]


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_read_whole(name: str) -> None:
    """The record says what the expectation file says, and names Bedrock's request id."""
    fixture = load(name)
    record = fixture.record(fixture.body)
    assert said(record) == fixture.expected
    assert record.outcome.upstream_request_id == fixture.headers["x-amzn-requestid"]


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_read_byte_by_byte(name: str) -> None:
    """Cutting the body at every byte changes nothing."""
    fixture = load(name)
    assert said(fixture.record(*(bytes([byte]) for byte in fixture.body))) == fixture.expected


@pytest.mark.parametrize("name", NAMES)
@settings(PROPERTY, max_examples=10)
@given(data=st.data())
def test_an_answer_read_in_random_chunks(name: str, data: st.DataObject) -> None:
    """Cutting the body anywhere, with empty chunks in between, changes nothing."""
    fixture = load(name)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(fixture.body)), max_size=12)))
    chunks = [fixture.body[start:end] for start, end in zip([0, *cuts], [*cuts, len(fixture.body)], strict=True)]
    assert b"".join(chunks) == fixture.body
    assert said(fixture.record(*chunks)) == fixture.expected
