"""Request readers: a family's request document in, a `Prompt` out.

A reader raises a ValidationException in Bedrock's shape for a document that the model would refuse. It names the place
that is wrong and never repeats what stood there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from meterctl.simulate.answer import invalid
from meterctl.simulate.prompt import (
    Lifetime,
    Prompt,
    Segment,
    read_lifetime,
    take_limit,
    take_list,
    take_object,
    take_text,
)


def read_claude(document: dict[str, Any]) -> Prompt:
    """Read Anthropic's messages API with `cache_control` marks, as InvokeModel takes it.

    Source: Anthropic Claude Messages API, Amazon Bedrock user guide.
    """
    if "anthropic_version" not in document:
        raise invalid("anthropic_version: Field required")
    return read_messages(document)


def read_messages(document: dict[str, Any]) -> Prompt:
    """Read Anthropic's messages API as its own route takes it, where the version is a header."""
    for name in ("max_tokens", "messages"):
        if name not in document:
            raise invalid(f"{name}: Field required")
    tools = take_list(document.get("tools", []), "tools")
    system = document.get("system", [])
    segments = [
        *_claude_blocks(tools, "tools"),
        *_claude_content(system, "system"),
    ]
    for message in take_list(document["messages"], "messages", least=1):
        role = _role(message, "messages")
        segments += _claude_content(message.get("content"), f"messages.{role}", least=1)
    limit = take_limit(document["max_tokens"], "max_tokens")
    if limit is None:
        raise invalid("max_tokens: Input should be a positive integer")
    return Prompt(segments=tuple(segments), max_tokens=limit)


def _claude_content(content: Any, where: str, *, least: int = 0) -> list[Segment]:
    if isinstance(content, str):
        return [Segment.of(where, content)]
    return list(_claude_blocks(take_list(content, where, least=least), where))


def _claude_blocks(blocks: Sequence[Any], where: str) -> Iterator[Segment]:
    for item in blocks:
        block = take_object(item, where)
        lifetime: Lifetime | None = None
        if block.get("cache_control") is not None:
            lifetime = read_lifetime(take_object(block["cache_control"], where), f"{where}.cache_control")
        if block.get("type") == "text":
            yield Segment.of(where, take_text(block.get("text"), f"{where}.text"), lifetime)
        else:
            bare = {name: value for name, value in block.items() if name != "cache_control"}
            yield Segment.of(where, bare, lifetime)


def read_converse(document: dict[str, Any]) -> Prompt:
    """Read a Converse request with `cachePoint` marks.

    Source: Converse, Amazon Bedrock API reference.
    """
    config = take_object(document.get("inferenceConfig", {}), "inferenceConfig")
    return Prompt(
        segments=tuple(_converse_segments(document)),
        max_tokens=take_limit(config.get("maxTokens"), "inferenceConfig.maxTokens"),
    )


def read_nova(document: dict[str, Any]) -> Prompt:
    """Read Nova's own schema: Converse's shape, and `max_new_tokens` as a second name of the limit.

    Source: Complete request schema, Amazon Nova user guide.
    """
    prompt = read_converse(document)
    if prompt.max_tokens is not None:
        return prompt
    config = take_object(document.get("inferenceConfig", {}), "inferenceConfig")
    return replace(prompt, max_tokens=take_limit(config.get("max_new_tokens"), "inferenceConfig.max_new_tokens"))


def _converse_segments(document: dict[str, Any]) -> list[Segment]:
    tool_config = take_object(document.get("toolConfig", {}), "toolConfig")
    segments: list[Segment] = []
    _add_blocks(segments, take_list(tool_config.get("tools", []), "toolConfig.tools"), "tools")
    _add_blocks(segments, take_list(document.get("system", []), "system"), "system")
    for message in take_list(document.get("messages"), "messages", least=1):
        role = _role(message, "messages")
        content = take_list(message.get("content"), "messages.content", least=1)
        _add_blocks(segments, content, f"messages.{role}")
    return segments


def _add_blocks(segments: list[Segment], blocks: Sequence[Any], where: str) -> None:
    """Append the blocks; a `cachePoint` marks the piece before it, wherever that stands."""
    for item in blocks:
        block = take_object(item, where)
        if "cachePoint" in block:
            lifetime = read_lifetime(take_object(block["cachePoint"], where), f"{where}.cachePoint")
            if segments:
                segments[-1] = replace(segments[-1], lifetime=lifetime)
        elif "text" in block:
            segments.append(Segment.of(where, take_text(block["text"], f"{where}.text")))
        else:
            segments.append(Segment.of(where, block))


def _role(message: Any, where: str) -> str:
    match take_object(message, where).get("role"):
        case "user":
            return "user"
        case "assistant":
            return "assistant"
        case _:
            raise invalid(f"{where}.role: Input should be 'user' or 'assistant'")


def read_titan(document: dict[str, Any]) -> Prompt:
    """Read `inputText` and `textGenerationConfig.maxTokenCount`.

    Source: Amazon Titan Text models, Amazon Bedrock user guide.
    """
    config = take_object(document.get("textGenerationConfig", {}), "textGenerationConfig")
    return Prompt(
        segments=(Segment.of("inputText", take_text(document.get("inputText"), "inputText")),),
        max_tokens=take_limit(config.get("maxTokenCount"), "textGenerationConfig.maxTokenCount"),
    )


def read_llama(document: dict[str, Any]) -> Prompt:
    """Read `prompt` and `max_gen_len`.

    Source: Meta Llama models, Amazon Bedrock user guide.
    """
    return Prompt(
        segments=(Segment.of("prompt", take_text(document.get("prompt"), "prompt")),),
        max_tokens=take_limit(document.get("max_gen_len"), "max_gen_len"),
    )
