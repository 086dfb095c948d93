"""Wire fixtures: what a recorded-looking answer must become, however its bytes are cut."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import CLAUDE_US, PROPERTY, Bench, a_call, a_model

from bedrock_meter.domain import Family, Record
from bedrock_meter.request import MODEL_ROUTES

WIRE = Path(__file__).parents[1] / "golden" / "wire"
BUCKETS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
MODELS = {
    Family.CLAUDE: CLAUDE_US,
    Family.NOVA: "amazon.nova-lite-v1:0",
    Family.TITAN_TEXT: "amazon.titan-text-express-v1",
    Family.LLAMA: "meta.llama3-8b-instruct-v1:0",
    Family.OTHER: "mistral.mistral-7b-instruct-v0:2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """One recorded-looking answer."""

    operation: str
    family: Family
    status: int
    headers: dict[str, str]
    body: bytes
    expected: dict[str, Any]

    def record(self, *chunks: bytes) -> Record:
        """Meter the answer, its body cut into these chunks."""
        call = a_call(operation=MODEL_ROUTES[self.operation], model=a_model(MODELS[self.family]))
        return Bench().exchange(*chunks, call=call, status=self.status, headers=self.headers)


def load(name: str) -> Fixture:
    """Read the two files of a fixture."""
    operation = next(verb for verb in MODEL_ROUTES if name.startswith(verb + "-"))
    family = next(family for family in Family if name.startswith(f"{operation}-{family}-"))
    head, _, body = (WIRE / f"{name}.http").read_bytes().partition(b"\n\n")
    status_line, *lines = head.decode("ascii").split("\n")
    return Fixture(
        operation=operation,
        family=family,
        status=int(status_line.split(" ")[1]),
        headers={line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines},
        body=body,
        expected=json.loads((WIRE / f"{name}.usage.json").read_bytes()),
    )


def said(record: Record) -> dict[str, Any]:
    """Put a record into the form of the expectation."""
    usage, outcome = record.usage, record.outcome
    return {
        "usage": None if usage is None else {name: getattr(usage, name) for name in BUCKETS},
        "source": usage and usage.source.value,
        "stop_reason": outcome.stop_reason,
        "certainty": outcome.certainty.value,
        "disagreement": record.disagreement,
        "status": outcome.status.value,
        "error_code": outcome.error_code,
        "latency_ms": outcome.upstream_latency_ms,
        "faults": list(record.faults),
    }


NAMES = sorted(path.stem for path in WIRE.glob("*.http"))


def test_every_fixture_is_a_pair() -> None:
    """No answer lacks its expectation, and no expectation its answer."""
    assert NAMES
    assert sorted(path.name.removesuffix(".usage.json") for path in WIRE.glob("*.json")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_head_frames_the_body(name: str) -> None:
    """A fixture that was edited still has the length that its head states, and a request id."""
    fixture = load(name)
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
