"""The anthropic SDK: `AnthropicBedrock`, and `Anthropic` on the Messages route."""

from typing import Any

from anthropic import Anthropic, AnthropicBedrock  # type: ignore[import-not-found]
from tests.functional.clients.scripts.harness import Seen, case, main, words

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_ARN = f"arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.{CLAUDE}"

bedrock = AnthropicBedrock()
anthropic = Anthropic()

QUESTION: Any = {"max_tokens": 200, "messages": [{"role": "user", "content": "What is a meter?"}]}


def _system(size: int) -> Any:
    return [{"type": "text", "text": words(size), "cache_control": {"type": "ephemeral", "ttl": "1h"}}]


def _seen(message: Any) -> Seen:
    usage = message.usage
    return {
        "text": message.content[0].text,
        "usage": {
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cache_read": usage.cache_read_input_tokens,
            "cache_write": usage.cache_creation_input_tokens,
        },
    }


def _create(client: Any, **arguments: Any) -> Seen:
    return _seen(client.messages.create(**QUESTION, **arguments))


def _raw_stream(client: Any, **arguments: Any) -> Seen:
    """Iterate `create(stream=True)`, where nothing gathers the counts for the application."""
    text, usage = "", {}
    for event in client.messages.create(stream=True, **QUESTION, **arguments):
        if event.type == "message_start":
            begun = event.message.usage
            usage = {
                "input": begun.input_tokens,
                "cache_read": begun.cache_read_input_tokens,
                "cache_write": begun.cache_creation_input_tokens,
            }
        elif event.type == "content_block_delta":
            text += event.delta.text
        elif event.type == "message_delta":
            usage["output"] = event.usage.output_tokens
    return {"text": text, "usage": usage}


def _stream(client: Any, **arguments: Any) -> Seen:
    """Use the helper that gathers the message."""
    with client.messages.stream(**QUESTION, **arguments) as stream:
        return _seen(stream.get_final_message())


@case
def bedrock_create() -> Seen:
    """InvokeModel, with a colon in the path that is not encoded; the prompt goes into the cache."""
    return _create(bedrock, model=CLAUDE, system=_system(40))


@case
def bedrock_create_by_arn() -> Seen:
    """An ARN whose colons are raw and whose slash is encoded."""
    return _create(bedrock, model=CLAUDE_ARN)


@case
def bedrock_raw_stream() -> Seen:
    """The stream operation; the prompt comes out of the cache."""
    return _raw_stream(bedrock, model=CLAUDE, system=_system(40))


@case
def bedrock_stream() -> Seen:
    """The same through the helper."""
    return _stream(bedrock, model=CLAUDE)


@case
def bedrock_throttled() -> Seen:
    """Bedrock throttles, and the client does not try again."""
    return _create(bedrock.with_options(max_retries=0), model="anthropic.simulate-throttling")


@case
def bedrock_throttled_and_tried_again() -> Seen:
    """As the SDK is out of the box: three attempts."""
    return _create(bedrock, model="anthropic.simulate-throttling")


@case
def bedrock_invalid() -> Seen:
    """A model that does not exist."""
    return _create(bedrock, model="anthropic.nobody")


@case
def bedrock_access_denied() -> Seen:
    """A model that the account may not call."""
    return _create(bedrock, model="anthropic.simulate-access-denied")


@case
def bedrock_throttled_in_the_stream() -> Seen:
    """The status is 200 already, so the error is a frame."""
    return _raw_stream(bedrock, model="anthropic.simulate-stream-throttling")


@case
def messages_create() -> Seen:
    """The Messages route, JSON; the prompt goes into the cache."""
    return _create(anthropic, model=CLAUDE, system=_system(80))


@case
def messages_raw_stream() -> Seen:
    """The Messages route, server-sent events; the prompt comes out of the cache."""
    return _raw_stream(anthropic, model=CLAUDE, system=_system(80))


@case
def messages_stream() -> Seen:
    """The same through the helper."""
    return _stream(anthropic, model=CLAUDE)


def _leave(client: Any) -> Seen:
    with client.messages.stream(**QUESTION, model=CLAUDE) as stream:
        return {"text": next(stream.text_stream)}


@case
def bedrock_left() -> Seen:
    """The application leaves the stream after the first piece."""
    return _leave(bedrock)


@case
def messages_left() -> Seen:
    """The same on the Messages route."""
    return _leave(anthropic)


@case
def messages_throttled() -> Seen:
    """Bedrock throttles, and the client does not try again."""
    return _create(anthropic.with_options(max_retries=0), model="anthropic.simulate-throttling")


@case
def messages_invalid() -> Seen:
    """A model that does not exist."""
    return _create(anthropic, model="anthropic.nobody")


@case
def messages_throttled_in_the_stream() -> Seen:
    """The error is an event of the stream."""
    return _raw_stream(anthropic, model="anthropic.simulate-stream-throttling")


if __name__ == "__main__":
    main()
