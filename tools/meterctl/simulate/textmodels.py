"""Text families with a small schema of their own: Mistral, Cohere, AI21, DeepSeek R1, TwelveLabs Pegasus.

Shapes: "Inference request parameters and response fields", Amazon Bedrock user guide. Most have no usage in the body,
so that only Bedrock's headers and stream metrics tell the counts.
"""

from typing import Any

from meterctl.simulate.bodies import Completion
from meterctl.simulate.prompt import Prompt, Segment, take_limit, take_object, take_text
from meterctl.simulate.streams import Chunk


def read_text(document: dict[str, Any], *, member: str, limit: str) -> Prompt:
    """Read a request of one text and one limit.

    Args:
        document: The request.
        member: The name of the text.
        limit: The name of the limit.
    """
    return Prompt(
        segments=(Segment.of(member, take_text(document.get(member), member)),),
        max_tokens=take_limit(document.get(limit), limit),
    )


def read_prompt(document: dict[str, Any]) -> Prompt:
    """Read `prompt` and `max_tokens`: Mistral, Cohere Command, DeepSeek R1."""
    return read_text(document, member="prompt", limit="max_tokens")


def read_message(document: dict[str, Any]) -> Prompt:
    """Read `message` and `max_tokens`: Cohere Command R."""
    return read_text(document, member="message", limit="max_tokens")


def read_jurassic(document: dict[str, Any]) -> Prompt:
    """Read `prompt` and `maxTokens`: AI21 Jurassic-2."""
    return read_text(document, member="prompt", limit="maxTokens")


def read_pegasus(document: dict[str, Any]) -> Prompt:
    """Read `inputPrompt` and `mediaSource`: TwelveLabs Pegasus. The video is measured by its description alone."""
    prompt = read_text(document, member="inputPrompt", limit="maxOutputTokens")
    media = take_object(document.get("mediaSource"), "mediaSource")
    return Prompt(segments=(*prompt.segments, Segment.of("mediaSource", media)), max_tokens=prompt.max_tokens)


def mistral_body(completion: Completion) -> dict[str, Any]:
    """Build Mistral's answer, which has no usage."""
    return _mistral(completion.text, _stop(completion))


def mistral_chunks(completion: Completion) -> list[Chunk]:
    """Build Mistral's chunks."""
    spoken = [Chunk(_mistral(text, None), tokens) for text, tokens in completion.pieces()]
    return [*spoken, Chunk(_mistral("", _stop(completion)))]


def _mistral(text: str, reason: str | None) -> dict[str, Any]:
    return {"outputs": [{"text": text, "stop_reason": reason}]}


def command_body(completion: Completion) -> dict[str, Any]:
    """Build the answer of Cohere Command, which has no usage and, unlike the real one, does not repeat the prompt."""
    generation = {"id": completion.key.hex(), "text": completion.text, "finish_reason": _cohere_reason(completion)}
    return {"id": completion.key.hex(), "generations": [generation]}


def command_chunks(completion: Completion) -> list[Chunk]:
    """Build the chunks of Cohere Command."""
    spoken = [Chunk({"text": text, "is_finished": False, "index": 0}, tokens) for text, tokens in completion.pieces()]
    return [*spoken, Chunk({"is_finished": True, "finish_reason": _cohere_reason(completion), "index": 0})]


def command_r_body(completion: Completion) -> dict[str, Any]:
    """Build the answer of Cohere Command R, which has no usage and, unlike the real one, no history."""
    return {
        "response_id": completion.key.hex(),
        "generation_id": completion.key.hex(),
        "text": completion.text,
        "chat_history": [],
        "finish_reason": _cohere_reason(completion),
    }


def command_r_chunks(completion: Completion) -> list[Chunk]:
    """Build the events of Cohere Command R."""
    spoken = [
        Chunk({"event_type": "text-generation", "text": text, "is_finished": False}, tokens)
        for text, tokens in completion.pieces()
    ]
    end = {"event_type": "stream-end", "finish_reason": _cohere_reason(completion), "is_finished": True}
    return [*spoken, Chunk(end | {"response": command_r_body(completion)})]


def jamba_body(completion: Completion) -> dict[str, Any]:
    """Build Jamba's answer: a chat completion with `meta`."""
    message = {"role": "assistant", "content": completion.text}
    return {
        "id": f"chatcmpl-{completion.key.hex()}",
        "choices": [{"index": 0, "message": message, "finish_reason": _chat_reason(completion)}],
        "usage": _jamba_usage(completion, completion.tokens.output),
        "meta": {"requestDurationMillis": completion.latency_ms},
        "model": completion.model,
    }


def jamba_chunks(completion: Completion) -> list[Chunk]:
    """Build Jamba's chunks, each with the usage so far."""
    chunks: list[Chunk] = []
    spoken = 0
    for text, tokens in completion.pieces():
        spoken += tokens
        chunks.append(Chunk(_jamba(completion, {"content": text}, spoken), tokens))
    return [*chunks, Chunk(_jamba(completion, {"content": ""}, spoken, _chat_reason(completion)))]


def _jamba(completion: Completion, delta: dict[str, Any], spoken: int, reason: str | None = None) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{completion.key.hex()}",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        "usage": _jamba_usage(completion, spoken),
    }


def _jamba_usage(completion: Completion, spoken: int) -> dict[str, Any]:
    read = completion.tokens.input
    return {"prompt_tokens": read, "completion_tokens": spoken, "total_tokens": read + spoken}


def jurassic_body(completion: Completion) -> dict[str, Any]:
    """Build the answer of Jurassic-2, which has no usage and, unlike the real one, does not repeat the prompt."""
    reason = {"reason": "length" if completion.cut else "endoftext"}
    return {"id": 1, "completions": [{"data": {"text": completion.text}, "finishReason": reason}]}


def deepseek_body(completion: Completion) -> dict[str, Any]:
    """Build the answer of DeepSeek R1, which has no usage."""
    return {"choices": [{"text": completion.text, "stop_reason": _stop(completion)}]}


def pegasus_body(completion: Completion) -> dict[str, Any]:
    """Build the answer of TwelveLabs Pegasus, which has no usage."""
    return {"message": completion.text, "finishReason": _stop(completion)}


def pegasus_chunks(completion: Completion) -> list[Chunk]:
    """Build the chunks of TwelveLabs Pegasus."""
    spoken = [Chunk({"message": text}, tokens) for text, tokens in completion.pieces()]
    return [*spoken, Chunk({"finishReason": _stop(completion)})]


def _stop(completion: Completion) -> str:
    return "length" if completion.cut else "stop"


def _chat_reason(completion: Completion) -> str:
    return "content_filter" if completion.blocked else _stop(completion)


def _cohere_reason(completion: Completion) -> str:
    return "MAX_TOKENS" if completion.cut else "COMPLETE"
