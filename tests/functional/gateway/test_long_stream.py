"""A stream of any length takes no more memory than a short one; ``benchmarks/long_stream.py`` has 200 MB of it."""

import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from tests.functional.gateway.streams import (
    CHAT_BODY,
    CHAT_PATH,
    CONVERSE_STREAM_PATH,
    EVENT_STREAM,
    INPUT,
    OUTPUT,
    SSE,
    FakeAnswer,
    Rig,
    chat_events,
    converse_frames,
    counts,
    frame,
)

MEBIBYTE = 1024 * 1024
LENGTH = 12 * MEBIBYTE
HELD = MEBIBYTE
PIECE = 64 * 1024


def event_stream() -> Iterator[bytes]:
    """Give a Converse stream of more than `LENGTH` bytes, in chunks as large as a socket gives them."""
    first, *_, stop, last = converse_frames(1)
    yield first
    delta = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "word " * 40}, "p": "abc"})
    chunk = delta * (PIECE // len(delta) + 1)
    for _ in range(LENGTH // len(chunk) + 1):
        yield chunk
    yield stop + last


def chat_stream() -> Iterator[bytes]:
    """Give a streamed chat completion of the same length, whose usage is hidden."""
    (delta, *_), usage, done = chat_events(1)
    chunk = delta * (PIECE // len(delta) + 1)
    for _ in range(LENGTH // len(chunk) + 1):
        yield chunk
    yield usage + done


@pytest.mark.parametrize(
    ("path", "body", "content_type", "stream"),
    [
        (CONVERSE_STREAM_PATH, CHAT_BODY, EVENT_STREAM, event_stream),
        (CHAT_PATH, CHAT_BODY, SSE, chat_stream),
    ],
    ids=["event-stream", "sse"],
)
@pytest.mark.parametrize("hang_up", [False, True], ids=["read", "drained"])
def test_a_long_stream_in_constant_memory(
    path: str, body: bytes, content_type: str, stream: Callable[[], Iterator[bytes]], hang_up: bool
) -> None:
    """Many chunks pass, to the caller or to nobody, while only a few are held, and the counts at their end are read."""
    answer = FakeAnswer(stream(), headers=(("content-type", content_type),))
    rig = Rig(answer, drain_bytes=2 * LENGTH)
    response = rig.ask(path, body)

    tracemalloc.start()
    try:
        for _ in response.body:
            if hang_up:
                break
        response.close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert answer.given > LENGTH
    assert peak < HELD
    assert counts(rig.record) == (INPUT, OUTPUT)
