"""langchain-aws: `ChatBedrockConverse` and `ChatBedrock`."""

from typing import Any

from botocore.config import Config
from langchain_aws import ChatBedrock, ChatBedrockConverse  # type: ignore[import-not-found]
from tests.functional.clients.scripts.harness import Seen, case, main, words

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
QUESTION = "What is a meter?"
ONCE = Config(retries={"total_max_attempts": 1})


def _seen(message: Any) -> Seen:
    usage = message.usage_metadata
    details = usage.get("input_token_details", {})
    written = [count for name, count in details.items() if name != "cache_read"]
    text = (
        message.content
        if isinstance(message.content, str)
        else "".join(block.get("text", "") for block in message.content)
    )
    return {
        "text": text,
        "usage": {
            "prompt": usage["input_tokens"],
            "output": usage["output_tokens"],
            "total": usage["total_tokens"],
            "cache_read": details.get("cache_read", 0),
            "cache_write": sum(written),
        },
    }


def _stream(model: Any, messages: Any) -> Seen:
    """Add the chunks up, as an application does."""
    whole = None
    for chunk in model.stream(messages):
        whole = chunk if whole is None else whole + chunk
    return _seen(whole)


def _cached(size: int) -> Any:
    return [
        {"role": "system", "content": [{"type": "text", "text": words(size)}, {"cachePoint": {"type": "default"}}]},
        {"role": "user", "content": QUESTION},
    ]


@case
def converse() -> Seen:
    """The prompt goes into the cache."""
    return _seen(ChatBedrockConverse(model=NOVA).invoke(_cached(45)))


@case
def converse_stream() -> Seen:
    """It comes out of the cache."""
    return _stream(ChatBedrockConverse(model=NOVA), _cached(45))


@case
def converse_stream_claude() -> Seen:
    """Another model."""
    return _stream(ChatBedrockConverse(model=CLAUDE), QUESTION)


@case
def invoke() -> Seen:
    """`ChatBedrock` builds the body of the family itself."""
    return _seen(ChatBedrock(model=CLAUDE).invoke(QUESTION))


@case
def invoke_stream() -> Seen:
    """The same, streamed."""
    return _stream(ChatBedrock(model=CLAUDE), QUESTION)


@case
def throttled() -> Seen:
    """Bedrock throttles, and the client does not try again."""
    return _seen(
        ChatBedrockConverse(model="anthropic.simulate-throttling", provider="anthropic", config=ONCE).invoke(QUESTION)
    )


@case
def invalid() -> Seen:
    """A model that does not exist."""
    return _seen(ChatBedrockConverse(model="anthropic.nobody", provider="anthropic").invoke(QUESTION))


@case
def throttled_in_the_stream() -> Seen:
    """The status is 200 already, so the error is a frame."""
    model = "anthropic.simulate-stream-throttling"
    # Of a model that it does not know, langchain-aws assumes that it cannot stream.
    chat = ChatBedrockConverse(model=model, provider="anthropic", config=ONCE, disable_streaming=False)
    return _stream(chat, QUESTION)


if __name__ == "__main__":
    main()
