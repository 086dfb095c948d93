"""Answer builders: a `Completion` in, the JSON document that the family or the operation answers with out."""

import re
from dataclasses import dataclass
from typing import Any, Final

from meterctl.simulate.tokens import Tokens

TOKENS_PER_PIECE: Final = 4
GUARDRAIL: Final = "simguardrail"
GUARDRAIL_UNITS: Final = {
    "topicPolicyUnits": 1,
    "contentPolicyUnits": 1,
    "wordPolicyUnits": 0,
    "sensitiveInformationPolicyUnits": 0,
    "sensitiveInformationPolicyFreeUnits": 0,
    "contextualGroundingPolicyUnits": 0,
}
CANNED: Final = "Sorry, this simulated guardrail keeps the answer back."


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the model said and what it cost, before any wire format."""

    model: str
    """Foundation model id, without region prefix or ARN."""
    key: bytes
    """16 bytes that stand for the request; ids inside the body come from it."""
    text: str
    """The answer."""
    tokens: Tokens
    """The billed buckets."""
    cut: bool
    """Whether the caller's limit cut the answer."""
    caches: bool
    """Whether the model supports prompt caching, so that cache counts are given even when they are 0."""
    latency_ms: int
    """The latency that Bedrock reports of a whole answer, in milliseconds."""
    first_byte_ms: int = 0
    """The time to the first token that Bedrock reports of a stream, in milliseconds."""
    last_byte_ms: int = 0
    """The latency that Bedrock reports of a stream, in milliseconds."""

    amount: int = 1
    """How many images, vectors or ranks."""
    counts_cache_twice: bool = False
    """Whether ConverseStream's input includes the cached tokens, which are then in the total twice."""
    invoked_model: str | None = None
    """ARN of the model that a prompt router chose."""
    blocked: bool = False
    """Whether a guardrail put its own message in the place of the answer."""

    def pieces(self) -> list[tuple[str, int]]:
        """Return the pieces in which `text` is streamed, each with the number of its tokens."""
        words = self.text.split(" ")
        starts = range(0, len(words), TOKENS_PER_PIECE)
        groups = [words[start : start + TOKENS_PER_PIECE] for start in starts]
        return [(" " * bool(number) + " ".join(group), len(group)) for number, group in enumerate(groups)]


def claude_body(completion: Completion) -> dict[str, Any]:
    """Build a message of Anthropic's messages API. Its input count excludes the cached tokens."""
    tokens = completion.tokens
    return {
        "id": f"msg_bdrk_{completion.key.hex()}",
        "type": "message",
        "role": "assistant",
        "model": re.sub(r"-v\d+(?::\w+)*$", "", completion.model).removeprefix("anthropic."),
        "content": [{"type": "text", "text": completion.text}],
        "stop_reason": "max_tokens" if completion.cut else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens.input,
            "cache_creation_input_tokens": tokens.cache_write,
            "cache_read_input_tokens": tokens.cache_read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": tokens.cache_write_5m,
                "ephemeral_1h_input_tokens": tokens.cache_write_1h,
            },
            "output_tokens": tokens.output,
        },
    }


def nova_body(completion: Completion) -> dict[str, Any]:
    """Build Nova's own answer: Converse's message, and cache counts in the `...TokenCount` spelling only."""
    tokens = completion.tokens
    return {
        "output": _message(completion.text),
        "stopReason": stop_reason(completion),
        "usage": {
            "inputTokens": tokens.input,
            "outputTokens": tokens.output,
            "totalTokens": tokens.total,
            "cacheReadInputTokenCount": tokens.cache_read,
            "cacheWriteInputTokenCount": tokens.cache_write,
        },
    }


def titan_body(completion: Completion) -> dict[str, Any]:
    """Build Titan's answer."""
    read, said = titan_counts(completion)
    return {
        "inputTextTokenCount": read,
        "results": [
            {
                "tokenCount": said,
                "outputText": completion.text,
                "completionReason": "LENGTH" if completion.cut else "FINISH",
            }
        ],
    }


def titan_counts(completion: Completion) -> tuple[float, float]:
    """Return input and output as Titan tells them: for a guardrail's message counts that nobody bills, as floats."""
    if completion.blocked:
        return float(len(CANNED.split())), float(len(CANNED.split()))
    return completion.tokens.input, completion.tokens.output


def llama_body(completion: Completion) -> dict[str, Any]:
    """Build Llama's answer."""
    return {
        "generation": completion.text,
        "prompt_token_count": completion.tokens.input,
        "generation_token_count": completion.tokens.output,
        "stop_reason": "length" if completion.cut else "stop",
    }


def converse_body(completion: Completion) -> dict[str, Any]:
    """Build the Converse answer, which is the same for every family."""
    return {
        "metrics": {"latencyMs": completion.latency_ms},
        "output": _message(completion.text),
        "stopReason": stop_reason(completion),
        "usage": converse_usage(completion.tokens, caches=completion.caches),
        **converse_trace(completion),
    }


def stop_reason(completion: Completion) -> str:
    """Return why the answer ended, in Converse's words."""
    if completion.blocked:
        return "guardrail_intervened"
    return "max_tokens" if completion.cut else "end_turn"


def converse_trace(completion: Completion) -> dict[str, Any]:
    """Return the member `trace` of Converse, or nothing."""
    trace: dict[str, Any] = {}
    if completion.invoked_model:
        trace["promptRouter"] = {"invokedModelId": completion.invoked_model}
    if completion.blocked:
        trace["guardrail"] = guardrail_trace()
    return {"trace": trace} if trace else {}


def guardrail_trace() -> dict[str, Any]:
    """Return what a guardrail tells of itself: its input assessment with the text units that are billed."""
    return {"inputAssessment": {GUARDRAIL: {"invocationMetrics": {"usage": dict(GUARDRAIL_UNITS)}}}}


def converse_usage(tokens: Tokens, *, caches: bool) -> dict[str, Any]:
    """Build Converse's `usage` as it is on the wire: both cache spellings, and members that boto3 drops."""
    usage: dict[str, Any] = {
        "inputTokens": tokens.input,
        "outputTokens": tokens.output,
        "totalTokens": tokens.total,
        "serverToolUsage": {},
    }
    if not caches:
        return usage
    written = (("1h", tokens.cache_write_1h), ("5m", tokens.cache_write_5m))
    return usage | {
        "cacheReadInputTokens": tokens.cache_read,
        "cacheWriteInputTokens": tokens.cache_write,
        "cacheDetails": [{"ttl": lifetime, "inputTokens": size} for lifetime, size in written if size],
        "cacheReadInputTokenCount": tokens.cache_read,
        "cacheWriteInputTokenCount": tokens.cache_write,
    }


def _message(text: str) -> dict[str, Any]:
    return {"message": {"content": [{"text": text}], "role": "assistant"}}
