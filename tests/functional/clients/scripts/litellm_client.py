"""litellm on its routes to InvokeModel and Converse."""

from typing import Any

import litellm  # type: ignore[import-not-found]
from tests.functional.clients.scripts.harness import Seen, case, main, words

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"


def _messages(size: int) -> Any:
    text = {"type": "text", "text": words(size), "cache_control": {"type": "ephemeral"}}
    return [{"role": "system", "content": [text]}, {"role": "user", "content": "What is a meter?"}]


def _usage(usage: Any) -> dict[str, int]:
    details = usage.prompt_tokens_details
    return {
        "prompt": usage.prompt_tokens,
        "output": usage.completion_tokens,
        "total": usage.total_tokens,
        "cache_read": (details and details.cached_tokens) or 0,
    }


def _complete(model: str, size: int = 3, **arguments: Any) -> Seen:
    answer = litellm.completion(model=model, messages=_messages(size), num_retries=0, max_retries=0, **arguments)
    return {"text": answer.choices[0].message.content, "usage": _usage(answer.usage)}


def _stream(model: str, size: int = 3) -> Seen:
    chunks = list(
        litellm.completion(
            model=model,
            messages=_messages(size),
            num_retries=0,
            max_retries=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    (usage,) = [chunk.usage for chunk in chunks if getattr(chunk, "usage", None) is not None]
    return {"text": text, "usage": _usage(usage)}


@case
def converse() -> Seen:
    """The prompt goes into the cache."""
    return _complete(f"bedrock/converse/{NOVA}", 35)


@case
def converse_stream() -> Seen:
    """It comes out of the cache."""
    return _stream(f"bedrock/converse/{NOVA}", 35)


@case
def invoke() -> Seen:
    """Claude's own body, with a colon in the path that is not encoded."""
    return _complete(f"bedrock/invoke/{CLAUDE}", 55)


@case
def invoke_stream() -> Seen:
    """The same, streamed, out of the cache."""
    return _stream(f"bedrock/invoke/{CLAUDE}", 55)


@case
def throttled() -> Seen:
    """Bedrock throttles."""
    return _complete("bedrock/converse/anthropic.simulate-throttling")


@case
def throttled_on_invoke() -> Seen:
    """The same on the other route."""
    return _complete("bedrock/invoke/anthropic.simulate-throttling")


@case
def invalid() -> Seen:
    """A model that does not exist."""
    return _complete("bedrock/converse/anthropic.nobody")


@case
def throttled_in_the_stream() -> Seen:
    """The status is 200 already, so the error is a frame."""
    return _stream("bedrock/converse/anthropic.simulate-stream-throttling")


if __name__ == "__main__":
    main()
