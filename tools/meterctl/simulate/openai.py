"""OpenAI's chat completions and responses: requests, answers, streams.

Shapes: OpenAI API reference. On Bedrock both APIs, and the bodies of many open-weight models under InvokeModel, have
them. Input counts include the cached tokens here, unlike everywhere else on Bedrock.
"""

from collections.abc import Sequence
from typing import Any, Final

from meterctl.simulate.answer import invalid
from meterctl.simulate.bodies import Completion
from meterctl.simulate.prompt import Prompt, Segment, take_limit, take_list, take_object, take_text
from meterctl.simulate.streams import Chunk

# The pure part has no clock; what was created when is nobody's business here.
_CREATED: Final = 1_760_000_000
_ROLES: Final = ("system", "developer", "user", "assistant", "tool")


def read_chat(document: dict[str, Any]) -> Prompt:
    """Read a chat completions request."""
    segments = [Segment.of("tools", tool) for tool in take_list(document.get("tools", []), "tools")]
    for item in take_list(document.get("messages"), "messages", least=1):
        message = take_object(item, "messages")
        segments += _content(message, f"messages.{_role(message, 'messages')}")
    return Prompt(segments=tuple(segments), max_tokens=_limit(document, "max_completion_tokens", "max_tokens"))


def read_responses(document: dict[str, Any]) -> Prompt:
    """Read a responses request."""
    segments = [Segment.of("tools", tool) for tool in take_list(document.get("tools", []), "tools")]
    if document.get("instructions") is not None:
        segments.append(Segment.of("instructions", take_text(document["instructions"], "instructions")))
    asked = document.get("input")
    if isinstance(asked, str):
        segments.append(Segment.of("input.user", take_text(asked, "input")))
    else:
        for item in take_list(asked, "input", least=1):
            entry = take_object(item, "input")
            segments += _content(entry, f"input.{_role(entry, 'input')}") if "role" in entry else _blocks([entry])
    return Prompt(segments=tuple(segments), max_tokens=_limit(document, "max_output_tokens"))


def read_prompt(document: dict[str, Any]) -> Prompt:
    """Read a text completion request: `prompt` and `max_tokens`."""
    return Prompt(
        segments=(Segment.of("prompt", take_text(document.get("prompt"), "prompt")),),
        max_tokens=_limit(document, "max_tokens", "max_completion_tokens"),
    )


def _role(message: dict[str, Any], where: str) -> str:
    role = message.get("role")
    if role not in _ROLES:
        raise invalid(f"{where}.role: Input should be one of {', '.join(_ROLES)}")
    return str(role)


def _content(message: dict[str, Any], where: str) -> list[Segment]:
    content = message.get("content")
    if isinstance(content, str):
        return [Segment.of(where, content)]
    if content is None:
        # A turn of the assistant that only calls tools.
        return [Segment.of(where, message)]
    return _blocks(take_list(content, where))


def _blocks(parts: Sequence[Any]) -> list[Segment]:
    """Measure content parts; a text counts as the same text in a plain string would."""
    blocks = [take_object(part, "content") for part in parts]
    return [Segment.of("content", block["text"] if isinstance(block.get("text"), str) else block) for block in blocks]


def _limit(document: dict[str, Any], *names: str) -> int | None:
    limits = (take_limit(document.get(name), name) for name in names)
    return next((limit for limit in limits if limit is not None), None)


def wants_usage(document: dict[str, Any]) -> bool:
    """Tell whether a streamed chat completion is to end with its usage."""
    options = take_object(document.get("stream_options") or {}, "stream_options")
    return options.get("include_usage") is True


def chat_usage(completion: Completion, *, details: bool) -> dict[str, Any]:
    """Build the usage of a chat completion; `cache_write_tokens` only where the model caches."""
    tokens = completion.tokens
    usage: dict[str, Any] = {
        "prompt_tokens": tokens.total - tokens.output,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.total,
    }
    if not details:
        return usage
    return usage | {
        "prompt_tokens_details": _cache_details(completion),
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _cache_details(completion: Completion) -> dict[str, Any]:
    read = {"cached_tokens": completion.tokens.cache_read}
    return read | {"cache_write_tokens": completion.tokens.cache_write} if completion.caches else read


def chat_body(completion: Completion, *, details: bool = False) -> dict[str, Any]:
    """Build a chat completion."""
    message = {"role": "assistant", "content": completion.text}
    return {
        **_chat_head(completion, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(completion), "logprobs": None}],
        "usage": chat_usage(completion, details=details),
    }


def chat_chunks(completion: Completion) -> list[Chunk]:
    """Build the chunks of a chat completion, without usage."""
    head = _chat_head(completion, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], tokens: int = 0, reason: str | None = None) -> Chunk:
        return Chunk({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}, tokens)

    return [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": text}, tokens) for text, tokens in completion.pieces()),
        chunk({}, reason=_finish(completion)),
    ]


def usage_chunk(completion: Completion) -> Chunk:
    """Build the chunk that ends a stream whose caller asked for usage."""
    head = _chat_head(completion, "chat.completion.chunk")
    return Chunk({**head, "choices": [], "usage": chat_usage(completion, details=True)})


def text_body(completion: Completion) -> dict[str, Any]:
    """Build a text completion, as imported models answer."""
    choice = {"index": 0, "text": completion.text, "finish_reason": _finish(completion)}
    return {
        **_chat_head(completion, "text_completion"),
        "choices": [choice],
        "usage": chat_usage(completion, details=False),
    }


def text_chunks(completion: Completion) -> list[Chunk]:
    """Build the chunks of a text completion."""
    head = _chat_head(completion, "text_completion")
    pieces = completion.pieces()
    return [
        Chunk(
            {
                **head,
                "choices": [
                    {
                        "index": 0,
                        "text": text,
                        "finish_reason": _finish(completion) if number == len(pieces) else None,
                    }
                ],
            },
            tokens,
        )
        for number, (text, tokens) in enumerate(pieces, 1)
    ]


def _chat_head(completion: Completion, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{completion.key.hex()}",
        "object": kind,
        "created": _CREATED,
        "model": completion.model,
        "service_tier": "default",
    }


def _finish(completion: Completion) -> str:
    if completion.blocked:
        return "content_filter"
    return "length" if completion.cut else "stop"


def responses_body(completion: Completion, *, status: str | None = None) -> dict[str, Any]:
    """Build a response. In progress it has no output and no usage yet."""
    ended = "incomplete" if completion.cut else "completed"
    done = status is None
    return {
        "id": f"resp_{completion.key.hex()}",
        "object": "response",
        "created_at": _CREATED,
        "status": status or ended,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if done and completion.cut else None,
        "model": completion.model,
        "output": [_item(completion, text=completion.text, status=ended)] if done else [],
        "parallel_tool_calls": True,
        "service_tier": "default",
        "tool_choice": "auto",
        "tools": [],
        "usage": _responses_usage(completion) if done else None,
    }


def _item(completion: Completion, *, text: str | None, status: str) -> dict[str, Any]:
    content = [] if text is None else [_part(text)]
    return {
        "id": f"msg_{completion.key.hex()}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": content,
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def _responses_usage(completion: Completion) -> dict[str, Any]:
    tokens = completion.tokens
    return {
        "input_tokens": tokens.total - tokens.output,
        "input_tokens_details": _cache_details(completion),
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens.total,
    }


def responses_events(completion: Completion) -> list[Chunk]:
    """Build the events of a streamed response; usage is in the last one alone."""
    text, ended = completion.text, "incomplete" if completion.cut else "completed"
    place = {"item_id": f"msg_{completion.key.hex()}", "output_index": 0, "content_index": 0}
    begun = responses_body(completion, status="in_progress")
    events: list[tuple[str, dict[str, Any], int]] = [
        ("response.created", {"response": begun}, 0),
        ("response.in_progress", {"response": begun}, 0),
        (
            "response.output_item.added",
            {"output_index": 0, "item": _item(completion, text=None, status="in_progress")},
            0,
        ),
        ("response.content_part.added", {**place, "part": _part("")}, 0),
        *(
            ("response.output_text.delta", {**place, "delta": piece, "logprobs": []}, tokens)
            for piece, tokens in completion.pieces()
        ),
        ("response.output_text.done", {**place, "text": text, "logprobs": []}, 0),
        ("response.content_part.done", {**place, "part": _part(text)}, 0),
        ("response.output_item.done", {"output_index": 0, "item": _item(completion, text=text, status=ended)}, 0),
        (f"response.{ended}", {"response": responses_body(completion)}, 0),
    ]
    return [
        Chunk({"type": name, "sequence_number": number, **members}, tokens)
        for number, (name, members, tokens) in enumerate(events)
    ]
