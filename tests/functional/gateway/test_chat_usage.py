"""Streamed chat completions: the usage is asked for, metered, and kept from the caller who did not ask."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY, a_call
from tests.functional.gateway.streams import (
    CHAT_BODY,
    CHAT_PATH,
    INPUT,
    OUTPUT,
    FakeAnswer,
    Rig,
    chat_events,
    counts,
    cut,
)

from bedrock_meter.domain import Certainty, Operation
from bedrock_meter.errors import UpstreamUnavailable
from gateway.chat_usage import MAX_HELD, UsageHider, ask_for_usage

FIRST, USAGE, DONE = chat_events()
WHOLE = b"".join([*FIRST, USAGE, DONE])
HIDDEN = b"".join([*FIRST, DONE])
HEADERS = (("content-type", "text/event-stream; charset=utf-8"),)


def asking(body: bytes, **call: Any) -> bytes | None:
    """Put the question into a body."""
    return ask_for_usage(a_call(**({"operation": Operation.CHAT_COMPLETIONS, "streaming": True} | call)), body)


def test_the_option_is_put_in_and_the_rest_stays_as_it_was() -> None:
    """A caller that says nothing of usage gets its own body sent, byte for byte, with the option in front."""
    body = b' {"stream" : true, "a": 1.50, "b":"\\ud83d \xc3\xab"}\n'
    assert asking(body) == (
        b' {"stream_options":{"include_usage":true},"stream" : true, "a": 1.50, "b":"\\ud83d \xc3\xab"}\n'
    )


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (None, {"include_usage": True}),
        ({}, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": True}),
        ({"include_obfuscation": False}, {"include_obfuscation": False, "include_usage": True}),
    ],
)
def test_options_that_do_not_ask_are_completed(options: object, sent: object) -> None:
    """Other options of the caller stay, and nothing else of the document changes."""
    document = {"stream": True, "stream_options": options, "temperature": 0.1, "text": "\ud83d caf\u00e9"}
    body = asking(json.dumps(document).encode())
    assert body is not None
    assert json.loads(body) == {**document, "stream_options": sent}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"stream":true,"stream_options":{"include_usage":true}}', id="it asks itself"),
        pytest.param(b'{"stream":true,"stream_options":"yes"}', id="Bedrock will say what is wrong with that"),
        pytest.param('{"stream":true}'.encode("utf-16"), id="not UTF-8"),
        pytest.param(b'{"stream":true,"stream_options":{},"a":1e999}', id="a number that JSON cannot carry back"),
    ],
)
def test_a_body_that_stays_as_it_is(body: bytes) -> None:
    """Nothing is put in where it is there already, or where that could change what the caller said."""
    assert asking(body) is None


@pytest.mark.parametrize(
    "call", [{"streaming": False}, {"operation": Operation.RESPONSES}, {"operation": Operation.MESSAGES}]
)
def test_only_streamed_chat_completions_need_it(call: dict[str, Any]) -> None:
    """Every other answer tells its usage unasked."""
    assert asking(CHAT_BODY, **call) is None


@given(
    offsets=st.lists(st.integers(0, len(WHOLE) + 20), max_size=60),
    end=st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n"]),
)
@PROPERTY
def test_the_usage_chunk_is_hidden_however_it_is_cut(offsets: list[int], end: bytes) -> None:
    """Whatever the chunks and the line ends, exactly the one event is missing, and all is metered."""
    first, usage, done = chat_events(end=end)
    rig = Rig(FakeAnswer(cut(b"".join([*first, usage, done]), offsets), headers=HEADERS))

    response = rig.ask(CHAT_PATH, CHAT_BODY)

    assert b"".join(response.body) == b"".join([*first, done])
    assert b'"stream_options":{"include_usage":true}' in rig.upstream.sent[0]
    assert counts(rig.record) == (INPUT, OUTPUT)
    assert rig.record.outcome.certainty is Certainty.EXACT
    assert rig.record.call.input_bytes == len(CHAT_BODY)


def test_a_whole_event_is_not_held() -> None:
    """Each event reaches the caller with the chunk that completes it; only the usage waits for nothing but itself."""
    rig = Rig(FakeAnswer([*FIRST, USAGE, DONE], headers=HEADERS))
    assert list(rig.ask(CHAT_PATH, CHAT_BODY).body) == [*FIRST, DONE]


def test_a_caller_that_asks_sees_it() -> None:
    """Who asked for the usage gets it, and its request is sent as it is."""
    body = CHAT_BODY[:-1] + b',"stream_options":{"include_usage":true}}'
    rig = Rig(FakeAnswer([WHOLE], headers=HEADERS))
    assert b"".join(rig.ask(CHAT_PATH, body).body) == WHOLE
    assert rig.upstream.sent == [body]
    assert counts(rig.record) == (INPUT, OUTPUT)


def test_it_is_hidden_from_a_buffered_transport_too() -> None:
    """A front that collects the answer gives the caller no more than one that streams."""
    rig = Rig(FakeAnswer([WHOLE[:100], WHOLE[100:]], headers=HEADERS))
    response = rig.ask(CHAT_PATH, CHAT_BODY, buffered=True)
    assert b"".join(response.body) == HIDDEN
    assert counts(rig.record) == (INPUT, OUTPUT)


def test_an_error_instead_of_a_stream_is_not_touched() -> None:
    """A JSON answer to a request for a stream passes as it is."""
    error = b'{"error":{"message":"no"}}\n\ndata: {"choices":[],"usage":{}}\n\n'
    rig = Rig(FakeAnswer([error], status=400, headers=(("content-type", "application/json"),)))
    assert b"".join(rig.ask(CHAT_PATH, CHAT_BODY).body) == error


def test_what_is_held_when_the_stream_breaks_off_is_given() -> None:
    """Half an event is all that came, so the caller gets it."""
    half = FIRST[1][:30]
    rig = Rig(FakeAnswer([FIRST[0] + half, UpstreamUnavailable("reset")], headers=HEADERS))
    body = iter(rig.ask(CHAT_PATH, CHAT_BODY).body)
    assert [next(body), next(body)] == [FIRST[0], half]
    with pytest.raises(UpstreamUnavailable):
        next(body)


@given(
    data=st.lists(
        st.sampled_from([b"\r", b"\n", b"data: {}", b"data: [DONE]", FIRST[0], b"x" * (MAX_HELD + 1), b": ping"]),
        max_size=12,
    ).map(b"".join),
    offsets=st.lists(st.integers(0, 3 * MAX_HELD), max_size=10),
)
@PROPERTY
def test_everything_else_passes_byte_for_byte(data: bytes, offsets: list[int]) -> None:
    """Comments, stray line ends, events too long to be held: without a usage chunk nothing is missing."""
    hider = UsageHider()
    assert b"".join(map(hider.feed, cut(data, offsets))) + hider.rest() == data


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}\n\n',
        b'data: {"choices":[],"usage":null}\n\n',
        b'data: {"choices":[],"prompt_filter_results":[{"usage":{}}]}\n\n',
        b'data: {"usage":{"prompt_tokens":1}}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":1}\n\n',
        b'data: "\\"choices\\":[],\\"usage\\":{}"\n\n',
        b"data: " + b"[" * 5000 + b'"usage":{' + b"\n\n",
        b': {"choices":[],"usage":{}}\n\n',
    ],
)
def test_what_only_looks_like_the_usage_chunk_is_shown(event: bytes) -> None:
    """A chunk with choices, without a usage, or that is no JSON is the caller's."""
    hider = UsageHider()
    assert hider.feed(event) + hider.rest() == event


def test_a_long_event_is_not_collected() -> None:
    """An event without an end passes as it comes, so that memory stays bounded."""
    hider = UsageHider()
    piece = b"data: " + b"x" * 4000
    shown = sum(len(hider.feed(piece)) for _ in range(1000))
    assert shown >= 1000 * len(piece) - MAX_HELD
