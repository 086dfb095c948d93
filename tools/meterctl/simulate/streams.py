"""Streamed answers: a `Completion` in, the JSON documents of the stream in order out.

`invocation_metrics` adds Bedrock's own counts as Bedrock does: merged into the model's last document, except for Jamba,
whose counts come in a document of their own.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from meterctl.simulate.bodies import (
    Completion,
    claude_body,
    converse_trace,
    converse_usage,
    guardrail_trace,
    stop_reason,
    titan_counts,
)

GUARDRAIL_ACTION: Final = "amazon-bedrock-guardrailAction"
METRICS: Final = "amazon-bedrock-invocationMetrics"


class Chunk(NamedTuple):
    """One document of a stream."""

    document: dict[str, Any]
    tokens: int = 0
    """How many tokens of the answer it carries."""


class Event(NamedTuple):
    """One event of ConverseStream."""

    name: str
    document: dict[str, Any]
    tokens: int = 0
    """How many tokens of the answer it carries."""


type StreamBuilder = Callable[[Completion], list[Chunk]]


def invocation_metrics(completion: Completion) -> dict[str, Any]:
    """Return the document with Bedrock's own counts; cache counts only where the model supports caching."""
    tokens = completion.tokens
    counts: dict[str, Any] = {
        "inputTokenCount": tokens.input,
        "outputTokenCount": tokens.output,
        "invocationLatency": completion.last_byte_ms,
        "firstByteLatency": completion.first_byte_ms,
    }
    if completion.caches:
        counts |= {"cacheReadInputTokenCount": tokens.cache_read, "cacheWriteInputTokenCount": tokens.cache_write}
    return {METRICS: counts}


def with_metrics(chunks: list[Chunk], completion: Completion, *, apart: bool = False) -> list[Chunk]:
    """Return `chunks` with Bedrock's counts in the last document, or in one of their own."""
    if completion.blocked:
        return _with_guardrail(chunks)
    if apart:
        return [*chunks, Chunk(invocation_metrics(completion))]
    return _merge_last(chunks, invocation_metrics(completion))


def _with_guardrail(chunks: list[Chunk]) -> list[Chunk]:
    """Return `chunks` as they are after a guardrail blocked the input: its action in each, and no counts at all."""
    marked = [chunk._replace(document=chunk.document | {GUARDRAIL_ACTION: "INTERVENED"}) for chunk in chunks]
    return _merge_last(marked, {"amazon-bedrock-trace": {"guardrail": guardrail_trace()}})


def _merge_last(chunks: list[Chunk], more: dict[str, Any]) -> list[Chunk]:
    last = chunks[-1]
    return [*chunks[:-1], last._replace(document=last.document | more)]


def claude_chunks(completion: Completion) -> list[Chunk]:
    """Return the events of Anthropic's messages API.

    `message_start` has the input and a placeholder for the output; `message_delta` the whole output, and from Claude
    4.6 on the input and the cache once more.
    """
    whole = claude_body(completion)
    usage = whole.pop("usage")
    start = whole | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    final = usage if _repeats_usage(completion.model) else {"output_tokens": usage["output_tokens"]}
    return [
        Chunk({"type": "message_start", "message": start}),
        Chunk({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        *(
            Chunk({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}, tokens)
            for text, tokens in completion.pieces()
        ),
        Chunk({"type": "content_block_stop", "index": 0}),
        Chunk(
            {
                "type": "message_delta",
                "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
                "usage": final,
            }
        ),
        Chunk({"type": "message_stop"}),
    ]


def _repeats_usage(model: str) -> bool:
    """Tell whether the Claude model is 4.6 or later."""
    found = re.search(r"claude-[a-z]+-(\d+)(?:-(\d{1,2}))?(?!\d)", model)
    return found is not None and (int(found[1]), int(found[2] or 0)) >= (4, 6)


def nova_chunks(completion: Completion) -> list[Chunk]:
    """Return Converse's events as documents; the usage has one spelling of the cache counts and no total."""
    tokens = completion.tokens
    usage = {
        "inputTokens": tokens.input,
        "outputTokens": tokens.output,
        "cacheReadInputTokenCount": tokens.cache_read,
        "cacheWriteInputTokenCount": tokens.cache_write,
    }
    events = converse_events(completion)[:-1]
    return [
        *(Chunk({event.name: event.document}, event.tokens) for event in events),
        Chunk({"metadata": {"usage": usage, "metrics": {}, "trace": {}}}),
    ]


def titan_chunks(completion: Completion) -> list[Chunk]:
    """Return Titan's chunks: the input count in the first, the output count in the last."""
    pieces = completion.pieces()
    last = len(pieces) - 1
    read, said = titan_counts(completion)
    reason = "LENGTH" if completion.cut else "FINISH"
    return [
        Chunk(
            {
                "outputText": text,
                "index": 0,
                "totalOutputTextTokenCount": said if number == last else None,
                "completionReason": reason if number == last else None,
                "inputTextTokenCount": read if number == 0 else None,
            },
            tokens,
        )
        for number, (text, tokens) in enumerate(pieces)
    ]


def llama_chunks(completion: Completion) -> list[Chunk]:
    """Return Llama's chunks: the input count in the first, the output count so far in each."""
    chunks: list[Chunk] = []
    spoken = 0
    for text, tokens in completion.pieces():
        spoken += tokens
        chunks.append(Chunk(_llama(text, completion.tokens.input if not chunks else None, spoken), tokens))
    chunks.append(Chunk(_llama("", None, spoken, "length" if completion.cut else "stop")))
    return chunks


def _llama(text: str, prompt: int | None, spoken: int, reason: str | None = None) -> dict[str, Any]:
    return {
        "generation": text,
        "prompt_token_count": prompt,
        "generation_token_count": spoken,
        "stop_reason": reason,
    }


def converse_events(completion: Completion) -> list[Event]:
    """Return ConverseStream's events, which are the same for every family; usage is in the last alone."""
    return [
        Event("messageStart", {"role": "assistant"}),
        *(
            Event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}, tokens)
            for text, tokens in completion.pieces()
        ),
        Event("contentBlockStop", {"contentBlockIndex": 0}),
        Event("messageStop", {"stopReason": stop_reason(completion)}),
        Event(
            "metadata",
            {
                "metrics": {"latencyMs": completion.last_byte_ms},
                "usage": _stream_usage(completion),
                **converse_trace(completion),
            },
        ),
    ]


def _stream_usage(completion: Completion) -> dict[str, Any]:
    """Return ConverseStream's usage; with OpenAI's frontier models it has the cached tokens twice, as on Bedrock."""
    usage = converse_usage(completion.tokens, caches=completion.caches)
    if completion.counts_cache_twice:
        cached = completion.tokens.cache_read + completion.tokens.cache_write
        usage |= {"inputTokens": usage["inputTokens"] + cached, "totalTokens": usage["totalTokens"] + cached}
    return usage
