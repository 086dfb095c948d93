"""The openai SDK on the two OpenAI-compatible routes."""

from typing import Any

from openai import OpenAI  # type: ignore[import-not-found]
from tests.functional.clients.scripts.harness import Seen, case, main, words

GPT = "openai.gpt-6-sol"
OSS = "openai.gpt-oss-120b-1:0"
THROTTLING = "openai.simulate-throttling"

openai = OpenAI()
once = openai.with_options(max_retries=0)

USER: Any = {"role": "user", "content": "What is a meter?"}


def _messages(size: int) -> Any:
    return [{"role": "system", "content": words(size)}, USER]


def _chat_usage(usage: Any) -> dict[str, int]:
    details = usage.prompt_tokens_details
    found = {
        "prompt": usage.prompt_tokens,
        "output": usage.completion_tokens,
        "total": usage.total_tokens,
        "cache_read": details.cached_tokens,
    }
    written = getattr(details, "cache_write_tokens", None)
    return found if written is None else {**found, "cache_write": written}


def _response_seen(response: Any) -> Seen:
    usage = response.usage
    found = {
        "prompt": usage.input_tokens,
        "output": usage.output_tokens,
        "total": usage.total_tokens,
        "cache_read": usage.input_tokens_details.cached_tokens,
    }
    written = getattr(usage.input_tokens_details, "cache_write_tokens", None)
    return {
        "text": response.output_text,
        "usage": found if written is None else {**found, "cache_write": written},
    }


def _chat(client: Any, **arguments: Any) -> Seen:
    answer = client.chat.completions.create(**arguments)
    return {"text": answer.choices[0].message.content, "usage": _chat_usage(answer.usage)}


def _chat_stream(client: Any, **arguments: Any) -> Seen:
    chunks = list(client.chat.completions.create(stream=True, **arguments))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
    seen: Seen = {
        "text": text,
        "facts": {
            "without_choices": sum(not chunk.choices for chunk in chunks),
            "usages": len(usages),
            "last_reason": [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1],
        },
    }
    return {**seen, "usage": _chat_usage(usages[-1])} if usages else seen


@case
def chat() -> Seen:
    """The prompt goes into the cache, and stands in the count of the prompt."""
    return _chat(openai, model=GPT, messages=_messages(50))


@case
def chat_cached() -> Seen:
    """It comes out of the cache."""
    return _chat(openai, model=GPT, messages=_messages(50))


@case
def chat_gpt_oss() -> Seen:
    """A model that does not cache."""
    return _chat(openai, model=OSS, messages=_messages(50))


@case
def chat_stream() -> Seen:
    """The caller does not ask for usage, and must not see the chunk with it."""
    return _chat_stream(openai, model=GPT, messages=_messages(60))


@case
def chat_stream_that_declines() -> Seen:
    """The caller says that it does not want it."""
    options = {"include_usage": False}
    return _chat_stream(openai, model=OSS, messages=_messages(60), stream_options=options)


@case
def chat_stream_with_usage() -> Seen:
    """The caller asks for it, and gets it."""
    return _chat_stream(openai, model=GPT, messages=_messages(60), stream_options={"include_usage": True})


@case
def responses() -> Seen:
    """A response as JSON."""
    return _response_seen(openai.responses.create(model=GPT, instructions=words(70), input="What is a meter?"))


@case
def responses_stream() -> Seen:
    """The last event of a streamed response holds the response."""
    events = list(openai.responses.create(model=GPT, instructions=words(70), input="What is a meter?", stream=True))
    seen = _response_seen(events[-1].response)
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    return {**seen, "text": text, "facts": {"last": events[-1].type}}


@case
def responses_stream_cut() -> Seen:
    """An answer that reaches its limit ends with another event."""
    events = list(openai.responses.create(model=OSS, input="What is a meter?", max_output_tokens=7, stream=True))
    return {**_response_seen(events[-1].response), "facts": {"last": events[-1].type}}


@case
def chat_left() -> Seen:
    """The application leaves the stream after the first piece, without having asked for usage."""
    with openai.chat.completions.create(model=GPT, messages=[USER], stream=True) as stream:
        return {"text": next(text for chunk in stream if (text := chunk.choices[0].delta.content))}


@case
def responses_left() -> Seen:
    """The same on the other route."""
    with openai.responses.create(model=GPT, input="What is a meter?", stream=True) as stream:
        return {"text": next(event.delta for event in stream if event.type == "response.output_text.delta")}


@case
def chat_throttled() -> Seen:
    """Bedrock throttles, and the client does not try again."""
    return _chat(once, model=THROTTLING, messages=[USER])


@case
def chat_throttled_and_tried_again() -> Seen:
    """As the SDK is out of the box: three attempts."""
    return _chat(openai, model=THROTTLING, messages=[USER])


@case
def chat_invalid() -> Seen:
    """A model that this route does not take."""
    return _chat(once, model="anthropic.claude-sonnet-4-5-20250929-v1:0", messages=[USER])


@case
def responses_throttled() -> Seen:
    """The same on the other route."""
    once.responses.create(model=THROTTLING, input="What is a meter?")
    return {}


@case
def chat_throttled_before_the_stream() -> Seen:
    """The answer to a request for a stream is an error at once."""
    return _chat_stream(once, model=THROTTLING, messages=[USER])


@case
def chat_throttled_in_the_stream() -> Seen:
    """The status is 200 already, so the error is an event."""
    return _chat_stream(once, model="openai.simulate-stream-throttling", messages=[USER])


if __name__ == "__main__":
    main()
