"""The cases that `generate.py` writes: what Bedrock sends, in the shape of recorded answers, and what becomes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.golden.generate import chunks, compact, events, exception, frame, sse

PROFILE = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3d4e5f6"
ROUTER = "arn:aws:bedrock:us-east-1:111122223333:default-prompt-router/anthropic.claude:1"
EVENTS = {"Content-Type": "application/vnd.amazon.eventstream", "X-Amzn-Bedrock-Content-Type": "application/json"}
SSE = {"Content-Type": "text/event-stream; charset=utf-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One answer and what it must become. ``usage`` holds input, output, cache read, writes for 5 min and for 1 h."""

    name: str
    body: bytes
    usage: tuple[int | None, int | None, int | None, int | None, int | None] | None
    source: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    model: str | None = None
    other: Mapping[str, int] = field(default_factory=dict)
    stop: str | None = None
    certainty: str = "exact"
    disagreement: bool = False
    outcome: str = "ok"
    error: str | None = None
    latency: int | None = None
    invoked: str | None = None
    faults: tuple[str, ...] = ()


def expectation(case: Case) -> dict[str, Any]:
    """Give the expectation as the file states it."""
    names = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    usage = None if case.usage is None else dict(zip(names, case.usage, strict=True))
    return {
        **({"model": case.model} if case.model else {}),
        "usage": usage if usage is None or not case.other else {**usage, "other": dict(case.other)},
        "source": case.source,
        "stop_reason": case.stop,
        "certainty": case.certainty,
        "disagreement": case.disagreement,
        "status": case.outcome,
        "error_code": case.error,
        "latency_ms": case.latency,
        **({"invoked_model": case.invoked} if case.invoked else {}),
        "faults": list(case.faults),
    }


def counted(
    read_in: int, out: int | None = None, *, read: int | None = None, write: int | None = None
) -> dict[str, str]:
    """Give the token headers of a buffered InvokeModel answer."""
    counts = {"Input": read_in, "Output": out, "Cache-Read-Input": read, "Cache-Write-Input": write}
    stated = {f"X-Amzn-Bedrock-{name}-Token-Count": str(count) for name, count in counts.items() if count is not None}
    return {**stated, "X-Amzn-Bedrock-Invocation-Latency": "402"}


def metrics(read_in: float, out: float, **cache: int) -> dict[str, Any]:
    """Give the metrics of the last chunk."""
    stated = {"inputTokenCount": read_in, "outputTokenCount": out, "invocationLatency": 812, "firstByteLatency": 301}
    return {"amazon-bedrock-invocationMetrics": {**stated, **cache}}


# --- Claude ---------------------------------------------------------------------------------------------------------


def claude_start(**usage: Any) -> dict[str, Any]:
    """Give ``message_start``."""
    message = {"id": "msg_bdrk_01", "type": "message", "role": "assistant", "model": "claude", "content": []}
    return {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": usage}}


def claude_delta(text: str, kind: str = "text") -> dict[str, Any]:
    """Give one piece of text or thought."""
    return {"type": "content_block_delta", "index": 0, "delta": {"type": f"{kind}_delta", kind: text}}


def claude_end(**usage: Any) -> dict[str, Any]:
    """Give ``message_delta``, which ends the message."""
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage}


BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
BLOCK_END = {"type": "content_block_stop", "index": 0}
STOP: dict[str, Any] = {"type": "message_stop"}
PLAIN_START = claude_start(input_tokens=14, cache_creation_input_tokens=0, cache_read_input_tokens=0, output_tokens=2)
PLAIN = (PLAIN_START, BLOCK, claude_delta("Guten"), claude_delta(' Tag, the "usage": {1}'), BLOCK_END)
WHOLE = chunks(*PLAIN, claude_end(output_tokens=9), {**STOP, **metrics(14, 9)})
SPLIT = {"ephemeral_5m_input_tokens": 1200, "ephemeral_1h_input_tokens": 4000}
CACHED = {"input_tokens": 7, "cache_creation_input_tokens": 5200, "cache_read_input_tokens": 1024}
FOUND_CACHE = {"cacheReadInputTokenCount": 1024, "cacheWriteInputTokenCount": 5200}
LOST_CHUNK = chunks(claude_delta("lost"))
CLAUDE = "invoke-with-response-stream-claude"
PLAIN_USAGE = (14, 9, 0, 0, None)


def of_claude(name: str, body: bytes, usage: Any = PLAIN_USAGE, **more: Any) -> Case:
    """Give a case of a Claude stream; the usual end is a good one."""
    usual: dict[str, Any] = {"source": "stream", "stop": "end_turn", "latency": 812}
    return Case(name=f"{CLAUDE}-{name}", body=body, usage=usage, headers=EVENTS, **(usual | more))


CLAUDE_CASES = (
    of_claude("plain", WHOLE),
    of_claude(
        "cache-split",
        chunks(
            claude_start(**CACHED, cache_creation=SPLIT, output_tokens=1),
            claude_delta("Noted."),
            claude_end(**CACHED, output_tokens=3),
            {**STOP, **metrics(7, 3, **FOUND_CACHE)},
        ),
        (7, 3, 1024, 1200, 4000),
    ),
    of_claude(
        "cache-only-at-the-start",
        chunks(
            claude_start(**CACHED, cache_creation=SPLIT, output_tokens=1),
            claude_delta("Noted."),
            claude_end(output_tokens=3, cache_read_input_tokens=0),
            STOP,
        ),
        (7, 3, 1024, 1200, 4000),
        latency=None,
    ),
    of_claude(
        "thinking",
        chunks(
            claude_start(input_tokens=40, output_tokens=8),
            claude_delta("Hm.", "thinking"),
            claude_delta("4"),
            claude_end(output_tokens=73, output_tokens_details={"thinking_tokens": 70}),
            {**STOP, **metrics(40, 73)},
        ),
        (40, 73, None, None, None),
    ),
    of_claude(
        "placeholder-above-the-output",
        chunks(claude_start(input_tokens=40, output_tokens=8), claude_delta("4"), claude_end(output_tokens=5), STOP),
        (40, 5, None, None, None),
        latency=None,
    ),
    of_claude(
        "ends-after-the-start", chunks(*PLAIN), (14, 2, 0, 0, None), certainty="at_least", stop=None, latency=None
    ),
    of_claude(
        "throttled-midway",
        chunks(*PLAIN) + exception("throttlingException"),
        (14, 2, 0, 0, None),
        certainty="at_least",
        outcome="throttled",
        error="ThrottlingException",
        stop=None,
        latency=None,
    ),
    of_claude(
        "exception-as-event",
        chunks(*PLAIN) + frame("modelStreamErrorException", compact({"message": "m", "originalStatusCode": 500})),
        (14, 2, 0, 0, None),
        certainty="at_least",
        outcome="client_error",
        error="ModelStreamErrorException",
        stop=None,
        latency=None,
    ),
    of_claude(
        "exception-at-once",
        exception("serviceUnavailableException"),
        None,
        source=None,
        certainty="unknown",
        outcome="server_error",
        error="ServiceUnavailableException",
        stop=None,
        latency=None,
    ),
    of_claude(
        "error-in-a-chunk",
        chunks(*PLAIN, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        (14, 2, 0, 0, None),
        certainty="at_least",
        outcome="server_error",
        error="overloaded_error",
        stop=None,
        latency=None,
    ),
    of_claude(
        "disagreement",
        chunks(*PLAIN, claude_end(output_tokens=9), {**STOP, **metrics(14, 12)}),
        (14, 12, 0, 0, None),
        disagreement=True,
    ),
    of_claude(
        "corrupt-message",
        chunks(*PLAIN[:2])
        + LOST_CHUNK[:-9]
        + bytes([LOST_CHUNK[-9] ^ 1])
        + LOST_CHUNK[-8:]
        + chunks(*PLAIN[2:], claude_end(output_tokens=9), {**STOP, **metrics(14, 9)}),
        certainty="at_least",
        faults=("stream_message_corrupt",),
    ),
    of_claude(
        "garbage-after-the-end", WHOLE + b"garbage after the end", certainty="at_least", faults=("stream_framing_lost",)
    ),
    of_claude("rest-after-the-end", WHOLE + b"rest", certainty="at_least", faults=("stream_cut_short",)),
    of_claude(
        "oversized-claim",
        chunks(*PLAIN) + b"\xff\xff\xff\xff\x00\x00\x00\x10\x00\x00\x00\x00" + WHOLE,
        (14, 2, 0, 0, None),
        certainty="at_least",
        faults=("stream_framing_lost",),
        stop=None,
        latency=None,
    ),
    of_claude(
        "unknown-event",
        frame("novelty", b'{"a":1}') + WHOLE,
        certainty="at_least",
        faults=("stream_event_unknown",),
    ),
    of_claude(
        "payload-not-json",
        frame("chunk", b"nonsense") + frame("chunk", b'{"bytes":7}') + WHOLE,
        certainty="at_least",
        faults=("stream_chunk_unreadable",),
    ),
    of_claude(
        "model-not-json",
        frame("chunk", b'{"bytes":"bm90IGpzb24="}') + WHOLE,
        certainty="at_least",
        faults=("stream_chunk_not_json",),
    ),
    of_claude("padding-first", frame("chunk", b'{"p":"abc","bytes":"eyJ0eXBlIjoicGluZyJ9"}') + WHOLE),
    of_claude("escaped-base64", frame("chunk", b'{"bytes":"eyJ0eXBlIjoicGluZyJ9IAo\\u003d"}') + WHOLE),
    of_claude(
        "guardrail-units",
        chunks(
            *PLAIN,
            claude_end(output_tokens=9),
            {
                **STOP,
                **metrics(14, 9),
                "amazon-bedrock-guardrailAction": "NONE",
                "amazon-bedrock-trace": {
                    "guardrail": {
                        "input": {
                            "gr1": {"invocationMetrics": {"usage": {"contentPolicyUnits": 1, "topicPolicyUnits": 2}}}
                        },
                        "outputs": [{"gr1": {"invocationMetrics": {"usage": {"contentPolicyUnits": 3}}}}],
                    }
                },
            },
        ),
        other={"content_policy_units": 4, "topic_policy_units": 2},
    ),
    Case(
        name="invoke-with-response-stream-other-application-profile",
        model=PROFILE,
        body=chunks(
            claude_start(**CACHED, cache_creation=SPLIT, output_tokens=1),
            claude_end(output_tokens=3),
            {**STOP, **metrics(7, 3, **FOUND_CACHE)},
        ),
        headers=EVENTS,
        usage=(7, 3, 1024, 1200, 4000),
        source="stream",
        stop="end_turn",
        latency=812,
    ),
)

# --- InvokeModel streams of the other families ----------------------------------------------------------------------


def piece(text: str, **more: Any) -> dict[str, Any]:
    """Give one ``chat.completion.chunk``."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": more.pop("finish", None)}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "choices": [choice], **more}


def streamed(family: str, *documents: dict[str, Any], usage: Any, **more: Any) -> Case:
    """Give a case of an InvokeModel stream."""
    name = f"invoke-with-response-stream-{family}"
    usual: dict[str, Any] = {"source": "stream", "latency": 812}
    return Case(name=name, body=chunks(*documents), headers=EVENTS, usage=usage, **(usual | more))


CHAT_USAGE = {"prompt_tokens": 88, "completion_tokens": 14, "total_tokens": 102}
STREAM_CASES = (
    streamed(
        "nova-plain",
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "Olá"}, "contentBlockIndex": 0}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        {
            "metadata": {
                "usage": {
                    "inputTokens": 5,
                    "outputTokens": 3,
                    "cacheReadInputTokenCount": 900,
                    "cacheWriteInputTokenCount": 0,
                },
                "metrics": {},
                "trace": {},
            },
            **metrics(5, 3, cacheReadInputTokenCount=900, cacheWriteInputTokenCount=0),
        },
        usage=(5, 3, 900, 0, None),
        stop="end_turn",
    ),
    streamed(
        "titan-text-plain",
        {"outputText": "Hi", "index": 0, "totalOutputTextTokenCount": None, "inputTextTokenCount": 6},
        {
            "outputText": "!",
            "index": 0,
            "totalOutputTextTokenCount": 4,
            "completionReason": "FINISH",
            "inputTextTokenCount": 6,
            **metrics(6, 4),
        },
        usage=(6, 4, None, None, None),
        stop="FINISH",
    ),
    streamed(
        "titan-text-guardrail-blocked",
        {
            "outputText": "Sorry, I cannot answer this.",
            "index": 0,
            "totalOutputTextTokenCount": 17.0,
            "completionReason": "FINISH",
            "inputTextTokenCount": 28.0,
            "amazon-bedrock-guardrailAction": "INTERVENED",
            "amazon-bedrock-trace": {
                "guardrail": {"input": {"gr1": {"invocationMetrics": {"usage": {"topicPolicyUnits": 1.0}}}}}
            },
        },
        usage=(None, None, None, None, None),
        other={"topic_policy_units": 1},
        stop="guardrail_intervened",
        latency=None,
    ),
    streamed(
        "llama-plain",
        {"generation": "Hi", "prompt_token_count": 25, "generation_token_count": 1, "stop_reason": None},
        {"generation": " you", "prompt_token_count": None, "generation_token_count": 2, "stop_reason": None},
        {
            "generation": "",
            "prompt_token_count": None,
            "generation_token_count": 3,
            "stop_reason": "stop",
            **metrics(25, 3),
        },
        usage=(25, 3, None, None, None),
        stop="stop",
    ),
    streamed(
        "llama-ends-midway",
        {"generation": "Hi", "prompt_token_count": 25, "generation_token_count": 1, "stop_reason": None},
        {"generation": " you", "prompt_token_count": None, "generation_token_count": 2, "stop_reason": None},
        usage=(25, 2, None, None, None),
        certainty="at_least",
        latency=None,
    ),
    streamed(
        "mistral-plain",
        {"outputs": [{"text": "Bon", "stop_reason": None}]},
        {"outputs": [{"text": "jour", "stop_reason": "stop"}], **metrics(19, 7)},
        usage=(19, 7, None, None, None),
        stop="stop",
    ),
    streamed(
        "cohere-command-plain",
        {"is_finished": False, "event_type": "text-generation", "text": "Hi"},
        {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE", **metrics(11, 5)},
        usage=(11, 5, None, None, None),
        stop="COMPLETE",
    ),
    streamed(
        "ai21-metrics-alone",
        piece("Hi", usage={"prompt_tokens": 13, "completion_tokens": 1, "total_tokens": 14}),
        piece("", usage={"prompt_tokens": 13, "completion_tokens": 2, "total_tokens": 15}, finish="stop"),
        metrics(13, 2),
        usage=(13, 2, None, None, None),
        stop="stop",
    ),
    streamed(
        "deepseek-r1",
        {"generation": "Hm", "prompt_token_count": 9, "generation_token_count": 1, "stop_reason": None},
        {"generation": ".", "generation_token_count": 2, "stop_reason": "stop", **metrics(9, 2)},
        usage=(9, 2, None, None, None),
        stop="stop",
    ),
    *(
        streamed(
            f"{family}-plain",
            piece("Hi", usage=None),
            piece("", usage=None, finish="stop"),
            {"object": "chat.completion.chunk", "choices": [], "usage": CHAT_USAGE, **metrics(88, 14)},
            usage=(88, 14, None, None, None),
            stop="stop",
        )
        for family in ("deepseek", "qwen", "openai", "writer", "open-weight")
    ),
    streamed(
        "pegasus-plain",
        {"message": "A cat", "finishReason": None},
        {"message": ".", "finishReason": "stop", **metrics(3100, 4)},
        usage=(3100, 4, None, None, None),
        stop="stop",
    ),
)

# --- InvokeModel, buffered ------------------------------------------------------------------------------------------


def invoked(name: str, document: Any, *, usage: Any, **more: Any) -> Case:
    """Give a case of a buffered InvokeModel answer; with token headers their source and latency are the usual ones."""
    usual: dict[str, Any] = {"source": "header", "latency": 402} if "headers" in more else {"source": "body"}
    return Case(name=f"invoke-{name}", body=compact(document), usage=usage, **(usual | more))


def chat(**usage: Any) -> dict[str, Any]:
    """Give a ``chat.completion``."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage}


CHAT_CACHED = {
    "prompt_tokens": 2000,
    "completion_tokens": 14,
    "total_tokens": 2014,
    "prompt_tokens_details": {"cached_tokens": 1500, "cache_write_tokens": 86},
    "completion_tokens_details": {"reasoning_tokens": 6},
}
INVOKE_CASES = (
    invoked(
        "nova-embedding-plain", {"embeddings": [{"embedding": [0.25]}]}, headers=counted(12), usage=(12, *[None] * 4)
    ),
    invoked(
        "titan-embedding-plain",
        {"embedding": [0.25, -0.5], "inputTextTokenCount": 12},
        headers=counted(12),
        usage=(12, *[None] * 4),
    ),
    invoked("titan-embedding-no-headers", {"embedding": [0.2], "inputTextTokenCount": 12}, usage=(12, *[None] * 4)),
    invoked("cohere-embed-plain", {"embeddings": [[0.25]], "texts": ["a"]}, headers=counted(3), usage=(3, *[None] * 4)),
    invoked(
        "cohere-command-plain",
        {"text": "Hi", "finish_reason": "COMPLETE", "chat_history": []},
        headers=counted(11, 5),
        usage=(11, 5, None, None, None),
        stop="COMPLETE",
    ),
    invoked(
        "mistral-plain",
        {"outputs": [{"text": " Bonjour", "stop_reason": "stop"}]},
        headers=counted(19, 7),
        usage=(19, 7, None, None, None),
        stop="stop",
    ),
    invoked(
        "mistral-no-headers",
        {"outputs": [{"text": " Bonjour", "stop_reason": "stop"}]},
        usage=None,
        source=None,
        stop="stop",
        certainty="unknown",
    ),
    invoked(
        "rerank-plain",
        {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]},
        usage=(None,) * 5,
        other={"search_units": 1},
        certainty="at_least",
    ),
    invoked("nova-canvas-two-images", {"images": ["aGk=", "aGk="]}, usage=(None,) * 5, other={"images": 2}),
    invoked("titan-image-none", {"images": [], "error": "blocked"}, usage=(None,) * 5, other={"images": 0}),
    invoked(
        "stability-one-filtered",
        {"seeds": [1, 2], "finish_reasons": [None, "Filter reason: output"], "images": ["aGk=", ""]},
        usage=(None,) * 5,
        other={"images": 1},
    ),
    invoked(
        "stability-old",
        {"result": "success", "artifacts": [{"seed": 1, "base64": "aGk=", "finishReason": "SUCCESS"}]},
        usage=(None,) * 5,
        other={"images": 1},
    ),
    invoked(
        "ai21-jamba",
        chat(prompt_tokens=13, completion_tokens=2, total_tokens=15),
        headers=counted(13, 2),
        usage=(13, 2, None, None, None),
        stop="stop",
    ),
    invoked("ai21-jurassic", {"id": 1, "completions": [{}]}, headers=counted(8, 9), usage=(8, 9, None, None, None)),
    invoked(
        "deepseek-r1",
        {"choices": [{"text": "Hm.", "stop_reason": "stop"}]},
        headers=counted(9, 2),
        usage=(9, 2, None, None, None),
        stop="stop",
    ),
    *(
        invoked(
            f"{family}-plain", chat(**CHAT_USAGE), headers=counted(88, 14), usage=(88, 14, *[None] * 3), stop="stop"
        )
        for family in ("qwen", "writer", "open-weight")
    ),
    invoked(
        "openai-cached",
        chat(**CHAT_CACHED),
        headers=counted(414, 14, read=1500, write=86),
        usage=(414, 14, 1500, 86, None),
        stop="stop",
    ),
    invoked("openai-cached-no-headers", chat(**CHAT_CACHED), usage=(414, 14, 1500, 86, None), stop="stop"),
    invoked(
        "openai-less-input-than-cached",
        chat(prompt_tokens=5, completion_tokens=1, prompt_tokens_details={"cached_tokens": 7}),
        usage=(5, 1, 7, None, None),
        stop="stop",
        disagreement=True,
    ),
    invoked(
        "openai-wrong-total",
        chat(prompt_tokens=5, completion_tokens=1, total_tokens=7),
        usage=(5, 1, None, None, None),
        stop="stop",
        disagreement=True,
    ),
    invoked(
        "pegasus-plain",
        {"message": "A cat.", "finishReason": "stop"},
        headers=counted(3100, 4),
        usage=(3100, 4, None, None, None),
        stop="stop",
    ),
    invoked("marengo-plain", {"data": [{"embedding": [0.25]}]}, usage=(None,) * 5, other={"embeddings": 1}),
    invoked(
        "other-imported",
        {
            "id": "cmpl-1",
            "object": "text_completion",
            "choices": [{"index": 0, "text": " Hi", "finish_reason": "length"}],
            "usage": {"prompt_tokens": 4, "completion_tokens": 50, "total_tokens": 54},
        },
        model="arn:aws:bedrock:us-east-1:111122223333:imported-model/a1b2c3d4e5f6",
        headers=counted(4, 50),
        usage=(4, 50, None, None, None),
        stop="length",
    ),
    invoked(
        "other-marketplace-not-json",
        "no object",
        model="arn:aws:sagemaker:us-east-1:111122223333:endpoint/mine",
        headers=counted(4, 50),
        usage=(4, 50, None, None, None),
    ),
    invoked(
        "other-application-profile",
        {
            "type": "message",
            "stop_reason": "end_turn",
            "usage": {**CACHED, "cache_creation": SPLIT, "output_tokens": 3},
        },
        model=PROFILE,
        headers=counted(7, 3, read=1024, write=5200),
        usage=(7, 3, 1024, 1200, 4000),
        stop="end_turn",
    ),
    invoked(
        "nova-second-generation",
        {
            "output": {"message": {"content": [{"text": "Olá."}], "role": "assistant"}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 5, "outputTokens": 3, "totalTokens": 8, "cacheReadInputTokenCount": 0},
        },
        model="us.amazon.nova-2-lite-v1:0",
        headers=counted(5, 3, read=0),
        usage=(5, 3, 0, None, None),
        stop="end_turn",
    ),
)

# --- Converse -------------------------------------------------------------------------------------------------------

ANSWER = {"output": {"message": {"role": "assistant", "content": [{"text": "Hi."}]}}, "stopReason": "end_turn"}
GUARDED = {
    "guardrail": {
        "inputAssessment": {"gr1": {"invocationMetrics": {"usage": {"topicPolicyUnits": 1, "wordPolicyUnits": 1}}}},
        "outputAssessments": {"gr1": [{"invocationMetrics": {"usage": {"topicPolicyUnits": 2}}}]},
    }
}
ROUTED = {"promptRouter": {"invokedModelId": "anthropic.claude-3-haiku-20240307-v1:0"}}
USED = {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}
DETAILS = [{"ttl": "1h", "inputTokens": 4000}, {"ttl": "5m", "inputTokens": 1200}]
USED_CACHE = {
    **USED,
    "totalTokens": 6234,
    "cacheReadInputTokens": 1024,
    "cacheWriteInputTokens": 5200,
    "cacheReadInputTokenCount": 1024,
    "cacheWriteInputTokenCount": 5200,
    "cacheDetails": DETAILS,
}


def conversed(name: str, usage: Any, *, more_events: Mapping[str, Any] | None = None, **more: Any) -> Case:
    """Give a case of a ConverseStream answer; ``more_events`` come after the text."""
    body = events(
        messageStart={"role": "assistant"},
        contentBlockDelta1={"delta": {"text": "Hi"}, "contentBlockIndex": 0},
        contentBlockDelta2={"delta": {"text": "."}, "contentBlockIndex": 0},
        contentBlockStop={"contentBlockIndex": 0},
        **(more_events or {}),
    )
    tail = more.pop("tail", b"")
    usual: dict[str, Any] = {"source": "stream", "stop": "end_turn", "latency": 551}
    return Case(name=f"converse-stream-{name}", body=body + tail, headers=EVENTS, usage=usage, **(usual | more))


def ended(usage: Mapping[str, Any], *, stop: str = "end_turn", **metadata: Any) -> dict[str, Any]:
    """Give the two events that end a Converse stream."""
    return {
        "messageStop": {"stopReason": stop},
        "metadata": {"usage": usage, "metrics": {"latencyMs": 551}, **metadata},
    }


CONVERSE_CASES = (
    Case(
        name="converse-claude-router",
        model=ROUTER,
        body=compact({**ANSWER, "usage": USED, "metrics": {"latencyMs": 551}, "trace": ROUTED}),
        usage=(7, 3, None, None, None),
        source="body",
        stop="end_turn",
        latency=551,
        invoked="anthropic.claude-3-haiku-20240307-v1:0",
    ),
    Case(
        name="converse-nova-guardrail-units",
        body=compact({**ANSWER, "usage": USED, "metrics": {"latencyMs": 551}, "trace": GUARDED}),
        usage=(7, 3, None, None, None),
        other={"topic_policy_units": 3, "word_policy_units": 1},
        source="body",
        stop="end_turn",
        latency=551,
    ),
    Case(
        name="converse-openai-cached",
        body=compact(
            {
                **ANSWER,
                "usage": {"inputTokens": 2, "outputTokens": 19, "totalTokens": 5014, "cacheWriteInputTokens": 4993},
                "metrics": {"latencyMs": 551},
            }
        ),
        usage=(2, 19, None, 4993, None),
        source="body",
        stop="end_turn",
        latency=551,
    ),
    Case(
        name="converse-claude-wrong-total",
        body=compact({**ANSWER, "usage": {**USED, "totalTokens": 11}, "metrics": {"latencyMs": 551}}),
        usage=(7, 3, None, None, None),
        source="body",
        stop="end_turn",
        latency=551,
        disagreement=True,
    ),
    conversed("claude-plain", (7, 3, None, None, None), more_events=ended(USED)),
    conversed("claude-cache-split", (7, 3, 1024, 1200, 4000), more_events=ended(USED_CACHE)),
    conversed(
        "claude-router",
        (7, 3, None, None, None),
        model=ROUTER,
        more_events=ended(USED, trace=ROUTED),
        invoked="anthropic.claude-3-haiku-20240307-v1:0",
    ),
    conversed("nova-plain", (7, 3, None, None, None), more_events=ended(USED)),
    conversed(
        "nova-guardrail-blocked",
        (7, 3, None, None, None),
        more_events=ended({**USED, "inputTokens": 7.0}, stop="guardrail_intervened", trace=GUARDED),
        stop="guardrail_intervened",
        other={"topic_policy_units": 3, "word_policy_units": 1},
    ),
    conversed(
        "openai-cache-counted-twice",
        (2, 21, None, 4993, None),
        model="openai.gpt-5.6-sol",
        more_events=ended(
            {
                "inputTokens": 4995,
                "outputTokens": 21,
                "totalTokens": 10009,
                "cacheReadInputTokens": None,
                "cacheWriteInputTokens": 4993,
            }
        ),
        disagreement=True,
    ),
    conversed(
        "openai-plain",
        (7, 3, 0, 0, None),
        more_events=ended({**USED, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0}),
    ),
    conversed("claude-no-metadata", None, source=None, stop=None, latency=None, certainty="unknown"),
    conversed(
        "claude-exception",
        None,
        tail=exception("internalServerException"),
        source=None,
        stop=None,
        latency=None,
        certainty="unknown",
        outcome="server_error",
        error="InternalServerException",
    ),
    conversed(
        "claude-unknown-event",
        (7, 3, None, None, None),
        more_events=ended(USED),
        tail=frame("novelty", b"{}"),
        certainty="at_least",
        faults=("stream_event_unknown",),
    ),
    conversed(
        "claude-metadata-not-json",
        None,
        more_events={"messageStop": {"stopReason": "end_turn"}},
        tail=frame("metadata", b"nonsense"),
        source=None,
        latency=None,
        certainty="unknown",
        faults=("stream_event_not_json",),
    ),
)

# --- The OpenAI- and Anthropic-compatible routes ---------------------------------------------------------------------

RESPONSE_USAGE = {
    "input_tokens": 88,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 86},
    "output_tokens": 14,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 102,
}


def response(status: str, usage: Any, **more: Any) -> dict[str, Any]:
    """Give a response object."""
    return {"id": "resp_1", "object": "response", "status": status, "error": None, "usage": usage, **more}


OPENED = {"type": "response.created", "response": response("in_progress", None)}
TEXT = {"type": "response.output_text.delta", "output_index": 0, "delta": "Hi"}
COMPATIBLE_CASES = (
    Case(
        name="chat-completions-openai-cached",
        body=compact(chat(**CHAT_CACHED)),
        usage=(414, 14, 1500, 86, None),
        source="body",
        stop="stop",
    ),
    Case(
        name="chat-completions-openai-stream",
        headers=SSE,
        body=sse(
            piece("Hi", usage=None),
            piece("", usage=None, finish="stop"),
            {"object": "chat.completion.chunk", "choices": [], "usage": CHAT_CACHED},
            done=True,
        ),
        usage=(414, 14, 1500, 86, None),
        source="stream",
        stop="stop",
    ),
    Case(
        name="chat-completions-openai-stream-without-usage",
        headers=SSE,
        body=sse(piece("Hi"), piece("", finish="stop"), done=True),
        usage=None,
        stop="stop",
        certainty="unknown",
    ),
    Case(
        name="chat-completions-openai-stream-usage-so-far",
        headers=SSE,
        body=sse(piece("Hi", usage={"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6})),
        usage=(5, 1, None, None, None),
        source="stream",
        certainty="at_least",
    ),
    Case(
        name="chat-completions-openai-stream-error",
        headers=SSE,
        body=sse(piece("Hi"), {"error": {"message": "m", "type": "server_error", "code": None}}),
        usage=None,
        certainty="unknown",
        outcome="server_error",
        error="server_error",
    ),
    Case(
        name="chat-completions-openai-rate-limited",
        status=429,
        body=compact({"error": {"message": "m", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}),
        usage=None,
        outcome="throttled",
        error="rate_limit_exceeded",
    ),
    Case(
        name="responses-openai-cached",
        body=compact(response("completed", RESPONSE_USAGE)),
        usage=(2, 14, 0, 86, None),
        source="body",
        stop="completed",
    ),
    Case(
        name="responses-openai-stream-data-first",
        headers=SSE,
        body=sse(
            OPENED,
            TEXT,
            {"type": "response.completed", "response": response("completed", RESPONSE_USAGE)},
            named=True,
            data_first=True,
        ),
        usage=(2, 14, 0, 86, None),
        source="stream",
        stop="completed",
    ),
    Case(
        name="responses-openai-stream-incomplete",
        headers=SSE,
        body=sse(
            OPENED,
            TEXT,
            {
                "type": "response.incomplete",
                "response": response("incomplete", RESPONSE_USAGE, incomplete_details={"reason": "max_output_tokens"}),
            },
            named=True,
        ),
        usage=(2, 14, 0, 86, None),
        source="stream",
        stop="max_output_tokens",
    ),
    Case(
        name="responses-openai-stream-failed",
        headers=SSE,
        body=sse(
            OPENED,
            {
                "type": "response.failed",
                "response": {**response("failed", None), "error": {"code": "rate_limit_exceeded", "message": "m"}},
            },
            named=True,
        ),
        usage=None,
        stop="failed",
        certainty="unknown",
        outcome="throttled",
        error="rate_limit_exceeded",
    ),
    Case(
        name="responses-openai-stream-cut",
        headers=SSE,
        body=sse(OPENED, TEXT, named=True) + b'data: {"type":"response.comp',
        usage=None,
        certainty="unknown",
        faults=("stream_cut_short",),
    ),
    Case(
        name="messages-claude-cached",
        body=compact(
            {
                "type": "message",
                "stop_reason": "end_turn",
                "usage": {**CACHED, "cache_creation": SPLIT, "output_tokens": 3},
            }
        ),
        usage=(7, 3, 1024, 1200, 4000),
        source="body",
        stop="end_turn",
    ),
    Case(
        name="messages-claude-stream",
        headers=SSE,
        body=sse(
            claude_start(**CACHED, cache_creation=SPLIT, output_tokens=1),
            {"type": "ping"},
            claude_delta("Noted."),
            claude_end(output_tokens=3),
            STOP,
            named=True,
        ),
        usage=(7, 3, 1024, 1200, 4000),
        source="stream",
        stop="end_turn",
    ),
    Case(
        name="messages-claude-stream-with-metrics",
        headers=SSE,
        body=sse(*PLAIN, claude_end(output_tokens=9), {**STOP, **metrics(14, 9)}, named=True),
        usage=(14, 9, 0, 0, None),
        source="stream",
        stop="end_turn",
        latency=812,
    ),
    Case(
        name="messages-claude-stream-overloaded",
        headers=SSE,
        body=sse({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, named=True),
        usage=None,
        certainty="unknown",
        outcome="server_error",
        error="overloaded_error",
    ),
)

# --- Guardrails, asynchronous calls ----------------------------------------------------------------------------------

OTHER_CASES = (
    Case(
        name="apply-guardrail-other-plain",
        body=compact(
            {
                "usage": {
                    "topicPolicyUnits": 1,
                    "contentPolicyUnits": 2,
                    "wordPolicyUnits": 0,
                    "sensitiveInformationPolicyFreeUnits": 1,
                },
                "action": "GUARDRAIL_INTERVENED",
                "assessments": [{"invocationMetrics": {"usage": {"topicPolicyUnits": 1, "contentPolicyUnits": 2}}}],
            }
        ),
        usage=(None,) * 5,
        other={
            "topic_policy_units": 1,
            "content_policy_units": 2,
            "word_policy_units": 0,
            "sensitive_information_policy_free_units": 1,
        },
        source="body",
        stop="GUARDRAIL_INTERVENED",
    ),
    Case(
        name="invoke-guardrail-checks-other-plain",
        body=compact({"usage": {"contentFilter": {"textUnits": 2}, "promptAttack": {"textUnits": 1}}}),
        usage=(None,) * 5,
        other={"content_filter_text_units": 2, "prompt_attack_text_units": 1},
        source="body",
    ),
    Case(
        name="start-async-invoke-nova-reel-plain",
        body=compact({"invocationArn": "arn:aws:bedrock:us-east-1:111122223333:async-invoke/a1b2c3d4e5f6"}),
        usage=None,
        certainty="unknown",
    ),
    Case(
        name="start-async-invoke-luma-plain",
        body=compact({"invocationArn": "arn:aws:bedrock:us-east-1:111122223333:async-invoke/a1b2c3d4e5f7"}),
        usage=None,
        certainty="unknown",
    ),
    Case(name="get-async-invoke-other-plain", body=compact({"status": "Completed"}), usage=None),
    Case(name="list-async-invokes-other-plain", body=compact({"asyncInvokeSummaries": []}), usage=None),
)

CASES: tuple[Case, ...] = (
    *CLAUDE_CASES,
    *STREAM_CASES,
    *INVOKE_CASES,
    *CONVERSE_CASES,
    *COMPATIBLE_CASES,
    *OTHER_CASES,
)
